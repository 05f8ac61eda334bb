"""Classifiers from ONNX files; requires the extra ``onnx``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from auditor.autograd.model_free import MODEL_FREE, ModelFreeNetwork
from auditor.classifiers import Classifier
from auditor.classifiers.batch_sizes import in_batches, takes_any_batch, tensors_of
from auditor.classifiers.downloads import required_library
from auditor.classifiers.image_inputs import ChannelsLast, ImageInput
from auditor.classifiers.named_models import file_of
from auditor.config import ConfigPath
from auditor.config.recognise import Given, Recognised
from auditor.errors import ModelError
from auditor.registry import Options, plugin

_TOLERANCE = 1e-3


@plugin("classifier", "onnx")
class OnnxClassifier(Options):
    """An ONNX model, converted to PyTorch by onnx2torch where that is possible.

    The converted network is used only if it predicts as ONNX Runtime does. Otherwise ONNX Runtime
    predicts, and the maps are occlusion maps: slower, coarser, and without guided backpropagation. ONNX
    stores neither the preprocessing nor class names.
    """

    accepts: ClassVar[str] = "an .onnx file"
    recognition_order: ClassVar[int] = 0

    file: ConfigPath
    """File `model.onnx`, which takes images (N, C, H, W) or (N, H, W, C)."""

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """A file of this format."""
        return file_of(given, (".onnx",), "an ONNX model")

    def load(self) -> Classifier:
        """Reads the model.

        Raises:
            MissingDependencyError: onnx or onnxruntime is not installed.
            ModelError: the file is no ONNX model with images as its only input.
        """
        onnx = required_library("onnx", "onnx")
        runtime = required_library("onnxruntime", "onnx")
        model, session = _read(onnx, runtime, self.file)
        given = _input_of(onnx, model)
        predict = in_batches(_Session(session, given), given.shape[0])
        converted, reason = _converted(model, given, predict)
        if converted is not None:
            module: nn.Module = converted
            how = "converted by onnx2torch"
        else:
            module = ModelFreeNetwork(predict, self.file)
            how = f"predictions by ONNX Runtime; {MODEL_FREE}: onnx2torch {reason}"
        return Classifier(
            module=module.eval(),
            adapter=self.plugin_name,
            description=f"ONNX {self.file.name}, {how}",
        )


def _read(onnx: Any, runtime: Any, file: Path) -> tuple[Any, Any]:
    """The graph, and a session of ONNX Runtime.

    Raises:
        ModelError: the file is no ONNX model.
    """
    if not file.is_file():
        raise ModelError(f"model.file: expected an ONNX model; {file} is not a file")
    try:
        model = onnx.load(file)
        onnx.checker.check_model(str(file))
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors only
        session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each of both libraries has an error tree of its own
        if isinstance(error, MemoryError):
            raise
        first = str(error).strip().partition("\n")[0][:200].rstrip(".: ")
        raise ModelError(
            f"model.file: expected an ONNX model in {file}; {_what_is_wrong(file, first)}"
        ) from error
    return model, session


def _what_is_wrong(file: Path, message: str) -> str:
    """The reason why a file can't be read, with the fix."""
    if "TensorProto" in message:  # weights in a file of their own
        return f"{message}: its weights lie in another file; copy that file into the same folder"
    if "NOT_IMPLEMENTED" in message:
        return (
            f"{message}: export the model in float32, and with an opset that ONNX Runtime supports"
        )
    with file.open("rb") as stream:
        head = stream.read(512)
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer: run `git lfs pull`"
    return f"{message}: the file is damaged or has another format; copy it again, or export the model again"


class _Session:
    """Predicts with ONNX Runtime."""

    def __init__(self, session: Any, given: ImageInput) -> None:
        self._session = session
        self._given = given

    def __call__(self, images: Tensor) -> object:
        (source,) = (one.name for one in self._session.get_inputs())
        names = [one.name for one in self._session.get_outputs()]
        array = self._given.arranged(images).contiguous().numpy()
        outputs = self._session.run(names, {source: array})
        arrays = {
            name: torch.from_numpy(one)
            for name, one in zip(names, outputs, strict=True)
            if isinstance(one, np.ndarray) and one.dtype.kind in "fiu"
        }
        return next(iter(arrays.values())) if len(names) == 1 and arrays else arrays


class _Named(nn.Module):
    """A network whose outputs have the names of the file."""

    def __init__(self, network: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self._names = names

    def forward(self, images: Tensor) -> object:
        return dict(zip(self._names, self.network(images), strict=True))


def _input_of(onnx: Any, model: Any) -> ImageInput:
    weights = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in weights]
    if len(inputs) == 1 and len(axes := inputs[0].type.tensor_type.shape.dim) == 4:
        kind = onnx.helper.tensor_dtype_to_np_dtype(inputs[0].type.tensor_type.elem_type)
        dtype = torch.from_numpy(np.zeros(1, kind)).dtype
        return ImageInput(tuple(axis.dim_value or None for axis in axes), dtype)
    names = ", ".join(f"{one.name} of {len(one.type.tensor_type.shape.dim)} axes" for one in inputs)
    raise ModelError(
        f"model.file: expected one input, images (N, C, H, W); the model has {names or 'none'}: export it "
        "with the images as its only input"
    )


def _converted(model: Any, given: ImageInput, predict: Any) -> tuple[nn.Module | None, str]:
    """The network in PyTorch; or None and the reason why it can't be used."""
    onnx2torch = required_library("onnx2torch", "onnx")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of the conversion: whether it is right is checked below
            network: nn.Module = onnx2torch.convert(model).float().eval()
    except Exception as error:  # noqa: BLE001 - whatever an unsupported operation raises
        return None, f"can't convert it ({str(error).strip().partition(chr(10))[0][:120]})"
    names = tuple(one.name for one in model.graph.output)
    if len(names) > 1:
        network = _Named(network, names)
    if given.channels_last:
        network = ChannelsLast(network)
    if not takes_any_batch(network, given.trial(2)):
        return None, "converts it only for the batch size of the file; export it with a dynamic one"
    images = given.trial(1)
    with torch.no_grad():
        pairs = zip(tensors_of(network(images)), tensors_of(predict(images)), strict=True)
        differences = [
            float((ours.float() - theirs.float()).abs().max()) / max(float(theirs.abs().max()), 1.0)
            for ours, theirs in pairs
        ]
    if max(differences) > _TOLERANCE:
        return None, f"converts it to a network whose outputs differ by {max(differences):.2g}"
    return network, ""
