"""The README and the example configurations agree with the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from auditor import cli, registry
from auditor.config import AuditConfig

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
        extra
        for group in re.findall(r"(?:auditor|'\.)\[([\w,]+)\]", README)
        for extra in group.split(",")
    }
    assert extras <= set(project["optional-dependencies"])


def test_readme_configuration_is_valid() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    config = AuditConfig.parse(yaml.safe_load(block))
    assert config.name == "chest-xray-v3"
    assert len(config.criteria) == 1


def test_readme_commands_exist() -> None:
    named = set(re.findall(r"^auditor ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "init", "check", "run"} <= named
    assert named <= set(get_command(cli.app).commands)  # type: ignore[attr-defined]


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("name", ["starter", "efficientnet-lite", "demo-digits", "demo-solar"])
def test_example_configuration_is_valid(name: str) -> None:
    text = (ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8")
    AuditConfig.parse(yaml.safe_load(text.replace("$name", "digits").replace("$images", "images")))


def test_readme_adapters_exist() -> None:
    comments = re.findall(r"adapter: (\w+) +# or ([\w, ]+)", README)
    for (first, others), kind in zip(comments, ("classifier", "dataset"), strict=True):
        for name in (first, *others.split(", ")):
            registry.get(kind, name)  # type: ignore[arg-type]
