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
from auditor.phrasing import interval, percent, quoted, several
from auditor.records import (
    AuditData,
    Claim,
    ClaimKind,
    Effect,
    Examination,
    FaultLabels,
    Quantities,
    Quantity,
    Skipped,
    SliceKey,
    Table,
)
from auditor.records.predictions import codes
from auditor.registry import plugin
from auditor.statistics import Floats, Integers, proportion_gap, stratified_gap, wilson
from auditor.statistics.label_noise import label_noise

NAME = "label-errors"
_SHOWN = 12
"""Samples that are listed at most."""
_LISTED = 500
"""Samples that are listed in a claim's evidence at most."""

Mask = NDArray[np.bool_]


@plugin("check", NAME)
class LabelErrors(Check):
    """Which failures are probably due to wrong labels and not to the model?

    Confident learning: a label is suspected if the probability of another class is as high as is
    usual for samples of that class. The method assumes that labels are wrong at random within a class.
    A model that uses a shortcut contradicts correct labels with the same confidence, but not at random.
    Therefore labels are not suspected if the model predicts that class more often for other samples
    with the same value of an attribute or property, or if the suspected labels are associated with
    such a value (Fisher's exact test, mid-p; both with a Bonferroni correction over all values). Nor are
    they suspected if hard images are the more likely cause: wrong labels fall on any image of a class,
    which the model then predicts as confidently as correctly labelled ones; on hard images it is less
    confident (Mann-Whitney test). The labels themselves are not tested: the result is a list to
    inspect, never more than a note. Suspected labels count as possible data faults if the model is at
    least as confident as for half of the correctly labelled samples.

    Reference:
        C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating uncertainty in
        dataset labels", JAIR 70 (2021) 1373-1411.
    """

    kind: ClassVar[ClaimKind] = "data"
    # Its tests only withhold a suspicion; clusters make them withhold more.
    handles_clusters: ClassVar[bool] = True
    fault_labels: ClassVar[FaultLabels | None] = FaultLabels(
        many="suspected label errors", one="label doubtful"
    )

    min_count: int = Field(3, ge=1)
    """Smallest number of suspected labels, of a pair of classes, that is reported."""

    def examine(self, audit: AuditData) -> Examination:
        """Finds labels that the model contradicts with confidence."""
        if audit.probabilities is None:
            return Examination(
                skipped=(_skipped("no probabilities are stored for more than 100 classes"),)
            )
        label, predicted = (codes(audit.predictions[name]) for name in ("label", "predicted"))
        suggested = label_noise(label, audit.probabilities).suggested
        suspected = (suggested == predicted) & (predicted != label)
        claims: list[Claim] = []
        skipped: list[Skipped] = []
        for target in np.unique(predicted[suspected]):
            for value, rows in _predicted_more_often(audit, label, predicted, int(target)):
                cleared = suspected & (predicted == target) & rows
                if cleared.any():
                    suspected &= ~cleared
                    skipped.append(
                        _skipped(
                            f"predicted as {audit.classes[target]}: the model contradicts "
                            f"{int(cleared.sum())} labels with confidence, but it predicts that class "
                            f"more often for other samples with {value}; the labels are not suspected"
                        )
                    )
        pairs = np.unique(np.stack([label[suspected], predicted[suspected]]), axis=1)
        for pair in pairs.T:
            chosen = suspected & (label == pair[0]) & (predicted == pair[1])
            if int(chosen.sum()) >= self.min_count:
                found = self._examined(audit, _Suspects(audit, np.flatnonzero(chosen)))
                if isinstance(found, Claim):
                    claims.append(found)
                else:
                    skipped.append(found)
        return Examination(tuple(claims), tuple(skipped))

    def _examined(self, audit: AuditData, suspects: _Suspects) -> Claim | Skipped:
        """The claim on a pair of classes, or why its labels are not suspected."""
        label, other = suspects.label, suspects.suggested
        prefix = (
            f"{label} predicted as {other}: the model contradicts {len(suspects.rows)} labels with "
            "confidence, but"
        )
        value = _associated_value(audit, suspects)
        if value is not None:
            return _skipped(f"{prefix} they are associated with {value}; they are not suspected")
        correct = suspects.confidence_of(other, other)
        contradicted = suspects.confidence_of(label, other)
        if len(correct) < self.min_count or _lower(contradicted, correct, audit.alpha):
            return _skipped(
                f"{prefix} it predicts these images less confidently than samples correctly labelled "
                f"{other}, as is usual for hard images; the labels are not suspected"
            )
        return _claim(suspects, float(np.median(correct)))


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
    def of_label(self) -> Integers:
        """Positions of all samples with this label."""
        return np.flatnonzero((self.audit.predictions["label"] == self.label).to_numpy(dtype=bool))

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


def _associated_value(audit: AuditData, suspects: _Suspects) -> str | None:
    """The attribute value that the suspects are most significantly associated with, if any."""
    of_label = suspects.of_label
    chosen = np.isin(of_label, suspects.rows)
    found: list[tuple[float, str]] = []
    for name in (*audit.attributes, *audit.computed):
        column = audit.predictions[name]
        code_of = codes(column)[of_label]
        n_values = len(column.cat.categories)
        totals = np.bincount(code_of, minlength=n_values)
        counts = np.bincount(code_of[chosen], minlength=n_values)
        gaps = proportion_gap(counts, totals, chosen.sum() - counts, len(of_label) - totals)
        found += [
            (float(p_value), f"{name} = {value}")
            for p_value, value in zip(gaps.p_value, column.cat.categories, strict=True)
            if np.isfinite(p_value)
        ]
    least, name = min(found, default=(1.0, ""))
    return name if least * len(found) <= audit.alpha else None


def _claim(suspects: _Suspects, usual: float) -> Claim:
    """The claim that labels may be wrong.

    Args:
        suspects: the samples.
        usual: median confidence of samples correctly labelled as the suggested class.
    """
    label, other, n_label = suspects.label, suspects.suggested, len(suspects.of_label)
    frame = suspects.audit.predictions.iloc[suspects.rows].sort_values(
        "loss", ascending=False, kind="stable"
    )
    samples = [str(one) for one in frame["sample"]]
    confidence = frame["confidence"].to_numpy(dtype=np.float64)
    share = wilson(len(samples), n_label)[()]
    faulty = tuple(np.array(samples, dtype=object)[confidence >= usual])
    rows = tuple(
        (sample, label, other, float(one)) for sample, one in zip(samples, confidence, strict=True)
    )
    return Claim(
        check=NAME,
        kind=LabelErrors.kind,
        title=f"{len(samples)} samples labelled {label} may show {other}",
        slice=SliceKey(label=label, predicted=other),
        effect=Effect.measured("share of the label's samples", share, "share"),
        limit=0.0,
        p_value=None,
        support=len(samples),
        samples=tuple(samples[:_SHOWN]),
        statement=(
            (
                f"Of {n_label} {quoted(label)} samples, {len(samples)} ({percent(share.value)}, "
                f"{interval(share)}) are predicted as {other} as confidently as {other} samples usually "
                f"are, such as {several(samples)}."
            ),
            "They are not associated with any attribute.",
            (
                f"For {len(faulty)} of them, the model is at least as confident as for half of the "
                f"samples correctly labelled {other}."
            ),
        ),
        action=f"Look at these images. Where they show {other}, correct the labels, and audit again.",
        limits="The suspicion rests on the model alone, which may be confident and wrong. It must not have "
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


def _skipped(reason: str) -> Skipped:
    return Skipped(check=NAME, reason=reason)
