"""Prediction dependence: is the prediction independent of an attribute, given the label?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check
from auditor.comparisons.class_rates import WorstRate, worst_rates
from auditor.comparisons.clustered_rates import ClusteredRates
from auditor.comparisons.clusters import of_clusters
from auditor.comparisons.others_fixed import OthersFixed, rate_within
from auditor.comparisons.strata import confounders, crossed
from auditor.phrasing import (
    attribute_name,
    class_name,
    interval,
    sentence_start,
    several,
    signed_points,
    value_name,
    whom,
)
from auditor.records import (
    AuditData,
    Claim,
    Effect,
    EvidencePart,
    Examination,
    Quantities,
    Quantity,
    Skipped,
    SliceKey,
    Table,
    Unit,
)
from auditor.records.predictions import codes
from auditor.registry import plugin
from auditor.statistics import (
    ClassRates,
    FairnessDistances,
    Floats,
    Integers,
    after_omnibus,
    class_rates,
    clustered_dependence,
    conditional_dependence,
    fairness_distances,
)

NAME = "prediction-dependence"
_AT_ONCE = 20_000_000
"""Cells of random tables that are held at a time: 160 MB."""
_IN_ALL = 300_000_000
"""Cells of random tables that are drawn for one attribute: some seconds."""
_FIRST = 1999
"""Permutations that are drawn for every attribute."""
_SMALL = 0.005
"""P-values up to this are drawn anew with more permutations."""
_LISTED = 400
"""Largest number of rates (values × classes) in the evidence."""


@plugin("check", NAME)
class PredictionDependence(Check):
    """Is the prediction independent of an attribute, given the label?

    Tests the conditional mutual information of prediction and attribute given the label by permutation
    within labels. It detects any dependence, even one that leaves the error rate unchanged and only
    changes which class the failures are predicted as. Its p-value says nothing of a single value: after
    it, each value is tested for a lower recall of a class, or a higher rate of false positives within
    labels, than all other values have (closed testing). The intervals hold jointly. Demographic parity,
    equal opportunity, equalized odds and the four-fifths ratio are part of the evidence, also for
    intersections of two attributes. Confounders that ``slices.roles`` declares are held fixed as well;
    the fairness measures are those of all samples.

    Reference:
        `auditor.statistics.closed_testing.after_omnibus`.
    """

    handles_clusters: ClassVar[bool] = True
    compares_attributes: ClassVar[bool] = True

    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable gap in recall or in false-positive rate (a share, 0 to 1)."""
    permutations: int = Field(39_999, ge=199, le=10_000_000)
    """Permutations of the test at most; 1999 where these show no dependence."""

    def examine(self, audit: AuditData) -> Examination:
        """Tests every attribute."""
        frame = audit.predictions
        label, predicted = codes(frame["label"]), codes(frame["predicted"])
        claims: list[Claim] = []
        skipped = []
        for name in audit.attributes:
            values = [str(value) for value in frame[name].cat.categories]
            fixed, alike = confounders(audit, name)
            cells = (codes(frame[name]), alike, label, predicted)
            counts = _counts(cells, len(values), len(audit.classes))
            found, worst = self._examined(audit, name, counts, alike)
            if found is None or not worst:
                reason = (
                    "within every label there is one value, or one prediction" + of_clusters(audit)
                    if found is None
                    else f"no value has {audit.min_support} samples of a class and as many among the "
                    "other values" + of_clusters(audit)
                )
                skipped.append(Skipped(check=NAME, reason=f"{attribute_name(name)}: {reason}"))
                continue
            stated = self._claims(audit, name, values, counts.sum(1), found, worst)
            held = _OthersHeld(
                audit, name, alike, {values[code]: one for code, one in worst.items()}
            )
            claims += [held.added_to(_with_fixed(one, fixed)) for one in stated]
        return Examination(tuple(claims), tuple(skipped))

    def _examined(
        self, audit: AuditData, name: str, counts: Floats, alike: Integers
    ) -> tuple[tuple[float, float] | None, dict[int, WorstRate]]:
        """The dependence, with its p-value, and the clearest disadvantage of each value."""
        if audit.clusters is None:
            return self._dependence(counts, audit.seed), worst_rates(counts, audit.min_support)
        frame, cluster = audit.predictions, audit.clusters.of_sample
        value, label, predicted = (codes(frame[one]) for one in (name, "label", "predicted"))
        strata = crossed(alike, label)
        found = clustered_dependence(
            value, predicted, strata, cluster, self.permutations, audit.seed
        )
        # Where the attribute as a whole is not significant, no value is: its p-value need not be fine.
        permuted = found.p_value <= audit.alpha
        rates = ClusteredRates(
            value, label, predicted, strata, cluster, len(counts), permuted, audit.seed
        )
        worst = worst_rates(counts, audit.min_support, rates)
        return None if np.isnan(found.p_value) else (found.excess, found.p_value), worst

    def _dependence(self, counts: Floats, seed: int) -> tuple[float, float] | None:
        """Excess information in nats and its p-value; None where there is nothing to permute."""
        n_values, n_strata, n_classes, _ = counts.shape
        # Strata and labels are both held fixed.
        tables = np.moveaxis(counts.reshape(n_values, n_strata * n_classes, n_classes), 1, 0)
        tables = tables[tables.sum((1, 2)) > 0]
        tables = tables[:, :, tables.sum((0, 1)) > 0]
        if tables.size == 0:
            return None
        most = min(_AT_ONCE // max(1, tables[0].size), _IN_ALL // tables.size, self.permutations)
        found = conditional_dependence(tables, min(max(most, 199), _FIRST), seed)
        if np.isnan(found.p_value):
            return None
        # A p-value at the end of its range is drawn anew with more permutations. Both are valid, and
        # only the second one is used there.
        if found.p_value <= _SMALL and most > _FIRST:
            found = conditional_dependence(tables, most, seed + 1)
        return found.excess, found.p_value

    def _claims(
        self,
        audit: AuditData,
        name: str,
        values: list[str],
        counts: Floats,
        found: tuple[float, float],
        worst: Mapping[int, WorstRate],
    ) -> Iterator[Claim]:
        """The claim on the attribute as a whole, then one for each value."""
        excess, p_value = found
        adjusted = after_omnibus(p_value, [one.p_value for one in worst.values()])
        clearest = list(worst)[int(np.argmin(adjusted))]
        rates = class_rates(counts)
        evidence = tuple(_evidence(audit, name, values, rates, excess))
        parity = tuple(_four_fifths(fairness_distances(rates), audit.classes))
        yield self._of_attribute(name, int(counts.sum()), excess, p_value)
        for (code, one), p_of_value in zip(worst.items(), adjusted, strict=True):
            claim = self._of_value(audit, SliceKey(attributes={name: values[code]}), one)
            shown = code == clearest
            yield replace(
                claim,
                p_value=float(p_of_value),
                support=int(counts[code].sum()),
                statement=(*claim.statement, *(parity if shown else ())),
                evidence=evidence if shown else (),
                joint=name,
            )

    def _of_attribute(self, name: str, support: int, excess: float, p_value: float) -> Claim:
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"Predictions depend on {attribute_name(name)} beyond the label",
            slice=SliceKey(),
            effect=None,  # it names no value; the claims on the values do
            limit=0.0,
            p_value=p_value,
            support=support,
            samples=(),
            statement=(
                (
                    f"Given the label, prediction and {attribute_name(name)} share {excess:.3f} nats of "
                    "information "
                    "beyond chance."
                ),
            ),
            action="See which values differ.",
            limits="It does not say which values differ, or how.",
            question="further question",
            joint=name,
        )

    def _of_value(self, audit: AuditData, key: SliceKey, worst: WorstRate) -> Claim:
        target = class_name(audit.classes[worst.target])
        what = worst.in_words(target, f"with {whom(key).removeprefix('samples with ')}")
        return Claim(
            check=NAME,
            kind=self.kind,
            title=sentence_start(what),
            slice=key,
            effect=Effect.measured(f"gap in {worst.rate_name}", worst.gap, "points"),
            limit=self.max_gap,
            p_value=worst.p_value,
            support=0,
            samples=(),
            statement=(
                (
                    f"{sentence_start(what)}: {signed_points(worst.gap.value)} worse "
                    f"({interval(worst.gap, ' points')}, jointly with all other rates)."
                ),
            ),
            action=f"Compare the mean maps of the values within {target}.",
            limits="It shows that prediction and attribute are associated among samples of one label, "
            "not why.",
        )


