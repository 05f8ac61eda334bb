"""Classifiers from ONNX files; requires the extra ``onnx``."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from auditor.autograd.model_free import MODEL_FREE, ModelFreeNetwork
from auditor.classifiers import Classifier
from auditor.classifiers.batch_sizes import in_batches, takes_any_batch
from auditor.classifiers.downloads import required_library
from auditor.classifiers.named_models import file_of
from auditor.config import ConfigPath
from auditor.config.recognise import Given, Recognised
from auditor.errors import ModelError
from auditor.registry import Options, plugin

_COLOURS = frozenset({1, 3, 4})
_SIDE = 64
"""Side of a trial image for a model that takes any size."""
_TOLERANCE = 1e-3


class _Input(NamedTuple):
    """The input of a graph; None stands for any size."""

    name: str
    shape: tuple[int | None, ...]

    @property
    def channels_last(self) -> bool:
        return self.shape[3] in _COLOURS and self.shape[1] not in _COLOURS

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height and width of a trial image."""
        axes = (3, 1, 2) if self.channels_last else (1, 2, 3)
        channels, height, width = (self.shape[axis] for axis in axes)
        return channels or 3, height or _SIDE, width or _SIDE


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
        if not self.file.is_file():
            raise ModelError(f"model.file: expected an ONNX model; {self.file} is not a file")
        try:
            model = onnx.load(self.file)
            onnx.checker.check_model(str(self.file))
            options = runtime.SessionOptions()
            options.log_severity_level = 3  # errors only
            session = runtime.InferenceSession(
                str(self.file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # each of both libraries has an error tree of its own
            if isinstance(error, MemoryError):
                raise
            first = str(error).strip().partition("\n")[0][:200]
            raise ModelError(
                f"model.file: expected an ONNX model in {self.file}; {first}"
            ) from error
        given = _input_of(model)
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


class _Session:
    """Predicts with ONNX Runtime."""

    def __init__(self, session: Any, given: _Input) -> None:
        self._session = session
        self._given = given
        self._half = session.get_inputs()[0].type == "tensor(float16)"

    def __call__(self, images: Tensor) -> object:
        images = images.permute(0, 2, 3, 1) if self._given.channels_last else images
        array = (images.half() if self._half else images).contiguous().numpy()
        names = [one.name for one in self._session.get_outputs()]
        outputs = self._session.run(names, {self._given.name: array})
        tensors = {
            name: torch.from_numpy(one)
            for name, one in zip(names, outputs, strict=True)
            if hasattr(one, "dtype") and one.dtype.kind == "f"
        }
        return next(iter(tensors.values())) if len(tensors) == 1 else tensors


class _ChannelsLast(nn.Module):
    """A network for images (N, H, W, C) that gets (N, C, H, W)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> object:
        return self.network(images.permute(0, 2, 3, 1))


def _input_of(model: Any) -> _Input:
    weights = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in weights]
    if len(inputs) == 1 and len(axes := inputs[0].type.tensor_type.shape.dim) == 4:
        return _Input(inputs[0].name, tuple(axis.dim_value or None for axis in axes))
    names = ", ".join(f"{one.name} of {len(one.type.tensor_type.shape.dim)} axes" for one in inputs)
    raise ModelError(
        f"model.file: expected one input, images (N, C, H, W); the model has {names or 'none'}"
    )


def _converted(model: Any, given: _Input, predict: Any) -> tuple[nn.Module | None, str]:
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
    if given.channels_last:
        network = _ChannelsLast(network)
    if not takes_any_batch(network, given.image):
        return None, "converts it only for the batch size of the file; export it with a dynamic one"
    images = torch.rand((1, *given.image), generator=torch.Generator().manual_seed(1), device="cpu")
    with torch.no_grad():
        ours, theirs = in_batches(network, None)(images), predict(images)
    difference = float((ours - theirs.float()).abs().max())
    if difference > _TOLERANCE * max(float(theirs.abs().max()), 1.0):
        return None, f"converts it to a network whose outputs differ by {difference:.2g}"
    return network, ""
