"""Decoding: any file in a raster format that Pillow reads, or in DICOM, becomes an upright 8-bit RGB image.

Everything else becomes an ``UnreadableImageError`` with a reason.
"""

from __future__ import annotations

import hashlib
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from auditor.errors import UnreadableImageError
from auditor.imaging import decode_limit, decoder_process
from auditor.imaging.decoder_errors import DECODER_ERRORS
from auditor.imaging.dicom import Window, decode_dicom, dicom_size, is_dicom, require_pydicom
from auditor.imaging.file_metadata import file_metadata
from auditor.imaging.libtiff import silent_libtiff
from auditor.imaging.raster_formats import open_raster
from auditor.records import DecodedImage

_TO_UPRIGHT: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that undoes each value of the EXIF tag ``Orientation``."""

_TURNS = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
"""Operations that exchange width and height."""

_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
"""Tags of the size."""
_LARGEST_FILE = 1 << 30
"""Bytes of an image file that are read."""
_LONGEST_SIDE = 65_535
"""Pixels: the limit of JPEG, and more than any camera has."""
_COMPUTE_ON = frozenset({"AVIF", "JPEG2000", "WEBP"})
"""Formats that are decoded in one go; TIFF is another one, unless it is not compressed."""
_PROGRESSIVE_BLOCK = 1 << 12
"""Bytes of a progressive JPEG that its decoder is given at a time."""
_VALUES_AT_ONCE = 1 << 22
"""Values that are converted at a time: an image of the largest size does not need eight times its memory."""

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
"""First bytes of common formats: an unidentified file with one of these was truncated."""


def open_image(path: Path, window: Window | None = None) -> DecodedImage:
    """Reads one image file.

    Args:
        path: a file in any format that Pillow decodes, or in DICOM; only the first frame is read.
        window: of a DICOM image, instead of the file's own.

    Returns:
        The upright image in 8-bit RGB, the SHA-256 of the file's bytes, and its metadata.

    Raises:
        UnreadableImageError: with the reason ``missing``, ``empty``, ``truncated``,
            ``not-an-image``, ``too-large`` (more pixels than ``PIL.Image.MAX_IMAGE_PIXELS``),
            ``too-slow`` (see `decode_limit`) or ``unreadable``.
    """
    data = read_image_file(path)
    digest = hashlib.sha256(data).hexdigest()
    if is_dicom(data):
        return DecodedImage(decode_image(data, window), digest)
    image = _identify(data)
    # Pixels first: to look for EXIF, Pillow decodes a PNG, and the error would be taken for one of metadata.
    decoded = _decoded(image, data)
    return DecodedImage(decoded, digest, _metadata(image))


def decode_unconverted(data: bytes) -> Image.Image:
    """Decodes the bytes of an image file, in this process: upright, but in its own mode.

    Raises:
        UnreadableImageError: as for `open_image`.
    """
    if is_dicom(data):
        return decode_dicom(data)
    image = _identify(data)
    _require_size(image)
    with translate_decoding_errors(data):
        _load(image)
        transpose = _TO_UPRIGHT.get(_orientation(image))
        upright = image if transpose is None else image.transpose(transpose)
        upright.format = image.format
        return upright


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) of the upright image, from the start of its file.

    Raises:
        UnreadableImageError: as for `open_image`.
    """
    data = read_image_file(path)
    if is_dicom(data):
        return dicom_size(data)
    image = _identify(data)
    with translate_decoding_errors():
        turned = _TO_UPRIGHT.get(_orientation(image)) in _TURNS
        width, height = _stored_size(image)
    return (height, width) if turned else (width, height)


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """(width, height) before the image is rotated; newer Pillow states those of a TIFF after it."""
    if image.format != "TIFF":
        return image.size
    tags = image.tag_v2  # type: ignore[attr-defined]
    return int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT])


