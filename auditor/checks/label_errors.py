"""Label errors: which failures are probably due to wrong labels and not to the model?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import mannwhitneyu

from auditor.checks import Check
from auditor.comparisons.value_associations import associated_value
from auditor.comparisons.wrong_labels import estimate_wrong_labels
from auditor.phrasing import interval, percent, plural, quoted, several
from auditor.records import (
    AuditData,
    Claim,
    ClaimKind,
    Effect,
    Examination,
    FaultLabels,
    LabelNoiseReason,
    Quantities,
    Quantity,
    Skipped,
    SliceKey,
    Table,
)
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.records.predictions import codes
from auditor.registry import plugin
from auditor.statistics import Floats, Integers, Interval, proportion, stratified_gap
from auditor.statistics.confident_learning import confident_learning

NAME = "label-errors"
_SHOWN = 12
"""Samples that are listed at most."""
_LISTED = 500
"""Maximum number of samples that are listed in the evidence of a claim."""

_TOO_WEAK: dict[LabelNoiseReason, str] = {
    "no-probabilities": "no probabilities are stored for more than 100 classes",
    "weak-model": "the model is too weak to judge labels: it is hardly better than always predicting the "
    "most frequent class",
    "confident-errors": "the model cannot judge labels: over a fifth of its most confident predictions "
    "contradict the label",
}
"""Reasons for which no label is suspected at all."""

Mask = NDArray[np.bool_]


@plugin("check", NAME)
class LabelErrors(Check):
    """Which failures are probably due to wrong labels and not to the model?

    Confident learning: a label is suspected if the probability of another class is as high as usual
    for samples of that class. The method assumes that labels are wrong at random within a class.
    A model that uses a shortcut contradicts correct labels with the same confidence, but not at random.
    Therefore labels are not suspected if the model predicts that class more often for other samples
    with the same value of an attribute or property, or if the suspected labels are associated with
    such a value (exact mid-p tests; both with a Bonferroni correction over all values). Nor
    are they suspected if hard images are the more likely cause: the model predicts mislabelled images
    as confidently as correctly labelled ones of the same class, but is less confident on hard images
    (Mann-Whitney test). The labels themselves are not tested: the result is a list to
    inspect, never more than a note. Suspected labels count as possible data faults if label noise is
    detected (see ``auditor.statistics.label_noise``), and the model is at least as confident as for half
    of the correctly labelled samples. With neither attributes nor computed properties, label noise is not
    estimated and nothing counts.

    Reference:
        C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating uncertainty in
        dataset labels", JAIR 70 (2021) 1373-1411.
    """

    kind: ClassVar[ClaimKind] = "data"
    # Its tests can only clear suspected labels, and clear more of them if samples are clustered.
    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = ONE_CLASS
    fault_labels: ClassVar[FaultLabels | None] = FaultLabels(
        many="suspected label errors", one="label doubtful"
    )

    min_count: int = Field(3, ge=1)
    """Smallest number of suspected labels, of a pair of classes, that is reported."""

    def examine(self, audit: AuditData) -> Examination:
        """Finds labels that the model contradicts with confidence."""
        noise = estimate_wrong_labels(audit)
        if audit.probabilities is None or noise.reason in _TOO_WEAK:
            reason = _TOO_WEAK[noise.reason or "no-probabilities"]
            return Examination(skipped=(_skipped(reason),), label_noise=noise)
        label, predicted = (codes(audit.predictions[name]) for name in ("label", "predicted"))
        suggested = confident_learning(label, audit.probabilities).suggested
        suspected = (suggested == predicted) & (predicted != label)
        claims: list[Claim] = []
        skipped: list[Skipped] = []
        if audit.clusters is not None:
            skipped.append(
                _skipped(
                    f"the number of wrong labels was not estimated: images of one {audit.clusters.name} "
                    "are not independent, and the method does not support clusters"
                )
            )
        estimated = audit.clusters is None
        for target in np.unique(predicted[suspected]):
            for value, rows in _predicted_more_often(audit, label, predicted, int(target)):
                cleared = suspected & (predicted == target) & rows
                if cleared.any():
                    suspected &= ~cleared
                    skipped.append(
                        _skipped(
                            f"predicted as {audit.classes[target]}: the model contradicts "
                            f"{plural(int(cleared.sum()), 'label')} with confidence, but it predicts that "
                            f"class more often for other samples with {value}; the labels are not suspected"
                        )
                    )
        pairs = np.unique(np.stack([label[suspected], predicted[suspected]]), axis=1)
        for pair in pairs.T:
            chosen = suspected & (label == pair[0]) & (predicted == pair[1])
            if int(chosen.sum()) >= self.min_count:
                found = self._examined(
                    _Suspects(audit, np.flatnonzero(chosen)),
                    counts=estimated and noise.is_detected,
                )
                if isinstance(found, Claim):
                    claims.append(found)
                else:
                    skipped.append(found)
        return Examination(tuple(claims), tuple(skipped), noise if estimated else None)

    def _examined(self, suspects: _Suspects, *, counts: bool) -> Claim | Skipped:
        """The claim on a pair of classes, or why its labels are not suspected."""
        audit, label, other = suspects.audit, suspects.label, suspects.suggested
        prefix = (
            f"{label} predicted as {other}: the model contradicts "
            f"{plural(len(suspects.rows), 'label')} with "
            "confidence, but"
        )
        value = associated_value(audit, suspects.mask)
        if value is not None:
            return _skipped(f"{prefix} they are associated with {value}; they are not suspected")
        correct = suspects.confidence_of(other, other)
        contradicted = suspects.confidence_of(label, other)
        if len(correct) < self.min_count or _lower(contradicted, correct, audit.alpha):
            return _skipped(
                f"{prefix} it predicts these images less confidently than samples correctly labelled "
                f"{other}, as is usual for hard images; the labels are not suspected"
            )
        return _claim(suspects, float(np.median(correct)), counts=counts)


@dataclass(frozen=True)
class _Suspects:
    """Samples of one label that the model confidently predicts as one other class.

    Attributes:
        audit: the audited data.
        rows: (n,) their positions in ``AuditData.predictions``.
    """

    audit: AuditData
    rows: Integers

    @property
    def label(self) -> str:
        return str(self.audit.predictions["label"].iloc[self.rows[0]])

    @property
    def suggested(self) -> str:
        return str(self.audit.predictions["predicted"].iloc[self.rows[0]])

    @property
    def n_label(self) -> int:
        """How many samples have this label."""
        return int((self.audit.predictions["label"] == self.label).sum())

    @property
    def mask(self) -> Mask:
        """(N,) which samples they are."""
        chosen = np.zeros(len(self.audit.predictions), dtype=bool)
        chosen[self.rows] = True
        return chosen

    def confidence_of(self, label: str, predicted: str) -> Floats:
        """Confidences of all samples with a label and a predicted class."""
        frame = self.audit.predictions
        chosen = (frame["label"] == label) & (frame["predicted"] == predicted)
        return frame["confidence"].to_numpy(dtype=np.float64)[chosen.to_numpy(dtype=bool)]


def _lower(some: Floats, others: Floats, alpha: float) -> bool:
    """Whether confidences are significantly lower than others."""
    return bool(mannwhitneyu(some, others, alternative="less").pvalue <= alpha)


def _predicted_more_often(
    audit: AuditData, label: Integers, predicted: Integers, target: int
) -> Iterator[tuple[str, Mask]]:
    """Attribute values with which samples of other labels are predicted as a class more often.

    Tested within labels (Mantel-Haenszel), with a Bonferroni correction over all values.

    Yields:
        The value in words, and which samples (n,) have it, the smallest p-value first.
    """
    n_classes = len(audit.classes)
    other = label != target
    flipped = other & (predicted == target)
    all_flipped, all_others = (
        np.bincount(label[part], minlength=n_classes) for part in (flipped, other)
    )
    found: list[tuple[float, float, str, Mask]] = []
    for name in (*audit.attributes, *audit.computed):
        column = audit.predictions[name]
        code_of = codes(column)
        for code, value in enumerate(column.cat.categories):
            rows = code_of == code
            own_flipped, own = (
                np.bincount(label[part & rows], minlength=n_classes) for part in (flipped, other)
            )
            gaps = stratified_gap(own_flipped, own, all_flipped - own_flipped, all_others - own)
            if np.isfinite(gaps.p_value):
                p_value, gap = float(gaps.p_value), float(gaps.gap.value)
                found.append((p_value, gap, f"{name} = {value}", rows))
    for p_value, gap, words, rows in sorted(found, key=lambda one: one[0]):
        if gap > 0 and p_value * len(found) <= audit.alpha:
            yield words, rows


def _claim(suspects: _Suspects, usual: float, *, counts: bool) -> Claim:
    """The claim that labels may be wrong.

    Args:
        suspects: the samples.
        usual: median confidence of samples correctly labelled as the suggested class.
        counts: whether the most confident ones count as possible data faults.
    """
    label, other = suspects.label, suspects.suggested
    frame = suspects.audit.predictions.iloc[suspects.rows].sort_values(
        "loss", ascending=False, kind="stable"
    )
    samples = [str(one) for one in frame["sample"]]
    confidence = frame["confidence"].to_numpy(dtype=np.float64)
    share = proportion(len(samples), suspects.n_label)[()]
    confident = tuple(np.array(samples, dtype=object)[confidence >= usual])
    faulty = confident if counts else ()
    rows = tuple(
        (sample, label, other, float(one)) for sample, one in zip(samples, confidence, strict=True)
    )
    return Claim(
        check=NAME,
        kind=LabelErrors.kind,
        title=f"{plural(len(samples), 'sample')} labelled {label} may show {other}",
        slice=SliceKey(label=label, predicted=other),
        effect=Effect.measured("share of the label's samples", share, "share"),
        limit=0.0,
        p_value=None,
        support=len(samples),
        samples=tuple(samples[:_SHOWN]),
        statement=_statement(suspects, samples, share, len(confident)),
        action=f"Look at these images. Where they show {other}, correct the labels, and audit again.",
        limits="The suspicion is based only on the model, which may be confident and wrong. It must not have "
        "been trained on these samples.",
        evidence=(
            Table(
                title="Suspected labels",
                columns=("sample", "label", "suggested label", "confidence"),
                rows=rows[:_LISTED],
                units=(None, None, None, "share"),
            ),
            Quantities(
                items=(Quantity(name="possible data faults", value=len(faulty), unit="count"),)
            ),
        ),
        weight=float(len(samples)),
        ceiling="note",
        faulty=faulty,
    )


def _statement(
    suspects: _Suspects, samples: list[str], share: Interval, n_confident: int
) -> tuple[str, ...]:
    label, other = suspects.label, suspects.suggested
    associated = (
        "not associated with any attribute"
        if suspects.audit.attributes or suspects.audit.computed
        else "not compared with any attribute, because there is none"
    )
    return (
        (
            f"Of {suspects.n_label} {quoted(label)} samples, {len(samples)} ({percent(share.value)}, "
            f"{interval(share)}) are predicted as {other} as confidently as {other} samples usually "
            f"are, such as {several(samples)}."
        ),
        f"They are {associated}.",
        (
            f"For {n_confident} of them, the model is at least as confident as for half of the "
            f"samples correctly labelled {other}."
        ),
    )


def _skipped(reason: str) -> Skipped:
    return Skipped(check=NAME, reason=reason)
