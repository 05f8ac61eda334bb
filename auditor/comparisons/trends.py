"""Trend of the error rate along an ordered attribute, also with other attributes held fixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.clusters import enough_clusters, inflation
from auditor.comparisons.confounding import WithHeldFixed
from auditor.comparisons.strata import crossed
from auditor.phrasing import attribute_name
from auditor.records import (
    AuditData,
    Curve,
    CurvePoint,
    Estimate,
    HeldFixedGap,
    OrderedValues,
    SmoothPoint,
)
from auditor.records.predictions import codes
from auditor.statistics import (
    Floats,
    Integers,
    Interval,
    Trends,
    proportion,
    smooth_rate,
    trend,
)
from auditor.statistics.bands import are_integers, band_edges, band_names

_MOST_BANDS = 10
"""Number of bands of a numeric attribute. Ten bands lose little power for a linear trend: 1 / 10² of the
variance of a uniform attribute lies within bands."""
_FEWEST_BANDS = 4


@dataclass(frozen=True)
class OrderedBands:
    """The samples with a value of an ordered attribute, in bands.

    Attributes:
        attribute: name of the attribute.
        rows: (n,) positions in ``AuditData.predictions``, int64.
        band: (n,) band of each of them, in order; every band has samples.
        names: names of the bands.
        centres: (V,) mean of the numbers in each band, or the position of the value.
        scores: (V,) increasing scores for the test: the middle rank of a band as a share of the
            samples for numbers; the position of the value for an ordinal attribute.
        positional: whether `centres` are positions.
    """

    attribute: str
    rows: Integers
    band: Integers
    names: tuple[str, ...]
    centres: Floats
    scores: Floats
    positional: bool

    @classmethod
    def of(cls, attribute: str, values: OrderedValues, min_support: int) -> OrderedBands:
        """Divides an attribute into bands: the values of an ordinal one, or quantiles of numbers.

        Bands of numbers are cut and named like slices: by their edges, so that no name is the smallest or
        largest number of a sample.
        """
        rows = np.flatnonzero(~np.isnan(values.numbers)).astype(np.int64)
        numbers = values.numbers[rows]
        n_bands = int(np.clip(len(rows) // min_support, _FEWEST_BANDS, _MOST_BANDS))
        cut = None if values.names else band_edges(numbers, None, n_bands)
        edges = np.unique(numbers)[1:] if cut is None else np.array(cut)
        place = np.searchsorted(edges, numbers, side="right")
        used, band = np.unique(place, return_inverse=True)
        sizes = np.bincount(band)
        centres = _centres(numbers, band)
        ranks = (np.cumsum(sizes) - sizes / 2) / max(len(rows), 1)
        if cut is None:
            names = values.names or tuple(f"{one:.12g}" for one in np.unique(numbers))
        else:
            named = band_names(cut, integers=are_integers(numbers))
            names = tuple(named[k] for k in used)
        return cls(
            attribute=attribute,
            rows=rows,
            band=band.astype(np.int64),
            names=names,
            centres=centres,
            scores=used.astype(np.float64) if values.names else ranks,
            positional=bool(values.names),
        )

    def counts(self, failure: NDArray[np.bool_], strata: Integers) -> tuple[Floats, Floats]:
        """Failures and samples by band and stratum, each (V, S).

        Args:
            failure: (n,) whether each sample in `rows` failed.
            strata: (n,) codes from 0.
        """
        n_strata = int(strata.max(initial=0)) + 1
        cell = self.band * n_strata + strata
        size, shape = len(self.names) * n_strata, (len(self.names), n_strata)
        totals = np.bincount(cell, minlength=size).reshape(shape)
        failures = np.bincount(cell[failure], minlength=size).reshape(shape)
        return failures.astype(np.float64), totals.astype(np.float64)


@dataclass(frozen=True)
class LinearTrend:
    """The linear trend of the error rate along an ordered attribute, within labels.

    Attributes:
        bands: the samples.
        rising: whether the error rate is higher at the high end.
        gap: error rate at the worse end minus that at the better end of a straight line.
        p_value: two-sided, of "no trend".
        line: (V,) error rates of the bands by the straight line.
        failures: (V,) failures of the bands.
        totals: (V,) samples.
        worth: (V,) design effects of the bands, at least 1.
        smooth: a smooth curve of the error rate over the numbers; empty where there is none.
    """

    bands: OrderedBands
    rising: bool
    gap: Interval
    p_value: float
    line: Floats
    failures: Floats
    totals: Floats
    worth: Floats
    smooth: tuple[SmoothPoint, ...] = ()

    @property
    def worst(self) -> int:
        """Position of the band at the worse end."""
        return len(self.totals) - 1 if self.rising else 0

    @property
    def excess(self) -> float:
        """Number of failures on the line in excess of its mean."""
        return float((self.totals * np.maximum(self.line - self._rate, 0)).sum())

    @property
    def _rate(self) -> float:
        return float(self.failures.sum() / max(self.totals.sum(), 1))

    def curve(self) -> Curve:
        """The error rates of the bands with the straight line, and the smooth curve."""
        rates = proportion(self.failures / self.worth, self.totals / self.worth)
        points = (
            CurvePoint(
                name=name,
                x=float(self.bands.centres[k]),
                y=Estimate.of(rates[k]),
                fitted=float(self.line[k]),
                support=int(self.totals[k]),
            )
            for k, name in enumerate(self.bands.names)
        )
        return Curve(
            title=f"error rate along {attribute_name(self.bands.attribute)}",
            x_name=self.bands.attribute,
            x_is_position=self.bands.positional,
            y_name="error rate",
            y_unit="share",
            points=tuple(points),
            smooth=self.smooth,
        )


class TrendCounter:
    """Tests the trends of an audit."""

    def __init__(self, audit: AuditData) -> None:
        frame = audit.predictions
        self._audit = audit
        self._alpha, self._needed = audit.alpha, audit.min_support
        self._failure = frame["failure"].to_numpy(dtype=bool)
        self._label = codes(frame["label"])
        self._codes = {name: codes(frame[name]) for name in audit.attributes}
        self._numbers = {name: one.numbers for name, one in audit.ordered.items() if not one.names}
        self._mediators = audit.declared.with_role("mediator")

    def trend(self, bands: OrderedBands) -> LinearTrend | None:
        """The trend within labels; None if it cannot be computed."""
        failures, totals = bands.counts(self._failure[bands.rows], self._label[bands.rows])
        rows = [bands.rows[bands.band == k] for k in range(len(bands.names))]
        if not all(enough_clusters(self._audit, one) for one in rows):
            return None
        worth = inflation(self._audit, self._failure, rows)
        found = trend(failures / worth[:, None], totals / worth[:, None], bands.scores)
        if np.isnan(found.p_value):
            return None
        rising = float(found.change.value) >= 0
        width = float(bands.scores[-1] - bands.scores[0])
        failures, totals = failures.sum(1), totals.sum(1)
        mean = float((bands.scores * totals).sum() / totals.sum())
        slope = float(found.change.value) / width
        line = failures.sum() / totals.sum() + slope * (bands.scores - mean)
        return LinearTrend(
            bands=bands,
            rising=rising,
            gap=_gap(found, rising),
            p_value=float(found.p_value),
            line=np.clip(line, 0, 1),
            failures=failures,
            totals=totals,
            worth=worth,
            smooth=tuple(self._smooth(bands)),
        )

    def _smooth(self, bands: OrderedBands) -> Iterator[SmoothPoint]:
        """The smooth curve of a numeric attribute."""
        if bands.attribute not in self._numbers:
            return
        numbers = self._numbers[bands.attribute][bands.rows]
        finite = np.isfinite(numbers)
        rows, clusters = bands.rows[finite], self._audit.clusters
        found = smooth_rate(
            numbers[finite],
            self._failure[rows],
            None if clusters is None else clusters.of_sample[rows],
        )
        if found is not None:
            for number, rate in zip(found.number, found.rate, strict=True):
                yield SmoothPoint(x=float(number), y=Estimate.of(rate))

    def with_others_fixed(self, found: LinearTrend, limit: float) -> Iterator[HeldFixedGap]:
        """The trend with each other attribute held fixed in addition to the label.

        Args:
            found: the trend.
            limit: largest acceptable gap between the two ends.
        """
        bands = found.bands
        label, failure = self._label[bands.rows], self._failure[bands.rows]
        whole = _spread(bands, np.zeros_like(label))
        within_labels = _spread(bands, label)
        for name, values in self._codes.items():
            if name == bands.attribute or name in self._mediators:
                continue
            strata = crossed(label, values[bands.rows])
            failures, totals = bands.counts(failure, strata)
            worth = found.worth[:, None]
            left = trend(failures / worth, totals / worth, bands.scores)
            spread = _spread(bands, strata)
            yield WithHeldFixed(
                name,
                _gap(left, found.rising),
                float(left.p_value),
                effective_samples=len(label) * spread / whole,
                shared=spread / within_labels,
            ).judged(found.gap, self._needed, self._alpha, limit)


def _centres(numbers: Floats, band: Integers) -> Floats:
    """The mean of the numbers in each band; infinite ones count as the largest or smallest finite one."""
    known = numbers[np.isfinite(numbers)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    finite = np.clip(numbers, low, high)
    return np.bincount(band, finite / np.bincount(band)[band]).astype(np.float64)


def _gap(found: Trends, rising: bool) -> Interval:
    """The change from the better to the worse end."""
    one = found.change[()]
    return one if rising else Interval(-one.value, -one.high, -one.low)


def _spread(bands: OrderedBands, strata: Integers) -> float:
    """Sum of squared deviations of the scores from their mean within each stratum."""
    score = bands.scores[bands.band]
    sizes = np.bincount(strata)
    means = np.bincount(strata, score) / np.maximum(sizes, 1)
    return float(((score - means[strata]) ** 2).sum())
