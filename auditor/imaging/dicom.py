"""DICOM images through pydicom: the first frame as 8-bit RGB."""

from __future__ import annotations

import importlib
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.errors import MissingDependencyError, UnreadableImageError
from auditor.imaging.decode_limit import LimitedStream
from auditor.imaging.decoder_errors import DECODER_ERRORS

_PREAMBLE = 128
"""Bytes before the letters DICM."""

_MOST_SAMPLES, _MOST_BITS = 4, 64
_LARGEST_FRAME = 1 << 29
"""Bytes of one frame; 89 million pixels of three samples have half as many."""
_LARGEST_INFLATED = 1 << 30
"""Bytes of a deflated file, once inflated; as many as of another file."""
_PIECE = 1 << 20

Window = tuple[float, float]
"""Centre and width of the values that are shown from black to white, in the unit of the modality."""


def is_dicom(data: bytes) -> bool:
    """Whether the bytes of a file are DICOM, by its content."""
    return data[_PREAMBLE : _PREAMBLE + 4] == b"DICM"


def decode_dicom(data: bytes, window: Window | None = None) -> Image.Image:
    """Decodes the first frame.

    Grey values are rescaled to the unit of the modality, windowed, and inverted for MONOCHROME1. Without a
    window, neither given nor in the file, values of 8 bits are kept, and others are scaled from their
    minimum to their maximum in the image.

    Args:
        data: of the file.
        window: replaces that of the file.

    Returns:
        An image of mode ``RGB``.

    Raises:
        UnreadableImageError: it has no pixels, too many, or can't be decoded.
        MissingDependencyError: pydicom is not installed.

    Reference:
        DICOM PS3.3, C.11.1 (modality LUT) and C.11.2 (window).
    """
    with _translated():
        file = read_dicom(data)
        _require_pixels(file)
        pixels = importlib.import_module("pydicom.pixels")
        stored = pixels.pixel_array(file, index=0)
        kind = str(file.get("PhotometricInterpretation", "")).strip()
        if kind == "PALETTE COLOR":
            colours = pixels.apply_color_lut(stored, file)[..., :3]
            return Image.fromarray(_eight_bit(colours, 8 * colours.dtype.itemsize))
        if stored.ndim == 3:
            return Image.fromarray(_eight_bit(stored, int(file.BitsStored)))
        grey = _windowed(file, stored, window, pixels)
        return Image.fromarray(255 - grey if kind == "MONOCHROME1" else grey).convert("RGB")


def dicom_size(data: bytes) -> tuple[int, int]:
    """(width, height) of a DICOM image, without decoding it.

    Raises:
        UnreadableImageError, MissingDependencyError: as for `decode_dicom`.
    """
    with _translated():
        file = read_dicom(data)
        _require_pixels(file)
        return int(file.Columns), int(file.Rows)


def read_dicom(data: bytes, tags: list[str] | None = None) -> Any:
    """The data set of a DICOM file.

    Args:
        data: of the file.
        tags: keywords of the only elements to read, without pixels; None: all.

    Raises:
        MissingDependencyError: pydicom is not installed.
    """
    library = require_pydicom()
    stream = _DicomStream(data)
    return library.dcmread(stream, stop_before_pixels=tags is not None, specific_tags=tags)


class _DicomStream(LimitedStream):
    """The bytes of a DICOM file. All at once, pydicom reads only the rest of a deflated one."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads on, as `io.BytesIO.read`.

        Raises:
            UnreadableImageError: the time is over, or the rest would become too large.
        """
        data = super().read(size)
        if size is None or size < 0:
            _require_bounded_inflation(data)
        return data


def require_pydicom() -> Any:
    """The library.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        return importlib.import_module("pydicom")
    except ImportError as error:
        raise MissingDependencyError(
            "data: DICOM images require pydicom: `pip install 'classifier-auditor[dicom]'`"
        ) from error


def dicom_errors() -> tuple[type[Exception], ...]:
    """What is raised on damaged bytes; pydicom's own exceptions have no common base class."""
    own = sys.modules.get("pydicom.errors")
    more = () if own is None else (own.BytesLengthException, own.InvalidDicomError)
    return (*DECODER_ERRORS, *more)