def read_image_file(path: Path) -> bytes:
    """The bytes of a regular file of bounded size.

    Raises:
        UnreadableImageError: it is missing, too large, or no regular file, such as a pipe.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # reading a pipe would wait for ever
            raise UnreadableImageError("unreadable", f"{path}: not a file")
        if found.st_size > _LARGEST_FILE:
            raise UnreadableImageError("too-large", f"{path}: {found.st_size} bytes")
        if found.st_size == 0:  # files of the kernel have no size, and reading some waits for ever
            return b""
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_FILE)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnreadableImageError("missing", str(path)) from error
    except (OSError, ValueError) as error:
        raise UnreadableImageError("unreadable", f"{path}: {error}") from error
    return data


def decode_image(data: bytes, window: Window | None = None) -> Image.Image:
    """Decodes the bytes of an image file to an upright image in 8-bit RGB.

    Args:
        data: of the file.
        window: of a DICOM image, instead of the file's own.

    Raises:
        UnreadableImageError: with the reason, as in :func:`open_image`.
    """
    if not is_dicom(data):
        return _decoded(_identify(data), data)
    if decode_limit.is_limited():
        return decode_dicom(data, window)
    require_pydicom()
    return decoder_process.decode_rgb(data, window)


def decode_here(data: bytes, window: Window | None = None) -> Image.Image:
    """As `decode_image`, always in this process.

    Raises:
        UnreadableImageError: with the reason, as in :func:`open_image`.
    """
    return decode_dicom(data, window) if is_dicom(data) else upright_rgb(_identify(data))


def needs_a_limit(data: bytes) -> bool:
    """Whether an image is decoded by `decoder_process`: a decoder that does not read on could not be ended.

    Raises:
        UnreadableImageError: it is in no format that is decoded, or too large.
    """
    if decode_limit.is_limited():
        return False
    if is_dicom(data):
        return True
    image = _identify(data)
    _require_size(image)
    return _computes_on(image)


def _decoded(image: Image.Image, data: bytes) -> Image.Image:
    """An identified image in upright RGB, by the process that can be ended where that is needed."""
    if decode_limit.is_limited() or not _computes_on(image):
        return upright_rgb(image)
    _require_size(image)
    return decoder_process.decode_rgb(data)


def _computes_on(image: Image.Image) -> bool:
    """Whether the decoder of an image computes long without reading: the others are ended as they read."""
    if image.format == "TIFF":
        return image.info.get("compression") != "raw"
    return image.format in _COMPUTE_ON


def _identify(data: bytes) -> Image.Image:
    if not data:
        raise UnreadableImageError("empty", "zero bytes")
    with translate_decoding_errors(data):
        return open_raster(data)


def upright_rgb(image: Image.Image) -> Image.Image:
    """Decodes an opened image, rotates it upright and converts it to 8-bit RGB.

    16-bit values are scaled by 1/257, not clipped. Transparent pixels are blended with white. 32-bit
    integers are read as 16-bit values if they fit, and floats as values in 0…1; other ranges have no
    agreed meaning and are refused.

    Args:
        image: an image of any mode; it may not be loaded yet.

    Returns:
        An image of mode ``RGB``; the same object if nothing had to be changed.

    Raises:
        UnreadableImageError: the image can't be decoded, or its range of values is not known.
    """
    _require_size(image)
    with translate_decoding_errors():
        _load(image)
        # Read the tag after loading: the TIFF and AVIF readers rotate the image while they load it.
        transpose = _TO_UPRIGHT.get(_orientation(image))
        image = _rgb(image)
        return image if transpose is None else image.transpose(transpose)


def _load(image: Image.Image) -> None:
    """Decodes an identified image."""
    if image.format == "JPEG" and image.info.get("progressive"):
        # Between two reads, the decoder goes through all pixels for each scan that it was given.
        image.decodermaxblock = _PROGRESSIVE_BLOCK  # type: ignore[attr-defined]
    with silent_libtiff() if image.format == "TIFF" else nullcontext():
        image.load()


def _require_size(image: Image.Image) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    if max(image.size) > _LONGEST_SIDE:
        raise UnreadableImageError(
            "too-large",
            f"expected sides of at most {_LONGEST_SIDE} pixels; got {image.width} × {image.height}",
        )
    if limit is not None and image.width * image.height > limit:
        # Pillow only warns below twice its limit, but the result must not depend on warning filters.
        raise UnreadableImageError(
            "too-large", f"expected at most {limit} pixels; got {image.width} × {image.height}"
        )


@contextmanager
def translate_decoding_errors(data: bytes = b"") -> Iterator[None]:
    """Converts the errors that Pillow raises on a bad image into ``UnreadableImageError``.

    Pillow only warns of damaged metadata, which do not make the pixels unusable. These warnings are ignored:
    the result must not depend on warning filters.

    Args:
        data: the file's bytes, if known; they distinguish a truncated image from another file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise UnreadableImageError("too-large", str(error)) from error
    except UnidentifiedImageError as error:
        if data.startswith(_SIGNATURES):
            raise UnreadableImageError("truncated", "only the start of an image") from error
        raise UnreadableImageError("not-an-image", "no raster image format") from error
    except DECODER_ERRORS as error:
        truncated = isinstance(error, EOFError) or "truncated" in str(error).lower()
        reason = "truncated" if truncated else "unreadable"
        raise UnreadableImageError(reason, str(error)) from error


def _metadata(image: Image.Image) -> dict[str, str | float]:
    try:
        return file_metadata(image)
    except DECODER_ERRORS:
        # Broken metadata does not make the pixels unusable.
        return {}


def _orientation(image: Image.Image) -> int:
    try:
        tag = image.getexif().get(ExifTags.Base.Orientation)
    except DECODER_ERRORS:
        # Broken metadata does not make the pixels unusable; without a tag the image is upright.
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
    top = 1.0 if mode == "F" else 65535.0
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= top):
        raise ValueError(f"expected pixel values of mode {mode} in 0…{top:g}; got {low:g}…{high:g}")
    scaled = np.empty(values.shape, dtype=np.uint8)
    rows = max(1, _VALUES_AT_ONCE // max(1, values.shape[1]))
    for start in range(0, len(values), rows):
        part = values[start : start + rows].astype(np.float64)
        scaled[start : start + rows] = np.rint(part * (255.0 / top))
    return scaled
