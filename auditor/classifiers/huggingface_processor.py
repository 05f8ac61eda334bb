"""Image processors of transformers as a preprocessing of this package.

The settings of a processor do not say what its code does with them. What is derived from them is
therefore compared with the processor's own output, and is only used if both agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.config import Preprocess
from auditor.imaging import Interpolation, prepare

_Side = int | tuple[int, int] | None

_INTERPOLATIONS: dict[int, Interpolation] = {
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
}
"""Numbers of Pillow."""
_SIZES = ((301, 402), (402, 301))
"""Height and width of the images on which both are compared: odd and even, upright and wide."""
_LARGEST, _MEAN = 8.0, 2.0
"""Grey levels by which the results may differ: as much as between images shifted by a pixel or less, because
processors place an odd crop differently. Another size of the resize makes a difference of 10 or more."""
_WARP_FROM = 384
"""From this size on, ConvNeXt and ResNet of transformers do not crop."""


def processor_of(transformers: Any, folder: Path) -> tuple[Preprocess | None, str]:
    """The preprocessing that is stored with a model.

    Args:
        transformers: the library.
        folder: with ``preprocessor_config.json``.

    Returns:
        The preprocessing and an empty note; or None and a note why the configuration must state it.
    """
    if not (folder / "preprocessor_config.json").is_file():
        return None, " (set `preprocess`: no image processor is stored with the model)"
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, ImportError, TypeError) as error:
        first = str(error).strip().partition("\n")[0]
        return None, f" (set `preprocess`: its image processor can't be loaded, {first})"
    return preprocess_of(processor)


def preprocess_of(processor: Any) -> tuple[Preprocess | None, str]:
    """Converts an image processor, and checks the result against it.

    Args:
        processor: of transformers.

    Returns:
        The preprocessing and an empty note; or None and a note why the configuration must state it.
    """
    name = type(processor).__name__
    for candidate in _candidates(processor):
        if all(_agrees(candidate, processor, size) for size in _SIZES):
            return candidate, ""
    return None, f" (set `preprocess`: what {name} does has no equivalent)"


def _candidates(processor: Any) -> Iterator[Preprocess]:
    """Settings that may be those of the processor."""
    rescale = getattr(processor, "rescale_factor", None) or 1 / 255
    scale = 1 / rescale if getattr(processor, "do_rescale", True) else 1.0
    mean, std = _normalisation(processor)
    number = int(getattr(processor, "resample", None) or 0)
    for resize, crop in _sizes(processor):
        with suppress(ValueError):  # a size of 0, or means of another range
            yield Preprocess(
                resize=resize,
                crop=crop,
                channels="bgr" if getattr(processor, "do_flip_channel_order", False) else "rgb",
                scale=round(scale, 9),
                mean=mean,
                std=std,
                interpolation=_INTERPOLATIONS.get(number, "bilinear"),
            )


def _normalisation(processor: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    if getattr(processor, "do_normalize", True):
        mean, std = tuple(processor.image_mean), tuple(processor.image_std)
    if getattr(processor, "rescale_offset", False):
        mean = tuple(1 + one for one in mean)
    if getattr(processor, "include_top", False):  # EfficientNet divides twice
        std = tuple(one * one for one in std)
    return mean, std


def _sizes(processor: Any) -> Iterator[tuple[_Side, _Side]]:
    """Possible meanings of the sizes: resize and crop."""
    crop = _pair(getattr(processor, "crop_size", None))
    target = crop if getattr(processor, "do_center_crop", False) else None
    if not getattr(processor, "do_resize", True):
        yield None, target
        return
    edge = _get(processor.size, "shortest_edge")
    if edge is None:
        yield _pair(processor.size), target
        return
    share = getattr(processor, "crop_pct", None)
    if share:
        yield (int(edge / share), edge) if edge < _WARP_FROM else ((edge, edge), None)
    yield edge, target
    yield int(256 / 224 * edge), target  # LeViT


def _get(size: Any, key: str) -> int | None:
    if size is None:
        return None
    found = size.get(key) if hasattr(size, "get") else getattr(size, key, None)
    return None if found is None else int(found)


def _pair(size: Any) -> tuple[int, int] | None:
    height, width = _get(size, "height"), _get(size, "width")
    return None if height is None or width is None else (height, width)


def _agrees(candidate: Preprocess, processor: Any, size: tuple[int, int]) -> bool:
    """Whether both make the same input of a smooth image, up to rounding and interpolation."""
    image = _smooth(size)
    try:
        made = processor(images=image, return_tensors="np")["pixel_values"]
    except (ValueError, RuntimeError, TypeError, KeyError):
        return False
    theirs = np.asarray(made[0], dtype=np.float64)
    pixels = prepare(image, candidate.resize, candidate.crop, candidate.interpolation)
    ours = input_of(pixels, candidate)
    if ours.shape != theirs.shape:
        return False
    # In grey levels, so that the tolerance does not depend on the normalisation.
    std = np.array(candidate.std).reshape(3, 1, 1) * candidate.scale
    difference = np.abs(ours - theirs) * std
    return float(difference.max()) <= _LARGEST and float(difference.mean()) <= _MEAN


def input_of(pixels: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.float64]:
    """The input of a network, in its own order of channels.

    Args:
        pixels: (3, H, W), RGB.
        preprocess: of three channels.
    """
    ordered = pixels[::-1] if preprocess.channels == "bgr" else pixels
    mean, std = (np.array(one).reshape(3, 1, 1) for one in (preprocess.mean, preprocess.std))
    result: NDArray[np.float64] = (ordered / preprocess.scale - mean) / std
    return result


def _smooth(size: tuple[int, int]) -> Image.Image:
    """An image without sharp edges, whose channels and directions differ."""
    wave: Callable[[NDArray[np.float64]], NDArray[np.float64]] = np.sin
    y, x = np.mgrid[: size[0], : size[1]] / 40.0
    channels = [wave(x + y / 3), wave(0.7 * y - x / 2 + 1), wave(x * 0.4 + y * 0.9 + 2)]
    values = np.stack(channels, axis=-1) * 110 + 128
    return Image.fromarray(np.rint(values).astype(np.uint8))
