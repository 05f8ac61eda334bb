"""Label errors: which failures are probably the label's fault and not the model's?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import mannwhitneyu

from auditor.phrasing import effect, interval, percent, quoted, several
from auditor.records import AuditData, Claim, Examination, Skipped, SliceKey
from auditor.registry import Options, plugin
from auditor.statistics import proportion_gap, stratified_gap, wilson
from auditor.statistics.label_noise import label_noise

NAME = "label-errors"
_SHOWN = 12
_LISTED = 500
"""Samples that are listed in a claim's evidence at most."""


@plugin("check", NAME)
class LabelErrors(Options):
    """Which failures are probably the label's fault and not the model's?

    Confident learning: a sample whose probability of another class is as high as is usual for
    samples of that class. It supposes that labels go wrong by chance within a class. A model that
    goes by a shortcut contradicts right labels just as surely, but not by chance: where it calls
    other samples that class more often with some value of an attribute or property, or where what is
    suspected of one label goes along with one (Fisher's exact test, mid-p; both Bonferroni over all
    values), the labels are not blamed, and that is said. Nor are they where hard
    images are the likelier cause: wrong labels fall on any image of a class, which the model
    then calls as surely as the right ones; hard images it calls less surely (Mann and Whitney's
    test). Nothing is tested of a label itself: a list to look at, never more than a note. Of the
    listed, those count as possible faults of the data that are called so at least as surely as half
    of the right ones.

    Reference:
        C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating uncertainty in
        dataset labels", JAIR 70 (2021) 1373-1411.
    """

    min_count: int = Field(3, ge=1)
    """Pairs of classes with fewer suspected labels are not told."""

    def examine(self, audit: AuditData) -> Examination:
        """Looks for labels that the model contradicts confidently."""
        if audit.probabilities is None:
            reason = "the probabilities of all classes were not kept (more than 100 classes)"
            return Examination(skipped=(Skipped(check=NAME, reason=reason),))
        frame = audit.predictions
        label, predicted = (
            np.asarray(frame[name].cat.codes, dtype=np.int64) for name in ("label", "predicted")
        )
        suggested = label_noise(label, audit.probabilities).suggested
        suspected = (suggested == predicted) & (predicted != label)
        claims: list[Claim] = []
        skipped: list[Skipped] = []
        for target in np.unique(predicted[suspected]):
            for where, rows in _called_more(audit, label, predicted, int(target)):
                excused = suspected & (predicted == target) & rows
                if excused.any():
                    suspected &= ~excused
                    skipped.append(
                        Skipped(
                            check=NAME,
                            reason=f"called {audit.classes[target]}: the model contradicts "
                            f"{int(excused.sum())} labels confidently, but it calls other samples so "
                            f"more often with {where}; the labels are not blamed",
                        )
                    )
        pairs, counts = np.unique(
            np.stack([label[suspected], predicted[suspected]]), axis=1, return_counts=True
        )
        for (row, column), count in zip(pairs.T, counts, strict=True):
            if count < self.min_count:
                continue
            of_label = np.flatnonzero(label == row)
            chosen = suspected[of_label] & (predicted[of_label] == column)
            systematic = _goes_along(audit, of_label, chosen)
            pair = f"{audit.classes[row]} called {audit.classes[column]}"
            if systematic is not None:
                skipped.append(
                    Skipped(
                        check=NAME,
                        reason=f"{pair}: the model contradicts {count} labels confidently, but that "
                        f"goes along with {systematic}; the labels are not blamed",
                    )
                )
                continue
            right = _confidence(audit, (label == column) & (predicted == column))
            called = _confidence(audit, (label == row) & (predicted == column))
            if len(right) < self.min_count or _less_sure(called, right, audit.alpha):
                skipped.append(
                    Skipped(
                        check=NAME,
                        reason=f"{pair}: the model contradicts {count} labels confidently, but calls "
                        f"these images less surely than those that are rightly "
                        f"{audit.classes[column]}, as it does hard images; the labels are not "
                        "blamed",
                    )
                )
                continue
            usual = float(np.median(right))
            claims.append(_claim(audit, int(row), int(column), of_label, chosen, usual))
        return Examination(tuple(claims), tuple(skipped))


