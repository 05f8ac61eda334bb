"""Files of weights as training tools and downloads leave them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from auditor.classifiers.checkpoint import load_weights
from auditor.errors import ModelError


def _network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def _state(prefix: str = "") -> dict[str, Tensor]:
    return {f"{prefix}{name}": one + 1 for name, one in _network().state_dict().items()}


ONE = torch.ones(())
OPTIMIZER = {"state": {0: {"exp_avg": ONE}}, "param_groups": [{"lr": 0.1}]}


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (_state() | {"criterion.weight": torch.ones(2)}, "without criterion.weight"),
        (_state() | {"loss_fn.weight": torch.ones(2)}, "without loss_fn.weight"),
        (
            _state("module.") | {"n_averaged": ONE},
            "without n_averaged, prefix 'module.' removed",
        ),
        (
            _state() | {"total_ops": ONE, "total_params": ONE, "0.total_ops": ONE},
            "without total_ops, total_params, 0.total_ops",
        ),
        (
            _state("model.") | {"criterion.weight": ONE, "criterion.b": ONE},
            "without criterion.weight, criterion.b, prefix 'model.' removed",
        ),
        ({"state_dict": _state(), "epoch": 3}, "entry 'state_dict'"),
        ({"model": {"state_dict": _state()}, "optimizer": OPTIMIZER}, "entry 'model.state_dict'"),
        ({"a": {"b": {"c": _state()}}}, "entry 'a.b.c'"),
        (_state() | {"epoch": 3, "best": 0.5, "note": "x"}, "without epoch, best, note"),
        ({"net": _state() | {"n_averaged": ONE}}, "entry 'net', without n_averaged"),
    ],
)
def test_entries_beside_the_weights_are_left_out_and_named(
    content: dict[str, Any], note: str, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "w.pth")
    network = _network()
    assert load_weights(network, tmp_path / "w.pth") == f"w.pth ({note})"
    for name, tensor in network.state_dict().items():
        assert tensor.shape == _state()[name].shape
    assert bool(
        (network.state_dict()["0.bias"] > 0.4).all()
    )  # the file's: those drawn are below 0.6


def test_entry_that_the_network_has_is_kept(tmp_path: Path) -> None:
    network = nn.ModuleDict({"criterion": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    torch.save(network.state_dict(), tmp_path / "w.pth")
    assert load_weights(network, tmp_path / "w.pth") == "w.pth"


def test_nested_entry_is_chosen_by_its_path(tmp_path: Path) -> None:
    torch.save({"a": {"x": _state()}, "b": {"x": _state()}}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"several sets of weights \(a\.x, b\.x\)"):
        load_weights(_network(), tmp_path / "w.pth")
    assert load_weights(_network(), tmp_path / "w.pth", "b.x") == "w.pth (entry 'b.x')"


INDEX = json.dumps(
    {"metadata": {}, "weight_map": {"a": "m-00001-of-00002.bin", "b": "m-00002-of-00002.bin"}}
)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.safetensors.index.json", INDEX, "the index of weights in 2 files (m-00001-of-00002"),
        ("m.bin.index.json", INDEX, "have to be merged"),
        ("config.json", '{"hidden": 3}', "JSON, such as a configuration"),
        ("w.json", "{" * 9000, "JSON, such as a configuration"),
        ("w.pth", "", "the file is empty"),
        ("w.pth", "<html><body>404</body></html>", "an HTML or XML page"),
        ("w.pth", "version https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
        ("w.pth", "Not found", "a text file (first line 'Not found')"),
        ("w.pth", b"\x1f\x8b" + bytes(50), "compressed with gzip"),
        ("w.pth", b"\x80\x04\x95" + bytes(50), "a pickle that was not written by torch.save"),
        ("w.pth", bytes(range(128, 228)), "a pickle that was not written by torch.save"),
        ("w.pth", b"\x93NUMPY" + bytes(50), "unknown format"),
    ],
)
def test_file_without_weights_is_named(
    name: str, content: str | bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    _refused(path, message)


def _refused(path: Path, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_weights(_network(), path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder_in_place_of_a_file_is_refused_with_what_is_in_it(tmp_path: Path) -> None:
    _refused(tmp_path, "it is a folder: name the file in it (none lies in it)")
    (tmp_path / "best.pth").touch()
    _refused(tmp_path, "(one of best.pth)")


def test_path_with_a_nul_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path / "a\0b", "expected a readable file of weights")


@pytest.mark.parametrize("length", [9, 40, 100, -1])
def test_truncated_safetensors_are_reported_as_damaged(length: int, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(_state(), path)
    path.write_bytes(path.read_bytes()[:length])
    _refused(path, "the file is damaged or truncated")


def test_one_of_several_shards_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "model-00001-of-00002.safetensors"
    safetensors.torch.save_file({"0.weight": _state()["0.weight"]}, path)
    _refused(path, "one of several parts of the weights: merge them")


@pytest.mark.parametrize(
    "content",
    [_network(), {"model": _network()}, [1], {"epoch": 3}, {}, {"x": torch.nn.Parameter}],
    ids=["module", "entry", "list", "number", "nothing", "class"],
)
def test_other_content_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ModelError) as caught:
        load_weights(_network(), tmp_path / "w.pth")
    assert "\n" not in str(caught.value)
