"""Matched pairs: for each image, two donors of the same label, with an attribute value and without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.errors import BudgetExhaustedError
from auditor.interventions.value_contrasts import ValueContrast, contrasts_with_gap, value_masks
from auditor.phrasing import attribute_name, condition, several
from auditor.records import AuditData, Clusters, Skipped
from auditor.records.predictions import codes
from auditor.statistics import Integers

_MIN_OF_LABEL = 4
"""Samples of a label needed with the value and without it: two for the search and two for the test."""
_MIN_SEARCHED = 8
"""Images needed for the search: with fewer, its result would be chance."""


@dataclass(frozen=True)
class MatchedPairs:
    """Recipient images with two donor images each, which have the recipient's label.

    Attributes:
        rows: (n,) positions of the recipients in ``AuditData.predictions``.
        label: (n,) their labels' indices.
        has_value: (n,) whether the recipient itself has the attribute value.
        with_value: (n,) positions of donors with the attribute value.
        without_value: (n,) positions of donors without it.
        cluster: (n,) cluster of each recipient; None where all are independent.
    """

    rows: Integers
    label: Integers
    has_value: NDArray[np.bool_]
    with_value: Integers
    without_value: Integers
    cluster: Integers | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, chosen: Integers) -> MatchedPairs:
        """The pairs at some positions (k,)."""
        return MatchedPairs(
            self.rows[chosen],
            self.label[chosen],
            self.has_value[chosen],
            self.with_value[chosen],
            self.without_value[chosen],
            None if self.cluster is None else self.cluster[chosen],
        )

    def of_other_labels(self, seed: int) -> Integers | None:
        """Draws for each recipient another one of a different label, whose donors can replace its own.

        Args:
            seed: of the draw.

        Returns:
            (n,) indices, 0 to n - 1, or None if there is only one label.
        """
        generator = np.random.default_rng(seed)
        other = np.zeros(len(self), dtype=np.int64)
        for code in np.unique(self.label):
            here, rest = np.flatnonzero(self.label == code), np.flatnonzero(self.label != code)
            if len(rest) == 0:
                return None
            other[here] = np.resize(generator.permutation(rest), len(here))
        return other


@dataclass(frozen=True)
class ContrastPairs:
    """The matched pairs for one contrast; search and test have no image in common.

    Attributes:
        contrast: what is compared.
        search: pairs on which to choose the intervention.
        test: pairs on which to test it.
    """

    contrast: ValueContrast
    search: MatchedPairs
    test: MatchedPairs


@dataclass(frozen=True)
class InterventionBudget:
    """Limits on the interventions of a check; see the options of `region-reliance`.

    Attributes:
        min_gap: smallest error-rate gap that is examined (a share, 0 to 1).
        search_images: images of each side for the search.
        test_images: largest number of images of each side for the test.
        max_comparisons: largest number of attribute values.
    """

    min_gap: float
    search_images: int
    test_images: int
    max_comparisons: int


def plan_contrasts(
    audit: AuditData, check: str, budget: InterventionBudget, subject: str
) -> tuple[list[ContrastPairs], list[Skipped]]:
    """Draws the pairs of every contrast that can be tested, and lists what cannot, with reasons.

    Args:
        audit: the audited data.
        check: the check's name, as in the configuration.
        budget: limits of the check.
        subject: what is swapped, such as ``regions``.
    """
    contrasts, without_gap = contrasts_with_gap(audit, budget.min_gap)
    planned: list[ContrastPairs] = []
    reasons: list[str] = []
    for contrast in contrasts[: budget.max_comparisons]:
        pairs = draw_pairs(audit, contrast, budget.search_images, budget.test_images)
        if len(pairs.test) < audit.min_support or len(pairs.search) < _MIN_SEARCHED:
            reasons.append(
                f"{condition(contrast.attribute, contrast.value)}: too few images to swap {subject}, in "
                "labels that have both this value and others"
            )
        else:
            planned.append(pairs)
    if len(contrasts) > budget.max_comparisons:
        reasons.append(
            f"{len(contrasts) - budget.max_comparisons} attribute values with smaller gaps were left "
            f"out (checks.{check}.max_comparisons)"
        )
    if without_gap:
        reasons.append(
            f"no {subject} were swapped for {several([attribute_name(one) for one in without_gap])}: "
            "there is no error-rate gap to confirm"
        )
    return planned, [Skipped(check=check, reason=reason) for reason in reasons]


def over_budget(check: str, left_out: list[ContrastPairs], error: BudgetExhaustedError) -> Skipped:
    """The contrasts that do not fit into the budget, those with smaller gaps than the tested ones.

    Args:
        check: the check's name.
        left_out: pairs that were not examined to the end, at least one.
        error: why the first of them was not.
    """
    values = [condition(one.contrast.attribute, one.contrast.value) for one in left_out]
    return Skipped(check=check, reason=f"not tested: {several(values)}; for the first, {error}")


def draw_pairs(
    audit: AuditData, contrast: ValueContrast, n_search: int, n_test: int
) -> ContrastPairs:
    """Draws recipients and donors, as many with the value as without it in each label.

    Search and test have no cluster in common.

    Args:
        audit: the audited data.
        contrast: the attribute value.
        n_search: largest number of recipients of each side for the search.
        n_test: largest number of recipients of each side for the test.
    """
    generator = np.random.default_rng(audit.seed)
    label = codes(audit.predictions["label"])
    inside, outside = value_masks(audit.predictions, contrast.attribute, contrast.value)
    clusters, searched = audit.clusters, None
    pools: list[tuple[Integers, Integers]] = []
    for code in range(len(audit.classes)):
        here = label == code
        own: Integers = generator.permutation(np.flatnonzero(here & inside))
        rest: Integers = generator.permutation(np.flatnonzero(here & outside))
        n = min(len(own), len(rest))
        if n >= _MIN_OF_LABEL:
            pools.append((own, rest) if clusters is not None else (own[:n], rest[:n]))
    if clusters is not None:
        searched = _third_of_clusters(clusters.of_sample, generator)
        pools = [pool for pool in pools if _enough(pool, searched)]
    total = sum(min(map(len, pool)) for pool in pools)
    search: list[MatchedPairs] = []
    test: list[MatchedPairs] = []
    for own, rest in pools:
        # At most a third is for the search, and at least two.
        size = min(len(own), len(rest))
        first = max(min(round(n_search * size / total), size // 3), 2)
        last = max(round(n_test * size / total), 2)
        if searched is None:
            search.append(_pairs(label, own[:first], rest[:first], generator))
            test.append(_pairs(label, own[first:][:last], rest[first:][:last], generator))
            continue
        for drawn, part, most in ((search, searched, first), (test, ~searched, last)):
            sides = own[part[own]], rest[part[rest]]
            n = min(most, *map(len, sides))
            drawn.append(_pairs(label, sides[0][:n], sides[1][:n], generator))
    return ContrastPairs(contrast, _concatenated(search, clusters), _concatenated(test, clusters))


def _third_of_clusters(cluster: Integers, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Which samples (n,) are for the search: whole clusters, about a third of the samples."""
    order = generator.permutation(int(cluster.max(initial=-1)) + 1)
    sizes = np.bincount(cluster, minlength=len(order))[order]
    chosen = np.zeros(len(order), dtype=np.bool_)
    chosen[order] = np.cumsum(sizes) - sizes / 2 <= len(cluster) / 3
    return np.asarray(chosen[cluster], dtype=np.bool_)


