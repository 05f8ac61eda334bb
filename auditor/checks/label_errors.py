"""Label errors: which labels does the model contradict more confidently than its errors explain?"""

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
from auditor.phrasing import (
    class_name,
    condition,
    count,
    interval,
    percent,
    plural,
    quoted,
    several,
)
from auditor.records import (
    AuditData,
    Claim,
    ClaimKind,
    Effect,
    Examination,
    LabelNoiseReason,
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

_NOT_DONE: dict[LabelNoiseReason, str] = {
    "few-samples": "there are too few samples to tell contradicted labels from ordinary errors",
    "no-probabilities": "no probabilities are stored for more than 100 classes",
    "weak-model": "the model is too weak to judge labels: it is hardly better than always predicting the "
    "most frequent class",
    "confident-errors": "the model cannot judge labels: over a fifth of its most confident predictions "
    "contradict the label",
}
"""Reasons for which no label can be examined."""

Mask = NDArray[np.bool_]


@plugin("check", NAME)
class LabelErrors(Check):
    """Which labels does the model contradict more confidently than its errors explain?

    Confident learning: a label is contradicted if the probability of another class is as high as usual
    for samples of that class. Any model contradicts some correct labels in this way. Labels are
    therefore listed only if more of the most confident predictions contradict the label than the errors
    of the model explain (see ``auditor.statistics.label_noise``), or if the model is no less confident
    where it contradicts the label.

    Even then, the labels are not blamed. A model that uses a shortcut, such as the background, contradicts
    correct labels with the same confidence, and its own probabilities cannot separate the two. The claim
    states both possibilities, is never more than a note, and no failure counts as the fault of the data;
    near-duplicates with different labels, which are independent evidence, are found by ``duplicates``.

    What can be ruled out is left out: labels are not listed if the model predicts the class more often for
    other samples with the same value of an attribute or property, or if the labels are associated with
    such a value (exact mid-p tests; both with a Bonferroni correction over all values), and neither are
    hard images, which the model predicts less confidently than correctly labelled ones of the same class
    (Mann-Whitney test).

    Reference:
        C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating uncertainty in
        dataset labels", JAIR 70 (2021) 1373-1411.
    """

    kind: ClassVar[ClaimKind] = "data"
    # Its tests can only clear contradicted labels, and clear more of them if samples are clustered.
    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = ONE_CLASS

    min_count: int = Field(3, ge=1)
    """Smallest number of contradicted labels, of a pair of classes, that is reported."""

    def examine(self, audit: AuditData) -> Examination:
        """Finds labels that the model contradicts with confidence."""
        noise = estimate_wrong_labels(audit)
        if noise.reason in _NOT_DONE:
            return Examination(skipped=(_skipped(_NOT_DONE[noise.reason]),), label_noise=noise)
        skipped: tuple[Skipped, ...] = ()
        if audit.clusters is not None:
            skipped = (
                _skipped(
                    f"the number of wrong labels was not estimated: images of one {audit.clusters.name} "
                    "are not independent, and the method does not support clusters"
                ),
            )
        claims: list[Claim] = []
        cleared: list[str] = []
        # Where confidence does not separate errors from correct predictions, it explains no contradiction.
        if noise.is_detected or noise.reason == "uninformative-confidence":
            for found in self._found(audit):
                if isinstance(found, Claim):
                    claims.append(found)
                else:
                    cleared.append(found)
        noise = noise.model_copy(update={"cleared": tuple(cleared)})
        return Examination(tuple(claims), skipped, noise if audit.clusters is None else None)

    def _found(self, audit: AuditData) -> Iterator[Claim | str]:
        """Claims on pairs of classes; a sentence for labels that have another explanation."""
        if audit.probabilities is None:
            return
        label, predicted = (codes(audit.predictions[name]) for name in ("label", "predicted"))
        suggested = confident_learning(label, audit.probabilities).suggested
        contradicted = (suggested == predicted) & (predicted != label)
        for target in np.unique(predicted[contradicted]):
            for value, rows in _predicted_more_often(audit, label, predicted, int(target)):
                explained = contradicted & (predicted == target) & rows
                if explained.any():
                    contradicted &= ~explained
                    yield (
                        f"{plural(int(explained.sum()), 'label')} predicted as "
                        f"{class_name(audit.classes[target])}: the model predicts that class more often "
                        f"for other samples with {value}"
                    )
        pairs = np.unique(np.stack([label[contradicted], predicted[contradicted]]), axis=1)
        for pair in pairs.T:
            chosen = contradicted & (label == pair[0]) & (predicted == pair[1])
            if int(chosen.sum()) >= self.min_count:
                yield self._examined(_Suspects(audit, np.flatnonzero(chosen)))

    def _examined(self, suspects: _Suspects) -> Claim | str:
        """The claim on a pair of classes, or what else explains the predictions."""
        audit, label, other = suspects.audit, suspects.label, suspects.suggested
        called = quoted(label), class_name(other)
        prefix = f"{plural(len(suspects.rows), 'label')} {called[0]} predicted as {called[1]}:"
        value = associated_value(audit, suspects.mask)
        if value is not None:
            return f"{prefix} they are associated with {value}"
        correct = suspects.confidence_of(other, other)
        contradicted = suspects.confidence_of(label, other)
        if len(correct) < self.min_count or _lower(contradicted, correct, audit.alpha):
            return (
                f"{prefix} the model is less confident than for samples correctly labelled {other}, as is "
                "usual for hard images"
            )
        return _claim(suspects)


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
                found.append((p_value, gap, condition(name, str(value)), rows))
    for p_value, gap, words, rows in sorted(found, key=lambda one: one[0]):
        if gap > 0 and p_value * len(found) <= audit.alpha:
            yield words, rows


def _claim(suspects: _Suspects) -> Claim:
    """The claim that labels are wrong, or that the model uses a shortcut."""
    label, other = suspects.label, suspects.suggested
    frame = suspects.audit.predictions.iloc[suspects.rows].sort_values(
        "loss", ascending=False, kind="stable"
    )
    samples = [str(one) for one in frame["sample"]]
    confidence = frame["confidence"].to_numpy(dtype=np.float64)
    share = proportion(len(samples), suspects.n_label)[()]
    rows = tuple(
        (sample, class_name(label), class_name(other), float(one))
        for sample, one in zip(samples, confidence, strict=True)
    )
    n = len(samples)
    return Claim(
        check=NAME,
        kind=LabelErrors.kind,
        title=f"{plural(n, 'sample')} labelled {class_name(label)} {'is' if n == 1 else 'are'} "
        "confidently predicted as "
        f"{class_name(other)}: wrong labels or a shortcut",
        slice=SliceKey(label=label, predicted=other),
        effect=Effect.measured("share of the label's samples", share, "share"),
        limit=0.0,
        p_value=None,
        support=n,
        samples=tuple(samples[:_SHOWN]),
        statement=_statement(suspects, samples, share),
        action=f"Look at these images. Where they show {class_name(other)}, correct the labels. Where they "
        f"show {class_name(label)}, look for what they have in common with the {quoted(other)} samples, "
        "such as the background, and add it as "
        "an attribute. Then audit again.",
        limits="The model's own predictions cannot tell wrong labels from a shortcut, so no label is blamed "
        "and these samples count as failures. The model must not have been trained on them.",
        evidence=(
            Table(
                title="Labels that the model contradicts",
                columns=("sample", "label", "predicted", "confidence"),
                rows=rows[:_LISTED],
                units=(None, None, None, "share"),
            ),
        ),
        weight=float(n),
        ceiling="note",
    )


def _statement(suspects: _Suspects, samples: list[str], share: Interval) -> tuple[str, ...]:
    other = quoted(suspects.suggested)
    has_attributes = bool(suspects.audit.attributes)
    return (
        (
            f"Of {count(suspects.n_label)} {quoted(suspects.label)} samples, {count(len(samples))} "
            f"({percent(share.value)}, {interval(share)}) are predicted as {other} as confidently as "
            f"{other} samples usually are, such as {several(samples)}."
        ),
        (
            "Either the labels are wrong, or the model uses a shortcut: something else that these images "
            f"share with {other} samples, such as the background or the style."
        ),
        (
            "They are not associated with any attribute of the data, but a shortcut that no attribute "
            "describes would look the same."
            if has_attributes
            else "No attribute was given that could show a shortcut."
        ),
    )


def _skipped(reason: str) -> Skipped:
    return Skipped(check=NAME, reason=reason)
