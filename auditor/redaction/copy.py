"""Writes a redacted copy of a run: a folder of its own, with its own manifest and documents."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from auditor.about_file import read_statements, with_statements
from auditor.config.redact import RedactSection
from auditor.disclosure.result import Disclosed, disclosed
from auditor.disclosure.texts import REMOVED
from auditor.errors import UsageError
from auditor.manifest import PREDICTIONS, read_manifest, require_unaltered
from auditor.records import AuditResult, RedactionRecord
from auditor.records.decision_table import read_decisions
from auditor.records.prediction_file import require_predictions
from auditor.records.predictions import GROUP, PATH, SAMPLE, usable_rows
from auditor.records.selection import SelectionRates
from auditor.redaction.pseudonyms import Kind, Pseudonyms
from auditor.redaction.records import Renaming, texts_of
from auditor.redaction.result import ONLY_ADAPTER, redacted_result
from auditor.redaction.tables import ExplanationFiles, redact_explanations, redact_predictions
from auditor.redaction.texts import KnownNames, factories, is_path, without_paths
from auditor.report import documents
from auditor.report.view.map_files import MapFiles
from auditor.report.view.selection_rates import selection_rates
from auditor.run_folder import RunFolder

_REFERENCE = re.compile(r'"(explanations/[\w.-]+\.parquet)#(\d+)"')


@dataclass(frozen=True)
class RedactedCopy:
    """A redacted copy.

    Attributes:
        run: its folder.
        documents: what was rendered.
        n_dropped: number of images that are grey, because blurring would not hide them.
    """

    run: RunFolder
    documents: documents.RenderedDocuments
    n_dropped: int


def write_redacted(
    run: RunFolder,
    final: Path,
    settings: RedactSection,
    key: bytes,
    *,
    formats: Sequence[str],
    templates: Path | None = None,
    overwrite: bool = False,
) -> RedactedCopy:
    """Writes a redacted copy of a finished run.

    The copy has no decisions of reviewers, no previous audit and no traceback.

    Args:
        run: the finished run; it is not changed.
        final: folder for the copy.
        settings: what is taken out.
        key: of the pseudonyms.
        formats: names of renderer plug-ins.
        templates: folder of the caller's own templates.
        overwrite: whether an earlier run at that place is replaced.

    Raises:
        UsageError: the run is a redacted copy itself.
        DataError: the run was altered, or can't be read.
    """
    require_unaltered(run.path)
    manifest = read_manifest(run.path)
    result = with_statements(run.read_result(), read_statements(run.path))
    if result.redaction is not None:
        raise UsageError(
            f"{run.path}: expected the run itself; it is a redacted copy already: send this folder"
        )
    require_predictions(run.path / PREDICTIONS, result)
    found = disclosed(result)
    record = RedactionRecord(
        at=datetime.now(UTC),
        of_seal=manifest.full_seal,
        of_results_seal=manifest.seal,
        n_withheld=found.n_withheld,
        selection=_selection(run.path / PREDICTIONS, found),
        **settings.model_dump(),
    )
    names = _renaming(run.path / PREDICTIONS, found, settings, key)
    folder = RunFolder.begin(final, overwrite=overwrite)
    try:
        written, n_dropped = _write(run, folder, found, names, record)
        rendered = documents.write(written, formats, templates)
        return RedactedCopy(written.finish(), rendered, n_dropped)
    except BaseException:
        folder.discard()
        raise


def _write(
    run: RunFolder,
    folder: RunFolder,
    found: Disclosed,
    names: Renaming,
    record: RedactionRecord,
) -> tuple[RunFolder, int]:
    """Writes result, predictions and images; counts the images that could not be blurred."""
    result = redacted_result(found, names, record)
    folder.write_result(result)
    redact_predictions(
        run.path / PREDICTIONS, folder.path / PREDICTIONS, names, _kept_attributes(found)
    )
    used: dict[str, set[int]] = defaultdict(set)
    for name, row in _REFERENCE.findall(result.model_dump_json()):
        used[name].add(int(row))
    maps = (*result.explanations.failures, *result.explanations.contrasts)
    files = ExplanationFiles(
        MapFiles(run.path), folder.explanations, used, {one.map: one.image for one in maps}
    )
    return folder, redact_explanations(files, names, record.images)


def _selection(predictions: Path, found: Disclosed) -> SelectionRates | None:
    """The selection rates, from the sensitive attributes that the copy does not contain."""
    result = found.result
    table = read_decisions(predictions, result.decision, [one.name for one in result.classes])
    return selection_rates(result, table[usable_rows(table)], found.least)


def _kept_attributes(found: Disclosed) -> set[str]:
    """Attributes whose values are slices, without sensitive ones: no free text, no number of a person."""
    sliced = {name for one in found.result.slices for name in one.attributes}
    return sliced - set(found.sensitive)


def _renaming(predictions: Path, found: Disclosed, settings: RedactSection, key: bytes) -> Renaming:
    pseudonyms = Pseudonyms(key)

    def of(kind: Kind, name: str) -> str:
        keeps = not settings.ids and not (settings.paths and is_path(name))
        return name if keeps else pseudonyms.of(kind, name)

    replace = _replacer(predictions, found.result, of)
    config = found.result.provenance.config
    code = sorted(factories([config.get(one) for one in ONLY_ADAPTER]), key=len, reverse=True)

    def text(one: str) -> str:
        shown = replace(one)
        if not settings.paths:
            return shown
        for name in code:
            shown = shown.replace(name, REMOVED)
        return without_paths(shown)

    several = found.result.decision.task == "multi-label"
    return Renaming(of, text, several, keeps_paths=not settings.paths)


def _replacer(
    predictions: Path, result: AuditResult, of: Callable[[Kind, str], str]
) -> Callable[[str], str]:
    """Puts pseudonyms in place of the ids and paths that texts name."""
    known = KnownNames(_protected(result))
    known.collect(texts_of(result))
    known.collect([str(result.provenance.config)])
    with pq.ParquetFile(predictions) as file:
        columns = [one for one in (SAMPLE, PATH, GROUP) if one in file.schema_arrow.names]
        for batch in file.iter_batches(columns=columns):
            for row in batch.to_pylist():
                shown = of("sample", row[SAMPLE])
                for place in {row[SAMPLE], row[PATH]} - {None}:
                    known.add_file(place, shown)
                if row.get(GROUP) is not None:
                    known.add(row[GROUP], of("group", row[GROUP]))
    return known.replacer()


def _protected(result: AuditResult) -> frozenset[str]:
    """Names of classes, attributes and values."""
    slices = [pair for one in result.slices for pair in one.attributes.items()]
    names = {name for pair in slices for name in pair}
    return frozenset(names | {one.name for one in result.classes})
