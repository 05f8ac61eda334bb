"""What a report shows, as plain data: view first, then the template.

``build_view`` reads a finished run folder once. Every renderer starts from its ``ReportView``, so that
the documents of a run cannot contradict each other. Images stay in the run folder and are referred
to by ``file#row``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from auditor.config import JudgeSection
from auditor.phrasing import date
from auditor.phrasing.clusters import clusters_text
from auditor.phrasing.decisions import decision_text
from auditor.phrasing.population import population_text
from auditor.records import (
    SEVERITIES,
    AuditResult,
    ClassRecord,
    CriterionResult,
    Estimate,
    ExplanationsRecord,
    Finding,
    PanelRecord,
    PopulationRecord,
    Severity,
    SliceRecord,
    Summary,
    Unusable,
)
from auditor.records.decisions import DecisionRecord
from auditor.records.selection import SelectionRates
from auditor.report.view import compliance, map_sanity, marks
from auditor.report.view.attributes import attribute_table
from auditor.report.view.configuration_text import configuration_text
from auditor.report.view.confusion import ConfusionMatrix, confusion_of
from auditor.report.view.contact_sheets import SheetView, sheet_views
from auditor.report.view.criteria import CriterionView, criteria_text, criterion_views
from auditor.report.view.curves import CurveView, curve_views
from auditor.report.view.disclosure import DisclosureView, disclosure_view
from auditor.report.view.failure_plane import FailurePlane, failure_plane
from auditor.report.view.findings import (
    FindingSources,
    FindingView,
    finding_view,
    severity_counts,
)
from auditor.report.view.interventions import InterventionView, unconfirmed_interventions
from auditor.report.view.listed_classes import listed_classes
from auditor.report.view.map_files import MapFiles
from auditor.report.view.map_tests import MapTestGroup, map_test_groups, maps_text
from auditor.report.view.metrics import MetricsView, metrics_view
from auditor.report.view.multiple_testing import basis_text, correction_table, correction_text
from auditor.report.view.provenance import NamesAndValues, identity, provenance_groups
from auditor.report.view.run_data import RunData, read_run
from auditor.report.view.sample_cards import (
    MeanView,
    SampleCard,
    SampleSources,
    anchor,
    read_means,
    read_sample_cards,
)
from auditor.report.view.sample_groups import matched_images
from auditor.report.view.selection_rates import selection_rates
from auditor.report.view.sign_off import SignOff, sign_off
from auditor.report.view.summary import (
    VerdictText,
    data_faults_text,
    faults_of_samples,
    n_not_done,
    untested_text,
    verdict_text,
)
from auditor.report.view.tables import TextTable
from auditor.report.view.tested import TestedView, describe_tested, view_of_tested
from auditor.report.view.units import UnitOfReport, read_units, units_of_report
from auditor.report.view.untested import UntestedRow, untested_rows
from auditor.run_folder import RunFolder

_SHOWN_OTHERWISE: Mapping[str, object] = {
    **{one: [] for one in ("failures", "contrasts", "means", "units", "matches", "sheets")},
    "failure_map": None,
}
"""Parts of the explanations for which the view has fields of its own, without their content."""
_PANELS = 4
"""Images shown beside an edge detector's."""


