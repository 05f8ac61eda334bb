"""How often acceptance criteria are wrongly met or wrongly missed, on the limit itself.

    python -m benchmarks.verdicts.criteria [--audits 300] [--seed 0]

The true value of a metric is exactly the limit of its criterion, which is the hardest case: half of all
estimates lie on either side. Six slices (four sites and two sexes) are judged together.

- "wrongly met": one site is on the limit and all other slices are far better, so that the criterion as a
  whole is met as soon as this site seems to meet it.
- "one slice wrongly met" and "wrongly missed": all slices are on the limit, and any of them is called met,
  or missed. Of a gap, only site A is on the limit.

Clusters have 10 samples on average, of uneven size; all samples of a cluster have one site and one sex, and
their outcomes have an intra-class correlation of 0.2.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaincinv
from scipy.stats import norm

from auditor.config.criteria import Criterion
from auditor.judging.criteria import examine_criteria
from auditor.records import AuditData, Clusters, CriterionResult, Slice, SliceKey
from auditor.records.decisions import Decisions
from benchmarks.verdicts.simulated import shown, table

CORRELATION = 0.2
PER_CLUSTER = 10
MIN_SUPPORT = 10
"""Lower than the default of 30, so that small slices are judged too."""
CLASSES = ("negative", "positive")
SITES, SEXES = ("A", "B", "C", "D"), ("f", "m")


@dataclass(frozen=True)
class Draw:
    """Samples of one audit before the model is applied.

    Attributes:
        site: (n,) codes.
        sex: (n,) codes.
        cluster: (n,) codes; None for independent samples.
        level: (n,) uniform numbers that samples of a cluster share; for independent samples, one each.
    """

    site: NDArray[np.int64]
    sex: NDArray[np.int64]
    cluster: NDArray[np.int64] | None
    level: NDArray[np.float64]

    @classmethod
    def of(cls, n: int, generator: np.random.Generator, *, clustered: bool) -> Draw:
        """Draws n samples."""
        if not clustered:
            site, sex = generator.integers(4, size=n), generator.integers(2, size=n)
            return cls(site, sex, None, generator.random(n))
        sizes = generator.geometric(1 / PER_CLUSTER, size=n)
        cluster = np.repeat(np.arange(n), sizes)[:n].astype(np.int64)
        number = int(cluster.max()) + 1
        site, sex = generator.integers(4, size=number), generator.integers(2, size=number)
        return cls(site[cluster], sex[cluster], cluster, generator.random(number)[cluster])

    def happens(
        self, rate: NDArray[np.float64], generator: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Events with these probabilities, correlated within clusters."""
        if self.cluster is None:
            return np.asarray(generator.random(len(rate)) < rate)
        scale = 1 / CORRELATION - 1
        inner = np.clip(rate, 1e-9, 1 - 1e-9)
        risk = betaincinv(inner * scale, (1 - inner) * scale, self.level)
        return np.asarray(generator.random(len(rate)) < np.where(rate >= 1, 1.0, risk))


def sensitivity(
    samples: Draw, generator: np.random.Generator, only_one: bool
) -> tuple[NDArray[Any], ...]:
    """The sensitivity is 90 %; of good slices, 100 %."""
    n = len(samples.site)
    truth = generator.random(n) < 0.4
    rate = np.where((samples.site == 0) | (not only_one), 0.9, 1.0)
    right = np.where(truth, samples.happens(rate, generator), generator.random(n) < 0.9)
    return truth, np.asarray(right == truth), np.full(n, 0.5)


def error_rate_gap(
    samples: Draw, generator: np.random.Generator, only_one: bool
) -> tuple[NDArray[Any], ...]:
    """The error rate is 10 %, and at site A 5 points higher."""
    del only_one
    n = len(samples.site)
    truth = generator.random(n) < 0.4
    wrong = samples.happens(np.where(samples.site == 0, 0.15, 0.1), generator)
    return truth, np.asarray(wrong ^ truth), np.full(n, 0.5)


def auroc(
    samples: Draw, generator: np.random.Generator, only_one: bool
) -> tuple[NDArray[Any], ...]:
    """Normal scores of both classes with an AUROC of 85 %; of good slices, more than 99 %."""
    n = len(samples.site)
    truth = generator.random(n) < 0.4
    distance = np.where((samples.site == 0) | (not only_one), norm.ppf(0.85), 2.6) * np.sqrt(2)
    common = norm.ppf(samples.level)
    share = CORRELATION if samples.cluster is not None else 0.0
    noise = np.sqrt(share) * common + np.sqrt(1 - share) * generator.normal(size=n)
    score = norm.cdf(distance * truth + noise - 1)
    return truth, np.asarray(score >= 0.5), score


def calibration(
    samples: Draw, generator: np.random.Generator, only_one: bool
) -> tuple[NDArray[Any], ...]:
    """The positives are 5 points more frequent than the score says."""
    del only_one
    score = generator.uniform(0.2, 0.8, size=len(samples.site))
    truth = samples.happens(score + 0.05, generator)
    return truth, np.asarray(score >= 0.5), score


