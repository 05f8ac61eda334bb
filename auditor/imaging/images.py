"""Images in and out: decode, bring to the network's input size, draw maps. NumPy and Pillow only.

Reading turns whatever Pillow can decode into upright 8-bit RGB, and everything else into an
``UnreadableImageError`` with a reason. Drawing blends with look-up tables, because a figure of a
plotting library takes a hundred times as long as the image itself.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from auditor.errors import UnreadableImageError
from auditor.imaging.properties import said_by_file
from auditor.records import DecodedImage

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Size = int | tuple[int, int]
Box = tuple[float, float, float, float]

_RESAMPLING: dict[Interpolation, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

_UPRIGHT: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each value of the EXIF tag ``Orientation``."""

# What Pillow's decoders let through on damaged bytes: each format parses in its own way.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
    Warning,
)

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
"""First bytes of the usual formats: what starts so and can't be identified was cut off."""


def open_image(path: Path) -> DecodedImage:
    """Reads one image file.

    Args:
        path: a file in any format that Pillow decodes; of several frames the first counts.

    Returns:
        The upright image in 8-bit RGB and the SHA-256 of the file's bytes.

    Raises:
        UnreadableImageError: with the reason ``missing``, ``empty``, ``truncated``,
            ``not-an-image``, ``too-large`` (more pixels than ``PIL.Image.MAX_IMAGE_PIXELS``) or
            ``unreadable``.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnreadableImageError("missing", str(path)) from error
    except (OSError, ValueError) as error:
        raise UnreadableImageError("unreadable", f"{path}: {error}") from error
    image = _opened(data)
    return DecodedImage(upright_rgb(image), hashlib.sha256(data).hexdigest(), _said(image))


def decode(data: bytes) -> Image.Image:
    """Decodes the bytes of an image file to an upright image in 8-bit RGB.

    Raises:
        UnreadableImageError: with the reason, as in :func:`open_image`.
    """
    return upright_rgb(_opened(data))


def _opened(data: bytes) -> Image.Image:
    if not data:
        raise UnreadableImageError("empty", "zero bytes")
    with damage_explained(data):
        return Image.open(io.BytesIO(data))


def upright_rgb(image: Image.Image) -> Image.Image:
    """Decodes an opened image, turns it upright and converts it to 8-bit RGB.

    16-bit values are scaled by 1/257, not clipped. Alpha is laid over white. 32-bit integers count
    as 16-bit values where they fit, and floats as 0…1; there is no agreed range beyond these.

    Args:
        image: of any mode; may still be undecoded.

    Returns:
        An image of mode ``RGB``; the given one where nothing had to be done.

    Raises:
        UnreadableImageError: it can't be decoded or has no agreed range of values.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        # Pillow only warns below twice its limit; a verdict must not hang on warning filters.
        raise UnreadableImageError(
            "too-large", f"{image.width} × {image.height} pixels, at most {limit} are read"
        )
    with damage_explained():
        image.load()
        # Only now: the TIFF and AVIF readers turn the image while they load it.
        turn = _UPRIGHT.get(_orientation(image))
        image = _rgb(image)
        return image if turn is None else image.transpose(turn)


@contextmanager
def damage_explained(data: bytes = b"") -> Iterator[None]:
    """Turns what Pillow raises on a bad image into ``UnreadableImageError``.

    Args:
        data: the file's bytes, if known: they tell a cut-off image from no image.
    """
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise UnreadableImageError("too-large", str(error)) from error
    except UnidentifiedImageError as error:
        if data.startswith(_SIGNATURES):
            raise UnreadableImageError("truncated", "only the start of an image") from error
        raise UnreadableImageError("not-an-image", "no known image format") from error
    except _DAMAGE as error:
        cut = isinstance(error, EOFError) or "truncated" in str(error).lower()
        raise UnreadableImageError("truncated" if cut else "unreadable", str(error)) from error


def _said(image: Image.Image) -> dict[str, str | float]:
    try:
        return said_by_file(image)
    except _DAMAGE:
        # Broken tags say nothing of the file's making; the pixels are whole.
        return {}


