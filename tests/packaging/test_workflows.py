"""The files for GitHub Actions, pre-commit, Docker and conda."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.coded_images import write_audit

from auditor.registry import all_of

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())


def _audit_script() -> str:
    [step] = [one for one in ACTION["runs"]["steps"] if one.get("id") == "audit"]
    script: str = step["run"]
    return script


def _run_action(folder: Path, config: Path, **given: str) -> tuple[int, dict[str, str], str]:
    """Runs the audit step as GitHub does: its exit code, its outputs and the summary."""
    output, summary = folder / "output", folder / "summary"
    output.touch()
    summary.touch()
    inputs = {"CONFIG": str(config), "RUN_FOLDER": str(folder / "run"), "OVERRIDES": ""}
    inputs |= {"UNDECIDED": "fail", "GITHUB_OUTPUT": str(output)} | given
    inputs |= {"GITHUB_STEP_SUMMARY": str(summary)}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", _audit_script()],
        env=os.environ | inputs | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        cwd=folder,
        capture_output=True,
        check=False,
    )
    pairs = (line.split("=", 1) for line in output.read_text().splitlines())
    return done.returncode, dict(pairs), summary.read_text()


@pytest.mark.slow
def test_action_passes_the_outcome_on(tmp_path: Path) -> None:
    config = write_audit(tmp_path / "data", "good", n=300)
    # The options of the action are tested, not the checks.
    off = "".join(f"checks.{one}=false\n" for one in all_of("check") if one != "performance-gap")
    code, outputs, summary = _run_action(
        tmp_path, config, OVERRIDES=f"report.formats=[json]\nname=the audit\n{off}"
    )
    assert (code, outputs["outcome"]) == (0, "passes")
    assert re.fullmatch("[0-9a-f]{64}", outputs["seal"])
    assert "the audit" in summary


@pytest.mark.slow
@pytest.mark.parametrize(("undecided", "code"), [("fail", 4), ("pass", 0)])
def test_action_decides_about_audits_that_can_not_be_judged(
    undecided: str, code: int, tmp_path: Path
) -> None:
    config = write_audit(tmp_path / "data", "good", n=1)
    done = _run_action(tmp_path, config, OVERRIDES="report.formats=[]", UNDECIDED=undecided)
    assert (done[0], done[1]["outcome"]) == (code, "undecided")


def test_action_fails_without_outputs_where_the_configuration_is_wrong(tmp_path: Path) -> None:
    code, outputs, _ = _run_action(tmp_path, tmp_path / "nothing.yaml")
    assert (code, outputs) == (2, {})


def test_action_uses_only_its_own_inputs() -> None:
    text = (ROOT / "action.yml").read_text()
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    # An input inside of a script would be executed as code; all go through the environment.
    assert not any("${{" in one.get("run", "") for one in ACTION["runs"]["steps"])


def test_pre_commit_hook_is_valid() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pre_commit",
            "validate-manifest",
            str(ROOT / ".pre-commit-hooks.yaml"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_image_installs_existing_extras_and_copies_what_the_build_needs() -> None:
    text = (ROOT / "Dockerfile").read_text()
    [extras] = re.findall(r"/src\[([\w,]+)\]", text)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    copied = " ".join(re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE)).split()
    needed = {"pyproject.toml", "README.md", "LICENSE", "auditor", "templates", "configs"}
    assert set(copied) == needed
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {one[1:] for one in ignored if one.startswith("!")} == needed


def test_conda_recipe_has_the_requirements_of_the_project() -> None:
    text = (ROOT / "packaging" / "conda" / "meta.yaml").read_text()
    recipe = yaml.safe_load(text.replace("{{ PYTHON }}", "python"))
    names = {"matplotlib": "matplotlib-base", "torch": "pytorch"}
    wanted = {f"python {PROJECT['requires-python']}"}
    for one in PROJECT["dependencies"]:
        name, bound = re.fullmatch(r"([\w-]+)(.*)", one).groups()  # type: ignore[union-attr]
        wanted.add(f"{names.get(name, name)} {bound}")
    wanted.discard("font-source-sans-pro >=0.0.1")  # installed by the recipe's script
    assert set(recipe["requirements"]["run"]) == wanted
    assert recipe["package"]["version"] == PROJECT["version"]
