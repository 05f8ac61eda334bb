"""The examples of ``docs/python.md`` and of the public docstrings run as they are written."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import auditor
from auditor.api import audit

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_documented_examples_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, object] = {}
    for block in blocks:
        # The page has no PDF to wait for.
        quick = block.replace(
            '    out="reports/pets",\n)', '    out="reports/pets",\n    report={"formats": []},\n)'
        )
        exec(compile(quick, "docs/python.md", "exec"), names)  # noqa: S102 - our own page
    assert (tmp_path / "maps.png").is_file()
    assert (tmp_path / "archive" / "pets" / "report.html").is_file()
    assert (tmp_path / "reports" / "pets" / "model_card.md").is_file()


def test_documented_arguments_are_those_of_audit() -> None:
    table = PAGE.split("| Argument |")[1].split("\n\n")[0]
    first_column = "".join(line.split("|")[1] for line in table.splitlines()[2:])
    taken = set(inspect.signature(audit).parameters) - {"model", "dataset"}
    assert set(re.findall(r"`(\w+)`", first_column)) == taken


MODULES = ("auditor.api", "auditor.explaining.api", "auditor.results.audit_result")


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_give_what_they_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0
    assert found.attempted >= 4


@pytest.mark.parametrize("name", [one for one in auditor.__all__ if one != "__version__"])
def test_public_name_has_an_example(name: str) -> None:
    assert ">>>" in (inspect.getdoc(getattr(auditor, name)) or "")