Behaviour = Callable[[Draw, np.random.Generator, bool], tuple[NDArray[Any], ...]]
EVERY = {"slices": "every"}
QUESTIONS: Mapping[str, tuple[dict[str, Any], Behaviour, str]] = {
    "sensitivity ≥ 90 %, every slice": (
        {"metric": "sensitivity", "at_least": 0.9, **EVERY},
        sensitivity,
        "site = A",
    ),
    "AUROC ≥ 85 %, every slice": (
        {"metric": "auroc", "at_least": 0.85, **EVERY},
        auroc,
        "site = A",
    ),
    "gap in error rate ≤ 5 points": (
        {"metric": "error_rate_gap", "at_most": 0.05, "attributes": ["site"]},
        error_rate_gap,
        "site = A",
    ),
    "calibration error ≤ 5 %, all samples": (
        {"metric": "calibration_error", "at_most": 0.05},
        calibration,
        "all samples",
    ),
}
"""By name: the criterion, what is drawn, and the slice that is on the limit in any case."""


def _column(codes: NDArray[Any], values: Sequence[str]) -> pd.Categorical:
    return pd.Categorical(np.array(values)[codes.astype(np.int64)], categories=list(values))


def audit_of(samples: Draw, behaviour: tuple[NDArray[Any], ...], seed: int) -> AuditData:
    """The audited data of a binary task."""
    truth, called, score = behaviour
    n = len(truth)
    frame = pd.DataFrame(
        {
            "label": _column(truth, CLASSES),
            "predicted": _column(called, CLASSES),
            "sample": [str(k) for k in range(n)],
            "confidence": np.where(called, score, 1 - score),
            "loss": np.zeros(n),
            "failure": truth != called,
            "site": _column(samples.site, SITES),
            "sex": _column(samples.sex, SEXES),
        }
    )
    slices = tuple(
        Slice(SliceKey(attributes={name: value}), np.flatnonzero(frame[name] == value))
        for name, values in (("site", SITES), ("sex", SEXES))
        for value in values
    )
    clusters = None if samples.cluster is None else Clusters("patient", samples.cluster)
    decisions = Decisions(
        names=("positive",),
        of_row=np.zeros(n, dtype=np.int64),
        truth=truth,
        called=called,
        score=score,
        thresholds=np.array([0.5]),
    )
    return AuditData(
        predictions=frame,
        classes=CLASSES,
        attributes=("site", "sex"),
        slices=slices,
        reference=None,
        alpha=0.05,
        min_support=MIN_SUPPORT,
        seed=seed,
        clusters=clusters,
        decisions=decisions,
    )


@dataclass
class Errors:
    """How many audits were wrong in some way.

    Attributes:
        met: the criterion as a whole is wrongly met.
        one_met: any slice on the limit is called met.
        missed: any slice is wrongly missed.
    """

    met: int = 0
    one_met: int = 0
    missed: int = 0


def measured(name: str, n: int, audits: int, seed: int, *, clustered: bool) -> Errors:
    """Audits of one criterion at one size."""
    stated, behaviour, on_limit = QUESTIONS[name]
    criterion = Criterion.model_validate(stated)
    errors = Errors()
    for k in range(audits):
        generator = np.random.default_rng([seed, n, int(clustered), k])
        samples = Draw.of(n, generator, clustered=clustered)
        audit = audit_of(samples, behaviour(samples, generator, True), k)
        found = examine_criteria(audit, 0, [], [criterion]).results
        errors.met += _all_met(found, on_limit)
        if criterion.slices == "every":
            audit = audit_of(samples, behaviour(samples, generator, False), k)
            found = examine_criteria(audit, 0, [], [criterion]).results
            errors.one_met += any(one.state == "met" for one in found)
        else:
            errors.one_met += any(one.state == "met" for one in _on(found, on_limit))
        errors.missed += any(one.state == "missed" for one in found)
    return errors


def _on(found: Sequence[CriterionResult], on_limit: str) -> list[CriterionResult]:
    return [one for one in found if str(one.slice) == on_limit]


def _all_met(found: Sequence[CriterionResult], on_limit: str) -> bool:
    """Whether the whole criterion is met, although the slice on the limit was judged."""
    return bool(_on(found, on_limit)) and all(one.state == "met" for one in found)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = []
    for name in QUESTIONS:
        for clustered in (False, True):
            for n in (50, 200, 1000, 5000):
                # The interval of a calibration error is slow.
                audits = options.audits // (4 if "calibration" in name else 1)
                found = measured(name, n, audits, options.seed, clustered=clustered)
                counts = (found.met, found.one_met, found.missed)
                shares = [shown(one, audits) for one in counts]
                rows.append([name, "yes" if clustered else "no", n, *shares])
                print(rows[-1], flush=True)
    head = ["criterion", "clusters", "n", "wrongly met", "one slice wrongly met", "wrongly missed"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