@dataclass(frozen=True)
class _OthersHeld:
    """The disadvantages of the values of an attribute with each other attribute held fixed.

    Attributes:
        audit: the audited data.
        name: the attribute.
        alike: (n,) what is held fixed in any case, besides the label.
        worst: the disadvantage of each value.
    """

    audit: AuditData
    name: str
    alike: Integers
    worst: Mapping[str, WorstRate]

    def added_to(self, claim: Claim) -> Claim:
        """The claim with what explains its gap; that of the attribute as a whole as it is."""
        if self.name not in claim.slice.attributes:
            return claim
        value = claim.slice.attributes[self.name]
        frame, worst = self.audit.predictions, self.worst[value]
        label, predicted = codes(frame["label"]), codes(frame["predicted"])
        is_recall = worst.rate_name == "recall"
        rows = np.flatnonzero((label == worst.target) == is_recall)
        outcome = (predicted[rows] == worst.target) != is_recall
        inside = (frame[self.name] == value).to_numpy(dtype=bool)[rows]
        strata = crossed(self.alike, label)[rows]
        within = rate_within(self.audit, rows, inside, outcome)
        return OthersFixed(self.audit, rows, inside, strata, within).added_to(claim)


def _four_fifths(distances: FairnessDistances, classes: tuple[str, ...]) -> Iterator[str]:
    ratio = distances.demographic_parity_ratio
    if np.isfinite(ratio).any():
        least = int(np.nanargmin(ratio))
        yield (
            f"Whatever the labels are, the lowest rate at which a value is predicted as "
            f"{class_name(classes[least])} is {ratio[least]:.2f} times the highest (the four-fifths rule "
            "asks for at least 0.8)."
        )


