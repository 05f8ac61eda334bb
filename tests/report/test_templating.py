from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jinja2
import pytest

from auditor.errors import ConfigError
from auditor.report.renderers.html import HtmlReport
from auditor.report.templating import environment
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


def test_a_company_overrides_one_block_without_a_fork(
    run_folder: RunFolder, tmp_path: Path
) -> None:
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "report.html").write_text(
        '{% extends "auditor/html/report.html" %}'
        "{% block footer %}<footer>House of {{ view.name }}</footer>{% endblock %}"
    )
    view = replace(build_view(run_folder), templates=str(tmp_path))
    text = HtmlReport().render(view, run_folder.path).read_text(encoding="utf-8")
    assert "<footer>House of solar-cells</footer>" in text
    assert "Does not pass the gate" in text


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"report\.templates: .*nowhere"):
        environment(str(tmp_path / "nowhere"))


def test_a_name_that_is_not_defined_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        environment().from_string("{{ nothing }}").render()
