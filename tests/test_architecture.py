"""Structure of the package: layers, cycles, sizes, and what an import loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "auditor").rglob("*.py"))
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 80
MAX_OPTIONS = 20
MAX_BODY_LINES = 30
"""Of a function with so many options that its signature and docstring are longer than a screen."""


def test_imports_point_down() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_imports_have_no_cycles() -> None:
    graph = grimp.build_graph("auditor", exclude_type_checking_imports=True, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError with the cycle


def test_modules_are_short() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in SOURCES
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_MODULE_LINES
    }
    assert not long, f"split these modules by idea: {long}"


def test_functions_are_short() -> None:
    long = {
        f"{path.relative_to(ROOT).as_posix()}:{node.name}": lines
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
        and not (len(node.args.kwonlyargs) > MAX_OPTIONS and _body_lines(node) <= MAX_BODY_LINES)
    }
    assert not long, f"split these functions: {long}"


def _body_lines(node: ast.FunctionDef) -> int:
    """Lines of the statements after the docstring."""
    return (node.end_lineno or node.lineno) - node.body[1].lineno + 1


def imported_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("auditor", {"torch", "pandas", "numpy"}),
        ("auditor.plugin_descriptions, auditor.plugin_list", {"torch", "pandas", "numpy", "scipy"}),
        ("auditor.cli", {"torch", "pandas", "numpy", "pyarrow", "pydantic"}),
    ],
)
def test_import_is_quick(module: str, heavy: set[str]) -> None:
    assert not heavy & imported_by(f"import {module}")


@pytest.mark.parametrize("command", ["check", "run", "plan", "explain"])
def test_command_with_a_wrong_key_reports_it_before_heavy_imports(
    command: str, tmp_path: Path
) -> None:
    (tmp_path / "audit.yaml").write_text("naem: x\n", encoding="utf-8")
    arguments = [command, str(tmp_path / "audit.yaml"), *(["image.png"] * (command == "explain"))]
    loaded = imported_by(
        "from auditor.cli import app\n"
        f"try: app({arguments})\n"
        "except SystemExit as error: assert error.code == 2"
    )
    assert "pydantic" in loaded
    assert not {"torch", "scipy.stats"} & loaded


def test_judging_and_rendering_work_without_torch() -> None:
    packages = ("records", "statistics", "comparisons", "checks", "judging", "report")
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in packages
        for path in (ROOT / "auditor" / package).rglob("*.py")
    )
    stages = ("auditor.stages.judge", "auditor.stages.find_failures", "auditor.config")
    loaded = imported_by(f"import {', '.join([*modules, *stages])}")
    assert set(modules) <= loaded
    assert not {"torch", "torchvision"} & loaded
