"""Gaps with other attributes held fixed: masked gaps, explanations, false accusations, time.

python -m benchmarks.verdicts.confounding [--audits 200] [--seed 0]
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from auditor.statistics import adjusted_gaps, decompose_gap, holm
from benchmarks.verdicts.multiplicity import asked, judged
from benchmarks.verdicts.simulated import LIMIT, Law, Sample, draw, shown, table


@dataclass(frozen=True)
class Confounded:
    """Samples whose first attribute goes together with the second (age) and the third (site).

    Attributes:
        remains: gap of the first attribute's code 1, with the others held fixed.
        age: what age adds to the error rate.
        site: what the site adds.
        aged: share of age 1 within the slice, and outside of it.
        sited: share of site 1, likewise.
        odds: whether age and site multiply odds instead of adding points.
    """

    remains: float = 0.0
    age: float = 0.25
    site: float = 0.0
    aged: tuple[float, float] = (0.7, 0.3)
    sited: tuple[float, float] = (0.3, 0.3)
    odds: bool = False

    @property
    def total(self) -> float:
        """Gap of the first attribute, nothing held fixed but the label (where points add up)."""
        by_age = self.age * (self.aged[0] - self.aged[1])
        return self.remains + by_age + self.site * (self.sited[0] - self.sited[1])

    def draw(self, n: int, generator: np.random.Generator) -> Sample:
        """Draws an audit; 30 % of the samples are in the slice. The last attribute is innocent."""
        label = generator.integers(4, size=n)
        inside = (generator.random(n) < 0.3).astype(np.int64)
        age, site = (
            (generator.random(n) < np.where(inside == 1, *shares)).astype(np.int64)
            for shares in (self.aged, self.sited)
        )
        base = 0.05 + 0.01 * label
        if self.odds:
            # What would be added to 10 % as points is added as log-odds everywhere.
            shift = sum(
                column * (logit(0.1 + points) - logit(0.1))
                for column, points in ((age, self.age), (site, self.site))
            )
            rate = expit(logit(base) + shift) + self.remains * inside
        else:
            rate = base + self.age * age + self.site * site + self.remains * inside
        innocent = generator.integers(4, size=n)
        return Sample(label, generator.random(n) < rate, (inside, age, site, innocent))


def masked(audits: int, seed: int) -> str:
    """A gap of 10 points within every age that the mixture of ages hides."""
    world = Confounded(remains=0.1, aged=(0.3, 0.7))
    rows = []
    for n in (1000, 2000, 5000, 10_000):
        plain = named = innocent = 0
        for k in range(audits):
            tests = asked(world.draw(n, np.random.default_rng([seed, n, k])))
            p_values = judged(tests).p_value
            found = [one for one, p in zip(tests, p_values, strict=True) if p <= 0.05]
            own = [one for one in found if one.family == (0,) and one.value == 1]
            named += any(one.level == 1 and one.gap > LIMIT for one in own)
            plain += any(one.level == 0 for one in own)
            innocent += any(one.family == (3,) for one in found)
        rows.append((f"{n:,}", *(shown(part, audits) for part in (named, plain, innocent))))
    head = ("samples", "named, others held fixed", "found without", "innocent attribute accused")
    return table(head, rows)


def explained(audits: int, seed: int) -> str:
    """What is said of gaps of which known parts go through age and site."""
    cases = {
        "16 points, 6 remain (limit 5)": Confounded(remains=0.06),
        "12 points, 4 remain (limit 5)": Confounded(remains=0.04, age=0.2),
        "16 points, none remain, all by age": Confounded(age=0.4),
        "14 points, none remain, age and site": Confounded(age=0.2, site=0.2, sited=(0.6, 0.3)),
        "the same, on the scale of odds": Confounded(
            age=0.2, site=0.2, sited=(0.6, 0.3), odds=True
        ),
        "10 points, all remain": Confounded(remains=0.1, age=0.0),
    }
    states = ("explained", "partly explained", "remains", "reversed", "cannot tell")
    rows = []
    for name, world in cases.items():
        for n in (1000, 5000, 20_000):
            said: Counter[str] = Counter()
            alone = 0
            for k in range(audits):
                sample = world.draw(n, np.random.default_rng([seed, 1, n, k]))
                first, *others, _ = sample.attributes
                one = np.ones(n)
                parts = decompose_gap(sample.failure, one, first == 1, sample.label, others)
                said[parts.explanation(LIMIT)] += 1
                alone += parts.direct.low > 0
            rows.append(
                (
                    name,
                    f"{n:,}",
                    *(shown(said[state], audits) for state in states),
                    shown(alone, audits),
                )
            )
    head = ("gap", "samples", *states, "remainder's interval above 0")
    return table(head, rows)


def innocent(audits: int, seed: int) -> str:
    """How often any value is accused with all others held fixed, where nothing matters or others do."""
    laws = {
        "2 attributes": Law(n_values=(2, 4)),
        "10 correlated attributes, rare values": Law(
            n_values=(2, 3, 4, 5) * 2 + (3, 4), correlation=0.5, rarest=0.08
        ),
        "5 attributes, error 2 %": Law(n_values=(2, 3, 4, 5, 8), error=0.02),
        "40 attributes, 2,000 samples": Law(
            n=2000, n_values=tuple(2 + k % 5 for k in range(40)), correlation=0.3
        ),
    }
    rows = []
    for name, law in laws.items():
        accused = sum(
            _accused(draw(law, np.random.default_rng([seed, 2, k])), range(len(law.n_values)))
            for k in range(audits)
        )
        rows.append((name, shown(accused, audits)))
    for odds in (False, True):
        world = Confounded(age=0.2, site=0.2, sited=(0.6, 0.3), odds=odds)
        accused = sum(
            _accused(world.draw(5000, np.random.default_rng([seed, 3, k])), (0, 3))
            for k in range(audits)
        )
        scale = "odds" if odds else "points"
        rows.append(
            (f"confounded by age and site on the scale of {scale}, 5,000", shown(accused, audits))
        )
    return table(("audits of", "any innocent value accused at 5 % (Holm)"), rows)


def _accused(sample: Sample, innocents: range | tuple[int, ...]) -> bool:
    gaps = adjusted_gaps(
        sample.failure, np.ones(len(sample.label)), sample.attributes, sample.label
    )
    worse = np.concatenate(
        [
            np.where(gaps[k].gap.value > 0, gaps[k].p_value / 2, 1 - gaps[k].p_value / 2)
            for k in innocents
        ]
    )
    return bool((holm(worse) <= 0.05).any())


def duration(seed: int) -> str:
    """Seconds for many attributes and samples."""
    rows = []
    for n, n_attributes in ((10_000, 10), (100_000, 10), (100_000, 40)):
        law = Law(n=n, n_values=tuple(2 + k % 5 for k in range(n_attributes)))
        sample = draw(law, np.random.default_rng([seed, 4]))
        start = time.perf_counter()
        gaps = adjusted_gaps(sample.failure, np.ones(n), sample.attributes, sample.label)
        middle = time.perf_counter()
        first, *others = sample.attributes
        decompose_gap(sample.failure, np.ones(n), first == 1, sample.label, others)
        end = time.perf_counter()
        n_values = sum(len(one.p_value) for one in gaps)
        rows.append(
            (f"{n:,}", n_attributes, n_values, f"{middle - start:.1f}", f"{end - middle:.1f}")
        )
    head = ("samples", "attributes", "values", "all adjusted gaps, s", "one decomposition, s")
    return table(head, rows)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for title, part in (
        ("Masked gaps of 10 points", masked),
        ("Explanations", explained),
        ("Innocent values", innocent),
    ):
        print(f"\n## {title}\n\n{part(options.audits, options.seed)}", flush=True)
    print(f"\n## Time\n\n{duration(options.seed)}")


if __name__ == "__main__":
    main()
