from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jinja2
import pytest

from auditor.errors import ConfigError
from auditor.report.markdown_text import markdown_environment
from auditor.report.renderers.html import HtmlReport
from auditor.report.templating import environment, typeset
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


def test_own_template_overrides_one_block(run_folder: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "report.html").write_text(
        '{% extends "auditor/html/report.html" %}'
        "{% block footer %}<footer>House of {{ view.name }}</footer>{% endblock %}"
    )
    view = replace(build_view(run_folder), templates=tmp_path)
    text = HtmlReport().render(view, run_folder.path).read_text(encoding="utf-8")
    assert "<footer>House of solar-cells</footer>" in text
    assert "Does not pass" in text


def test_missing_folder_of_templates_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"report\.templates: .*nowhere"):
        environment(tmp_path / "nowhere")


def test_undefined_name_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        environment().from_string("{{ nothing }}").render()


def test_own_template_overrides_one_part_of_the_report(
    run_folder: RunFolder, tmp_path: Path
) -> None:
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "glossary.html").write_text("<p>{{ view.name }}: see the intranet</p>")
    view = replace(build_view(run_folder), templates=tmp_path)
    text = HtmlReport().render(view, run_folder.path).read_text(encoding="utf-8")
    assert "<p>solar-cells: see the intranet</p>" in text


def test_numbers_are_typeset_with_narrow_no_break_spaces() -> None:
    assert typeset("72 % of 1 078 samples (95 % interval)") == (
        "72\u202f% of 1\u202f078 samples (95\u202f% interval)"
    )
    assert typeset("label 9 and 12 others") == "label 9 and 12 others"
    assert typeset("site = A, n = 12") == "site\u00a0=\u00a0A, n\u00a0=\u00a012"


def test_plural_of_one_is_the_singular() -> None:
    template = environment().from_string('{{ n|plural("class", "classes") }}')
    assert template.render(n=1) == "1 class"
    assert template.render(n=1078) == "1\u202f078 classes"


def test_sandbox_answers_by_the_class_of_a_value() -> None:
    class Notes:
        def append(self, text: str) -> str:
            return f"noted {text}"

    template = environment().from_string('{{ one.append("x") }}')
    for _ in range(2):  # the second time from memory
        assert template.render(one=Notes()) == "noted x"
        with pytest.raises(jinja2.exceptions.SecurityError, match="'append' of 'list' object"):
            template.render(one=[])
    with pytest.raises(jinja2.exceptions.SecurityError, match="'__class__'"):
        environment().from_string("{{ one.__class__ }}").render(one=Notes())


def test_markdown_leaves_the_shared_environment_alone() -> None:
    markdown = markdown_environment()
    assert environment() is environment()
    assert markdown.from_string("{{ text }}").render(text="a < b_c") == r"a &lt; b\_c"
    assert environment().from_string("{{ text }}").render(text="a < b_c") == "a &lt; b_c"