def _counts(
    cells: tuple[Integers, Integers, Integers, Integers], n_values: int, n_classes: int
) -> Floats:
    """(A, S, K, K) samples by value, stratum, label and prediction; `cells` holds (n,) codes of each."""
    shape = (n_values, int(cells[1].max(initial=0)) + 1, n_classes, n_classes)
    counts = np.bincount(np.ravel_multi_index(cells, shape), minlength=int(np.prod(shape)))
    return counts.reshape(shape).astype(np.float64)


def _with_fixed(claim: Claim, fixed: tuple[str, ...]) -> Claim:
    """The claim, with a sentence on the confounders that were held fixed."""
    if not fixed:
        return claim
    held = several([attribute_name(one) for one in fixed])
    sentence = f"Rates and gaps are those with {held} held fixed, besides the label."
    return replace(claim, statement=(*claim.statement, sentence))


def _evidence(
    audit: AuditData, name: str, values: list[str], rates: ClassRates, excess: float
) -> Iterator[EvidencePart]:
    distances = _largest(fairness_distances(rates))
    yield Quantities(
        items=(
            Quantity(name="shared information, nats", value=excess, unit="score"),
            *(
                Quantity(name=what, value=value, unit=_unit(what))
                for what, value in distances.items()
            ),
        )
    )
    if len(values) * len(audit.classes) <= _LISTED:
        yield _rates_table(rates, [value_name(name, one) for one in values], audit.classes)
    crossed = list(_intersections(audit, name))
    if crossed:
        yield Table(
            title="Intersections with other attributes",
            columns=("attributes", *_DISTANCES),
            rows=tuple(
                (
                    f"{attribute_name(name)} × {attribute_name(other)}",
                    *(found.get(what) for what in _DISTANCES),
                )
                for other, found in crossed
            ),
            units=(None, *map(_unit, _DISTANCES)),
        )


_DISTANCES = (
    "demographic parity difference",
    "demographic parity ratio",
    "equal opportunity difference",
    "equalized odds difference",
)


def _unit(distance: str) -> Unit:
    return "ratio" if distance.endswith("ratio") else "points"


def _largest(distances: FairnessDistances) -> dict[str, float]:
    """The worst distance over classes, by name; undefined ones are left out."""
    found = (
        np.fmax.reduce(distances.demographic_parity_difference),
        np.fmin.reduce(distances.demographic_parity_ratio),
        np.fmax.reduce(distances.equal_opportunity_difference),
        np.fmax.reduce(distances.equalized_odds_difference),
    )
    named = zip(_DISTANCES, found, strict=True)
    return {name: float(value) for name, value in named if np.isfinite(value)}


def _rates_table(rates: ClassRates, values: list[str], classes: tuple[str, ...]) -> Table:
    kinds = (rates.true_positive, rates.false_positive, rates.selection)
    return Table(
        title="Rates by value and class",
        columns=("value", "class", "true-positive rate", "false-positive rate", "selection rate"),
        rows=tuple(
            (value, class_name(name), *(_finite(one.value[row, column]) for one in kinds))
            for row, value in enumerate(values)
            for column, name in enumerate(classes)
        ),
        units=(None, None, "share", "share", "share"),
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _intersections(audit: AuditData, name: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Distances between the values of this attribute crossed with each later one."""
    n_classes = len(audit.classes)
    frame = audit.predictions
    label, predicted = codes(frame["label"]), codes(frame["predicted"])
    for first, second in combinations(audit.attributes, 2):
        if name != first:
            continue
        n_second = len(frame[second].cat.categories)
        n_cells = len(frame[first].cat.categories) * n_second
        if n_cells * n_classes**2 > _AT_ONCE // 10:
            continue
        value = codes(frame[first]) * n_second + codes(frame[second])
        counts = _counts((value, np.zeros_like(value), label, predicted), n_cells, n_classes).sum(1)
        counts = counts[counts.sum((1, 2)) >= audit.min_support]
        if len(counts) > 1:
            yield second, _largest(fairness_distances(class_rates(counts)))
