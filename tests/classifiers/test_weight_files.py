"""What is read from a file of weights, and that nothing in it is ever run."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from auditor.classifiers.weight_files import read_weights
from auditor.errors import ModelError


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


def state() -> dict[str, torch.Tensor]:
    return {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


def saved(path: Path, content: object, *, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".bin"])
@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_the_first_bytes_decide_not_the_suffix(tmp_path: Path, suffix: str, kind: str) -> None:
    path = tmp_path / f"weights{suffix}"
    if kind == "safetensors":
        safetensors.torch.save_file(state(), path)
    else:
        saved(path, state(), zipped=kind == "zip")
    weights = read_weights(path)
    assert weights.note == ""
    assert {name: tensor.tolist() for name, tensor in weights.tensors.items()} == {
        "weight": [[0, 1, 2], [3, 4, 5]],
        "bias": [1, 1],
    }


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "wrap", [lambda trap: trap, lambda trap: {"state_dict": state(), "x": trap}]
)
def test_a_malicious_file_is_refused_and_not_run(
    tmp_path: Path, wrap: Callable[[Trap], object], zipped: bool
) -> None:
    mark = tmp_path / "ran"
    path = saved(tmp_path / "weights.pt", wrap(Trap(mark)), zipped=zipped)
    with pytest.raises(ModelError, match=r"would call `posix.mkdir`.*convert it once.*save_model"):
        read_weights(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)  # the trap is a real one
    assert mark.exists()


def test_a_bare_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = written(tmp_path / "weights.pkl", pickle.dumps(Trap(mark)))
    with pytest.raises(ModelError, match=r"a pickle that torch.save did not write"):
        read_weights(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "culprit"),
    [
        (nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        ({"state_dict": state(), "best": np.float64(0.9)}, "numpy._core.multiarray.scalar"),
        ({"state_dict": state(), "args": argparse.Namespace(lr=1)}, "argparse.Namespace"),
    ],
)
def test_what_would_be_unpickled_is_named(tmp_path: Path, content: object, culprit: str) -> None:
    with pytest.raises(ModelError, match=f"would call `{culprit}`"):
        read_weights(saved(tmp_path / "w.pt", content))


def zip_of(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


def tar_of() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.pt", b"", "the file is empty"),
        ("w.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "git lfs pull"),
        ("w.pt", b"\n<!DOCTYPE html><p>404", "a page of HTML"),
        ("w.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
        ("w.onnx", b"\x08\x07\x12\x07pytorch" + bytes(100), "an ONNX model"),
        ("w.pt", tar_of(), "a tar archive"),
        ("w.pt", b"some words about weights", "unknown format .first bytes b'some wor'"),
        ("w.pt", zip_of("m/code/net.py", "m/constants.pkl", "m/data.pkl"), "a TorchScript archive"),
        ("w.pt2", zip_of("m/archive_format", "m/models/model.json"), "an exported program"),
        ("w.keras", zip_of("config.json", "model.weights.h5"), "a Keras model"),
        ("w.npz", zip_of("a.npy", "b.npy"), "an archive of NumPy arrays"),
        ("w.zip", zip_of("notes.txt"), "something else .it holds notes.txt"),
        ("w.safetensors", (500).to_bytes(8, "little") + b'{"a"', "damaged or cut off"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_weights(written(tmp_path / name, content))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is none: correct `checkpoint`"):
        read_weights(tmp_path / "none.pt")
    with pytest.raises(ModelError, match=r"readable file of weights .* directory"):
        read_weights(tmp_path)


@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_every_cut_is_told_as_damage(tmp_path: Path, kind: str) -> None:
    whole = tmp_path / "whole"
    if kind == "safetensors":
        safetensors.torch.save_file(state(), whole)
    else:
        saved(whole, state(), zipped=kind == "zip")
    content = whole.read_bytes()
    for length in sorted({40, len(content) // 3, len(content) // 2, len(content) - 1}):
        with pytest.raises(ModelError, match=r"damaged|unknown format|more than tensors"):
            read_weights(written(tmp_path / "cut", content[:length]))


@pytest.mark.parametrize("zipped", [True, False])
def test_changed_and_missing_bytes_never_end_in_another_error(tmp_path: Path, zipped: bool) -> None:
    content = saved(tmp_path / "whole", state(), zipped=zipped).read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for trial in range(400):
        broken = bytearray(content)
        if trial % 2:
            broken = broken[: generator.integers(1, len(content))]
        for place in generator.integers(0, len(broken), 4):
            broken[place] = generator.integers(256)
        try:
            read_weights(written(tmp_path / "broken", bytes(broken)))
        except ModelError:
            refused += 1
    assert refused > 300


@pytest.mark.parametrize("entry", ["state_dict", "model", "model_state_dict", "net"])
def test_the_only_entry_with_weights_is_taken(tmp_path: Path, entry: str) -> None:
    path = saved(tmp_path / "w.pt", {"epoch": 3, entry: state(), "optimizer": {"param_groups": []}})
    weights = read_weights(path)
    assert list(weights.tensors) == ["weight", "bias"]
    assert weights.note == f"entry '{entry}'"


def test_among_several_entries_nothing_is_guessed(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "w.pt", {"model": state(), "ema": {"weight": torch.zeros(1)}, "epoch": 3}
    )
    with pytest.raises(ModelError, match=r"several sets of weights \(model, ema\).*checkpoint_key"):
        read_weights(path)
    assert list(read_weights(path, "ema").tensors) == ["weight"]
    with pytest.raises(ModelError, match="one of model, ema, epoch; got 'emma'"):
        read_weights(path, "emma")
    with pytest.raises(ModelError, match=r"tensors by name in entry 'epoch' of w.pt; got int"):
        read_weights(path, "epoch")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(1)], "tensors by name; got list"),
        ({"epoch": 3, "names": []}, "got epoch: int, names: list"),
        ({}, "got nothing"),
    ],
)
def test_a_file_without_weights(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_weights(saved(tmp_path / "w.pt", content))
