"""What is fuzzed: a function that takes bytes, with seeds to start from."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from auditor.errors import UsageError

Reader = Callable[[bytes], None]
Mutator = Callable[[bytes, random.Random], bytes]


class BrokenPromiseError(AssertionError):
    """A reader returned what its documentation excludes, such as a page with an injected element."""


@dataclass(frozen=True)
class Target:
    """One reader of files that come from other people.

    Attributes:
        name: on the command line and of its corpus.
        about: what the input is and what reads it.
        open: makes what the reader needs in an empty folder, and returns the reader.
        seeds: inputs to start from; made by code, none comes from outside.
        mutate: changes an input in a way that keeps its structure; None: bytes are changed.
        allowed: the only exceptions that may leave the reader.
        longest: size of an input in bytes.
        seconds: processor time that no input may exceed.
        megabytes: memory that no input may need in addition.
        kept: inputs of the corpus, which tests read again: fewer where each takes long.
    """

    name: str
    about: str
    open: Callable[[Path], Reader]
    seeds: Callable[[], Iterable[bytes]]
    mutate: Mutator | None = None
    allowed: tuple[type[BaseException], ...] = (UsageError,)
    longest: int = 1 << 14
    seconds: float = 5.0
    megabytes: float = 400.0
    kept: int = 80
