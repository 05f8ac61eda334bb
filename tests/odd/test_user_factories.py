"""Factories that do odd things: each ends in one usage error, and changes nothing in the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch
from builders.audited_models import audited
from torch import Tensor, nn

from auditor.batch_dependence import compare
from auditor.classifiers.outputs import as_columns
from auditor.classifiers.python import PythonClassifier
from auditor.errors import ModelError
from auditor.user_code import UserFactory

NAME = "my_odd_factory"


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    sys.modules.pop(NAME, None)


def _load(folder: Path, code: str) -> nn.Module:
    (folder / f"{NAME}.py").write_text(f"import os, sys, torch\n{code}\n", encoding="utf-8")
    return PythonClassifier(factory=f"{NAME}:build", path=folder).load().module


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("sys.exit('usage: train.py')", "SystemExit (my_odd_factory.py, line 2): usage: train.py"),
        (
            "def build():\n    sys.exit(0)",
            "build() raised SystemExit (my_odd_factory.py, line 3): 0",
        ),
        (
            "class Left(BaseException): pass\ndef build():\n    raise Left",
            "build() raised Left (my_odd_factory.py, line 4): no message",
        ),
        (
            "class Odd(Exception):\n    def __str__(self): raise KeyError\ndef build(): raise Odd",
            "build() raised Odd (my_odd_factory.py, line 4): no message",
        ),
        ("def build(): raise ValueError('one\\n two')", "line 2): one two"),
        ("def build(:", "importing my_odd_factory raised SyntaxError: invalid syntax"),
        ("async def build(): pass", "got coroutine: return the network itself"),
        ("def build(): return torch.nn.ReLU", "got the class ReLU: return the network itself"),
        ("def build(): pass", "got NoneType"),
    ],
)
def test_factory_that_returns_no_network_is_a_usage_error(
    code: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError) as caught:
        _load(tmp_path, code)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_interrupted_factory_is_an_interrupt(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _load(tmp_path, "def build(): raise KeyboardInterrupt")


def test_code_is_found_beside_modules_that_make_up_their_attributes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class MadeUp(ModuleType):
        def __getattr__(self, name: str) -> int:
            return 0

    strange = MadeUp("strange")
    strange.__file__ = str(tmp_path.parent / "strange.py")
    monkeypatch.setitem(sys.modules, "strange", strange)
    _load(tmp_path, "build = torch.nn.Flatten")
    factory = UserFactory("model", f"{NAME}:build", {}, tmp_path, None, ModelError)
    assert list(factory.code()) == [NAME]


def test_code_contains_what_is_imported_only_while_images_are_predicted(tmp_path: Path) -> None:
    """By hand: which files the factory's module can reach, and none of the others."""
    folder = tmp_path / "lazily_imported_package"
    (folder / "inner").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "net.py": (
            "import torch\nfrom lazily_imported_package import eager\n\n\ndef build():\n"
            "    return torch.nn.Flatten()\n\n\ndef forward():\n    from . import late\n"
            "    import beside_the_package\n    import broken\n    import not_there_at_all\n"
        ),
        "eager.py": "",
        "late.py": "def later():\n    from lazily_imported_package.inner import deepest\n",
        "inner/deepest.py": "raise RuntimeError('this must not be executed')\n",
        "unrelated.py": "",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (tmp_path / "beside_the_package.py").touch()
    (tmp_path / "broken.py").write_text("this is no Python", encoding="utf-8")
    factory = UserFactory(
        "model", "lazily_imported_package.net:build", {}, None, tmp_path, ModelError
    )
    with factory.environment():
        factory.call()
    reached = ["", ".eager", ".inner.deepest", ".late", ".net"]  # `inner` has no __init__.py
    expected = [f"lazily_imported_package{name}" for name in reached]
    assert list(factory.code()) == ["beside_the_package", "broken", *expected]


def test_factory_that_changes_the_process_is_undone(tmp_path: Path) -> None:
    folder = Path.cwd()
    _load(
        tmp_path,
        "os.chdir('/')\ntorch.set_default_dtype(torch.float64)\ntorch.set_grad_enabled(False)\n"
        "def build(): return torch.nn.Linear(2, 2)",
    )
    assert Path.cwd() == folder
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert os.path.realpath(".") == os.path.realpath(folder)


class _Odd(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))[:, :2].squeeze()


class _Leaving(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1)

    def forward(self, _: Tensor) -> Tensor:
        sys.exit(0)


class _Importing(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        import_module("a_module_that_is_nowhere")
        return images


def test_network_that_imports_when_it_runs_is_told_to_import_before() -> None:
    model = audited(_Importing())
    with pytest.raises(ModelError, match=r"import it at the top of the file"):
        model.logits(torch.zeros(1, 3, 4, 4, dtype=torch.uint8))


def test_network_that_drops_the_dimension_of_the_batch_is_refused() -> None:
    images = torch.rand(4, 3, 5, 5)
    with pytest.raises(ModelError, match=r"keep the axis of the images.*squeeze"):
        compare(_Odd(), images, 1 - images)


def test_network_that_returns_classes_is_refused() -> None:
    with pytest.raises(ModelError, match=r"floating-point numbers; got int64: return the logits"):
        as_columns(torch.tensor([0, 1]))


def test_network_that_leaves_the_program_is_a_usage_error() -> None:
    model = audited(_Leaving())
    with pytest.raises(ModelError, match=r"_Leaving raised SystemExit .*: 0"):
        model.logits(torch.zeros(1, 3, 4, 4, dtype=torch.uint8))
