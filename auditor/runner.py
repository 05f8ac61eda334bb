"""Runs one audit, stage by stage."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from auditor import __version__
from auditor.comparisons.clusters import cluster_record, clusters_of
from auditor.comparisons.population import population_record
from auditor.config import AuditConfig
from auditor.datasets.labels import label_codes
from auditor.errors import AuditAbortedError, UsageError
from auditor.evaluated_samples import EvaluatedSamples
from auditor.judging.broken_parts import BrokenParts
from auditor.judging.criteria import examine_criteria, with_missed_criteria
from auditor.judging.outcome import decide
from auditor.model_opening import OpenedModel
from auditor.preparation import Prepared, prepare
from auditor.progress import Advance, Progress, Silent
from auditor.provenance import provenance_of
from auditor.records import (
    AuditData,
    AuditResult,
    Clusters,
    CriterionResult,
    Finding,
    Maps,
    MatchedImageRecord,
    RunInfo,
    Skipped,
    UnitRecord,
)
from auditor.records.predictions import GROUP, LABEL, NOT_FINITE, SAMPLE
from auditor.report import documents
from auditor.run_folder import PREDICTIONS, RunFolder
from auditor.stages.choose_thresholds import open_with_thresholds
from auditor.stages.dissect import dissect
from auditor.stages.explain import explain_samples
from auditor.stages.find_failures import FailureAnalysis, find_failures
from auditor.stages.judge import judge
from auditor.stages.map_sanity import MapSanity, measure_map_sanity
from auditor.stages.matched_images import store_matched_images
from auditor.stages.measure import measure_metrics
from auditor.stages.predict import predict
from auditor.stages.select_samples import select_samples
from auditor.stages.slicing import Slicing, slice_samples
from auditor.traceback_file import keep_traceback


def run(
    config: AuditConfig,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> RunFolder:
    """Runs the audit that a configuration describes.

    Args:
        config: all settings.
        out: the folder of the finished run.
        overwrite: whether to replace a finished run in that folder.
        progress: display of the progress; None shows nothing.

    Returns:
        The finished run.

    Raises:
        UsageError: configuration, data or model can't be used; no folder is left behind.
        AuditAbortedError: the audit was aborted; ``<out>.unfinished`` holds what was done.
    """
    return audit(prepare(config), out, overwrite=overwrite, progress=progress)


def audit(
    prepared: Prepared,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> RunFolder:
    """Runs a prepared audit; see ``run``."""
    progress = progress or Silent()
    prepared, opened = open_with_thresholds(prepared)
    if opened.doubt is not None:
        progress.message(opened.doubt)
    folder = RunFolder.begin(out, overwrite=overwrite)
    with _kept_or_discarded(folder):
        folder.write_result(_run_stages(prepared, opened, folder, progress))
        formats = prepared.config.report.formats
        with progress.stage("report", len(formats)) as advance:
            written = documents.write(folder, formats)
            advance(len(formats))
        finished = folder.finish()
    for error in written.missing:
        progress.message(str(error))
    return finished


def _run_stages(
    prepared: Prepared, opened: OpenedModel, folder: RunFolder, progress: Progress
) -> AuditResult:
    config, dataset, model = prepared.config, prepared.dataset, opened.model
    clock, broken = _Clock(progress), BrokenParts()
    with clock.stage("predict", len(dataset)) as advance:
        predict(model, dataset, prepared.codes, folder.shards("predictions"), advance)
        predictions = folder.merge_predictions()
    with clock.stage("find failures"):
        analysis = find_failures(
            predictions, model.classes, dataset.attributes, config.slices.computed, model.rule
        )
    with clock.stage("slicing"):
        slicing = _sliced(prepared, analysis)
    samples = EvaluatedSamples(model, dataset, slicing.predictions)
    selection = select_samples(
        samples.table, analysis.failures, slicing.attributes, config.explain, config.seed
    )
    with clock.stage("explain", len(selection.jobs)) as advance:
        explained = explain_samples(
            samples, selection, config.explain, folder.explanations, advance
        )
    with clock.stage("map sanity", 1) as advance:
        sanity = _map_sanity(samples, config, folder, broken)
        advance(1)
    with clock.stage("judge", len(prepared.checks)) as advance:
        clusters = clusters_of(slicing.predictions, dataset.group or SAMPLE)
        audit_data = _audit_data(prepared, slicing, analysis, samples, explained.maps, clusters)
        judgement = judge(prepared.checks, audit_data, config.gate, advance, broken)
    with clock.stage("measure"):
        measured = measure_metrics(audit_data, prepared.metrics)
    criteria, not_judged = _examined_criteria(config, audit_data, analysis)
    findings = with_missed_criteria(judgement.findings, criteria)
    record = None if clusters is None else cluster_record(slicing.predictions, clusters)
    summary, slices = analysis.summary, judgement.slices
    outcome = decide(config.gate, summary, findings, criteria, slices, record, broken.outcomes)
    with clock.stage("dissect"):
        behind = _images_behind_findings(samples, findings, config, folder, broken)
    if broken.parts:
        folder.write_traceback(broken.tracebacks)
    return AuditResult(
        run=_run_info(config.name),
        provenance=provenance_of(prepared, opened, predictions, clock.seconds),
        summary=summary.model_copy(
            update={"n_explained": sum(job.kind != "mean" for job in selection.jobs)}
        ),
        classes=analysis.classes,
        confusion=analysis.confusion,
        attributes=list(slicing.records),
        slices=slices,
        findings=findings,
        tested=judgement.tested,
        skipped=[
            *prepared.switched_off,
            *slicing.skipped,
            *selection.skipped,
            *judgement.skipped,
            *broken.skipped,
            *not_judged,
        ],
        unusable=analysis.unusable,
        explanations=explained.record.model_copy(
            update={"sanity": sanity.metrics, "panels": sanity.panels, **behind}
        ),
        outcome=outcome,
        criteria=criteria,
        gate=config.gate.severity,
        tests=judgement.tests,
        data_faults=judgement.data_faults,
        max_gap=judgement.max_gap,
        clusters=record,
        decision=opened.decision,
        error_curves=judgement.error_curves,
        population=population_record(audit_data, dataset.weight, config.population),
        metrics=measured.metrics,
        curves=measured.curves,
        reliability=measured.reliability,
    )


def _map_sanity(
    samples: EvaluatedSamples, config: AuditConfig, folder: RunFolder, broken: BrokenParts
) -> MapSanity:
    """How far the maps can be trusted; nothing where measuring it raises an exception."""

    def measure() -> MapSanity:
        n_samples = config.explain.trust_samples
        return measure_map_sanity(
            samples, folder.explanations, n_samples=n_samples, seed=config.seed
        )

    return broken.attempt("map sanity", "map", measure, MapSanity())


def _images_behind_findings(
    samples: EvaluatedSamples,
    findings: Sequence[Finding],
    config: AuditConfig,
    folder: RunFolder,
    broken: BrokenParts,
) -> dict[str, Sequence[UnitRecord | MatchedImageRecord]]:
    """The units behind the findings, and the images of copies; none where a part raises an exception."""

    def units() -> list[UnitRecord]:
        return dissect(samples, findings, config.explain, folder.explanations, config.seed)

    def matches() -> list[MatchedImageRecord]:
        return store_matched_images(samples, findings, folder.explanations)

    return {
        "units": broken.attempt("dissect", "map", units, []),
        "matches": broken.attempt("matched images", "data", matches, []),
    }


def _examined_criteria(
    config: AuditConfig, audit_data: AuditData, analysis: FailureAnalysis
) -> tuple[list[CriterionResult], tuple[Skipped, ...]]:
    """The acceptance criteria, and slices for which they could not be judged."""
    n_not_finite = sum(analysis.summary.unusable.get(status, 0) for status in NOT_FINITE)
    gate = config.gate
    found = examine_criteria(
        audit_data, n_not_finite, gate.criteria, config.criteria, gate.blocking
    )
    return list(found.results), found.skipped


def _sliced(prepared: Prepared, analysis: FailureAnalysis) -> Slicing:
    """The evaluated samples in slices."""
    config, dataset = prepared.config, prepared.dataset
    return slice_samples(
        analysis.usable,
        None if config.task == "multi-label" else dataset.reference,
        prepared.classes,
        dataset.attributes,
        config.slices,
        config.slices.computed,
        prepared.attributes,
    )


def _audit_data(
    prepared: Prepared,
    slicing: Slicing,
    analysis: FailureAnalysis,
    samples: EvaluatedSamples,
    maps: Maps | None,
    clusters: Clusters | None,
) -> AuditData:
    """Everything that the checks examine."""
    config, dataset = prepared.config, samples.dataset
    reference = dataset.reference
    data = slicing.audit_data(
        samples.model.classes,
        alpha=config.judge.alpha,
        min_support=config.slices.min_support,
        seed=config.seed,
        probabilities=analysis.probabilities,
        clusters=clusters,
    )
    return replace(
        data,
        task=config.task,
        decisions=analysis.decisions,
        declared=replace(data.declared, sensitive=config.about.sensitive),
        primary_metrics=prepared.metrics.primary,
        maps=maps,
        model=samples,
        images=samples.originals,
        reference_images=dataset.reference_images,
        reference_labels=None if reference is None else _reference_labels(reference, prepared),
        reference_groups=None if reference is None else _reference_groups(reference),
        expected_accuracy=config.model.expected.accuracy,
    )


def _reference_labels(reference: pd.DataFrame, prepared: Prepared) -> tuple[str, ...]:
    """Labels of the training data, as class names where they are classes of the model."""
    labels = [str(label) for label in reference[LABEL]]
    if prepared.config.task == "multi-label":
        return tuple(labels)
    codes = label_codes(reference[LABEL], prepared.classes)
    return tuple(
        label if code < 0 else prepared.classes[code]
        for label, code in zip(labels, codes, strict=True)
    )


def _reference_groups(reference: pd.DataFrame) -> tuple[str | None, ...] | None:
    """Clusters of the training data, None where one is not known."""
    if GROUP not in reference:
        return None
    return tuple(None if pd.isna(group) else str(group) for group in reference[GROUP])


def folder_name(name: str) -> str:
    """A name as a folder name: in lower case, with hyphens for all but letters and digits."""
    return re.sub(r"[^\w.]+", "-", name.lower()).strip("-.") or "audit"


def _run_info(name: str) -> RunInfo:
    now = datetime.now(UTC).replace(microsecond=0)
    return RunInfo(
        id=f"{folder_name(name)}-{now:%Y%m%dT%H%M%SZ}",
        name=name,
        created_at=now,
        auditor_version=__version__,
        status="complete",
    )


@contextmanager
def _kept_or_discarded(folder: RunFolder) -> Iterator[None]:
    """Removes the folder after a usage error, and keeps it, with the traceback, after any other.

    Once everything is predicted, the folder is kept after a usage error as well.
    """
    try:
        yield
    except UsageError as error:
        if (folder.path / PREDICTIONS).exists():
            raise AuditAbortedError(f"{error}; the results so far are in {folder.path}") from error
        folder.discard()
        raise
    except Exception as error:
        raise AuditAbortedError(
            f"{type(error).__name__}: {error}; the results so far are in {folder.path}; "
            f"{keep_traceback(folder.path)}"
        ) from error


class _Clock:
    """Shows the progress of each stage and measures its wall time.

    Attributes:
        seconds: of each finished stage.
    """

    def __init__(self, progress: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Advance]:
        """A context manager around one stage.

        Args:
            name: of the stage.
            total: number of pieces; None for a short stage, which is not shown.
        """
        start = time.perf_counter()
        shown = nullcontext(_ignore) if total is None else self._progress.stage(name, total)
        with shown as advance:
            yield advance
        self.seconds[name] = round(time.perf_counter() - start, 3)


def _ignore(_pieces: int) -> None:
    pass