def _enough(pool: tuple[Integers, Integers], searched: NDArray[np.bool_]) -> bool:
    """Whether a label has two samples of each side for the search, and two for the test."""
    counts = [int((searched[side] == part).sum()) for side in pool for part in (True, False)]
    return min(counts) >= _MIN_OF_LABEL // 2


def _pairs(
    label: Integers, own: Integers, rest: Integers, generator: np.random.Generator
) -> MatchedPairs:
    """Gives every recipient a donor from either side; no image is its own donor."""
    rows = np.concatenate([own, rest])
    has_value = np.arange(len(rows)) < len(own)
    shift = int(generator.integers(1, len(own))) if len(own) > 1 else 0
    return MatchedPairs(
        rows,
        label[rows],
        has_value,
        np.concatenate([np.roll(own, shift), own]),
        np.concatenate([rest, np.roll(rest, shift)]),
    )


def _concatenated(parts: list[MatchedPairs], clusters: Clusters | None) -> MatchedPairs:
    none = np.zeros(0, dtype=np.int64)
    rows = np.concatenate([none, *(part.rows for part in parts)])
    return MatchedPairs(
        rows=rows,
        label=np.concatenate([none, *(part.label for part in parts)]),
        has_value=np.concatenate([none.astype(bool), *(part.has_value for part in parts)]),
        with_value=np.concatenate([none, *(part.with_value for part in parts)]),
        without_value=np.concatenate([none, *(part.without_value for part in parts)]),
        cluster=None if clusters is None else clusters.of_sample[rows],
    )
