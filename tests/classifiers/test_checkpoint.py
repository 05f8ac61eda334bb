"""A network gets all weights of a file, or an error says what does not fit."""

from __future__ import annotations

import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import safetensors.torch
import torch
from torch import nn
from torchvision.models import vit_b_16
from torchvision.models.vision_transformer import MLPBlock

from auditor.classifiers.checkpoint import load_weights
from auditor.errors import ModelError


def network(classes: int = 3) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, 4, 3),
            norm=nn.BatchNorm2d(4),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            head=nn.Linear(4, classes),
        )
    )


def same(a: nn.Module, b: nn.Module) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


@pytest.mark.parametrize(
    ("prefix", "note"),
    [
        ("", "w.pt"),
        ("module.", "w.pt (prefix 'module.' removed)"),
        ("_orig_mod.module.", "w.pt (prefix '_orig_mod.module.' removed)"),
        ("model.", "w.pt (prefix 'model.' removed)"),
    ],
)
def test_state_dict_with_a_prefix_is_loaded_and_noted(
    tmp_path: Path, prefix: str, note: str
) -> None:
    trained, fresh = network(), network()
    torch.save({prefix + k: v for k, v in trained.state_dict().items()}, tmp_path / "w.pt")
    assert not same(trained, fresh)
    assert load_weights(fresh, tmp_path / "w.pt") == note
    assert same(trained, fresh)


def test_training_checkpoint_with_module_versions_is_loaded(tmp_path: Path) -> None:
    trained, fresh = network(), network()
    state = nn.DataParallel(trained).state_dict()
    torch.save({"epoch": 1, "state_dict": state}, tmp_path / "w.pt")
    note = load_weights(fresh, tmp_path / "w.pt")
    assert note == "w.pt (entry 'state_dict', prefix 'module.' removed)"
    assert same(trained, fresh)


def test_half_precision_weights_are_cast_and_noted(tmp_path: Path) -> None:
    trained, fresh = network().half(), network()
    safetensors.torch.save_model(trained, str(tmp_path / "w.safetensors"))
    note = load_weights(fresh, tmp_path / "w.safetensors")
    assert note == "w.safetensors (cast float16 → float32)"
    assert same(trained.float(), fresh)


def test_tied_weights_need_to_be_in_the_file_once(tmp_path: Path) -> None:
    def tied() -> nn.ModuleDict:
        first, second = nn.Linear(3, 3), nn.Linear(3, 3)
        second.weight = first.weight
        return nn.ModuleDict({"a": first, "b": second})

    trained, fresh = tied(), tied()
    safetensors.torch.save_model(trained, str(tmp_path / "w.safetensors"))
    assert len(safetensors.torch.load_file(tmp_path / "w.safetensors")) == 3
    load_weights(fresh, tmp_path / "w.safetensors")
    assert same(trained, fresh)
    untied = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)})
    with pytest.raises(ModelError, match=r"1 weight is missing in the file: b.weight \(3, 3\)"):
        load_weights(untied, tmp_path / "w.safetensors")


def test_state_dict_of_an_older_module_version_is_converted(tmp_path: Path) -> None:
    # In version 1 of torchvision's vision transformer, these layers were linear_1 and linear_2.
    trained, fresh = (MLPBlock(4, 8, 0.0) for _ in range(2))
    old = OrderedDict(
        (k.replace("0.", "linear_1.").replace("3.", "linear_2."), v)
        for k, v in trained.state_dict().items()
    )
    torch.save(old, tmp_path / "w.pt")
    load_weights(fresh, tmp_path / "w.pt")
    assert same(trained, fresh)
    assert vit_b_16.__module__ == MLPBlock.__module__


def test_missing_unexpected_and_differently_shaped_weights_are_listed(tmp_path: Path) -> None:
    state = network(classes=7).state_dict()
    state["norm.gamma"] = state.pop("norm.weight")
    for index in range(7):
        state[f"extra.{index}"] = torch.zeros(index)
    torch.save(state, tmp_path / "w.pt")
    fresh = network()
    before = {k: v.clone() for k, v in fresh.state_dict().items()}
    with pytest.raises(ModelError) as caught:
        load_weights(fresh, tmp_path / "w.pt")
    assert str(caught.value) == (
        f"{tmp_path / 'w.pt'} does not fit the model: "
        "1 weight is missing in the file: norm.weight (4); "
        "8 weights are unknown to the model: extra.0 (0), extra.1 (1), extra.2 (2), extra.3 (3), "
        "extra.4 (4) and 3 more; "
        "2 weights are of another shape: head.weight: (3, 4) in the model, (7, 4) in the file, "
        "head.bias: (3) in the model, (7) in the file. "
        "State the architecture and the number of classes that these weights were trained with"
    )
    assert all(torch.equal(before[k], v) for k, v in fresh.state_dict().items())


