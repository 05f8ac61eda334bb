"""What the process of `decoder_process` does: it decodes one image after the other."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import warnings
from typing import IO, Any

from PIL import Image

from auditor.errors import UnreadableImageError
from auditor.imaging import decode_limit
from auditor.imaging.decode import decode_here
from auditor.imaging.decoder_process import receive, send
from auditor.imaging.masks import mask_here
from auditor.imaging.raster_formats import raster_formats

_MOST_MEMORY = 6 << 30
"""Bytes of address space: what the largest image needs in float64, several times over."""


def serve() -> None:
    """Answers requests until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    _limit_memory()
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    raster_formats()  # imports the decoders, for which no image is to blame
    os.dup2(2, 1)  # nothing that a decoder prints becomes part of an answer
    while True:
        try:
            request, data = receive(requests)
        except EOFError:
            return
        _answer(answers, request, data)


def _answer(stream: IO[bytes], request: dict[str, Any], data: bytes) -> None:
    Image.MAX_IMAGE_PIXELS = request["most_pixels"]
    decode_limit.SECONDS, decode_limit.END_AFTER = request["seconds"], request["end_after"]
    window = request["window"]
    try:
        with decode_limit.ended_when_too_slow():
            if request["task"] == "mask":
                mask = mask_here(data)
                size, content = mask.shape[::-1], mask.tobytes()
            else:
                image = decode_here(data, None if window is None else tuple(window))
                size, content = image.size, image.tobytes()
    except UnreadableImageError as error:
        send(stream, {"reason": error.reason, "detail": error.detail}, b"")
    except MemoryError as error:
        send(stream, {"reason": "too-large", "detail": str(error)}, b"")
    else:
        send(stream, {"size": size}, content)


def _limit_memory() -> None:
    if sys.platform != "linux":  # elsewhere, the limit is not kept
        return
    resource = importlib.import_module("resource")
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MOST_MEMORY if most == resource.RLIM_INFINITY else min(most, _MOST_MEMORY)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))
