"""The floors of the design, held by import-linter, and what a plain import may cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_import_points_down() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def imported_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_a_plain_import_and_the_command_line_are_quick() -> None:
    assert not {"torch", "pandas", "numpy"} & imported_by("import auditor")
    assert not {"torch", "scipy", "matplotlib"} & imported_by("import auditor.cli")


def test_a_run_is_rendered_and_judged_without_torch() -> None:
    rooms = "auditor.report.documents, auditor.stages.judge, auditor.stages.find_failures, auditor.config"
    statement = (
        f"import {rooms}\nfrom auditor import registry\n"
        "registry.all_of('check'), registry.all_of('renderer')"
    )
    assert not {"torch", "torchvision"} & imported_by(statement)
