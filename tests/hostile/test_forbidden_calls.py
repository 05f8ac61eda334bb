"""The source has no call that executes what it reads, apart from the few that are listed with a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "auditor").rglob("*.py"))

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "runpy"}
"""Importing one of these, or a part of it, is reported."""
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
PROGRAMS = {"torch.jit.load", "torch.export.load", "yaml.load"}
READERS = {"read_pickle", "from_pickle", "load_from_checkpoint", "unsafe_load", "full_load"}
"""Methods and functions of any module."""
ALLOWED = {
    (
        "auditor/classifiers/weight_files.py",
        "import pickle",
    ): "only pickle.UnpicklingError, to catch it",
    (
        "auditor/classifiers/exported.py",
        "torch.jit.load",
    ): "the adapter of programs; see SECURITY.md",
    ("auditor/classifiers/exported.py", "torch.export.load"): "the same",
    ("auditor/config/yaml_files.py", "yaml.load"): "with a loader that is derived from SafeLoader",
}


def forbidden(tree: ast.Module) -> Iterator[str]:
    """The forbidden imports and calls of a module."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = {one.name.partition(".")[0] for one in names} & MODULES
                yield from (f"import {one}" for one in sorted(found))
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
                yield f"import {module.partition('.')[0]}"
            case ast.Call():
                yield from _call(node)


def _call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    options = {one.arg: one.value for one in node.keywords}
    last = name.rpartition(".")[2]
    imported = last == "import_module" and ast.unparse(node.args[0]).strip("'").split(".")[0]
    if (
        name in CALLS | PROGRAMS
        or last in READERS
        or imported in MODULES
        or (name == "torch.load" and not _is(options.get("weights_only"), value=True))
        or (last == "load_model" and not _is(options.get("safe_mode"), value=True))
    ):
        yield name
    for option in ("allow_pickle", "trust_remote_code", "shell"):
        if option in options and not _is(options[option], value=False):
            yield f"{name}({option})"


def _is(node: ast.expr | None, *, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_source_executes_nothing_that_it_reads() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), what)
        for path in SOURCES
        for what in forbidden(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == ALLOWED.keys()


def test_only_the_error_of_pickle_is_used() -> None:
    tree = ast.parse((ROOT / "auditor/classifiers/weight_files.py").read_text(encoding="utf-8"))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle"
    }
    assert used == {"UnpicklingError"}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "import marshal, os",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "yaml.load(text)",
        "yaml.unsafe_load(text)",
        "eval(text)",
        "exec(text)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "importlib.import_module('pickle')",
        "AutoModel.from_pretrained(path, trust_remote_code=True)",
        "keras.saving.load_model(path)",
    ],
)
def test_forbidden_code_is_found(code: str) -> None:
    assert len(list(forbidden(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(file, weights_only=True)",
        "np.load(path, allow_pickle=False)",
        "yaml.safe_load(text)",
        "model.eval()",
        "re.compile(pattern)",
        "subprocess.run(['git', 'log'], shell=False)",
    ],
)
def test_harmless_code_is_not_reported(code: str) -> None:
    assert not list(forbidden(ast.parse(code)))