@contextmanager
def _translated() -> Iterator[None]:
    """What pydicom raises becomes ``UnreadableImageError``."""
    try:
        with warnings.catch_warnings():
            # pydicom warns of each value that departs from the standard, even if it can read the image.
            warnings.simplefilter("ignore")
            yield
    except MemoryError as error:
        raise UnreadableImageError("too-large", str(error)) from error
    except dicom_errors() as error:
        text = " ".join(str(error).split())
        cut = isinstance(error, EOFError) or "less than expected" in text or "end of file" in text
        raise UnreadableImageError("truncated" if cut else "unreadable", text[:300]) from error


def _require_pixels(file: Any) -> None:
    if "PixelData" not in file and "FloatPixelData" not in file:
        cut = "PixelRepresentation" in file
        why = "the file ends before its pixels" if cut else "a DICOM file without pixels"
        raise UnreadableImageError("truncated" if cut else "not-an-image", why)
    limit, height, width = Image.MAX_IMAGE_PIXELS, int(file.Rows), int(file.Columns)
    if limit is not None and height * width > limit:
        raise UnreadableImageError(
            "too-large", f"expected at most {limit} pixels; got {width} × {height}"
        )
    samples, bits = int(file.get("SamplesPerPixel") or 1), int(file.get("BitsAllocated") or 8)
    if not (1 <= samples <= _MOST_SAMPLES and 1 <= bits <= _MOST_BITS):
        raise UnreadableImageError(
            "unreadable",
            f"expected 1 to {_MOST_SAMPLES} samples of up to {_MOST_BITS} bits for each pixel; got {samples} "
            f"of {bits}",
        )
    if height * width * samples * bits > 8 * _LARGEST_FRAME:
        raise UnreadableImageError(
            "too-large",
            f"expected a frame of at most {_LARGEST_FRAME >> 20} MiB; got {width} × {height} pixels with "
            f"{samples} samples of {bits} bits",
        )


def _require_bounded_inflation(deflated: bytes) -> None:
    """Raises ``UnreadableImageError`` if bytes become too many; damaged ones are left to pydicom."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    for start in range(0, len(deflated), _PIECE):
        part = deflated[start : start + _PIECE]
        while part and not inflater.eof:
            try:
                total += len(inflater.decompress(part, _PIECE))
            except zlib.error:
                return
            part = inflater.unconsumed_tail
            if total > _LARGEST_INFLATED:
                raise UnreadableImageError(
                    "too-large", f"expected at most {_LARGEST_INFLATED >> 20} MiB, inflated"
                )


def _windowed(
    file: Any, stored: NDArray[Any], window: Window | None, pixels: Any
) -> NDArray[np.uint8]:
    """Grey values in 0…255."""
    values = pixels.apply_modality_lut(stored, file).astype(np.float64)
    function = str(file.get("VOILUTFunction") or "LINEAR").strip()
    if window is None:
        window = _window_of(file)
    else:
        function = "LINEAR"
    if window is not None:
        shown = _shares(values, window, function)
    elif file.get("VOILUTSequence"):
        table = pixels.apply_voi_lut(pixels.apply_modality_lut(stored, file), file)
        bits = int(file.VOILUTSequence[0].LUTDescriptor[2])
        return _eight_bit(table, bits)
    elif int(file.BitsStored) == 8 and np.array_equal(values, stored) and values.min() >= 0:
        return np.asarray(values, np.uint8)
    else:
        low, high = float(values.min()), float(values.max())
        shown = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return np.asarray(np.rint(shown * 255), np.uint8)


def _window_of(file: Any) -> Window | None:
    """The first window of the file."""
    ends = [file.get("WindowCenter"), file.get("WindowWidth")]
    firsts = [one[0] if hasattr(one, "__len__") and len(one) else one for one in ends]
    if any(one is None or hasattr(one, "__len__") for one in firsts):
        return None
    centre, width = (float(one) for one in firsts)
    return (centre, width) if width > 0 else None


def _shares(values: NDArray[np.float64], window: Window, function: str) -> NDArray[np.float64]:
    """Brightness in 0…1 by a function of PS3.3, C.11.2.1.2 and C.11.2.1.3."""
    centre, width = window
    if function == "SIGMOID":
        exponent = np.clip(-4 * (values - centre) / width, -700, 700)
        return np.asarray(1 / (1 + np.exp(exponent)))
    if function == "LINEAR_EXACT" or width <= 1:
        return np.clip((values - centre) / width + 0.5, 0, 1)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def _eight_bit(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Values of 0…2^bits - 1 as 0…255."""
    if bits == 8:
        return values.astype(np.uint8)
    scaled = np.rint(values.astype(np.float64) * (255 / (2**bits - 1)))
    return np.asarray(scaled.clip(0, 255), np.uint8)
