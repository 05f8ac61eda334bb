"""What a report shows, as plain data: view first, then the template.

``build_view`` reads a finished run folder once; every renderer starts from its ``ReportView``, so
that the documents of a run can't contradict each other. Images stay in the run folder and are
named by reference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import yaml

from auditor.config import JudgeSection
from auditor.records import (
    SEVERITIES,
    AuditResult,
    ClassRecord,
    Estimate,
    ExplanationsRecord,
    Finding,
    PanelRecord,
    Severity,
    SliceRecord,
    Summary,
    Unusable,
)
from auditor.records.predictions import (
    LABEL,
    PREDICTED,
    SAMPLE,
    attribute_columns,
    sample_columns,
    usable_rows,
)
from auditor.report import words
from auditor.report.view import compliance
from auditor.report.view import map_sanity as trust
from auditor.report.view.findings import FindingView, Material, finding_view, pairs
from auditor.report.view.interventions import read_units
from auditor.report.view.map_files import MapFiles
from auditor.report.view.sample_cards import (
    MeanView,
    SampleCard,
    anchor,
    read_means,
    read_sample_cards,
)
from auditor.report.view.selection_rates import Selection, selection
from auditor.run_folder import PREDICTIONS, RunFolder

PANELS = 4
"""Images shown beside an edge detector's."""

_TESTS = ("n_tests", "n_significant", "n_causes", "correction", "alpha", "by_check")
"""What a document says of the tests; ``audit.json`` has the rest."""


@dataclass(frozen=True)
class Confusion:
    """How often each class was called what.

    Attributes:
        classes: names in index order.
        counts: (label, predicted) → how many, all cells, ``classes`` by ``classes``.
        supports: samples of each label.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    supports: tuple[int, ...]


@dataclass(frozen=True)
class ReportView:
    """Everything that a report shows.

    Attributes:
        name: the audit's name.
        run_id: the audit's id.
        date: when, in words.
        created: when, in ISO 8601.
        auditor_version: of the program that made it.
        verdict: the gate's outcome in words.
        summary: the audit in eight numbers.
        findings: the gravest first.
        counts: how many findings of each severity.
        classes: recall and precision.
        confusion: the confusion matrix.
        slices: every slice.
        untested: slices that were too small to test.
        attributes: names of the attributes.
        failures: the explained failures, ranked by loss.
        explanations: explainer, preflight, sanity; without the lists of maps.
        data_faults: how many failures may be the data's fault, in words; empty where none is suspected.
        faults: sample ids of those failures, and why in a few words.
        trust: what the audit's own measures say of the maps.
        trusted: the same in a sentence or two; empty where nothing was measured.
        panels: images beside an edge detector, which knows no network.
        means: every mean map.
        skipped: what was not checked, and why.
        unusable: samples that could not be evaluated.
        rests: how many tests stand behind the verdict, in a short sentence for the first page.
        tested: what was tested and how corrected, in a sentence.
        tests: the same in numbers, names and values.
        provenance: groups of names and values.
        config: the configuration as YAML.
        max_gap: the largest acceptable gap, where the configuration or a finding states it.
        alpha: false discovery rate of the audit.
        about: what people stated of the model and its data; an empty text where it is missing.
        selection: who is selected how often, where the model chooses people.
        compliance: clauses of rules and what this audit has to show for them.
        templates: folder of the reader's own templates, where the configuration names one.
    """

    name: str
    run_id: str
    date: str
    created: str
    auditor_version: str
    verdict: words.VerdictWords
    summary: Summary
    findings: tuple[FindingView, ...]
    counts: tuple[tuple[Severity, int], ...]
    classes: tuple[ClassRecord, ...]
    confusion: Confusion
    slices: tuple[SliceRecord, ...]
    untested: tuple[SliceRecord, ...]
    attributes: tuple[str, ...]
    failures: tuple[SampleCard, ...]
    explanations: ExplanationsRecord
    data_faults: str
    faults: Mapping[str, str]
    trust: tuple[trust.MapMeasure, ...]
    trusted: str
    panels: tuple[PanelRecord, ...]
    means: tuple[MeanView, ...]
    skipped: tuple[tuple[str, str], ...]
    unusable: tuple[Unusable, ...]
    rests: str
    tested: str
    tests: tuple[tuple[str, str], ...]
    provenance: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    config: str
    max_gap: float | None
    alpha: float
    about: tuple[tuple[str, str], ...]
    selection: Selection | None
    compliance: tuple[compliance.Mapped, ...]
    templates: str | None

    @property
    def accuracy(self) -> Estimate | None:
        """Share of correct predictions; None when no sample could be evaluated."""
        return self.summary.accuracy


def build_view(run: RunFolder) -> ReportView:
    """Reads a finished run.

    Args:
        run: its folder, with ``audit.json``, ``predictions.parquet`` and ``explanations/``.

    Returns:
        Everything that a report shows.

    Raises:
        DataError: the folder holds no result of this version, or lacks a file that it refers to.
    """
    result = run.read_result()
    album = MapFiles(run.path)
    evaluated, attributes = _evaluated(run)
    samples = evaluated[evaluated[SAMPLE].isin(_explained(result))].set_index(SAMPLE)
    ordered = sorted(result.findings, key=lambda one: -SEVERITIES.index(one.severity))
    naming: dict[str, list[Finding]] = defaultdict(list)
    for finding in ordered:
        for sample in finding.samples:
            naming[sample].append(finding)
    suspected = {} if result.data_faults is None else result.data_faults.samples
    faults = {sample: words.fault(checks) for sample, checks in suspected.items()}
    failures = read_sample_cards(
        album, result.explanations.failures, samples, attributes, naming, faults
    )
    contrasts = read_sample_cards(
        album, result.explanations.contrasts, samples, attributes, naming, {}
    )
    means = read_means(album, result)
    blocking = {one.id for one in result.blocking}
    max_gap = _max_gap(result)
    units = read_units(album, result)
    material = Material(result, attributes, failures, contrasts, means, units, max_gap)
    chosen = selection(result, evaluated)
    return ReportView(
        name=result.run.name,
        run_id=result.run.id,
        date=words.date(result.run.created_at),
        created=result.run.created_at.isoformat(),
        auditor_version=result.run.auditor_version,
        verdict=words.verdict(result),
        summary=result.summary,
        findings=tuple(
            finding_view(number, one, one.id in blocking, material)
            for number, one in enumerate(ordered, start=1)
        ),
        counts=tuple(
            (severity, sum(one.severity == severity for one in ordered))
            for severity in reversed(SEVERITIES)
        ),
        classes=tuple(result.classes),
        confusion=_confusion(result, evaluated),
        slices=tuple(result.slices),
        untested=tuple(one for one in result.slices if one.gap is None),
        attributes=attributes,
        failures=tuple(sorted(failures, key=lambda one: (-one.loss, one.sample))),
        explanations=result.explanations.model_copy(
            update={"failures": [], "contrasts": [], "means": [], "units": []}
        ),
        data_faults=words.data_faults(result),
        faults=faults,
        trust=trust.measures(result.explanations.sanity),
        trusted=trust.sentence(result.explanations.sanity),
        panels=tuple(result.explanations.panels[:PANELS]),
        means=means,
        skipped=tuple((one.check, one.reason) for one in result.skipped),
        unusable=tuple(result.unusable),
        rests=words.rests(result),
        tested=words.tests(result.tests),
        tests=pairs({name: one for name, one in result.tests.items() if name in _TESTS}),
        provenance=_provenance(result),
        config=yaml.safe_dump(result.provenance.config, sort_keys=False, allow_unicode=True),
        max_gap=max_gap,
        alpha=_alpha(result),
        about=compliance.about(result),
        selection=chosen,
        compliance=compliance.mapped(
            result, {one.id: anchor("finding", one.id) for one in result.findings}, chosen
        ),
        templates=_templates(result),
    )


def _evaluated(run: RunFolder) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The samples that could be evaluated, and the names of their attributes."""
    path = run.path / PREDICTIONS
    names = pq.read_schema(path).names
    table = pd.read_parquet(path, columns=sample_columns(names))
    return table[usable_rows(table)], attribute_columns(names)


