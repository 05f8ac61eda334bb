"""Power statements against simulation: of one test, of the whole gate, and of a trend.

python -m benchmarks.verdicts.power [--audits 4000] [--seed 0]
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np

from auditor.statistics import (
    GateRule,
    Integers,
    detectable_by,
    detectable_gap,
    gate_power,
    holm,
    stratified_gap,
    trend,
    worse_p_values,
)
from benchmarks.verdicts.simulated import LIMIT, shown, table

_N, _LABELS = 1000, 4
_LEVEL = 0.9 * 0.05 / 4
"""What one of four attributes holds for its first question; its values share it by rarity."""


def _rules(share: float) -> dict[str, GateRule]:
    level = _LEVEL * (1 - share)
    return {
        "one test at 5 %, two-sided": GateRule(0.025),
        "named: the audit's level, estimate above 5 points": GateRule(level, LIMIT),
        "blocks: and the lower limit above 0": GateRule(level, LIMIT, 0.0),
        "blocks: and the lower limit above 5 points": GateRule(level, LIMIT, LIMIT),
        "blocks: and the 90 % interval above 5 points": GateRule(level, LIMIT, LIMIT, 0.9),
    }


def gates(audits: int, seed: int) -> str:
    """Predicted and simulated power."""
    generator = np.random.default_rng([seed])
    rates = np.array([0.07, 0.09, 0.11, 0.13])
    rows: list[tuple[str, ...]] = []
    for share, gap in product((0.5, 0.3, 0.1), (0.05, 0.1, 0.15)):
        own = np.full(_LABELS, int(_N * share / _LABELS))
        rest = _N // _LABELS - own
        failures = generator.binomial(own, rates + gap, (audits, _LABELS))
        others = generator.binomial(rest, rates, (audits, _LABELS))
        for name, rule in _rules(share).items():
            gaps = stratified_gap(failures, own, others, rest, float(rule.confidence))
            met = (worse_p_values(gaps) <= rule.level) & (gaps.gap.value > rule.min_gap)
            if rule.min_low is not None:
                met &= gaps.gap.low > rule.min_low
            predicted = float(gate_power(gap, own, rest, rates, rule))
            rows.append(
                (
                    f"{gap * 100:.0f} points in {share:.0%}",
                    name,
                    f"{predicted:.1%}",
                    shown(int(met.sum()), audits),
                )
            )
    return table(("of 1,000", "rule", "predicted", "simulated"), rows)


def _samples_needed(share: float, rule: GateRule) -> int:
    """Samples with which a gap of 10 points meets a rule in 80 % of audits, to the next hundred."""

    def enough(n: int) -> bool:
        return bool(gate_power(0.1, [n * share], [n * (1 - share)], [0.1], rule) >= 0.8)

    return next(n for n in range(100, 1_000_000, 100) if enough(n))


def sizes() -> str:
    """Detectable gaps and samples needed, by rule."""
    rows: list[tuple[str, ...]] = []
    for share in (0.5, 0.3, 0.1):
        own, rest = [_N * share], [_N * (1 - share)]
        printed = float(detectable_gap(own[0], rest[0], 0.1))
        for name, rule in _rules(share).items():
            gap = float(detectable_by(own, rest, [0.1], rule))
            needed = _samples_needed(share, rule)
            rows.append(
                (f"{share:.0%}", name, f"{printed * 100:.1f}", f"{gap * 100:.1f}", f"{needed:,}")
            )
    head = (
        "slice of 1,000",
        "rule",
        "detectable gap at 5 %, points",
        "at the rule",
        "samples for 10 points",
    )
    return table(head, rows)


def trends(audits: int, seed: int) -> str:
    """How often a rise of the error from 6 to 16 % over an ordered attribute is found."""
    rows: list[tuple[str, ...]] = []
    ages = {"evenly spread": np.ones(10), "bell-shaped": np.exp(-0.5 * np.linspace(-2, 2, 10) ** 2)}
    for (name, spread), change in product(ages.items(), (0.1, 0.0)):
        generator = np.random.default_rng([seed, 1, len(rows)])
        share = np.repeat(spread / spread.sum() / _LABELS, _LABELS)
        rates = 0.11 + change * (np.linspace(0, 1, 10) - 0.5)
        totals = generator.multinomial(_N, share, audits).reshape(audits, 10, _LABELS)
        failures = generator.binomial(totals, rates[:, None])
        found = trend(failures, totals, np.arange(10))
        held = (found.change.low <= change) & (change <= found.change.high)
        bands = _bands(failures[: audits // 4], totals[: audits // 4])
        rows.append(
            (
                f"{change * 100:.0f} points, {name}",
                shown(int((found.p_value <= 0.05).sum()), audits),
                shown(int((found.p_value <= _LEVEL).sum()), audits),
                shown(int(held.sum()), audits),
                *(shown(int(part.sum()), len(part)) for part in bands),
            )
        )
    head = (
        "rise in 1,000",
        "trend test, 5 %",
        "trend test, 1.1 %",
        "interval holds",
        "any of 4 bands, 5 % (Holm)",
        "either tail of 20 %, 5 % (Holm)",
    )
    return table(head, rows)


def _bands(failures: Integers, totals: Integers) -> tuple[Integers, Integers]:
    """Whether any of four bands, or either tail, is found in each audit."""
    quarter = np.eye(4, dtype=np.int64)[np.minimum(np.arange(10) * 4 // 10, 3)].T
    return _found(failures, totals, quarter), _found(failures, totals, _tails(totals))


def _tails(totals: Integers) -> Integers:
    """(A, 2, 10) the fewest bands at either end with 20 % of the samples of each audit."""
    sizes = totals.sum(2)
    needed = 0.2 * sizes.sum(1, keepdims=True)
    low = np.cumsum(sizes, axis=1) - sizes < needed
    high = np.cumsum(sizes[:, ::-1], axis=1)[:, ::-1] - sizes < needed
    return np.stack([low, high], axis=1).astype(np.int64)


def _found(failures: Integers, totals: Integers, members: Integers) -> Integers:
    """Whether any group of bands is significant against the rest (Holm), by audit."""
    own, own_totals = members @ failures, members @ totals
    gaps = stratified_gap(
        own,
        own_totals,
        failures.sum(1, keepdims=True) - own,
        totals.sum(1, keepdims=True) - own_totals,
    )
    return np.asarray((holm(gaps.p_value) <= 0.05).any(1), dtype=np.int64)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"## Power of a gate\n\n{gates(options.audits, options.seed)}", flush=True)
    print(f"\n## Sizes\n\n{sizes()}", flush=True)
    print(f"\n## Trends\n\n{trends(options.audits, options.seed)}")


if __name__ == "__main__":
    main()
