"""Many simulated audits of the same samples: detection and false-alarm rates, with exact intervals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from auditor.errors import DataError
from auditor.phrasing import points, with_limits
from auditor.records import ClaimKind, Estimate, Finding
from auditor.selftest.gaps import independent, planted
from auditor.selftest.tables import Tables

GAPS = (0.05, 0.1, 0.15, 0.2)
"""Gaps in the error rate that are planted (shares)."""
ROUNDS = 40
"""Largest number of audits of each kind."""
_AT_LEAST = 2
_EXCHANGED = (
    "Samples are clustered by {}: whole clusters exchanged their outcomes, so that failures go together "
    "as they do in your data."
)
SECONDS = 45.0
"""Seconds after which no further audit starts."""
OUTCOME_KINDS: frozenset[ClaimKind] = frozenset({"outcome", "robustness"})
"""Kinds of claims that depend on the outcomes: claims on the data alone stay true whoever fails, and a
difference in maps need not mislead the model."""


@dataclass(frozen=True)
class Accusation:
    """An attribute value that an audit reports as a weakness of the model.

    Attributes:
        attributes: names and values of the slice.
        first: whether it is in the first finding.
        check: which check reports it.
    """

    attributes: Mapping[str, str]
    first: bool
    check: str


def accusations(
    findings: Sequence[Finding], kinds: frozenset[ClaimKind] = OUTCOME_KINDS
) -> Iterator[Accusation]:
    """Everything in the findings that is at least ``supported`` and names an attribute.

    Args:
        findings: of an audit.
        kinds: kinds of claims that count.
    """
    for place, finding in enumerate(findings):
        for claim in (finding, *finding.supporting):
            holds = claim.verdict in {"supported", "confirmed"}
            if holds and claim.slice.attributes and claim.kind in kinds:
                yield Accusation(claim.slice.attributes, place == 0, claim.check)


@dataclass(frozen=True)
class Detection:
    """How often a planted gap was found.

    Attributes:
        attribute: in whose values it was planted.
        gap: its size (a share).
        n_found: audits with a supported or confirmed finding that names attribute and value.
        n_first: audits whose first finding speaks of that attribute.
        n_audits: how many there were.
    """

    attribute: str
    gap: float
    n_found: int
    n_first: int
    n_audits: int

    @property
    def found(self) -> Estimate | None:
        """Share of the audits that found it, with the exact 95 % interval; None without an audit."""
        return exact(self.n_found, self.n_audits) if self.n_audits else None


@dataclass(frozen=True)
class SelfTest:
    """What an audit of this data can detect.

    Attributes:
        n_samples: evaluated samples.
        n_failures: failures among them.
        detections: for each attribute, each gap.
        n_false: audits of outcomes that depend on no attribute with a supported or confirmed finding.
        n_clean: how many such audits there were.
        skipped: attributes that cannot be tested, and why.
        group: name of the clusters that exchanged their outcomes; None where samples did.
    """

    n_samples: int
    n_failures: int
    detections: tuple[Detection, ...]
    n_false: int
    n_clean: int
    skipped: tuple[str, ...]
    group: str | None = None

    @property
    def false_alarms(self) -> Estimate:
        """Share of the clean audits that accused an attribute, with the exact 95 % interval."""
        return exact(self.n_false, self.n_clean)

    @property
    def heading(self) -> str:
        """What the table shows."""
        return (
            "Share of audits that found and named a planted gap, with the exact 95 % interval; "
            f"{self.n_samples:,} samples, {self.n_failures:,} failures"
        )

    @property
    def columns(self) -> list[str]:
        """The gaps, in words."""
        gaps = dict.fromkeys(one.gap for one in self.detections)
        return [*map(points, gaps), "audits"]

    @property
    def rows(self) -> list[list[str]]:
        """One row an attribute: its name, the share for each gap, and how many audits there were."""
        rows: dict[str, list[Detection]] = {}
        for one in self.detections:
            rows.setdefault(one.attribute, []).append(one)
        return [
            [
                name,
                *("—" if one.found is None else _share(one.found) for one in detections),
                str(sum(one.n_audits for one in detections)),
            ]
            for name, detections in rows.items()
        ]

    @property
    def sentences(self) -> list[str]:
        """The result in sentences."""
        gap = min({one.gap for one in self.detections}, key=_from_ten)
        there = [one for one in self.detections if one.gap == gap]
        found = exact(sum(one.n_found for one in there), sum(one.n_audits for one in there))
        detected = (
            f"On your data, with {self.n_samples:,} images, this audit would find a gap of "
            f"{points(gap)} {_share(found)} of the time."
        )
        accused = (
            f"With every dependence removed, {self.n_false} of {self.n_clean} audits accused an "
            f"attribute: {_share(self.false_alarms)}."
        )
        scope = (
            "The self-test uses predictions alone: what only maps, interventions and hidden slices can "
            "show was not tested."
        )
        grouped = [] if self.group is None else [_EXCHANGED.format(self.group)]
        return [
            detected,
            accused,
            *grouped,
            scope,
            *(f"Not tested: {reason}." for reason in self.skipped),
        ]


def _from_ten(gap: float) -> float:
    """How far a gap is from ten points, the size that matters first."""
    return abs(gap - 0.1)


def _share(estimate: Estimate) -> str:
    return with_limits(estimate, "share")


def exact(count: int, total: int) -> Estimate:
    """A share with the exact interval.

    Reference:
        C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413.
    """
    found = binomtest(count, total)
    interval = found.proportion_ci(method="exact")
    return Estimate(value=count / total, low=float(interval.low), high=float(interval.high))


def selftest(
    tables: Tables,
    *,
    gaps: Sequence[float] = GAPS,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    seed: int = 0,
    advance: Callable[[int], object] | None = None,
) -> SelfTest:
    """Measures how often the audit finds planted gaps, and how often it accuses without one.

    For each gap, a round is one clean audit and one audit for each attribute; the gap nearest to ten
    points comes first. The value that gets the gap is drawn at random each time.

    Args:
        tables: the samples.
        gaps: sizes to plant (shares).
        rounds: largest number of rounds.
        seconds: after these no audit starts; one clean audit and one other are always made.
        seed: of all random draws.
        advance: called with 1 after each audit; there are at most ``n_audits(...)``.

    Raises:
        DataError: no attribute could be tested.
    """
    names = _tested(tables)
    if not names:
        raise DataError(
            f"self-test: expected an attribute with {tables.min_support} samples of two values among "
            f"the {len(tables.label)} evaluated ones; there is none: audit more samples, or name "
            "attributes in data.attributes"
        )
    generator = np.random.default_rng(seed)
    counts = {(name, gap): np.zeros(3, dtype=np.int64) for name in names for gap in gaps}
    false = clean = 0
    start = time.monotonic()
    for number, (gap, name) in enumerate(_plan(names, gaps, rounds, generator)):
        if number >= _AT_LEAST and time.monotonic() - start >= seconds:
            break
        outcomes = independent(tables, generator)
        if name is None:
            false += any(True for _ in accusations(tables.judgement(outcomes).findings))
            clean += 1
        else:
            value = str(generator.choice(tables.testable(name)))
            worse = planted(tables, outcomes, tables.member(name, value), gap, generator)
            named = list(accusations(tables.judgement(worse).findings))
            counts[name, gap] += (
                any(dict(one.attributes) == {name: value} for one in named),
                any(one.first and name in one.attributes for one in named),
                1,
            )
        if advance is not None:
            advance(1)
    return SelfTest(
        n_samples=len(tables.label),
        n_failures=int((tables.outcomes.predicted != tables.label).sum()),
        group=None if tables.clusters is None else tables.clusters.name,
        detections=tuple(
            Detection(name, gap, *map(int, counted)) for (name, gap), counted in counts.items()
        ),
        n_false=false,
        n_clean=clean,
        skipped=(
            *(one.reason for one in tables.cut.skipped if one.check == "slices"),
            *(
                f"{name}: no value with {tables.min_support} samples, and as many others"
                for name in tables.cut.attributes
                if name not in names
            ),
        ),
    )


def _plan(
    names: Sequence[str], gaps: Sequence[float], rounds: int, generator: np.random.Generator
) -> Iterator[tuple[float, str | None]]:
    """The audits in their order; a clean audit has no name."""
    for _ in range(rounds):
        for gap in sorted(gaps, key=_from_ten):
            yield gap, None
            # In random order, so that a short time limit does not always leave out the same attributes.
            for place in generator.permutation(len(names)):
                yield gap, names[place]


def n_audits(tables: Tables, *, gaps: Sequence[float] = GAPS, rounds: int = ROUNDS) -> int:
    """How many audits the self-test makes at most."""
    return rounds * len(gaps) * (1 + len(_tested(tables)))


def _tested(tables: Tables) -> list[str]:
    return [name for name in tables.cut.attributes if tables.testable(name)]
