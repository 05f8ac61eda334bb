"""The metrics and curves of a synthetic run: its last class is the positive one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from builders.synthetic_plan import Plan, share
from numpy.typing import NDArray

from auditor.records import (
    CurveRole,
    Estimate,
    MetricValue,
    OperatingCurve,
    ReliabilityBin,
    ReliabilityDiagram,
    SliceKey,
)
from auditor.statistics import precision_recall_points, reliability_bins, roc_points

_THRESHOLD = 0.5
NOT_DEFINED = "not defined: no positive samples"


def metrics(plan: Plan, good: pd.DataFrame) -> list[MetricValue]:
    """Metrics on all samples and on every value; one value has no positive samples."""
    every = np.ones(len(good), dtype=bool)
    found = list(_of_rows(plan, good, every, SliceKey()))
    for position, name in enumerate(plan.attributes):
        values = good[name].fillna("(missing)")
        for value in plan.levels[position]:
            key = SliceKey(attributes={name: value})
            found += _of_rows(plan, good, (values == value).to_numpy(), key)
    missing = SliceKey(attributes={plan.attributes[1]: "(missing)"})
    found.append(
        MetricValue(
            metric="sensitivity", slice=missing, estimate=None, support=0, primary=True,
            reason=NOT_DEFINED,
        )
    )  # fmt: skip
    return found


def curves(plan: Plan, good: pd.DataFrame) -> list[OperatingCurve]:
    """ROC and precision–recall curves of all samples and of two slices."""
    truth, score = _decisions(plan, good)
    first = good[plan.attributes[0]].to_numpy(dtype=object)
    worst, best = plan.levels[0][0], plan.levels[0][-1]
    every = np.ones(len(good), dtype=bool)
    found = []
    parts: tuple[tuple[CurveRole, NDArray[np.bool_], dict[str, str]], ...] = (
        ("overall", every, {}),
        ("worst", first == worst, {plan.attributes[0]: worst}),
        ("best", first == best, {plan.attributes[0]: best}),
    )
    for role, rows, attributes in parts:
        own, called = truth[rows], score[rows] >= _THRESHOLD
        hits, false = (own & called).sum() / own.sum(), (~own & called).sum() / (~own).sum()
        shared: dict[str, Any] = {
            "class_name": plan.classes[-1],
            "slice": SliceKey(attributes=attributes),
            "role": role,
            "threshold": _THRESHOLD,
            "area": Estimate(value=0.91, low=0.885, high=0.93),
            "n_positives": int(own.sum()),
            "n_negatives": int((~own).sum()),
        }
        roc, steps = roc_points(own, score[rows]), precision_recall_points(own, score[rows])
        assert roc is not None
        assert steps is not None
        found += [
            OperatingCurve(
                kind="roc", x=tuple(roc.thinned(200).x), y=tuple(roc.thinned(200).y),
                operating_point=(false, hits), **shared,
            ),
            OperatingCurve(
                kind="precision-recall", x=tuple(steps.thinned(200).x),
                y=tuple(steps.thinned(200).y), operating_point=(hits, own[called].mean()), **shared,
            ),
        ]  # fmt: skip
    return found


def reliability(plan: Plan, good: pd.DataFrame) -> ReliabilityDiagram:
    """Of the last class."""
    truth, score = _decisions(plan, good)
    return ReliabilityDiagram(
        probability="positive class",
        bins=tuple(
            ReliabilityBin(
                confidence=float(score[rows].mean()),
                observed=share(int(truth[rows].sum()), len(rows)),
                support=len(rows),
            )
            for rows in reliability_bins(score)
        ),
    )


def _decisions(plan: Plan, good: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    positive = plan.classes[-1]
    sure = good.confidence.to_numpy(dtype=np.float64)
    score = np.where(good.predicted == positive, sure, 1 - sure)
    return (good.label == positive).to_numpy(dtype=bool), score


def _of_rows(
    plan: Plan, good: pd.DataFrame, rows: NDArray[np.bool_], key: SliceKey
) -> Iterator[MetricValue]:
    truth, score = _decisions(plan, good)
    called = score >= _THRESHOLD
    counts = {
        "sensitivity": (truth & called & rows, truth & rows),
        "specificity": (~truth & ~called & rows, ~truth & rows),
        "ppv": (truth & called & rows, called & rows),
    }
    for name, (hits, of) in counts.items():
        yield MetricValue(
            metric=name,
            slice=key,
            estimate=share(int(hits.sum()), int(of.sum())),
            support=int(of.sum()),
            primary=name != "ppv",
        )
    yield MetricValue(
        metric="auroc",
        slice=key,
        estimate=Estimate(value=0.91, low=0.885, high=0.93),
        unit="score",
        support=int(rows.sum()),
    )
