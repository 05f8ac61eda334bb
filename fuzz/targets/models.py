"""Model files of Keras and ONNX: they are refused with our error, and run no code."""

from __future__ import annotations

import io
import json
import random
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from auditor.autograd.keras_network import without_numpy_warning
from auditor.classifiers.keras import KerasClassifier, keras_on_torch
from auditor.classifiers.onnx import OnnxClassifier
from fuzz.byte_mutations import mutate_bytes
from fuzz.edits import apply, mutate_edits, parse_edits
from fuzz.target import BrokenPromiseError, Reader, Target

_EVENTS = frozenset({"os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen"})
"""Audit events of Python that no model may cause; `exec` of texts is another one."""
_KERAS: dict[str, bytes] = {}
"""The members of a small `.keras` file, once it was made."""
_started: list[str] = []


def _open(folder: Path) -> Reader:
    _watch_for_code()
    members = _keras_members()
    config = json.loads(members["config.json"])

    def read(data: bytes) -> None:
        _started.clear()
        if data[:1] == b"o":
            path = folder / "model.onnx"
            path.write_bytes(data[1:])
            OnnxClassifier(file=path).load()
        else:
            path = folder / "model.keras"
            edits = parse_edits(data[1:])
            changed = {} if edits is None else {"config.json": _text(apply(config, edits))}
            path.write_bytes(data[1:] if edits is None else _zip(members | changed))
            KerasClassifier(file=path).load()
        if _started:
            raise BrokenPromiseError(f"loading a model ran {_started[0]}")

    return read


def _watch_for_code() -> None:
    def hook(event: str, _arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS:
            _started.append(event)

    sys.addaudithook(hook)


def _keras_members() -> dict[str, bytes]:
    if not _KERAS:
        keras = keras_on_torch()
        layers = keras.layers
        model = keras.Sequential(
            [layers.Input((4, 4, 3)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2)]
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            with without_numpy_warning():
                model.save(path)
            stream = io.BytesIO(path.read_bytes())
        with zipfile.ZipFile(stream) as archive:
            _KERAS.update({name: archive.read(name) for name in archive.namelist()})
    return _KERAS


def _zip(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _text(raw: Any) -> bytes:
    return json.dumps(raw).encode("utf-8", "surrogatepass")


def _onnx() -> bytes:
    weights = numpy_helper.from_array(np.ones((2, 3, 3, 3), np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [weights],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(onnx.ModelProto.SerializeToString(made))


def _seeds() -> Iterator[bytes]:
    yield b"k[]"
    yield b"kPK"
    yield b"k" + _zip(_keras_members())
    yield b"o" + _onnx()
    layer = ["config", "layers", 1]
    for name, value in (("class_name", "Lambda"), ("module", "os"), ("registered_name", "x>y")):
        yield b"k" + _text([[[*layer, name], "set", value]])
    system = {"module": "os", "class_name": "function", "config": "system"}
    yield b"k" + _text([[[*layer, "config", "activation"], "set", system]])
    code = {"class_name": "__lambda__", "config": {"value": ["4wAAAA==", None, None]}}
    yield b"k" + _text([[[*layer, "config", "activation"], "set", code]])


def _mutate(data: bytes, rng: random.Random) -> bytes:
    if data[:1] == b"o":
        return b"o" + mutate_bytes(data[1:], rng)
    if data[1:3] == b"PK":
        return b"k" + mutate_bytes(data[1:], rng)
    return b"k" + mutate_edits(data[1:], rng, json.loads(_keras_members()["config.json"]))


TARGET = Target(
    name="models",
    about="edits to a `.keras` file, and ONNX files → `load` of their adapters",
    open=_open,
    seeds=_seeds,
    mutate=_mutate,
    kept=12,
    longest=1 << 15,
    megabytes=1000,
)
