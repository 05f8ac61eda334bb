"""Networks from a factory in the user's code."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from auditor.classifiers import ClassifierAdapter
from auditor.classifiers.python import PythonClassifier
from auditor.config import AuditConfig
from auditor.errors import ConfigError, ModelError

CODE = """
import torch
from torch import nn

NUMBER = 3

class Net(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.head = nn.Linear(3, classes)

    def forward(self, x):
        return self.head(x.mean((2, 3)))

    @classmethod
    def from_name(cls, name, classes):
        import my_lazy_sibling  # only importable while the factory runs
        return cls(classes).double().train()

def weights_only():
    return {"head": 1}

def fails():
    raise KeyError("no such net")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    code = tmp_path / "code"
    code.mkdir()
    (code / "my_net.py").write_text(CODE)
    (code / "my_lazy_sibling.py").write_text("")
    (code / "my_broken.py").write_text("1 / 0")
    (code / "my_script.py").write_text("import sys\nsys.exit(0)")
    (code / "my_needy.py").write_text("import not_installed_anywhere")
    (code / "colorsys.py").write_text("def build(): ...")
    before, loaded = list(sys.path), set(sys.modules)
    yield code
    assert sys.path == before
    for name in set(sys.modules) - loaded:
        if name.startswith("my_"):
            del sys.modules[name]


def adapter(folder: Path | None, factory: str, **options: Any) -> PythonClassifier:
    return PythonClassifier(factory=factory, path=folder, **options)


def test_dotted_factory_with_arguments_and_checkpoint_is_loaded(folder: Path) -> None:
    weight = torch.arange(12.0).reshape(4, 3)
    checkpoint = folder / "w.pt"
    torch.save({"state_dict": {"head.weight": weight, "head.bias": torch.zeros(4)}}, checkpoint)
    plugin = adapter(
        folder,
        "my_net:Net.from_name",
        arguments={"name": "small", "classes": 4},
        checkpoint=checkpoint,
    )
    assert isinstance(plugin, ClassifierAdapter)
    classifier = plugin.load()
    images = torch.ones(2, 3, 5, 5)
    assert torch.equal(classifier.module(images), weight.sum(1).expand(2, 4))
    assert not classifier.module.training
    assert classifier.adapter == "python"
    assert classifier.classes is None
    assert classifier.preprocess is None
    assert classifier.description == (
        "Net of my_net:Net.from_name(name='small', classes=4), "
        "weights from w.pt (entry 'state_dict', cast float32 → float64)"
    )


def test_factory_without_checkpoint_keeps_its_own_weights(folder: Path) -> None:
    description = adapter(folder, "my_net:Net").load().description
    assert description == "Net of my_net:Net, weights from the factory"


@pytest.mark.parametrize(
    ("factory", "options", "message"),
    [
        ("my_net:Nett", {}, "expected 'Nett' in my_net; there is none: did you mean 'Net'?"),
        ("my_net:zzz", {}, "expected 'zzz' in my_net; there is none: it has NUMBER, Net, fails"),
        ("my_net:NUMBER", {}, "expected a callable at my_net:NUMBER; got int"),
        ("my_net:weights_only", {}, "my_net:weights_only to return a torch.nn.Module; got dict"),
        ("my_net:fails", {}, "my_net:fails() raised KeyError (my_net.py, line "),
        (
            "my_net:Net",
            {"arguments": {"klasses": 2}},
            "my_net:Net(klasses=2) raised TypeError",
        ),
        (
            "my_broken:build",
            {},
            "importing my_broken raised ZeroDivisionError (my_broken.py, line 1): ",
        ),
        (
            "my_script:build",
            {},
            "importing my_script raised SystemExit (my_script.py, line 2): 0: code",
        ),
        ("my_needy:build", {}, "my_needy imports 'not_installed_anywhere', which is not installed"),
        ("my_absent.models:build", {}, "expected a module 'my_absent.models' in "),
        ("my_net.models:build", {}, "there is no 'my_net.models'"),
        ("colorsys:build", {}, "Python has imported a module of that name from "),
    ],
)
def test_invalid_factory_raises_with_the_reason(
    folder: Path, factory: str, options: dict[str, Any], message: str
) -> None:
    __import__("colorsys")
    with pytest.raises(ModelError, match=re.escape(message)):
        adapter(folder, factory, **options).load()


def test_unknown_module_or_folder_raises_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"in this environment; .* set `model.path` to its folder"):
        adapter(None, "my_absent:build").load()
    with pytest.raises(
        ModelError, match=r"model.path: expected a folder of Python code; .*none is not a folder"
    ):
        adapter(tmp_path / "none", "my_absent:build").load()


@pytest.mark.parametrize("factory", ["my_net", "my_net:", ":build", "my net:build", "a.py:b()"])
def test_malformed_factory_name_raises_with_its_key(factory: str) -> None:
    raw = {
        "name": "x",
        "model": {"adapter": "python", "factory": factory},
        "data": {"adapter": "folder"},
    }
    with pytest.raises(ConfigError, match=r"model\.factory: .*expected `package.module:callable`"):
        AuditConfig.parse(raw)


def test_factory_in_an_installed_package_needs_no_folder() -> None:
    module = adapter(
        None, "torch.nn:Linear", arguments={"in_features": 2, "out_features": 3}
    ).load()
    assert isinstance(module.module, nn.Linear)
