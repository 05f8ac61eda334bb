"""Keras 3 models on the torch backend, as networks with images (N, 3, H, W)."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from auditor.errors import ModelError

_COLOURS = frozenset({1, 3, 4})


class KerasNetwork(nn.Module):
    """A Keras model whose layers are parts of a network under their own names.

    Keras keeps the layers of a model in a list, where PyTorch does not find them. Layers of nested
    models are called ``model/layer``.
    """

    def __init__(self, model: Any) -> None:
        """Wraps a model, which stays as it is."""
        super().__init__()
        self.__dict__["_model"] = model
        self._channels_last = _takes_channels_last(model)
        self._channels = _channels_of(model, 3 if self._channels_last else 1)
        for name, layer in _layers(model):
            self.add_module(name.replace(".", "_"), layer)

    def forward(self, images: Tensor) -> Any:
        """What the model returns for images (N, C, H, W), in inference mode of Keras.

        Raises:
            ModelError: the images have other channels than the model takes.
        """
        import keras

        if self._channels not in {None, images.shape[1]}:
            raise ModelError(
                f"model: expected images with as many channels as the Keras model takes, {self._channels}; "
                f"got {images.shape[1]}: set `preprocess.channels` to `grey` for one channel, or to "
                "`rgba` for four"
            )

        inputs = images.permute(0, 2, 3, 1) if self._channels_last else images
        kind = "gpu" if images.device.type == "cuda" else images.device.type
        with keras.device(f"{kind}:{images.device.index or 0}"):
            return self.__dict__["_model"](inputs, training=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> KerasNetwork:
        """A copy with the same weights; the layers of a copied list would not belong to the model."""
        import keras

        model = self.__dict__["_model"]
        copied = keras.models.clone_model(model)
        with without_numpy_warning():
            copied.set_weights(model.get_weights())
        return KerasNetwork(copied).train(self.training)


@contextmanager
def without_numpy_warning() -> Iterator[None]:
    """Hides a warning of NumPy 2 about the way in which Keras converts tensors to arrays."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        yield


def wrapped_keras(module: nn.Module) -> nn.Module:
    """A Keras model as a network; any other module as it is."""
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(module, keras.Model):
        return KerasNetwork(module).train(module.training)
    return module


def _layers(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All layers, those of nested models after the model itself."""
    for layer in model.layers:
        yield prefix + layer.name, layer
        if hasattr(layer, "layers"):
            yield from _layers(layer, f"{prefix}{layer.name}/")


def _channels_of(model: Any, axis: int) -> int | None:
    """The number of channels that the model takes; None where it is not stated."""
    shape = getattr(model, "input_shape", None)
    return shape[axis] if isinstance(shape, tuple) and len(shape) == 4 else None


def _takes_channels_last(model: Any) -> bool:
    shape = getattr(model, "input_shape", None)
    if isinstance(shape, tuple) and len(shape) == 4:
        first, last = shape[1] in _COLOURS, shape[3] in _COLOURS
        if first != last:
            return last
    import keras

    return bool(keras.config.image_data_format() == "channels_last")
