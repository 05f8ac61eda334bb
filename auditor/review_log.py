"""Decisions of reviewers on the findings of a run: ``decisions.json`` beside the result.

The file only grows: a later decision on a finding replaces an earlier one, which stays readable. Each entry
has a digest over the entry before it, and the first over the seal of the results. A decision that was
changed, removed or made on another result therefore breaks the chain; `auditor verify` says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from pydantic import ValidationError

from auditor.errors import ConfigError, DataError
from auditor.manifest import read_manifest
from auditor.records import Record
from auditor.run_files import read_regular

DECISIONS = "decisions.json"

ReviewChoice = Literal["accept", "mitigate", "reject"]
"""``accept``: the risk is accepted as it is; ``mitigate``: measures are taken before or during use;
``reject``: the model is not used as long as the finding stands."""

_LONGEST = {"reason": 4000, "reviewer": 200, "role": 200}
"""Largest number of characters."""
_REVERSING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates: "reject" could look like another word."""


class ReviewDecision(Record):
    """What one person decided on one finding."""

    finding: str
    """Id of the finding."""
    choice: ReviewChoice
    reason: str
    reviewer: str
    role: str = ""
    decided_at: datetime
    digest: str
    """SHA-256 over the digest before it (of the first: over the seal) and this decision."""


class ReviewLog(Record):
    """Content of ``decisions.json``."""

    seal: str
    """Seal of the results that were reviewed."""
    decisions: list[ReviewDecision] = []
    """In the order in which they were made."""

    @property
    def current(self) -> Mapping[str, ReviewDecision]:
        """The last decision on each finding, by the finding's id."""
        return {one.finding: one for one in self.decisions}

    @property
    def digest(self) -> str:
        """Digest of the last decision, which stands for all of them."""
        return self.decisions[-1].digest if self.decisions else self.seal


def read_log(folder: Path) -> ReviewLog | None:
    """The decisions on a run; None if there are none.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / DECISIONS
    try:
        return ReviewLog.model_validate_json(read_regular(path))
    except FileNotFoundError:
        return None
    except (ValidationError, OSError) as error:
        reason = (
            error.strerror if isinstance(error, OSError) else "the file is damaged or was edited"
        )
        raise DataError(
            f"{path}: expected the decisions that `auditor review` wrote; {reason}: restore the file from a "
            "backup, or remove it and decide again"
        ) from error


def add_decision(
    folder: Path,
    finding: str,
    choice: str,
    *,
    reason: str,
    reviewer: str,
    role: str = "",
) -> ReviewDecision:
    """Appends a decision to those of a run.

    Args:
        folder: the run folder.
        finding: id of the finding.
        choice: ``accept``, ``mitigate`` or ``reject``.
        reason: why, at most 4,000 characters.
        reviewer: name of the person, at most 200 characters.
        role: of the person.

    Returns:
        The decision as it is stored.

    Raises:
        ConfigError: a text is missing, too long or invisible in part, or the choice is unknown.
        DataError: the stored decisions are damaged or belong to another result.
    """
    texts = {"reason": reason.strip(), "reviewer": reviewer.strip(), "role": role.strip()}
    for name, text in texts.items():
        if not text and name != "role":
            raise ConfigError(f"{name}: expected a text; it is empty: state the {name}")
        if len(text) > _LONGEST[name]:
            raise ConfigError(
                f"{name}: expected at most {_LONGEST[name]} characters; got {len(text)}: shorten it"
            )
        hidden = next((one for one in text if _is_hidden(one)), None)
        if hidden is not None:
            raise ConfigError(
                f"{name}: expected text that can be read; it contains the invisible character "
                f"U+{ord(hidden):04X}: remove it"
            )
    if choice not in get_args(ReviewChoice):
        raise ConfigError(
            f"decision: expected one of {', '.join(get_args(ReviewChoice))}; got {choice!r}"
        )
    seal = read_manifest(folder).seal
    log = read_log(folder) or ReviewLog(seal=seal)
    faults = review_faults(log, seal)
    if faults:
        raise DataError(f"{folder / DECISIONS}: {faults[0]}: remove the file, and decide again")
    content = {"finding": finding, "choice": choice, **texts, "decided_at": datetime.now(UTC)}
    made = ReviewDecision.model_validate(
        content | {"digest": _digest(log.digest, ReviewDecision(**content, digest=""))}
    )
    _write(folder, log.model_copy(update={"decisions": [*log.decisions, made]}))
    return made


def _is_hidden(character: str) -> bool:
    """Control characters, lone surrogates, and marks that reverse the order in which text is read."""
    kind = unicodedata.category(character)
    return (kind in {"Cc", "Cs"} and character not in "\n\r\t") or character in _REVERSING


def review_faults(log: ReviewLog, seal: str) -> list[str]:
    """Reasons why decisions can't be relied on.

    Args:
        log: as stored.
        seal: of the results as they are now.

    Returns:
        Sentences; none if the decisions are those that were made, on these results.
    """
    faults = []
    if log.seal != seal:
        faults.append(
            f"expected decisions on the results with the seal {seal}; they were made on {log.seal}"
        )
    before = log.seal
    for number, one in enumerate(log.decisions, 1):
        if one.digest != _digest(before, one):
            faults.append(f"decision {number}, on {one.finding}, was changed after it was made")
            break
        before = one.digest
    return faults


def _digest(before: str, decision: ReviewDecision) -> str:
    content = decision.model_dump(mode="json", exclude={"digest"})
    text = json.dumps([before, content], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _write(folder: Path, log: ReviewLog) -> None:
    partial = folder / f"{DECISIONS}.partial"
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(log.model_dump_json(indent=1))
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / DECISIONS)
