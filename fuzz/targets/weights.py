"""Weight files: safetensors and state dicts."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import safetensors.torch
import torch

from auditor.classifiers.weight_files import read_weights, require_intact
from auditor.errors import ModelError
from fuzz.target import Reader, Target


def _open(folder: Path) -> Reader:
    path = folder / "weights.pt"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.suppress(ModelError):
            require_intact(path)
        read_weights(path)

    return read


def _saved(content: object, *, zipped: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def _seeds() -> Iterator[bytes]:
    state = {"a.weight": torch.zeros(2, 3), "a.bias": torch.ones(2, dtype=torch.float16)}
    yield safetensors.torch.save(state, {"format": "pt"})
    yield safetensors.torch.save({})
    for zipped in (True, False):
        yield _saved(state, zipped=zipped)
        yield _saved({"epoch": 3, "model": state, "ema": {"state_dict": state}}, zipped=zipped)
    yield b'{"weight_map": {"a": "b.safetensors"}}'
    yield b"\x89HDF\r\n\x1a\n"


TARGET = Target(
    name="weights",
    about="safetensors and state dicts → `read_weights`",
    open=_open,
    seeds=_seeds,
    allowed=(ModelError,),
    longest=8192,
)
