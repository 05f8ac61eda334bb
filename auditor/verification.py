"""Verifies a finished run: is it still what the audit wrote?

The manifest reveals accidents and careless edits. Whoever alters a result deliberately can also write
a new manifest; that is what the seal is for, if it was kept outside the folder (in a ticket, on the
signed page) when the audit ended. In addition, ``audit.json`` and ``predictions.parquet`` are checked
for consistency.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from auditor.errors import DataError
from auditor.manifest import (
    EXPLANATIONS,
    MANIFEST,
    PREDICTIONS,
    full_seal,
    read_manifest,
    regular_files,
    seal,
    sha256,
)
from auditor.records.decision_table import read_decisions
from auditor.records.prediction_file import require_predictions
from auditor.records.predictions import LABEL, PREDICTED, usable_rows
from auditor.review_log import DECISIONS, read_log, review_faults
from auditor.run_files import empty_folders, entries, is_regular
from auditor.run_folder import RunFolder
from auditor.signature import RunSignature, signature_fault

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@dataclass(frozen=True)
class GivenSignature:
    """A signature that a run is checked with.

    Attributes:
        signature: content of the signature file.
        key: public key of the person who is said to have signed.
        key_file: where the key was read, for messages.
    """

    signature: RunSignature
    key: Ed25519PublicKey
    key_file: Path


@dataclass(frozen=True)
class Verification:
    """Changes of a run's files since it was finished.

    Attributes:
        folder: the run.
        n_files: number of files in the manifest.
        altered: files with other bytes, or in whose place is something else, such as a link.
        missing: files that were removed.
        added: what is not in the manifest: files, links, pipes, and folders that contain nothing (with ``/``
            at the end).
        contradictions: sentences about results, predictions, manifest or seal that disagree.
        seal: SHA-256 over the results as they are now.
        full_seal: SHA-256 over all files as they are now.
        results_only: whether the expected seal was that of the results: it does not cover the documents.
        signed_with: file of the public key with which the given signature fits; None: no signature was given,
            or it does not fit.
    """

    folder: Path
    n_files: int
    altered: tuple[str, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    contradictions: tuple[str, ...]
    seal: str
    full_seal: str
    results_only: bool
    signed_with: Path | None = None

    @property
    def ok(self) -> bool:
        """Whether all files are as the audit, or a later ``auditor render``, wrote them."""
        return not (self.altered or self.missing or self.added or self.contradictions)


def verify(
    folder: Path, expected_seal: str | None = None, given: GivenSignature | None = None
) -> Verification:
    """Compares a run's files with its manifest, and its result with its predictions.

    Args:
        folder: a finished run.
        expected_seal: the seal that was noted when the audit ended, or that of the results; None: not
            known.
        given: a signature to check; None: none.

    Raises:
        DataError: the folder does not hold a finished run with a manifest.
    """
    # Not `RunFolder.open`, which refuses what is reported here.
    run = RunFolder.locate(folder)
    manifest = read_manifest(run.path)
    found = {
        path.relative_to(run.path).as_posix(): sha256(path)
        for path in sorted(regular_files(run.path))
        if path != run.path / MANIFEST
    }
    recorded = manifest.files
    others = _other_entries(run.path, recorded)
    current, whole = seal(found), full_seal(found)
    expected = None if expected_seal is None else expected_seal.strip().lower()
    contradictions = []
    if manifest.seal != seal(recorded):
        contradictions.append(f"{MANIFEST}: the seal does not match the listed hashes")
    if expected not in {None, current, whole}:
        contradictions.append(
            f"the seal is {whole}, and that of the results {current}; expected {expected}"
        )
    fault = None if given is None else signature_fault(given.signature, whole, given.key)
    contradictions += [] if fault is None else [fault]
    contradictions += _disagreements(run)
    contradictions += _review_faults(run.path, current)
    return Verification(
        folder=run.path,
        n_files=len(recorded),
        altered=tuple(
            name
            for name in recorded
            if found.get(name, recorded[name]) != recorded[name] or name in others
        ),
        missing=tuple(name for name in recorded if name not in found and name not in others),
        added=tuple(sorted({*found, *others} - recorded.keys())),
        contradictions=tuple(contradictions),
        seal=current,
        full_seal=whole,
        results_only=expected == current,
        signed_with=None if given is None or fault is not None else given.key_file,
    )


def require_intact(folder: Path) -> str:
    """Checks that a run is as its manifest lists it, before somebody vouches for it.

    Returns:
        Its full seal.

    Raises:
        DataError: a file was altered, removed or added, or the files contradict each other.
    """
    found = verify(folder)
    if not found.ok:
        faults = (
            *(f"{name} was altered" for name in found.altered),
            *(f"{name} is missing" for name in found.missing),
            *(f"{name} was added" for name in found.added),
            *found.contradictions,
        )
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise DataError(
            f"{folder}: expected a run as its manifest lists it; {faults[0]}{more}: see `auditor verify`, "
            "and restore the run from a backup"
        )
    return found.full_seal


def _other_entries(folder: Path, recorded: Mapping[str, str]) -> set[str]:
    """What is neither a regular file nor a folder of one.

    A folder without files has ``/`` at its end, unless it has the name of a file.
    """
    special = {name for name in entries(folder) if not is_regular(folder / name)}
    # Without failures, that of the maps is empty; others are, where all of their files were removed.
    expected = {
        EXPLANATIONS,
        *(str(one) for name in recorded for one in PurePosixPath(name).parents),
    }
    empty = {name for name in empty_folders(folder) if name not in expected}
    taken = {name for name in recorded if (folder / name).is_dir()}
    return special | taken | {f"{name}/" for name in empty - taken}


def _review_faults(folder: Path, seal_now: str) -> list[str]:
    """Faults of the decisions of reviewers."""
    try:
        log = read_log(folder)
    except DataError as error:
        return [f"the decisions can't be read: {error}"]
    return [] if log is None else [f"{DECISIONS}: {one}" for one in review_faults(log, seal_now)]


def _disagreements(run: RunFolder) -> Iterator[str]:
    """Counts that differ between ``audit.json`` and ``predictions.parquet``."""
    try:
        result = run.read_result()
    except DataError as error:
        yield f"the result can't be read: {error}"
        return
    path = run.path / PREDICTIONS
    if not is_regular(path):
        return  # already reported as missing or altered
    try:
        require_predictions(path, result)
    except DataError as error:
        yield f"{PREDICTIONS} can't be read: {error}"
        return
    frame = read_decisions(path, result.decision, [one.name for one in result.classes])
    evaluated = frame.loc[usable_rows(frame), [LABEL, PREDICTED]].astype(str)
    summary = result.summary
    labels = evaluated[LABEL].value_counts()
    failures = int((evaluated[LABEL] != evaluated[PREDICTED]).sum())
    n_labels = len(result.decision.positive) if result.decision.task == "multi-label" else 1
    n_samples, n_evaluated = len(frame) // n_labels, len(evaluated) // n_labels
    counts = [
        ("provenance.data.n_samples", result.provenance.data.n_samples, n_samples),
        ("summary.n_samples", summary.n_samples, n_samples),
        ("summary.n_evaluated", summary.n_evaluated, n_evaluated),
        ("summary.n_failures", summary.n_failures, failures),
        *(
            (f"classes: support of {one.name}", one.support, int(labels.get(one.name, 0)))
            for one in result.classes
        ),
    ]
    for name, recorded, counted in counts:
        if recorded != counted:
            yield f"{name}: audit.json has {recorded}, {PREDICTIONS} has {counted}"
