"""Parts of an audit that raised an exception: they are listed, and the rest of the audit is kept.

A check or a measurement that fails after everything was predicted must not discard hours of work.
This is the one place that may catch every exception: what is caught is never lost. The audit lists
the part as skipped with its reason, keeps the traceback, and cannot be judged where the part bears on
the model's outcomes.
"""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from auditor.errors import DataError, LostImageError
from auditor.manifest import TRACEBACK
from auditor.phrasing import several
from auditor.records import ClaimKind, OutcomeReason, Skipped

T = TypeVar("T")

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""The run folder can't be written: the audit ends, and what is finished can be resumed."""


@dataclass(frozen=True)
class BrokenPart:
    """A part of an audit that raised an exception.

    Attributes:
        name: of the check or stage.
        kind: what it would have examined; ``outcome`` bears on the verdict.
        reason: class and message of the exception, in one line.
        traceback: where it was raised.
    """

    name: str
    kind: ClaimKind
    reason: str
    traceback: str

    @property
    def skipped(self) -> Skipped:
        """The entry in the list of what could not be examined."""
        return Skipped(check=self.name, reason=f"could not be done: {self.reason}")


def result_of(name: str, kind: ClaimKind, part: Callable[[], T]) -> T | BrokenPart:
    """The result of a part of an audit, or how it failed; raises as ``BrokenParts.attempt`` does.

    Args:
        name: of the part.
        kind: what it examines.
        part: the work.
    """
    try:
        return part()
    except (DataError, Warning) as error:
        if not isinstance(error, LostImageError):
            raise
        return BrokenPart(name, kind, str(error), traceback.format_exc())
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NO_SPACE:
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        return BrokenPart(name, kind, reason, traceback.format_exc())


class BrokenParts:
    """Runs the parts of one audit and collects those that raise an exception.

    Attributes:
        parts: those that raised, in order.
    """

    def __init__(self) -> None:
        self.parts: list[BrokenPart] = []

    def attempt(self, name: str, kind: ClaimKind, part: Callable[[], T], otherwise: T) -> T:
        """Runs a part.

        Args:
            name: of the part.
            kind: what it examines.
            part: the work.
            otherwise: its result where it raises: that nothing was examined.

        Raises:
            DataError: the data can't be used, which no other part could do either. A single image that
                can no longer be read concerns only the parts that need it.
            OSError: the disk is full or read-only; the rest could not be written, either.
            Warning: warnings were turned into errors on purpose.
        """
        found = result_of(name, kind, part)
        if isinstance(found, BrokenPart):
            self.parts.append(found)
            return otherwise
        return found

    @property
    def skipped(self) -> list[Skipped]:
        """The parts as entries in the list of what could not be examined."""
        return [one.skipped for one in self.parts]

    @property
    def reasons(self) -> list[OutcomeReason]:
        """Why the audit cannot be judged: parts that bear on the verdict are missing."""
        names = [one.name for one in self.parts if one.kind == "outcome"]
        if not names:
            return []
        which = "A part" if len(names) == 1 else "Parts"
        text = f"{which} of the audit could not be done: {several(names, 6)}; {TRACEBACK} says why."
        return [OutcomeReason(kind="evaluation", state="undecided", text=text)]

    @property
    def tracebacks(self) -> str:
        """All tracebacks as one text; empty where nothing failed."""
        return "\n".join(f"{one.name}\n{one.traceback}" for one in self.parts)
