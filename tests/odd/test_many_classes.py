"""Hundreds of classes in the documents."""

from __future__ import annotations

import yaml

from auditor.report.view.configuration_text import configuration_text


def test_configuration_with_many_classes_fills_few_lines_and_can_be_read_again() -> None:
    names = [f"class {k:04d}" for k in range(998)] + ["yes", "a: b, [c] # d"]
    config = {"model": {"classes": names, "two": ["a", "b"]}, "criteria": [{"metric": "auroc"}] * 9}
    text = configuration_text(config)
    assert yaml.safe_load(text) == config
    # Twelve characters a name and 100 a line: eight names a line, 125 lines.
    assert len(text.splitlines()) < 180
    assert "two:\n  - a\n  - b\n" in text.replace("    - ", "  - ")
