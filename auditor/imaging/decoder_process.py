"""A process that decodes what could keep a decoder busy for ever, and that can be ended.

Decoders of some formats compute without asking for more bytes, so that `decode_limit.LimitedStream` does not
stop them. Worker processes are ended. Anywhere else (few images, ``workers: 0``, masks, `auditor explain`,
Windows), such images are decoded by one further process, which starts with the first of them. It is ended
when it takes too long; a decoder that crashes ends only that process.

Requests and answers are a line of JSON and then bytes: nothing is unpickled.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.errors import UnreadableImageError
from auditor.imaging import decode_limit
from auditor.imaging.dicom import Window

_START = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from auditor.imaging.decoder_child import serve; serve()"
)
_lock = threading.Lock()
_running: list[_Decoder] = []
"""The process, once it was started; in a fork, also that of the first process."""


@dataclass(frozen=True)
class _Decoder:
    """A running process.

    Attributes:
        process: it.
        owner: id of the process that started it: a fork of that one starts its own.
    """

    process: subprocess.Popen[bytes]
    owner: int


def decode_rgb(data: bytes, window: Window | None = None) -> Image.Image:
    """Decodes an image to upright 8-bit RGB.

    Args:
        data: bytes of the file.
        window: of a DICOM image.

    Raises:
        UnreadableImageError: it can't be decoded, or takes too long.
    """
    size, pixels = _ask("image", data, window)
    return Image.frombytes("RGB", size, pixels)


def decode_mask(data: bytes) -> NDArray[np.bool_]:
    """Decodes a mask: (height, width), True inside.

    Raises:
        UnreadableImageError: as for `decode_rgb`.
    """
    (width, height), pixels = _ask("mask", data, None)
    return np.frombuffer(pixels, np.bool_).reshape(height, width)


def end() -> None:
    """Ends the process, if there is one; the next image starts another one."""
    with _lock:
        for decoder in [one for one in _running if one.owner == os.getpid()]:
            _remove(decoder)


def send(stream: IO[bytes], header: dict[str, Any], content: bytes) -> None:
    """Writes a request or an answer."""
    stream.write(json.dumps(header | {"length": len(content)}).encode() + b"\n")
    stream.write(content)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Reads a request or an answer.

    Raises:
        EOFError: the other process has ended.
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    header: dict[str, Any] = json.loads(line)
    content = stream.read(header["length"])
    if len(content) < header["length"]:
        raise EOFError
    return header, content


def _ask(
    task: Literal["image", "mask"], data: bytes, window: Window | None
) -> tuple[tuple[int, int], bytes]:
    """The size (width, height) and the bytes of what the process decoded."""
    request = {
        "task": task,
        "window": window,
        "seconds": decode_limit.SECONDS,
        "end_after": decode_limit.END_AFTER,
        "most_pixels": Image.MAX_IMAGE_PIXELS,
    }
    with _lock:
        decoder = _decoder()
        answer = _answer(decoder, lambda stream: send(stream, request, data))
        if isinstance(answer, UnreadableImageError):
            raise answer
    header, content = answer
    if "reason" in header:
        raise UnreadableImageError(str(header["reason"]), str(header["detail"]))
    width, height = header["size"]
    return (int(width), int(height)), content


def _answer(
    decoder: _Decoder, request: Callable[[IO[bytes]], None]
) -> tuple[dict[str, Any], bytes] | UnreadableImageError:
    """What the process answers; why the image is unreadable if the process ended instead."""
    process = decoder.process
    assert process.stdin is not None
    assert process.stdout is not None
    # A decoder that waits uses no processor time, and Windows has no signal for processor time.
    late = threading.Timer(decode_limit.WALL_SECONDS, process.kill)
    late.start()
    try:
        request(process.stdin)
        return receive(process.stdout)
    except (EOFError, OSError):
        timed_out = not late.is_alive()
        _remove(decoder)
        if timed_out or decode_limit.was_too_slow(process.returncode):
            return decode_limit.too_slow()
        return UnreadableImageError(
            "unreadable", f"its decoder ended the process with code {process.returncode}"
        )
    finally:
        late.cancel()


def _decoder() -> _Decoder:
    """The process of this one; starts it if there is none."""
    for decoder in [one for one in _running if one.owner == os.getpid()]:
        if decoder.process.poll() is None:
            return decoder
        _remove(decoder)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(  # noqa: S603 - this Python, and code of this package
        [sys.executable, "-P", "-c", _START, *filter(None, sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    _running.append(_Decoder(process, os.getpid()))
    return _running[-1]


def _remove(decoder: _Decoder) -> None:
    """Ends a process of this one."""
    _running.remove(decoder)
    process = decoder.process
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:  # what was still to be written to a process that has ended
                continue


atexit.register(end)