def _explained(result: AuditResult) -> set[str]:
    return {one.sample for one in (*result.explanations.failures, *result.explanations.contrasts)}


def _confusion(result: AuditResult, evaluated: pd.DataFrame) -> Confusion:
    classes = tuple(one.name for one in result.classes)
    tallied = evaluated.groupby([LABEL, PREDICTED], observed=True, as_index=False).size()
    counts = {
        (str(row[LABEL]), str(row[PREDICTED])): int(row["size"])
        for row in tallied.to_dict("records")
    }
    grid = tuple(tuple(counts.get((one, other), 0) for other in classes) for one in classes)
    return Confusion(classes, grid, tuple(sum(row) for row in grid))


def _provenance(
    result: AuditResult,
) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    source = result.provenance
    run = {
        "run": result.run.id,
        "started": words.date(result.run.created_at),
        "auditor": result.run.auditor_version,
        "seed": source.seed,
    }
    groups: dict[str, Mapping[str, Any]] = {
        "Audit": run,
        "Model": source.model.model_dump(),
        "Data": source.data.model_dump(),
        "Preprocessing": source.preprocess,
        "Environment": source.environment,
        "Seconds spent": source.seconds,
    }
    return tuple((name, pairs(values)) for name, values in groups.items() if values)


def _max_gap(result: AuditResult) -> float | None:
    checks = result.provenance.config.get("checks")
    options = checks.get("performance-gap") if isinstance(checks, dict) else None
    stated = options.get("max_gap") if isinstance(options, dict) else None
    if not isinstance(stated, int | float):
        claims = [one.model_dump() for one in result.findings]
        claims += [piece for one in result.findings for piece in one.evidence.get("pieces", ())]
        limits = (
            one.get("limit", one.get("evidence", {}).get("limit"))
            for one in claims
            if one.get("check") == "performance-gap"
        )
        stated = next((one for one in limits if isinstance(one, int | float)), None)
    return None if stated is None else float(stated)


def _alpha(result: AuditResult) -> float:
    stated = result.tests.get("alpha")
    return float(stated) if isinstance(stated, int | float) else JudgeSection().alpha


def _templates(result: AuditResult) -> str | None:
    section = result.provenance.config.get("report")
    stated = section.get("templates") if isinstance(section, dict) else None
    return None if stated is None else str(stated)
