"""ROC and precision–recall curves of all samples, and of the worst and the best slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.metrics import AuditMetrics
from auditor.records import (
    AuditData,
    CurveKind,
    CurveRole,
    Decisions,
    Estimate,
    OperatingCurve,
    Slice,
    SliceKey,
)
from auditor.statistics import CurvePoints, Integers, precision_recall_points, roc_points
from auditor.statistics.metrics import metric_named

MOST_POINTS = 200
"""Points of a curve in ``audit.json``."""
FEWEST_OF_EACH = 10
"""Fewest positive, and fewest negative, samples of a slice whose curve is drawn."""
_POINTS: dict[CurveKind, Callable[[NDArray[np.bool_], NDArray[np.float64]], CurvePoints | None]] = {
    "roc": roc_points,
    "precision-recall": precision_recall_points,
}
_AREAS: dict[CurveKind, str] = {"roc": "auroc", "precision-recall": "average-precision"}
_DECIMALS = 5


def operating_curves(audit: AuditData, primary: Sequence[str]) -> list[OperatingCurve]:
    """The curves of every positive class.

    Args:
        audit: the evaluated samples.
        primary: the primary metrics; the first one that has a better direction selects the slices.

    Returns:
        For each class, ROC and precision–recall curves of all samples, of the slice with the worst
        value, and of that with the best; none for a single-label task.
    """
    if audit.decisions is None:
        return []
    by = next((one for one in primary if metric_named(one).higher_is_better is not None), "auroc")
    drawing = _Drawing(audit, audit.decisions, AuditMetrics(audit), by)
    return [curve for k in range(len(audit.decisions.names)) for curve in drawing.of_class(k)]


@dataclass(frozen=True)
class _Drawing:
    audit: AuditData
    decisions: Decisions
    metrics: AuditMetrics
    by: str

    def of_class(self, k: int) -> Iterator[OperatingCurve]:
        rows = np.flatnonzero(self.decisions.of_row == k)
        yield from self._curves(k, rows, SliceKey(), "overall")
        ranked = self._ranked(k)
        if len(ranked) > 1:
            ends: tuple[tuple[CurveRole, Slice], ...] = (("worst", ranked[0]), ("best", ranked[-1]))
            for role, one in ends:
                yield from self._curves(k, self._own(one, k), one.key, role)

    def _ranked(self, k: int) -> list[Slice]:
        """The slices with enough samples, those with the worst metric first."""
        sign = 1 if metric_named(self.by).higher_is_better else -1
        found: list[tuple[float, int]] = []
        for place, one in enumerate(self.audit.value_slices):
            rows = self._own(one, k)
            positives = int(self.decisions.truth[rows].sum())
            fewest = min(positives, len(rows) - positives)
            if len(rows) < self.audit.min_support or fewest < FEWEST_OF_EACH:
                continue
            value = self.metrics.measured(self.by, rows, self.decisions.names[k]).value
            if value is not None:
                found.append((sign * value.value, place))
        return [self.audit.value_slices[place] for _, place in sorted(found)]

    def _own(self, one: Slice, k: int) -> Integers:
        return np.asarray(one.rows[self.decisions.of_row[one.rows] == k], dtype=np.int64)

    def _curves(
        self, k: int, rows: Integers, key: SliceKey, role: CurveRole
    ) -> Iterator[OperatingCurve]:
        truth, called = self.decisions.truth[rows], self.decisions.called[rows]
        name = self.decisions.names[k]
        for kind, points_of in _POINTS.items():
            points = points_of(truth, self.decisions.score[rows])
            if points is None:
                continue
            thin = points.thinned(MOST_POINTS)
            area = self.metrics.measured(_AREAS[kind], rows, name).value
            yield OperatingCurve(
                kind=kind,
                class_name=name,
                slice=key,
                role=role,
                chosen_by=None if role == "overall" else self.by,
                x=_rounded(thin.x),
                y=_rounded(thin.y),
                threshold=float(self.decisions.thresholds[k]),
                operating_point=_operating_point(kind, truth, called),
                area=None if area is None else Estimate.of(area),
                n_positives=int(truth.sum()),
                n_negatives=int((~truth).sum()),
            )


def _operating_point(
    kind: CurveKind, truth: NDArray[np.bool_], called: NDArray[np.bool_]
) -> tuple[float, float] | None:
    hits = truth & called
    sensitivity = hits.sum() / truth.sum()
    if kind == "roc":
        return float((called & ~truth).sum() / (~truth).sum()), float(sensitivity)
    return (float(sensitivity), float(hits.sum() / called.sum())) if called.any() else None


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(one) for one in values.round(_DECIMALS))