@dataclass(frozen=True)
class ReportView:
    """Everything that a report shows.

    Attributes:
        name: the audit's name.
        run_id: the audit's id.
        date: when, as text.
        created: when, in ISO 8601.
        auditor_version: of the program that made it.
        verdict: the gate's outcome as text.
        exit_code: of the command that ran the audit.
        criteria: the results of the acceptance criteria.
        summary: the audit in eight numbers.
        findings: the most severe first.
        counts: how many findings of each severity.
        tested: hypotheses that were tested and did not become a finding.
        tested_text: their number, and why they are not findings; empty if there are none.
        unconfirmed: interventions among them.
        classes: recall and precision.
        confusion: the confusion matrix.
        metrics: metrics and curves; None in results of versions without them.
        slices: every slice.
        untested: slices that were too small to test.
        untested_rows: the same as rows of a table; an attribute most of whose bands are untested has one.
        untested_text: how much could not be tested, in a sentence.
        attributes: names of the attributes.
        sample_attributes: those that are shown for single samples: not the sensitive ones.
        disclosure: what is not shown.
        decision: the task, and how probabilities become decisions.
        error_curves: the error rate along each numeric attribute.
        attribute_types: their types, as a table; None in results of versions without types.
        sheets: contact sheets of the slices of findings.
        failures: the explained failures, ranked by loss.
        failure_map: the failures on a plane; None where there are too few.
        explanations: explainer, preflight, sanity; without the lists of maps.
        data_faults: number of failures that may be due to faults in the data, as text; empty if none is
            suspected.
        faults: reasons in a few words, by the sample ids of these failures.
        map_sanity: the audit's own measures of its maps that have no pass mark.
        map_tests: those with a pass mark; empty in older results.
        map_sanity_text: the conclusion in a few sentences; empty if nothing was measured.
        panels: images beside an edge detector, which uses no network.
        means: every mean map.
        skipped: what was not checked, and why.
        unusable: samples that could not be evaluated.
        basis_text: number of tests behind the verdict, in a sentence for the first page.
        decision_text: the task and its thresholds, in a sentence; empty for a single-label task.
        clusters_text: the clusters of the samples, in a sentence; empty if samples are independent.
        population: the accuracy in the target population; None if no population is given.
        correction_text: the tests and their correction, in a few sentences.
        tests: the same as names and values.
        identity: what a signature refers to, with fingerprints.
        sign_off: what else stands beside the signatures.
        provenance: groups of names and values.
        config: the configuration as YAML.
        max_gap: the largest acceptable gap; None if none was stated.
        alpha: a q-value up to this is significant.
        about: what people stated about the model and its data; an empty text where it is missing.
        selection: selection rates, where the model chooses people.
        compliance: clauses of rules and what this audit contributes to each.
        templates: folder of the caller's own templates; None: only the built-in ones. That of the run's
            configuration is not used: templates are code, and a run may come from a stranger.
    """

    name: str
    run_id: str
    date: str
    created: str
    auditor_version: str
    verdict: VerdictText
    exit_code: int
    criteria: tuple[CriterionResult, ...]
    summary: Summary
    decision: DecisionRecord
    findings: tuple[FindingView, ...]
    counts: tuple[tuple[Severity, int], ...]
    tested: tuple[TestedView, ...]
    tested_text: str
    unconfirmed: tuple[InterventionView, ...]
    classes: tuple[ClassRecord, ...]
    confusion: ConfusionMatrix
    metrics: MetricsView | None
    slices: tuple[SliceRecord, ...]
    untested: tuple[SliceRecord, ...]
    untested_rows: tuple[UntestedRow, ...]
    untested_text: str
    attributes: tuple[str, ...]
    sample_attributes: tuple[str, ...]
    disclosure: DisclosureView
    error_curves: tuple[CurveView, ...]
    attribute_types: TextTable | None
    sheets: tuple[SheetView, ...]
    failures: tuple[SampleCard, ...]
    failure_map: FailurePlane | None
    explanations: ExplanationsRecord
    data_faults: str
    faults: Mapping[str, str]
    map_sanity: tuple[map_sanity.MapMeasure, ...]
    map_tests: tuple[MapTestGroup, ...]
    map_sanity_text: str
    panels: tuple[PanelRecord, ...]
    means: tuple[MeanView, ...]
    skipped: tuple[tuple[str, str], ...]
    unusable: tuple[Unusable, ...]
    basis_text: str
    decision_text: str
    clusters_text: str
    population: PopulationRecord | None
    correction_text: str
    tests: NamesAndValues
    identity: NamesAndValues
    sign_off: SignOff
    provenance: tuple[tuple[str, NamesAndValues], ...]
    config: str
    max_gap: float | None
    alpha: float
    about: NamesAndValues
    selection: SelectionRates | None
    compliance: tuple[compliance.RuleAnswers, ...]
    templates: Path | None = None

    @property
    def primary_metrics_text(self) -> str:
        """The primary metrics for the first page; empty if accuracy, which it has anyway, is the only one."""
        return "" if self.metrics is None else self.metrics.primary_text

    @property
    def listed_classes(self) -> tuple[ClassRecord, ...]:
        """The classes in the tables of the PDF and the model card."""
        return listed_classes(self.classes)

    @property
    def units(self) -> tuple[UnitOfReport, ...]:
        """The channels that carry much of the evidence behind any finding, each once."""
        return units_of_report((one.number, one.anchor, one.units) for one in self.findings)

    @property
    def gate_gap(self) -> float | None:
        """The gap that the gate has to exclude; None if the power of the gate is unknown."""
        return next((one.gate_power.gap for one in self.slices if one.gate_power is not None), None)

    @property
    def criterion_views(self) -> tuple[CriterionView, ...]:
        """The acceptance criteria, one each."""
        return criterion_views(self.criteria)

    @property
    def criteria_text(self) -> str:
        """How many configured criteria are met; empty if there are none."""
        return criteria_text(self.criterion_views)

    @property
    def population_text(self) -> str:
        """The accuracy in the target population in a few sentences; empty if no population is given."""
        return population_text(self.population, self.summary)

    @property
    def shows_pooled(self) -> bool:
        """Whether any slice has a partially pooled error rate."""
        return any(one.pooled_rate is not None for one in self.slices)

    @property
    def accuracy(self) -> Estimate | None:
        """Share of correct predictions; None when no sample could be evaluated."""
        return self.summary.accuracy

    def exceeds_limit(self, one: SliceRecord) -> bool:
        """Whether a slice's gap is above the largest acceptable one and significant."""
        return marks.exceeds_limit(one, self.max_gap, self.alpha)

    def is_pair_without_excess(self, one: SliceRecord) -> bool:
        """Whether a slice of several values fails more often, but not beyond each of its values."""
        return marks.is_pair_without_excess(one, self.alpha)

    def counts_by_ratio(self, one: SliceRecord) -> bool:
        """Whether a slice has significantly more errors, but only the ratio can exceed its limit."""
        return marks.counts_by_ratio(one, self.max_gap, self.alpha)

    @property
    def pairs_text(self) -> str:
        """What the q-value of a pair is about, for the table of slices; empty without pairs."""
        return marks.pairs_text(self.slices)