def _confidence(audit: AuditData, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    return audit.predictions["confidence"].to_numpy(dtype=np.float64)[rows]


def _less_sure(some: NDArray[np.float64], others: NDArray[np.float64], alpha: float) -> bool:
    """Whether confidences are lower than others beyond chance."""
    return bool(mannwhitneyu(some, others, alternative="less").pvalue <= alpha)


def _called_more(
    audit: AuditData, label: NDArray[np.int64], predicted: NDArray[np.int64], target: int
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Attribute values with which other samples are called a class more often, and who has them.

    Within labels, by the test of Mantel and Haenszel, Bonferroni over all values.
    """
    n_classes = len(audit.classes)
    other = label != target
    called = other & (predicted == target)
    all_called, all_others = (
        np.bincount(label[part], minlength=n_classes) for part in (called, other)
    )
    found: list[tuple[float, float, str, NDArray[np.bool_]]] = []
    for name in (*audit.attributes, *audit.computed):
        column = audit.predictions[name].cat
        codes = column.codes.to_numpy(dtype=np.int64)
        for code, value in enumerate(column.categories):
            rows = codes == code
            own_called, own = (
                np.bincount(label[part & rows], minlength=n_classes) for part in (called, other)
            )
            gaps = stratified_gap(own_called, own, all_called - own_called, all_others - own)
            if np.isfinite(gaps.p_value):
                p_value, gap = float(gaps.p_value), float(gaps.gap.value)
                found.append((p_value, gap, f"{name} = {value}", rows))
    for p_value, gap, where, rows in sorted(found, key=lambda one: one[0]):
        if gap > 0 and p_value * len(found) <= audit.alpha:
            yield where, rows


def _goes_along(
    audit: AuditData, of_label: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> str | None:
    """The attribute value that some samples of a label go along with most surely, if any does."""
    found: list[tuple[float, str]] = []
    for name in (*audit.attributes, *audit.computed):
        column = audit.predictions[name].cat
        codes = column.codes.to_numpy(dtype=np.int64)[of_label]
        n_values = len(column.categories)
        totals = np.bincount(codes, minlength=n_values)
        counts = np.bincount(codes[chosen], minlength=n_values)
        gaps = proportion_gap(counts, totals, chosen.sum() - counts, len(of_label) - totals)
        found += [
            (float(p_value), f"{name} = {value}")
            for p_value, value in zip(gaps.p_value, column.categories, strict=True)
            if np.isfinite(p_value)
        ]
    least, name = min(found, default=(1.0, ""))
    return name if least * len(found) <= audit.alpha else None


def _claim(
    audit: AuditData,
    row: int,
    column: int,
    of_label: NDArray[np.int64],
    chosen: NDArray[np.bool_],
    usual: float,
) -> Claim:
    label, other = audit.classes[row], audit.classes[column]
    frame = audit.predictions.iloc[of_label[chosen]].sort_values(
        "loss", ascending=False, kind="stable"
    )
    samples = [str(one) for one in frame["sample"]]
    share = wilson(len(samples), len(of_label))[()]
    sure = frame["confidence"].to_numpy(dtype=np.float64)
    faulty = tuple(np.array(samples, dtype=object)[sure >= usual])
    return Claim(
        check=NAME,
        title=f"{len(samples)} samples labelled {label} may show {other}",
        slice=SliceKey(label=label, predicted=other),
        effect=effect("share of the label's samples", share),
        limit=0.0,
        p_value=None,
        support=len(samples),
        samples=tuple(samples[:_SHOWN]),
        statement=f"Of {len(of_label)} {quoted(label)} samples, {len(samples)} ({percent(share.value)}, "
        f"{interval(share)}) are called {other} as surely as {other} samples usually are, such as "
        f"{several(samples)}; they go along with no attribute. {len(faulty)} of them are called so at "
        f"least as surely as half of the samples that are rightly {other}.",
        action=f"Look at these images. Those that do show {other} are failures of the labels: correct "
        "them and audit again.",
        limits="The model itself is the only witness: it may be confidently wrong. It must not have been "
        "trained on these samples.",
        evidence={
            "suspected": [
                {"sample": sample, "label": label, "suggested": other, "confidence": float(one)}
                for sample, one in zip(samples[:_LISTED], sure, strict=False)
            ],
            "at_fault": len(faulty),
        },
        weight=float(len(samples)),
        ceiling="note",
        faulty=faulty,
    )
