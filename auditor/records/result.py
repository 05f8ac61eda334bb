"""What is written to ``audit.json``; ``schema_version`` and its history stand beside the constant."""

from __future__ import annotations

from typing import Literal

from auditor.records.attributes import AttributeRecord
from auditor.records.base import (
    SEVERITIES,
    ClaimKind,
    Effect,
    Estimate,
    Record,
    Severity,
    Skipped,
    SliceKey,
    Verdict,
)
from auditor.records.clusters import ClusterRecord
from auditor.records.decisions import DecisionRecord
from auditor.records.evidence import Curve, EvidencePart, Intervention
from auditor.records.explanations import ExplanationsRecord
from auditor.records.label_noise import LabelNoiseRecord
from auditor.records.metrics import MetricValue, OperatingCurve, ReliabilityDiagram
from auditor.records.outcome import AuditOutcome, CriterionResult
from auditor.records.population import PopulationRecord
from auditor.records.provenance import Provenance, RunInfo
from auditor.records.redaction import RedactionRecord

SCHEMA_VERSION: Literal[2] = 2
"""Version of ``audit.json``. Within a version keys are only added.

1: first version.
2: evidence is a list of typed parts, effects carry a unit, claims a kind and their limit; statements
   are lists of sentences; the further claims of a finding are ``supporting`` and no longer part of its
   evidence; ``tests`` has fixed keys. ``auditor.records.version_1`` reads the first version.
"""


class Summary(Record):
    """The audit in eight numbers."""

    n_samples: int
    n_evaluated: int
    n_unusable: int
    n_failures: int
    n_explained: int
    accuracy: Estimate | None
    """None when no sample could be evaluated."""
    unusable: dict[str, int] = {}
    """How many samples for each reason."""
    n_decisions: int | None = None
    """Number of decisions on the evaluated samples: of a multi-label task, one per label. Failures and
    accuracy refer to these. None in results of versions without other tasks: one per sample."""


class FaultLabels(Record):
    """What a check calls failures that may be the data's fault."""

    many: str
    """In a count, such as ``suspected label errors``."""
    one: str
    """On a sample, such as ``label doubtful``."""


class DataFaults(Record):
    """Failures that are suspected to be the data's fault and not the model's.

    An additional number: in every other one of the audit, these samples count as failures.
    """

    n_failures: int
    """How many failures are suspected."""
    by_check: dict[str, int]
    """Number of suspected failures by check; several checks may suspect the same failure."""
    accuracy: Estimate | None = None
    """Accuracy without the suspected failures. Only earlier versions wrote it: it corrects failures with
    wrong labels but not successes with wrong labels, so it is no longer computed or shown."""
    samples: dict[str, list[str]]
    """The suspected failures, with the checks that name each."""
    labels: dict[str, FaultLabels] = {}
    """The names that these checks use for such failures."""
    label_noise: LabelNoiseRecord | None = None
    """Estimate of the wrong labels among failures and successes; None if it was not estimated."""


class ClassRecord(Record):
    """One class: how many samples it has and how well it is recognised."""

    name: str
    support: int
    recall: Estimate | None
    precision: Estimate | None


class ConfusionPair(Record):
    """How often one class was taken for another."""

    label: str
    predicted: str
    count: int


class GatePower(Record):
    """Power of the gate against a gap in a slice, with the number of samples of the audit."""

    gap: float
    """The gap that the gate has to exclude (a share)."""
    blocked: float
    """Probability that the audit would not have passed because of a finding on the slice (0 to 1)."""
    not_passed: float
    """Probability that the audit would not have passed, or could not have been judged."""


class SliceRecord(Record):
    """One slice and how it compares with the rest of the data of the same labels."""

    attributes: dict[str, str]
    label: str | None
    support: int
    n_failures: int
    error_rate: Estimate | None
    gap: Estimate | None
    """Error rate of the slice minus that of the rest, within class; None where not testable."""
    p_value: float | None
    q_value: float | None
    ratio: Estimate | None = None
    """Error rate as a multiple of that of the rest; None where not testable, or nothing failed there."""
    level: float | None = None
    """Level of the test of the gap after the correction; None if it was not tested."""
    detectable_gap: float | None = None
    """Smallest gap that the test at this level would have found in 80 % of audits."""
    excluded_gap: float | None = None
    """Gaps of this size and above are excluded by the 95 % interval; None where not tested."""
    gate_power: GatePower | None = None
    """Power of the gate; None for pairs, single labels and computed properties, and without a gate."""
    computed: bool = False
    """Whether the attribute was computed from the images and not annotated by anybody."""
    pooled_rate: Estimate | None = None
    """Error rate, partially pooled with the other values of the attribute; None for slices that are not a
    value of an annotated attribute with three or more values."""
    tail: bool = False
    """Whether it is the low or the high end of an ordered attribute, in addition to its values. It is
    tested, but an audit can pass without excluding a gap in it."""