def _orientation(image: Image.Image) -> int:
    try:
        tag = image.getexif().get(ExifTags.Base.Orientation)
    except _DAMAGE:
        # A broken tag says nothing about the orientation; the pixels are whole.
        return 1
    return tag if isinstance(tag, int) else 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bit(np.asarray(image), image.mode)).convert("RGB")
    if image.has_transparency_data or image.mode in {"La", "RGBa"}:
        if image.mode == "La":
            image = image.convert("LA")
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _eight_bit(values: NDArray[np.generic], mode: str) -> NDArray[np.uint8]:
    numbers = values.astype(np.float64)
    top = 1.0 if mode == "F" else 65535.0
    low, high = float(numbers.min()), float(numbers.max())
    if not (low >= 0 and high <= top):
        raise ValueError(f"expected pixel values of mode {mode} in 0…{top:g}; got {low:g}…{high:g}")
    scaled: NDArray[np.uint8] = np.rint(numbers * (255.0 / top)).astype(np.uint8)
    return scaled


# To the network's input ----------------------------------------------------------------------


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of an image lie in the network's input.

    Attributes:
        source: (width, height) of the upright image.
        resized: (width, height) after the resize, before the crop.
        left: columns cut away at the left; negative where columns were added.
        top: rows cut away at the top; negative where rows were added.
        width: of the network's input.
        height: of the network's input.
    """

    source: tuple[int, int]
    resized: tuple[int, int]
    left: int
    top: int
    width: int
    height: int

    def box(self, box: Box) -> Box | None:
        """Maps a box in pixels of the upright image to pixels of the network's input.

        Args:
            box: ``(x0, y0, x1, y1)``, pixel edges.

        Returns:
            The part of it that the network sees, or None where it sees nothing of it.
        """
        across = self.resized[0] / self.source[0]
        down = self.resized[1] / self.source[1]
        x0, x1 = (min(max(x * across - self.left, 0.0), self.width) for x in (box[0], box[2]))
        y0, y1 = (min(max(y * down - self.top, 0.0), self.height) for y in (box[1], box[3]))
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def resize_geometry(width: int, height: int, resize: Size | None, crop: Size | None) -> Geometry:
    """How an image is brought to the network's input size.

    The sizes and offsets are those of torchvision's ``Resize`` and ``CenterCrop``.

    Args:
        width: of the upright image, in pixels.
        height: of the upright image, in pixels.
        resize: length of the shorter side, or (height, width); None leaves the size.
        crop: side of a square from the centre, or (height, width); None crops nothing.

    Returns:
        The mapping.
    """
    if resize is None:
        resized = (width, height)
    elif isinstance(resize, tuple):
        resized = (resize[1], resize[0])
    elif width <= height:
        resized = (resize, int(resize * height / width))
    else:
        resized = (int(resize * width / height), resize)
    if crop is None:
        return Geometry((width, height), resized, 0, 0, *resized)
    rows, columns = crop if isinstance(crop, tuple) else (crop, crop)
    return Geometry(
        (width, height),
        resized,
        _offset(resized[0], columns),
        _offset(resized[1], rows),
        columns,
        rows,
    )


def _offset(length: int, wanted: int) -> int:
    """Where a centred window of the wanted length starts; negative where it is the longer one."""
    return -((wanted - length) // 2) if wanted > length else round((length - wanted) / 2)


def prepare(
    image: Image.Image,
    resize: Size | None,
    crop: Size | None,
    interpolation: Interpolation = "bilinear",
) -> NDArray[np.uint8]:
    """Brings an image to the network's input size.

    Pixel by pixel the same as torchvision's ``Resize`` (antialiased) and ``CenterCrop`` on a Pillow
    image: what a crop adds beyond the borders is black.

    Args:
        image: of mode ``RGB``.
        resize: length of the shorter side, or (height, width); None leaves the size.
        crop: side of a square from the centre, or (height, width); None crops nothing.
        interpolation: of the resize.

    Returns:
        (3, H, W), uint8, contiguous.
    """
    view = resize_geometry(image.width, image.height, resize, crop)
    if view.resized != image.size:
        image = image.resize(view.resized, _RESAMPLING[interpolation])
    if (view.width, view.height) != image.size:
        image = image.crop((view.left, view.top, view.left + view.width, view.top + view.height))
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


# Drawing -------------------------------------------------------------------------------------


def overlay(
    image: NDArray[np.uint8],
    cam: NDArray[np.floating],
    *,
    peak: float | None = None,
    opacity: float = 0.7,
) -> NDArray[np.uint8]:
    """Draws a class activation map over an image.

    The colours are viridis: perceptually uniform and readable with any colour vision. Opacity grows
    with the value, so that the image stays readable where the map is low. Negative values count
    as 0.

    Args:
        image: (H, W, 3), uint8.
        cam: (h, w), unnormalised; upsampled bilinearly to (H, W).
        peak: value drawn in the brightest colour; None: the map's largest. Give one to make maps
            comparable with each other.
        opacity: of the peak, 0…1.

    Returns:
        (H, W, 3), uint8; an unchanged copy where no value is above 0.

    Raises:
        ValueError: the map has a value that is not finite, or the opacity is out of range.
    """
    _finite(cam)
    if not 0 <= opacity <= 1:
        raise ValueError(f"expected an opacity in 0…1; got {opacity}")
    highest = float(cam.max()) if peak is None else peak
    if highest <= 0:
        return image.copy()
    shown = upsample(cam, image.shape[0], image.shape[1])
    shown *= np.float32(255 / highest)
    steps = Image.fromarray(np.clip(shown, 0, 255, out=shown).astype(np.uint8))
    alpha = steps.point([round(255 * opacity * step / 255) for step in range(256)])
    steps.putpalette(_viridis())
    # Pillow's palette look-up and blend take half the time of NumPy's.
    drawn = Image.composite(steps.convert("RGB"), Image.fromarray(image), alpha)
    return np.asarray(drawn)


def upsample(cam: NDArray[np.floating], height: int, width: int) -> NDArray[np.float32]:
    """Enlarges a map bilinearly, pixel centres on pixel centres (``align_corners=False``).

    Args:
        cam: (h, w).
        height: of the result.
        width: of the result.

    Returns:
        (height, width), float32, not normalised.
    """
    rows = _bilinear(cam.shape[0], height)
    columns = _bilinear(cam.shape[1], width)
    result: NDArray[np.float32] = rows @ cam.astype(np.float32, copy=False) @ columns.T
    return result


def guided_view(relevance: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Draws a signed map of gradients: grey is 0, brighter is positive, darker is negative.

    Scaled so that the 99.9 % quantile of the absolute values reaches black or white: single
    outliers would otherwise leave the rest grey.

    Args:
        relevance: (3, H, W), signed.

    Returns:
        (H, W, 3), uint8; all grey where the map is 0 everywhere.

    Raises:
        ValueError: the map has a value that is not finite.
    """
    _finite(relevance)
    sizes = np.abs(relevance).ravel()
    rank = min(math.ceil(0.999 * sizes.size), sizes.size) - 1
    scale = float(np.partition(sizes, rank)[rank]) or float(sizes.max())
    grey = np.full(relevance.shape, 128, np.uint8)
    if scale > 0:
        grey = np.rint(128 + 127 * np.clip(relevance / scale, -1, 1)).astype(np.uint8)
    return np.ascontiguousarray(grey.transpose(1, 2, 0))


