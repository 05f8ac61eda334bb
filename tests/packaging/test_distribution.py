"""The wheel: its content, and rendering a run with it alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from auditor.run_folder import RunFolder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_contains_all_tracked_files_and_no_others(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert all(name.startswith("auditor/") for name in names)
    tracked = subprocess.run(
        ["git", "ls-files", "auditor", "templates", "configs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode == 0:  # not in an unpacked sdist
        expected = {
            re.sub(r"^(templates|configs)/", r"auditor/\1/", one) for one in tracked.stdout.split()
        }
        assert expected <= names


def test_wheel_renders_a_run_outside_the_checkout(
    wheel: Path, planted_run: RunFolder, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    shutil.copytree(planted_run.path, tmp_path / "run")
    (tmp_path / "run" / "report.html").unlink()
    code = (
        "import sys; from auditor.cli import app, __file__ as path; print(path, file=sys.stderr); "
        f"app(['render', {str(tmp_path / 'run')!r}, '--format', 'html,pdf'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(site) in done.stderr
    assert (tmp_path / "run" / "report.html").stat().st_size > 100_000
