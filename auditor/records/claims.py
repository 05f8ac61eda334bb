"""What a check returns: claims, each with its test and its evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auditor.records.base import ClaimKind, Effect, Record, Severity, Skipped, SliceKey
from auditor.records.evidence import EvidencePart
from auditor.records.label_noise import LabelNoiseRecord

Part = TypeVar("Part", bound=Record)

Question = Literal[
    "value",
    "value against the best",
    "others held fixed",
    "values compared",
    "value within label",
    "pair of values",
    "further question",
    "class",
]
"""The question on outcomes that a claim answers; it determines the share of alpha."""


@dataclass(frozen=True)
class ComparisonSizes:
    """Sample sizes of a comparison of two error rates, for its power.

    Attributes:
        n_slice: (S,) samples of the slice in each stratum.
        n_rest: (S,) samples that it is compared with.
        base_rate: (S,) error rates of these samples, 0 to 1.
        null_gap: the largest gap of the null hypothesis.
    """

    n_slice: NDArray[np.float64]
    n_rest: NDArray[np.float64]
    base_rate: NDArray[np.float64]
    null_gap: float = 0.0

    @classmethod
    def of(
        cls,
        totals: ArrayLike,
        rest_failures: ArrayLike,
        rest_totals: ArrayLike,
        null_gap: float = 0.0,
    ) -> ComparisonSizes:
        """Computes the sizes of a comparison.

        Args:
            totals: (S,) samples of the slice.
            rest_failures: (S,) failures of the rest.
            rest_totals: (S,) samples of the rest.
            null_gap: the largest gap of the null hypothesis.
        """
        own, failed, rest = (
            np.asarray(one, dtype=np.float64) for one in (totals, rest_failures, rest_totals)
        )
        return cls(own, rest, failed / np.maximum(rest, 1), null_gap)


@dataclass(frozen=True)
class Claim:
    """One hypothesis that a check examined; the judge decides whether it becomes a finding.

    Attributes:
        check: name of the check.
        kind: the subject of the claim. Only ``outcome`` and ``robustness`` claims can be ``confirmed`` by an
            intervention; ``data`` and ``map`` claims have a separate level in the correction.
        title: the claim in one sentence, with its number.
        slice: the samples that it concerns.
        effect: the effect with its unadjusted interval. None: the test counts in the correction, but
            the claim is not reported, because the effect is not what the check looks for.
        limit: size of the effect above which it matters (configured before the result was seen).
        p_value: of the test, or None if nothing is tested; NaN is not allowed.
        support: number of samples that it is based on.
        samples: sample ids that show it.
        statement: what was observed and how certain it is, one sentence each.
        action: what to do next.
        plan: data to collect, counted, in a sentence or two; it comes first in the action of the finding.
        limits: what it cannot say.
        evidence: numbers and maps behind it, for tables, charts and drawings.
        untestable: why it could not be tested; None if it could.
        graded_by: the effect that determines the severity, if it is not `effect`, in the same unit: for
            example, the gap with a confounder held fixed.
        weight: for the order among findings of one severity: how many failures it accounts for.
        ceiling: highest severity that it may reach.
        explained_by: attributes that explain the effect when they are held fixed, or that the data
            cannot separate from it; the claim then joins their finding, if there is one.
        confirms: slices whose gap this intervention on the images reproduces; if its test is significant
            after the correction, it and the supported claims on these slices are ``confirmed``.
        computed: whether its attribute was computed from the images; such claims have a separate
            share in the correction.
        accounts_for: positions in ``AuditData.predictions`` of the failures it speaks of, where it
            names no attribute: claims without a name that account for the same failures have one
            cause.
        counted: whether it is a fact that was counted and not inferred: it needs no test, is always
            reported, and reaches its ceiling where its interval lies above the limit.
        faulty: ids of failures that are the data's fault and not the model's, if the claim is right.
        question: the question it answers; None to derive it from kind, attributes and label.
        joint: claims of a check with the same text here were adjusted jointly by the check. They count
            as one test, and each is significant if its p-value is at most the level of that test.
        level_weight: its weight within the level of its question, relative to the other tests of the
            same check and attributes. It may depend on sample sizes, but never on outcomes.
        sizes: sample sizes of the comparisons behind the test; if there are several, each of them must
            be significant.
        story: claims without an attribute and with the same text here are one finding. It comes first
            among the findings of its severity, because it concerns the whole audit.
    """

    check: str
    kind: ClaimKind
    title: str
    slice: SliceKey
    effect: Effect | None
    limit: float
    p_value: float | None
    support: int
    samples: tuple[str, ...]
    statement: tuple[str, ...]
    action: str
    limits: str
    plan: str = ""
    evidence: tuple[EvidencePart, ...] = ()
    untestable: str | None = None
    graded_by: Effect | None = None
    weight: float = 0.0
    ceiling: Severity = "alert"
    explained_by: tuple[str, ...] = ()
    confirms: tuple[SliceKey, ...] = ()
    computed: bool = False
    accounts_for: frozenset[int] = frozenset()
    counted: bool = False
    faulty: tuple[str, ...] = ()
    question: Question | None = None
    joint: str | None = None
    level_weight: float = 1.0
    sizes: tuple[ComparisonSizes, ...] = ()
    story: str | None = None

    def part(self, kind: type[Part]) -> Part | None:
        """The first part of the evidence of that type, or None."""
        return next((one for one in self.evidence if isinstance(one, kind)), None)


@dataclass(frozen=True)
class Examination:
    """What a check returns.

    Attributes:
        claims: every hypothesis that it tested.
        skipped: what it could not test.
        label_noise: estimate of the wrong labels, from the check that makes it.
    """

    claims: tuple[Claim, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    label_noise: LabelNoiseRecord | None = None

    def __iter__(self) -> Iterator[Claim]:
        return iter(self.claims)
