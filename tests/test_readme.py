"""The README and the example configurations agree with the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from auditor import cli, exit_codes, registry
from auditor.config import AuditConfig
from auditor.records.outcome import EXIT_CODES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make (\w+)", README):
        assert f"\n{target}:" in makefile
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_readme_extras_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {
        extra for group in re.findall(r"auditor\[([\w,]+)\]", README) for extra in group.split(",")
    }
    assert extras <= set(project["optional-dependencies"])


def test_readme_lists_every_command() -> None:
    table = README.split("## Commands")[1].split("## Exit codes")[0]
    listed = set(re.findall(r"^\| `auditor ([a-z]+)", table, re.MULTILINE))
    assert listed == set(get_command(cli.app).commands)  # type: ignore[attr-defined]


def test_readme_exit_codes_are_those_of_the_command_line() -> None:
    table = README.split("## Exit codes")[1].split("##")[0]
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert listed == {
        exit_codes.PASSED,
        exit_codes.BLOCKED,
        exit_codes.USAGE_ERROR,
        exit_codes.ABORTED,
        exit_codes.INTERRUPTED,
        EXIT_CODES["undecided"],
    }


def test_readme_configuration_is_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    whole, *others = [yaml.safe_load(one) for one in blocks]
    assert AuditConfig.parse(whole).name == "chest-xray-v3"
    configs = [AuditConfig.parse(_merged(whole, other)) for other in others]
    assert any(len(one.criteria) == 4 for one in configs)
    assert any(one.slices.roles.get("age") == "confounder" for one in configs)
    assert any(one.slices.reference == {"site": "A"} for one in configs)
    assert any(one.about.sensitive == ("race",) for one in configs)
    assert {"binary", "multi-label"} <= {one.task for one in configs}


def _merged(whole: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A configuration with the keys of an excerpt; sections are merged."""
    return whole | {
        name: whole.get(name, {}) | part if isinstance(part, dict) else part
        for name, part in other.items()
    }


@pytest.mark.parametrize("name", ["starter", "efficientnet-lite", "demo-digits", "demo-solar"])
def test_example_configuration_is_valid(name: str) -> None:
    text = (ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8")
    AuditConfig.parse(yaml.safe_load(text.replace("$name", "digits").replace("$images", "images")))


def test_readme_adapters_exist() -> None:
    comments = re.findall(r"adapter: (\w+) +# or ([\w, ]+)", README)
    for (first, others), kind in zip(comments, ("classifier", "dataset"), strict=True):
        for name in (first, *others.split(", ")):
            registry.get(kind, name)  # type: ignore[arg-type]
