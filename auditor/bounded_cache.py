"""Bounded cache: keeps arrays until they fill a number of bytes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Key = TypeVar("Key", bound=Hashable)


class BoundedCache(Generic[Key]):
    """Keeps arrays by key. Once it is full, what is there stays, and nothing is added.

    Results must not depend on it: it saves work, and its content is what would be computed again.
    """

    def __init__(self, megabytes: float) -> None:
        """Makes an empty cache.

        Args:
            megabytes: largest size of the arrays together.
        """
        self._kept: dict[Key, NDArray[Any]] = {}
        self._free = int(megabytes * 2**20)

    def room_for(self, nbytes: int) -> int:
        """How many more arrays of a size fit."""
        return self._free // nbytes

    def __contains__(self, key: Key) -> bool:
        return key in self._kept

    def get(self, key: Key) -> NDArray[Any] | None:
        """The array, or None if it was not kept."""
        return self._kept.get(key)

    def add(self, key: Key, array: NDArray[Any]) -> None:
        """Keeps a copy of an array, if it fits and is not there yet."""
        if key not in self._kept and array.nbytes <= self._free:
            self._free -= array.nbytes
            self._kept[key] = np.array(array)
