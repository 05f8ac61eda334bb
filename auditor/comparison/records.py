"""The records of a comparison: what is written to ``comparison.json``."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Literal

from auditor.records import Effect, Estimate, Record, Severity, SliceKey, Verdict
from auditor.records.display_names import DisplayNames

COMPARISON_VERSION: Literal[1] = 1
"""Version of ``comparison.json``.

1: first version. Within a version keys are only added.
"""

Direction = Literal["worse", "better", "unclear", "untested"]
FindingStatus = Literal["new", "graver", "stayed", "milder", "unjudged", "gone"]
"""``unjudged``: the later audit does not report it, and had too little data to say that it is gone."""


class ComparedRun(Record):
    """One of the two runs."""

    folder: str
    """Name of the run folder."""
    id: str
    name: str
    created_at: datetime
    auditor_version: str
    model_sha256: str
    data_sha256: str
    result_sha256: str
    """Of ``audit.json`` as it was read."""
    predictions_sha256: str
    accuracy: Estimate | None
    """Of the whole run."""
    paired_accuracy: Estimate
    """Of the samples that both runs evaluated."""


class Pairing(Record):
    """Which samples could be compared."""

    n_paired: int
    """Evaluated in both runs, with the same label and image."""
    only_before: int
    only_after: int
    other_label: int
    """In both runs with different labels: omitted."""
    other_image: int
    """In both runs with different images: omitted."""
    unusable_before: int
    """In both runs, but evaluated in the later one only."""
    unusable_after: int
    other_attributes: int
    """Paired, with an attribute value that changed; slices follow the earlier run."""
    images_compared: bool
    """False where a run has no fingerprints of its images."""
    n_before: int
    """Evaluated in the earlier run."""


class ComparisonRules(Record):
    """What counts as a change; taken from the earlier run, so fixed before the later one."""

    alpha: float
    """Largest q-value that counts."""
    min_support: int
    """Slices with fewer pairs are not tested."""
    max_rise: float
    """Largest acceptable rise of an error rate, a share from 0 to 1."""
    min_paired: float
    """Smallest share of the earlier run's evaluated samples that must be paired, from 0 to 1."""
    min_samples: int
    """With fewer pairs nothing can be judged; taken from the gate of the earlier run."""
    n_tests: int
    test: str = "McNemar, mid-p, two-sided"
    correction: str = "Benjamini-Hochberg over all samples together and all slices"

    def least(self, n_before: int) -> int:
        """Smallest number of pairs with which anything can be judged."""
        return max(self.min_samples, math.ceil(self.min_paired * n_before))


class SliceChange(Record):
    """How the error rate of the same samples changed."""

    slice: SliceKey
    support: int
    failures_before: int
    failures_after: int
    broken: int
    """Correct before, misclassified after."""
    fixed: int
    """Misclassified before, correct after."""
    change: Estimate
    """Error rate after minus before, with an unadjusted 95 % interval."""
    p_value: float | None
    q_value: float | None
    direction: Direction
    blocks: bool
    """Worse, and by more than the largest acceptable rise."""


class ClassChange(Record):
    """How well a class is recognised, on the paired samples."""

    name: str
    support: int
    recall_before: Estimate | None
    recall_after: Estimate | None
    precision_before: Estimate | None
    precision_after: Estimate | None


class FindingRef(Record):
    """A finding of one of the runs."""

    id: str
    title: str
    severity: Severity
    verdict: Verdict
    effect: Effect | None


class FindingChange(Record):
    """What became of a finding; two findings are the same if their check and slice are."""

    check: str
    slice: SliceKey
    status: FindingStatus
    before: FindingRef | None
    after: FindingRef | None
    caution: str | None
    """Why a finding that is gone may not be resolved, or a new one may not be new."""


class FlippedPrediction(Record):
    """A sample that is correct in one run and misclassified in the other."""

    sample: str
    path: str
    label: str
    attributes: dict[str, str]
    predicted_before: str
    predicted_after: str
    confidence_before: float
    confidence_after: float
    loss_before: float
    loss_after: float


class SettingDifference(Record):
    """A setting, version or fingerprint that is not the same in both runs."""

    place: str
    before: Any
    after: Any


class Comparison(Record):
    """What changed between two audits: the whole of ``comparison.json``."""

    comparison_version: Literal[1] = COMPARISON_VERSION
    created_at: datetime
    auditor_version: str
    before: ComparedRun
    after: ComparedRun
    pairing: Pairing
    rules: ComparisonRules
    overall: SliceChange
    slices: list[SliceChange]
    """Tested ones first, the largest significant rise first."""
    classes: list[ClassChange]
    findings: list[FindingChange]
    """New and more severe ones first."""
    broken: list[FlippedPrediction]
    """Correct before, misclassified after; the highest loss first."""
    fixed: list[FlippedPrediction]
    """Misclassified before, correct after; the highest loss before first."""
    moved: int
    """Misclassified in both runs, with different predictions."""
    differences: list[SettingDifference]
    remarks: list[str]
    """What a reader has to know before trusting the comparison."""
    display_names: DisplayNames = DisplayNames()
    """What documents call classes, attributes and values."""

    @property
    def blocking(self) -> list[SliceChange]:
        """All samples, or slices, whose error rate rose by more than is acceptable."""
        return [one for one in (self.overall, *self.slices) if one.blocks]

    @property
    def undecided(self) -> bool:
        """Whether too few samples were paired to say that nothing became worse."""
        few = self.pairing.n_paired < self.rules.least(self.pairing.n_before)
        return few and not self.blocking

    @property
    def exit_code(self) -> int:
        """0 no unacceptable rise; 1 an unacceptable rise; 4 cannot be judged."""
        return 1 if self.blocking else 4 if self.undecided else 0
