"""Runs a reader on inputs, and tells apart what it may do and what is a find."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.target import Reader, Target


@dataclass(frozen=True)
class Find:
    """An input that a reader must survive, and does not.

    Attributes:
        kind: ``exception``, ``slow`` or ``memory``.
        where: exception and line that stand for all finds of the same cause.
        details: the traceback, or the measured number.
        data: the input.
    """

    kind: str
    where: str
    details: str
    data: bytes


@dataclass
class Watch:
    """Feeds a reader and collects finds, one for each cause.

    Attributes:
        target: what is read.
        reader: its function.
        folder: where finds are written; None: nowhere.
    """

    target: Target
    reader: Reader
    folder: Path | None = None
    finds: dict[str, Find] = field(default_factory=dict)
    n_accepted: int = 0

    def feed(self, data: bytes) -> str:
        """Reads one input.

        Returns:
            What came of it: "accepted", or the exception.
        """
        outcome = "accepted"
        peak, start = _peak(), time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.reader(data)
            self.n_accepted += 1
        except self.target.allowed as error:
            outcome = f"{type(error).__name__} {error}"
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - that is what is looked for; panics of Rust are no Exception
            outcome = _cause(error)
            self._add(Find("exception", outcome, "".join(traceback.format_exception(error)), data))
        seconds, megabytes = time.process_time() - start, _peak() - peak
        if seconds > self.target.seconds:
            self._add(Find("slow", "slow", f"{seconds:.1f} s", data))
        if megabytes > self.target.megabytes:
            self._add(Find("memory", "memory", f"{megabytes:.0f} MB", data))
        return outcome

    def _add(self, find: Find) -> None:
        known = self.finds.get(find.where)
        if known is not None and len(known.data) <= len(find.data):
            return
        self.finds[find.where] = find
        if self.folder is not None:
            stem = self.folder / hashlib.sha256(find.where.encode()).hexdigest()[:12]
            stem.with_suffix(".input").write_bytes(find.data)
            content = {"kind": find.kind, "where": find.where, "details": find.details}
            stem.with_suffix(".json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def _cause(error: BaseException) -> str:
    """The exception, and the last line of this project on the way to it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if f"{os.sep}auditor{os.sep}" in one.filename] or list(frames)
    last = own[-1]
    place = last.filename.rpartition(f"{os.sep}auditor{os.sep}")[2]
    deepest = frames[-1]
    return f"{type(error).__name__} in {place}:{last.lineno} ({Path(deepest.filename).name}:{deepest.name})"


def _peak() -> float:
    """Most memory that the process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