class ClaimRecord(Record):
    """A claim of a check after the judge: how grave it is, how sure, and what stands behind it."""

    check: str
    kind: ClaimKind
    title: str
    severity: Severity
    verdict: Verdict
    slice: SliceKey
    effect: Effect | None
    limit: float | None = None
    """Size of the effect above which it matters, in the effect's unit; None where none was stated."""
    p_value: float | None
    q_value: float | None
    level: float | None = None
    """Level of its test after the correction; None if nothing was tested."""
    support: int
    statement: list[str]
    """What was observed and how certain it is, sentence by sentence."""
    open_bound: bool = False
    """Whether the effect is significant and above its limit, but its interval does not exclude the
    limit: such a claim keeps an audit from passing, though it does not block the gate."""
    graded_by: Effect | None = None
    """The effect that determines the severity, if it is not `effect`: for example, the gap with a
    confounder held fixed."""
    action: str
    """What to do next."""
    limits: str
    """What it cannot say."""
    evidence: list[EvidencePart] = []


class Finding(ClaimRecord):
    """A suspicion with its evidence: the leading claim of a cause, and the claims that support it."""

    id: str
    samples: list[str]
    """Sample ids that show it, the most telling first."""
    supporting: list[ClaimRecord] = []
    """Further claims with the same cause."""


class TestedRecord(Record):
    """A hypothesis that was tested and did not become a finding."""

    check: str
    title: str
    slice: SliceKey
    effect: Effect | None
    limit: float
    """Size of the effect above which it matters, in the effect's unit."""
    p_value: float
    q_value: float
    level: float
    """Level of its test after the correction."""
    support: int
    reason: Literal["may be chance", "within the limit", "no effect of this kind"]
    intervention: Intervention | None = None
    """What was changed, where the test was an intervention on images."""


class Unusable(Record):
    """A sample that could not be evaluated."""

    sample: str
    path: str
    reason: str


class MultipleTestingRecord(Record):
    """Number of hypotheses that were tested, and the correction for multiple testing."""

    n_tests: int
    n_significant: int
    n_causes: int | None = None
    """None in results of the earliest versions, which did not record it."""
    correction: str
    """The procedure, in words."""
    alpha: float
    """Bound on the probability of a false claim about an outcome, and on the false discovery rate of
    everything else; in results of earlier versions, false discovery rate of all claims."""
    interval_confidence: float
    shares: dict[str, float] = {}
    """Share of the error for each level of questions."""
    weights: dict[str, float] = {}
    """Checks that count more than once within a level."""
    by_check: dict[str, int] = {}
    """Number of tests of each check."""


class AuditResult(Record):
    """One audit: the whole of ``audit.json``."""

    schema_version: Literal[2] = SCHEMA_VERSION
    run: RunInfo
    provenance: Provenance
    summary: Summary
    classes: list[ClassRecord]
    confusion: list[ConfusionPair]
    attributes: list[AttributeRecord] = []
    """The attributes with their types; empty in results of versions that did not record them."""
    slices: list[SliceRecord]
    findings: list[Finding]
    tested: list[TestedRecord] = []
    """What was tested without becoming a finding, the smallest corrected p-values first."""
    skipped: list[Skipped]
    unusable: list[Unusable] = []
    explanations: ExplanationsRecord
    outcome: AuditOutcome
    """Whether the audit passes: every document, the terminal and the exit code read this field."""
    criteria: list[CriterionResult] = []
    """The acceptance criteria and whether each is met."""
    gate: Severity | None
    """Severity at which the audit does not pass; None when there is no gate."""
    data_faults: DataFaults | None = None
    """Failures that may be due to faults in the data; None in results of versions without this."""
    tests: MultipleTestingRecord | None = None
    """The correction for multiple testing; None if it was not recorded."""
    max_gap: float | None = None
    """Largest acceptable error-rate gap of a slice (a share), where one was stated."""
    clusters: ClusterRecord | None = None
    """The clusters of the samples; None if all are treated as independent."""
    decision: DecisionRecord = DecisionRecord()
    """The task, and how probabilities become decisions."""
    population: PopulationRecord | None = None
    """The accuracy in the target population; None if no population is given."""
    error_curves: list[Curve] = []
    """The error rate along each numeric attribute, in bands and as a smooth curve."""
    metrics: list[MetricValue] = []
    """The metrics of all samples, classes and slices; empty in results of versions without them."""
    curves: list[OperatingCurve] = []
    """ROC and precision–recall curves; empty for single-label tasks."""
    reliability: ReliabilityDiagram | None = None
    """The reliability diagram of all samples; None if there are too few, or in earlier versions."""
    redaction: RedactionRecord | None = None
    """What was taken out, if this is a redacted copy of a run; None in the run itself."""

    @property
    def blocking(self) -> list[Finding]:
        """The findings that reach the gate's severity."""
        if self.gate is None:
            return []
        bar = SEVERITIES.index(self.gate)
        return [one for one in self.findings if SEVERITIES.index(one.severity) >= bar]
