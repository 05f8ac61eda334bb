"""Images of the caller in any form as the model's input, and as they are shown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from auditor import imaging
from auditor.config import Preprocess, loading
from auditor.errors import ConfigError, DataError, ModelError, UnreadableImageError
from auditor.imaging import upright_rgb
from auditor.imaging.arrays import image_of_array
from auditor.input_pipeline import normalised

UserImage = Tensor | NDArray[Any] | Image.Image | str | os.PathLike[str]
"""One image, or an array or tensor of several."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Images as input and for display.

    Attributes:
        inputs: (N, C, H, W) floating, preprocessed.
        shown: (N, H, W, 3) uint8; None for preprocessed images, see `rescaled`.
        names: of the images: the file name, or the position.
        preprocess: of original images.
    """

    inputs: Tensor
    shown: NDArray[np.uint8] | None
    names: tuple[str, ...]
    preprocess: Preprocess | None = None


def inputs_of(images: object, preprocess: Preprocess | Mapping[str, Any] | None) -> Inputs:
    """Converts images.

    Args:
        images: a floating tensor, or a list of them, is preprocessed; all others are original images.
        preprocess: of original images.

    Raises:
        ConfigError: original images without a preprocessing, a preprocessing of preprocessed ones, or one
            that is none.
        DataError: a file is no image, or the images have different sizes.
        ModelError: something is no image.
    """
    batch = _preprocessed(images)
    if batch is not None:
        if preprocess is not None:
            raise ConfigError(
                "preprocess: expected original images; a floating tensor is taken to be preprocessed: leave "
                "`preprocess` out, or pass the original images, as uint8 or as files"
            )
        return Inputs(batch, None, tuple(f"image {k}" for k in range(len(batch))))
    named = list(_originals(images))
    if not named:
        raise ModelError("images: expected at least one image; got none: pass at least one image")
    if preprocess is None:
        raise ConfigError(
            "preprocess: expected how the images become the model's input: pass what it was trained with, "
            "such as `preprocess={'resize': 256, 'crop': 224, 'mean': [0.485, 0.456, 0.406], 'std': [0.229, "
            "0.224, 0.225]}`, or `preprocess={}` to only divide by 255; or pass preprocessed images as a "
            "floating tensor (N, 3, H, W), such as `torch.from_numpy(array)`"
        )
    setting = loading.validate(Preprocess, preprocess, None, "preprocess.")
    pixels = [
        imaging.prepare(one, setting.resize, setting.crop, setting.interpolation)
        for _, one in named
    ]
    sizes = {one.shape: name for (name, _), one in zip(named, pixels, strict=True)}
    if len(sizes) > 1:
        (first, a), (other, b) = list(sizes.items())[:2]
        raise DataError(
            f"preprocess: expected images of one size; {a} becomes {first[1]} × {first[2]} pixels and {b} "
            f"{other[1]} × {other[2]}: set `resize` and `crop`"
        )
    stacked = np.stack(pixels)
    inputs = normalised(torch.from_numpy(stacked), setting, torch.device("cpu"))
    shown = np.ascontiguousarray(stacked.transpose(0, 2, 3, 1))
    return Inputs(inputs, shown, tuple(name for name, _ in named), setting)


def _preprocessed(images: object) -> Tensor | None:
    """The batch if the images are floating tensors; None for original images."""
    if isinstance(images, Tensor):
        if not images.is_floating_point():
            return None
        return images[None] if images.ndim == 3 else images
    if isinstance(images, list | tuple) and images:
        floating = [isinstance(one, Tensor) and one.is_floating_point() for one in images]
        if all(floating):
            shapes = {tuple(one.shape) for one in images}
            if len(shapes) > 1 or len(next(iter(shapes))) != 3:
                raise ModelError(
                    "images: expected tensors (channels, height, width) of one size; got "
                    f"{' and '.join(str(one) for one in sorted(shapes)[:3])}"
                )
            return torch.stack(list(images))
        if any(floating):
            raise ModelError(
                "images: expected either floating tensors, which are preprocessed, or original images; got "
                "both: pass them in two calls"
            )
    return None


def _originals(images: object) -> Iterator[tuple[str, Image.Image]]:
    """Original images with their names."""
    several: Sequence[object] = [images]
    if isinstance(images, list | tuple) or (
        isinstance(images, np.ndarray | Tensor) and images.ndim == 4
    ):
        several = list(images)
    for position, one in enumerate(several):
        yield _original(one, position)


def _original(image: object, position: int) -> tuple[str, Image.Image]:
    name = f"image {position}"
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        try:
            return path.name, imaging.open_image(path).image
        except UnreadableImageError as error:
            raise DataError(f"{path}: expected an image; {error.sentence}") from error
    try:
        if isinstance(image, Image.Image):
            return name, upright_rgb(image)
        if isinstance(image, np.ndarray):
            return name, upright_rgb(image_of_array(image))
        if isinstance(image, Tensor) and image.layout == torch.strided and not image.is_meta:
            values = image.detach().cpu().numpy()
            return name, upright_rgb(image_of_array(values, channels_first=True))
    except (ValueError, UnreadableImageError) as error:
        raise DataError(f"images: {name}: {error}") from error
    raise ModelError(
        f"images: {name}: expected the path of a file, a PIL image, an array or a tensor; got "
        f"{type(image).__name__}"
    )


def rescaled(batch: Tensor) -> NDArray[np.uint8]:
    """Preprocessed images for display: each from its lowest to its highest value.

    Args:
        batch: (N, C, H, W) finite values.

    Returns:
        (N, H, W, 3) uint8: the first three channels, or the first one as grey.
    """
    values = batch.detach().double().cpu().numpy()
    values = values[:, :3] if values.shape[1] >= 3 else values[:, :1].repeat(3, axis=1)
    low, high = (edge(axis=(1, 2, 3), keepdims=True) for edge in (values.min, values.max))
    scaled = (values - low) / np.where(high > low, high - low, 1)
    shown: NDArray[np.uint8] = np.rint(scaled * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return shown