def build_view(run: RunFolder, *, names_of_data: bool = False) -> ReportView:
    """Reads a finished run.

    Args:
        run: its folder, with ``audit.json``, ``predictions.parquet`` and ``explanations/``.
        names_of_data: whether classes, attributes and values keep their names of the data where the
            configuration has display names.

    Returns:
        Everything that a report shows.

    Raises:
        DataError: the result, or a file that it refers to, is missing or can't be read.
    """
    data = read_run(run, names_of_data=names_of_data)
    result, evaluated = data.result, data.evaluated
    untested = tuple(one for one in result.slices if one.gap is None)
    ordered = sorted(result.findings, key=lambda one: -SEVERITIES.index(one.severity))
    alpha = JudgeSection().alpha if result.tests is None else result.tests.alpha
    marked = marks.Marks.of(result, alpha)
    sources = _sources(MapFiles(run.path), data, ordered, marked)
    addresses = {one.id: anchor("finding", one.id) for one in ordered}
    selected = selection_rates(result, evaluated, data.disclosed.least)
    return ReportView(
        name=result.run.name,
        run_id=result.run.id,
        date=date(result.run.created_at),
        created=result.run.created_at.isoformat(),
        auditor_version=result.run.auditor_version,
        verdict=verdict_text(result),
        exit_code=result.outcome.exit_code,
        criteria=tuple(result.criteria),
        summary=result.summary,
        decision=result.decision,
        findings=_finding_views(ordered, result, sources),
        counts=severity_counts(ordered),
        tested=tuple(view_of_tested(one) for one in result.tested),
        tested_text=describe_tested(result.tested, alpha),
        unconfirmed=unconfirmed_interventions(result.tested, ordered),
        classes=tuple(result.classes),
        confusion=confusion_of(result, evaluated),
        metrics=metrics_view(result, marked, evaluated),
        slices=tuple(result.slices),
        untested=untested,
        untested_rows=untested_rows(result.slices, result.attributes),
        untested_text=untested_text(len(result.slices), len(untested), n_not_done(result)),
        attributes=data.attributes,
        sample_attributes=data.sample_attributes,
        disclosure=disclosure_view(data.disclosed),
        error_curves=curve_views(result.error_curves, "slices"),
        attribute_types=attribute_table(result.attributes),
        sheets=sheet_views(result, marked),
        failure_map=failure_plane(result, evaluated, marked),
        failures=tuple(sorted(sources.failures, key=lambda one: (-one.loss, one.sample))),
        explanations=result.explanations.model_copy(update=_SHOWN_OTHERWISE),
        data_faults=data_faults_text(result),
        faults=faults_of_samples(result.data_faults),
        map_sanity=map_sanity.measures(result.explanations.sanity),
        map_tests=map_test_groups(result.explanations.map_tests),
        map_sanity_text=maps_text(result.explanations),
        panels=tuple(result.explanations.panels[:_PANELS]),
        means=tuple(sources.means),
        skipped=tuple((one.check, one.reason) for one in result.skipped),
        unusable=tuple(result.unusable),
        basis_text=basis_text(result.tests),
        decision_text=decision_text(result.decision, result.summary),
        clusters_text=clusters_text(result.clusters, result.summary),
        population=result.population,
        correction_text=correction_text(result.tests),
        tests=correction_table(result.tests),
        identity=identity(result),
        sign_off=sign_off(data),
        provenance=provenance_groups(result),
        config=configuration_text(data.config),
        max_gap=result.max_gap,
        alpha=alpha,
        about=compliance.about(result),
        selection=selected,
        compliance=compliance.answers(result, addresses, selected),
    )


def _finding_views(
    findings: list[Finding], result: AuditResult, sources: FindingSources
) -> tuple[FindingView, ...]:
    blocking = {one.id for one in result.blocking}
    return tuple(
        finding_view(number, one, one.id in blocking, sources)
        for number, one in enumerate(findings, start=1)
    )


def _sources(
    files: MapFiles, data: RunData, findings: list[Finding], marked: marks.Marks
) -> FindingSources:
    result = data.result
    naming: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        for sample in finding.samples:
            naming[sample].append(finding)
    faults = faults_of_samples(result.data_faults)
    of_samples = SampleSources(
        data.explained,
        data.probabilities,
        data.sample_attributes,
        naming,
        result.decision,
    )
    failures, contrasts = (
        read_sample_cards(files, records, of_samples, suspected)
        for records, suspected in (
            (result.explanations.failures, faults),
            (result.explanations.contrasts, {}),
        )
    )
    means = read_means(files, result)
    units, images = read_units(files, result, data.names), matched_images(result)
    return FindingSources(
        result, data.attributes, failures, contrasts, means, units, images, marked
    )
