"""Pillow's copy of libtiff, which prints what it finds wrong in a file to the terminal."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_HANDLERS = ("TIFFSetErrorHandler", "TIFFSetWarningHandler")


@contextmanager
def silent_libtiff() -> Iterator[None]:
    """Lets libtiff print nothing; Pillow raises errors all the same."""
    setters = _setters()
    former = [setter(None) for setter in setters]
    try:
        yield
    finally:
        for setter, handler in zip(setters, former, strict=True):
            setter(handler)


@cache
def _setters() -> tuple[Any, ...]:
    """The functions that replace a handler and return the former one; none where libtiff hides them."""
    library = ctypes.CDLL(importlib.import_module("PIL._imaging").__file__)
    found = []
    for name in _HANDLERS:
        setter = getattr(library, name, None)
        if setter is not None:
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            found.append(setter)
    return tuple(found)
