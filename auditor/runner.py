"""Runs one audit, stage by stage."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd

from auditor import __version__, interrupts, resuming
from auditor.aborted_runs import kept_or_discarded
from auditor.allocator import return_freed_memory
from auditor.batch_dependence import batch_dependence
from auditor.check_budget import begin_budget
from auditor.comparison.previous import store_previous
from auditor.comparisons.clusters import cluster_record, clusters_of
from auditor.comparisons.population import population_record
from auditor.config import AuditConfig
from auditor.datasets.images import image_names
from auditor.datasets.labels import label_codes
from auditor.engines.local import Engine, LocalEngine
from auditor.evaluated_samples import EvaluatedSamples
from auditor.isolated_stages import IsolatedStages
from auditor.judging.criteria import with_missed_criteria
from auditor.judging.outcome import decide
from auditor.manifest import require_unaltered
from auditor.model_opening import OpenedModel
from auditor.phrasing import shown_names
from auditor.preparation import Prepared, prepare
from auditor.progress import Advance, Progress, Silent
from auditor.provenance import provenance_of
from auditor.records import (
    DATA_NOTE,
    AuditData,
    AuditResult,
    Clusters,
    Maps,
    RunInfo,
    Skipped,
)
from auditor.records.predictions import GROUP, LABEL, SAMPLE
from auditor.report import documents
from auditor.report.settings import require_report_settings
from auditor.run_folder import RunFolder
from auditor.selected_samples import select_from
from auditor.stages.choose_thresholds import open_with_thresholds
from auditor.stages.find_failures import FailureAnalysis
from auditor.stages.kept_outputs import keep_features, kept_copies
from auditor.stages.slicing import Slicing


def run(
    config: AuditConfig,
    out: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> RunFolder:
    """Runs the audit that a configuration describes.

    Args:
        config: all settings.
        out: the folder of the finished run.
        overwrite: whether to replace a finished run in that folder.
        resume: whether to continue an interrupted audit; where there is none, a new one begins.
        progress: display of the progress; None shows nothing.
        engine: where predictions and explanations are computed; None: in this process.

    Returns:
        The finished run.

    Raises:
        UsageError: configuration, data or model can't be used, and no folder is left behind; or they are
            others than those of the audit that is to be resumed.
        AuditAbortedError: the audit was aborted; ``<out>.unfinished`` holds what was done.
    """
    RunFolder.require_place(out, overwrite=overwrite, resume=resume)
    return audit(
        prepare(config), out, overwrite=overwrite, resume=resume, progress=progress, engine=engine
    )


def audit(
    prepared: Prepared,
    out: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> RunFolder:
    """Runs a prepared audit; see ``run``."""
    progress = progress or Silent()
    RunFolder.require_place(out, overwrite=overwrite, resume=resume)
    require_report_settings(prepared.config.report)
    earlier = _previous(prepared.config)
    prepared, opened = open_with_thresholds(prepared)
    opened.model.say = progress.message
    if opened.doubt is not None:
        progress.message(opened.doubt)
    limits = batch_dependence(prepared, opened.model)
    for limit in limits:
        progress.message(limit.problem)
    folder = resuming.begin(
        prepared, opened, out, overwrite=overwrite, resume=resume, progress=progress
    )
    if folder.path == folder.final:
        return folder
    with kept_or_discarded(folder):
        for note in folder.notes:
            progress.message(note)
        with shown_names(prepared.config.display_names):
            stages = IsolatedStages(prepared.config, folder, limits)
            result = _run_stages(prepared, opened, stages, engine or LocalEngine(), progress)
        folder.write_result(result)
        settings = prepared.config.report
        # Documents are made from the folder alone, and take much memory themselves.
        del prepared, opened, stages, result
        return_freed_memory()
        if earlier is not None:
            store_previous(earlier, folder)
        with progress.stage("report", len(settings.formats)) as advance:
            written = documents.write(folder, settings.formats, settings.templates)
            advance(len(settings.formats))
        finished = folder.finish()
    for note in (*map(str, written.missing), *written.notes, *finished.notes):
        progress.message(note)
    return finished


def _previous(config: AuditConfig) -> RunFolder | None:
    """The previous audit; it is read before anything is computed."""
    if config.report.previous is None:
        return None
    earlier = RunFolder.open(config.report.previous)
    require_unaltered(earlier.path)
    earlier.read_result()
    return earlier


def _run_stages(
    prepared: Prepared,
    opened: OpenedModel,
    stages: IsolatedStages,
    engine: Engine,
    progress: Progress,
) -> AuditResult:
    config, dataset, model = prepared.config, prepared.dataset, opened.model
    clock, folder = _Clock(progress), stages.folder
    with engine.opened(prepared, opened) as computer:
        with clock.stage("predict", len(dataset)) as advance:
            predictions = stages.predict(prepared, model, computer, advance)
        chosen = select_from(predictions, prepared, model, clock.stage)
        analysis, slicing, samples = chosen.analysis, chosen.slicing, chosen.samples
        selection = chosen.selection
        keep_features(samples, folder.predicted)
        with clock.stage("explain", len(selection.jobs)) as advance:
            explained = stages.explain(samples, selection, computer, advance)
    with clock.stage("map sanity", 1) as advance:
        sanity = stages.map_sanity(samples, selection)
        advance(1)
    with clock.stage("judge", len(prepared.checks)) as advance:
        clusters = clusters_of(slicing.predictions, dataset.group or SAMPLE)
        audit_data = replace(
            _audit_data(prepared, slicing, analysis, samples, explained.maps, clusters),
            copies=kept_copies(samples, folder.predicted),
        )
        budget = begin_budget(config, samples, selection)
        judgement = stages.judge(prepared.checks, audit_data, budget, advance, progress.doing)
    with clock.stage("measure"):
        measured = stages.measure(audit_data, prepared.metrics)
    criteria = stages.criteria(audit_data, analysis.summary)
    findings = with_missed_criteria(judgement.findings, criteria)
    record = None if clusters is None else cluster_record(slicing.predictions, clusters)
    summary, slices = analysis.summary, judgement.slices
    outcome = decide(config.gate, summary, findings, criteria, slices, record, stages.reasons)
    with clock.stage("dissect"):
        behind = stages.behind_findings(samples, findings, audit_data, analysis.failures)
    if stages.broken.parts:
        folder.write_traceback(stages.broken.tracebacks)
    return AuditResult(
        run=_run_info(config.name),
        provenance=provenance_of(prepared, opened, predictions, clock.seconds),
        summary=summary.model_copy(update={"n_explained": explained.n_explained}),
        classes=analysis.classes,
        confusion=analysis.confusion,
        attributes=list(slicing.records),
        slices=slices,
        findings=findings,
        tested=judgement.tested,
        skipped=[
            *(
                Skipped(check=DATA_NOTE, reason=note.text)
                for note in (*dataset.notes, *chosen.regions)
            ),
            *prepared.switched_off,
            *opened.limits,
            *slicing.skipped,
            *selection.skipped,
            *judgement.skipped,
            *stages.skipped,
        ],
        unusable=analysis.unusable,
        explanations=explained.record.model_copy(update={**sanity.in_record, **behind}),
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
        reference_names=image_names(dataset.reference_images),
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
    """A name as a folder name: in lower case, with hyphens for all but letters and digits, and short."""
    # 80 characters of 3 bytes, and the ending of an unfinished run, are fewer than 255 bytes.
    return re.sub(r"[^\w.]+", "-", name.lower())[:80].strip("-.") or "audit"


def _run_info(name: str) -> RunInfo:
    now = datetime.now(UTC).replace(microsecond=0)
    return RunInfo(
        id=f"{folder_name(name)}-{now:%Y%m%dT%H%M%SZ}",
        name=name,
        created_at=now,
        auditor_version=__version__,
        status="complete",
    )


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
            yield partial(_advanced, advance)
        return_freed_memory()
        self.seconds[name] = round(time.perf_counter() - start, 3)


def _advanced(advance: Advance, pieces: int) -> None:
    advance(pieces)
    interrupts.raise_again()


def _ignore(_pieces: int) -> None:
    pass