def test_missing_weight_is_reported_with_a_similar_name(tmp_path: Path) -> None:
    state = network().state_dict()
    state["head_.weight"] = state.pop("head.weight")
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"head.weight \(3, 4\) \(similar: head_.weight\)"):
        load_weights(network(), tmp_path / "w.pt")


def test_weights_of_another_network_are_reported_with_their_full_names(tmp_path: Path) -> None:
    torch.save(
        {"module.x.weight": torch.ones(1), "module.y.weight": torch.ones(1)}, tmp_path / "w.pt"
    )
    with pytest.raises(ModelError, match=r"unknown to the model: module.x.weight \(1\), module.y"):
        load_weights(network(), tmp_path / "w.pt")


def test_lightning_checkpoint_with_hyperparameters_is_loaded(tmp_path: Path) -> None:
    # The structure that `Trainer.save_checkpoint` writes; the dictionaries are of a class of Lightning.
    module = types.ModuleType("pytorch_lightning.utilities.parsing")

    class AttributeDict(dict[str, Any]):
        pass

    AttributeDict.__module__ = module.__name__
    AttributeDict.__qualname__ = "AttributeDict"
    module.AttributeDict = AttributeDict  # type: ignore[attr-defined]
    trained = network()
    state = {f"model.{name}": one for name, one in trained.state_dict().items()}
    parents = {
        name: types.ModuleType(name)
        for name in ("pytorch_lightning", "pytorch_lightning.utilities")
    }
    with mock.patch.dict(sys.modules, {**parents, module.__name__: module}):
        torch.save(
            {
                "epoch": 3,
                "global_step": 100,
                "pytorch-lightning_version": "2.4.0",
                "state_dict": OrderedDict(state) | {"criterion.weight": torch.ones(2)},
                "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.9)}},
                "optimizer_states": [
                    {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": []}
                ],
                "lr_schedulers": [],
                "hparams_name": "kwargs",
                "hyper_parameters": AttributeDict(lr=0.1, path=Path("data")),
            },
            tmp_path / "last.ckpt",
        )
    fresh = network()
    note = load_weights(fresh, tmp_path / "last.ckpt")
    assert note == (
        "last.ckpt (entry 'state_dict', without criterion.weight, prefix 'model.' removed)"
    )
    assert same(trained, fresh)


@pytest.mark.parametrize("entry", ["state_dict", "model", "model_state_dict", "ema", "net"])
@pytest.mark.parametrize(
    "prefix", ["", "module.", "model.", "net.", "_orig_mod.", "model._orig_mod."]
)
def test_nested_and_prefixed_weights_are_loaded_and_named(
    tmp_path: Path, entry: str, prefix: str
) -> None:
    trained, fresh = network(), network()
    state = {prefix + name: one for name, one in trained.state_dict().items()}
    torch.save({entry: state, "epoch": 3}, tmp_path / "w.pt")
    note = load_weights(fresh, tmp_path / "w.pt")
    removed = f", prefix '{prefix}' removed" if prefix else ""
    assert note == f"w.pt (entry '{entry}'{removed})"
    assert same(trained, fresh)


def test_compiled_part_of_a_network_is_loaded(tmp_path: Path) -> None:
    trained, fresh = network(), network()
    first = next(iter(trained.state_dict())).partition(".")[0]
    state = {
        name.replace(f"{first}.", f"{first}._orig_mod.", 1)
        if name.startswith(f"{first}.")
        else name: one
        for name, one in trained.state_dict().items()
    }
    torch.save(state, tmp_path / "w.pt")
    assert load_weights(fresh, tmp_path / "w.pt") == "w.pt ('_orig_mod.' removed from the names)"
    assert same(trained, fresh)


def test_network_beside_another_one_is_found_by_its_weights(tmp_path: Path) -> None:
    trained, fresh = network(), network()
    state = {f"student.{name}": one for name, one in trained.state_dict().items()}
    state |= {"projector.0.weight": torch.ones(1), "projector.0.bias": torch.ones(1)}
    torch.save({"state_dict": state}, tmp_path / "w.pt")
    note = load_weights(fresh, tmp_path / "w.pt")
    assert note == (
        "w.pt (entry 'state_dict', without projector.0.weight, projector.0.bias, prefix 'student.' removed)"
    )


def test_two_networks_that_both_fit_are_refused(tmp_path: Path) -> None:
    state = {
        f"{who}.{name}": one for who in ("a", "b") for name, one in network().state_dict().items()
    }
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="does not fit the model"):
        load_weights(network(), tmp_path / "w.pt")
