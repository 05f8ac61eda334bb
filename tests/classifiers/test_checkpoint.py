"""A network gets all weights of a file, or an error says what does not fit."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

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
