"""Whether a finished run is still what the audit left: ``auditor verify``.

A manifest shows accidents and careless edits. Whoever alters a result can write a new manifest too:
against that stands the seal, one SHA-256 over the results, to be written down elsewhere (a ticket,
the signed page) when the audit ends. Besides, result and predictions must tell the same story.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from pyarrow import ArrowInvalid

from auditor.errors import DataError
from auditor.records.predictions import LABEL, PREDICTED, STATUS, usable_rows
from auditor.run_folder import MANIFEST, PREDICTIONS, RunFolder, seal, sha256


@dataclass(frozen=True)
class Verification:
    """What became of a run's files since it was finished.

    Attributes:
        folder: the run.
        n_files: how many files the manifest names.
        altered: files whose bytes are others.
        missing: files that are gone.
        added: files that the manifest does not know.
        contradictions: where result, predictions and manifest do not agree, in sentences.
        seal: SHA-256 over the results as they lie there now.
    """

    folder: Path
    n_files: int
    altered: tuple[str, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    contradictions: tuple[str, ...]
    seal: str

    @property
    def ok(self) -> bool:
        """Whether everything is as the audit, or a later ``auditor render``, left it."""
        return not (self.altered or self.missing or self.added or self.contradictions)


def verify(folder: Path, expected_seal: str | None = None) -> Verification:
    """Compares a run's files with its manifest, and its result with its predictions.

    Args:
        folder: a finished run.
        expected_seal: the seal that was written down when the audit ended, where there is one.

    Returns:
        What was altered, is missing, was added, or does not agree.

    Raises:
        DataError: there is no finished run at that place, or it has no manifest.
    """
    run = RunFolder.open(folder)
    manifest = run.read_manifest()
    found = {
        path.relative_to(run.path).as_posix(): sha256(path)
        for path in sorted(run.path.rglob("*"))
        if path.is_file() and path != run.path / MANIFEST
    }
    recorded = manifest.files
    altered = tuple(name for name in recorded if found.get(name, recorded[name]) != recorded[name])
    now = seal(found)
    contradictions = []
    if manifest.seal != seal(recorded):
        contradictions.append(
            f"{MANIFEST}: its seal does not belong to the fingerprints that it lists"
        )
    if expected_seal is not None and expected_seal.strip().lower() != now:
        contradictions.append(
            f"the seal is {now}, not the expected {expected_seal.strip().lower()}"
        )
    contradictions += _retold(run)
    return Verification(
        folder=run.path,
        n_files=len(recorded),
        altered=altered,
        missing=tuple(name for name in recorded if name not in found),
        added=tuple(name for name in found if name not in recorded),
        contradictions=tuple(contradictions),
        seal=now,
    )


def _retold(run: RunFolder) -> Iterator[str]:
    """Where ``audit.json`` and ``predictions.parquet`` tell different stories."""
    try:
        result = run.read_result()
    except DataError as error:
        yield f"the result can't be read: {error}"
        return
    path = run.path / PREDICTIONS
    if not path.is_file():
        return  # told as missing already
    columns = [LABEL, PREDICTED, STATUS]
    try:
        frame = pq.read_table(path, columns=columns).to_pandas()
        evaluated = frame.loc[usable_rows(frame), columns].astype(str)
    except (ArrowInvalid, KeyError) as error:
        yield f"{PREDICTIONS} can't be read: {error}"
        return
    told = result.summary
    labels = evaluated[LABEL].value_counts()
    failures = int((evaluated[LABEL] != evaluated[PREDICTED]).sum())
    counts = [
        ("provenance.data.n_samples", result.provenance.data.n_samples, len(frame)),
        ("summary.n_samples", told.n_samples, len(frame)),
        ("summary.n_evaluated", told.n_evaluated, len(evaluated)),
        ("summary.n_failures", told.n_failures, failures),
        *(
            (f"classes: support of {one.name}", one.support, int(labels.get(one.name, 0)))
            for one in result.classes
        ),
    ]
    for name, one, other in counts:
        if one != other:
            yield f"{name}: audit.json has {one}, {PREDICTIONS} has {other}"
