"""Weight files are read as tensors, and no code in them is run."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from auditor.classifiers.weight_files import read_weights
from auditor.errors import ModelError


class Trap:
    """Creates a folder when unpickled."""

    def __init__(self, created: Path) -> None:
        self.created = created

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.created),))


def state() -> dict[str, torch.Tensor]:
    return {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


def saved(path: Path, content: object, *, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".bin"])
@pytest.mark.parametrize("file_format", ["zip", "old", "safetensors"])
def test_format_is_recognised_by_the_first_bytes_and_not_by_the_suffix(
    tmp_path: Path, suffix: str, file_format: str
) -> None:
    path = tmp_path / f"weights{suffix}"
    if file_format == "safetensors":
        safetensors.torch.save_file(state(), path)
    else:
        saved(path, state(), zipped=file_format == "zip")
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
def test_malicious_file_is_refused_and_not_run(
    tmp_path: Path, wrap: Callable[[Trap], object], zipped: bool
) -> None:
    created = tmp_path / "ran"
    path = saved(tmp_path / "weights.pt", wrap(Trap(created)), zipped=zipped)
    with pytest.raises(ModelError, match=r"would call `posix.mkdir`.*convert it.*save_model"):
        read_weights(path)
    assert not created.exists()
    torch.load(path, weights_only=False)  # shows that the trap works
    assert created.exists()


def test_bare_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    created = tmp_path / "ran"
    path = written(tmp_path / "weights.pkl", pickle.dumps(Trap(created)))
    with pytest.raises(ModelError, match=r"a pickle that was not written by torch.save"):
        read_weights(path)
    assert not created.exists()


@pytest.mark.parametrize(
    ("content", "culprit"),
    [
        (nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        ({"state_dict": state(), "best": Fraction(9, 10)}, "fractions.Fraction"),
        ({"state_dict": state(), "args": SimpleNamespace(lr=1)}, "types.SimpleNamespace"),
    ],
)
def test_checkpoint_with_other_objects_is_refused_with_their_name(
    tmp_path: Path, content: object, culprit: str
) -> None:
    with pytest.raises(ModelError, match=f"would call `{culprit}`"):
        read_weights(saved(tmp_path / "w.pt", content))


@pytest.mark.parametrize(
    "other",
    [np.float64(0.9), np.float32(0.9), argparse.Namespace(lr=1), Path("runs/1")],
    ids=["float64", "float32", "namespace", "path"],
)
def test_checkpoint_with_plain_values_of_common_types_is_read(
    tmp_path: Path, other: object
) -> None:
    found = read_weights(saved(tmp_path / "w.pt", {"state_dict": state(), "extra": other}))
    assert found.note == "entry 'state_dict'"
    assert torch.equal(found.tensors["weight"], state()["weight"])


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
        ("w.pt", b"\n<!DOCTYPE html><p>404", "an HTML or XML page"),
        ("w.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
        ("w.onnx", b"\x08\x07\x12\x07pytorch" + bytes(100), "an ONNX model"),
        ("w.pt", tar_of(), "a tar archive"),
        ("w.pt", b"some words about weights", "a text file .first line 'some words"),
        ("w.pt", zip_of("m/code/net.py", "m/constants.pkl", "m/data.pkl"), "a TorchScript archive"),
        ("w.pt2", zip_of("m/archive_format", "m/models/model.json"), "an exported program"),
        ("w.keras", zip_of("config.json", "model.weights.h5"), "a Keras model"),
        ("w.npz", zip_of("a.npy", "b.npy"), "a ZIP archive of NumPy arrays"),
        ("w.zip", zip_of("notes.txt"), "other content .notes.txt"),
        ("w.safetensors", (500).to_bytes(8, "little") + b'{"a"', "damaged or truncated"),
    ],
)
def test_unsupported_format_is_named(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        read_weights(written(tmp_path / name, content))


def test_missing_file_and_folder_raise(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="it does not exist: correct `checkpoint`"):
        read_weights(tmp_path / "none.pt")
    with pytest.raises(ModelError, match=r"it is a folder: name the file in it"):
        read_weights(tmp_path)


@pytest.mark.parametrize("file_format", ["zip", "old", "safetensors"])
def test_truncated_file_is_reported_as_damaged(tmp_path: Path, file_format: str) -> None:
    intact = tmp_path / "intact"
    if file_format == "safetensors":
        safetensors.torch.save_file(state(), intact)
    else:
        saved(intact, state(), zipped=file_format == "zip")
    content = intact.read_bytes()
    for length in sorted({40, len(content) // 3, len(content) // 2, len(content) - 1}):
        with pytest.raises(ModelError, match=r"damaged|unknown format|more than tensors"):
            read_weights(written(tmp_path / "cut", content[:length]))


@pytest.mark.parametrize("zipped", [True, False])
def test_corrupt_file_never_raises_another_error(tmp_path: Path, zipped: bool) -> None:
    content = saved(tmp_path / "intact", state(), zipped=zipped).read_bytes()
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
def test_only_entry_with_weights_is_read(tmp_path: Path, entry: str) -> None:
    path = saved(tmp_path / "w.pt", {"epoch": 3, entry: state(), "optimizer": {"param_groups": []}})
    weights = read_weights(path)
    assert list(weights.tensors) == ["weight", "bias"]
    assert weights.note == f"entry '{entry}'"


def test_several_entries_with_weights_require_a_key(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "w.pt", {"model": state(), "ema": {"weight": torch.zeros(1)}, "epoch": 3}
    )
    with pytest.raises(ModelError, match=r"several sets of weights \(model, ema\).*checkpoint_key"):
        read_weights(path)
    assert list(read_weights(path, "ema").tensors) == ["weight"]
    with pytest.raises(ModelError, match="one of model, ema; got 'emma'"):
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
def test_file_without_weights_raises(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_weights(saved(tmp_path / "w.pt", content))
