"""Types beside tensors that training tools store, and that hold only values.

``torch.load(weights_only=True)`` refuses all types that it does not know. Those listed here run no code of
their own when they are read.
"""

from __future__ import annotations

import argparse
import pathlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

_ATTRIBUTES = (
    "lightning.fabric.utilities.data.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning.pytorch.utilities.parsing.AttributeDict",
)
"""Hyperparameters of Lightning, under the names of several versions; read as plain dictionaries."""


def _path(*parts: str) -> str:
    """A path as a text, also one of another system."""
    return "/".join(parts)


def harmless_types() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """The types, for ``torch.serialization.safe_globals``; with their name where it is another one."""
    scalar: Any = np.float64(0).__reduce__()[0]  # a function in a private module of NumPy
    numbers = [type(np.dtype(name)) for name in ("float32", "float64", "int32", "int64", "bool")]
    return [
        argparse.Namespace,
        *(
            (_path, f"{module}.{name}")
            for module in ("pathlib", "pathlib._local")
            for name in _PATHS
        ),
        (scalar, "numpy.core.multiarray.scalar"),
        scalar,
        np.dtype,
        *numbers,
        *((OrderedDict, name) for name in _ATTRIBUTES),
    ]


_PATHS = (pathlib.PosixPath.__name__, pathlib.WindowsPath.__name__, pathlib.PurePosixPath.__name__)
