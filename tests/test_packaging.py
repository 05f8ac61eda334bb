"""What is shipped: the wheel holds its templates and configurations, and renders a run elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from auditor.run_folder import RunFolder

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_everything_and_nothing_else(wheel: Path) -> None:
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
        wanted = {
            re.sub(r"^(templates|configs)/", r"auditor/\1/", one) for one in tracked.stdout.split()
        }
        assert wanted <= names


def test_a_run_is_rendered_by_the_wheel_elsewhere(
    wheel: Path, planted_run: RunFolder, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    shutil.copytree(planted_run.path, tmp_path / "run")
    (tmp_path / "run" / "report.html").unlink()
    code = (
        "import sys; from auditor.cli import app, __file__ as place; print(place, file=sys.stderr); "
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


def test_the_readme_and_the_makefile_say_the_same() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make (\w+)", readme):
        assert f"\n{target}:" in makefile
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_extra_in_the_readme_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = {
        extra for group in re.findall(r"auditor\[([\w,]+)\]", readme) for extra in group.split(",")
    }
    assert named <= set(project["optional-dependencies"])