def jpeg(image: NDArray[np.uint8], quality: int = 85) -> bytes:
    """Encodes an image.

    Args:
        image: (H, W, 3) or (H, W), uint8.
        quality: 1…95.

    Returns:
        The bytes of a baseline JPEG file.
    """
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def thumbnail(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """A small version of an image with its proportions kept.

    Args:
        image: of mode ``RGB``.
        side: largest side of the result in pixels; a smaller image keeps its size.

    Returns:
        (H, W, 3), uint8.
    """
    scale = min(side / max(image.size), 1.0)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return np.array(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))


def _finite(values: NDArray[np.floating]) -> None:
    if not np.isfinite(values).all():
        raise ValueError("expected a map of finite values; got NaN or infinity")


@lru_cache(maxsize=64)
def _bilinear(before: int, after: int) -> NDArray[np.float32]:
    """Weights (after, before) of linear interpolation along one axis, edges repeated."""
    places = np.clip((np.arange(after) + 0.5) * (before / after) - 0.5, 0, before - 1)
    lower = np.floor(places).astype(np.int64)
    upper = np.minimum(lower + 1, before - 1)
    share = places - lower
    weights = np.zeros((after, before), np.float64)
    np.add.at(weights, (np.arange(after), lower), 1 - share)
    np.add.at(weights, (np.arange(after), upper), share)
    shares = weights.astype(np.float32)
    shares.flags.writeable = False  # one array serves every caller
    return shares


@lru_cache(maxsize=1)
def _viridis() -> bytes:
    """The colours of 256 steps, three bytes each."""
    from matplotlib import colormaps

    colours = np.asarray(colormaps["viridis"](np.arange(256)))[:, :3] * 255
    return bytes(np.rint(colours).astype(np.uint8).tobytes())
