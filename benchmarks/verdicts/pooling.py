"""Partially pooled error rates: coverage, and how well they rank the values of an attribute.

    python -m benchmarks.verdicts.pooling [--audits 400] [--seed 0]

Values have between 5 and 300 samples. Their error rates are drawn from a normal law on the logit scale,
which is not the beta law of the method. The loss of a ranking is the highest true rate minus that of the
value that is called the worst. The default run takes about two minutes on one core.
"""

from __future__ import annotations

import argparse

import numpy as np

from auditor.statistics import partially_pooled, wilson
from benchmarks.verdicts.simulated import table

VALUES = (3, 5, 10, 30)
RATES = (0.02, 0.12, 0.4)
SPREADS = (0.0, 0.3, 0.8)
"""Standard deviations of the logits of the values."""


def row(audits: int, design: tuple[int, float, float], seed: int) -> tuple[object, ...]:
    """One line of the table for a number of values, a mean rate and a spread."""
    n_values, rate, spread = design
    generator = np.random.default_rng([seed, n_values, round(100 * rate), round(10 * spread)])
    found = np.zeros((audits, 6))
    for k in range(audits):
        totals = np.round(np.exp(generator.uniform(np.log(5), np.log(300), n_values))).astype(int)
        logit = np.log(rate / (1 - rate)) + spread * generator.standard_normal(n_values)
        truth = 1 / (1 + np.exp(-logit))
        counts = generator.binomial(totals, truth)
        for j, one in enumerate((partially_pooled(counts, totals), wilson(counts, totals))):
            found[k, j] = ((one.low <= truth) & (truth <= one.high)).mean()
            found[k, 2 + j] = ((one.value - truth) ** 2).mean()
            found[k, 4 + j] = truth.max() - truth[one.value.argmax()]
    means = found.mean(axis=0)
    covered = (f"{one:.1%}" for one in means[:2])
    errors = (f"{100 * np.sqrt(one):.1f}" for one in means[2:4])
    losses = (f"{100 * one:.1f}" for one in means[4:])
    return (n_values, f"{rate:.0%}", spread, *covered, *errors, *losses)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    designs = [(n, rate, spread) for n in VALUES for rate in RATES for spread in SPREADS]
    head = (
        "values", "error rate", "spread", "covered, pooled", "covered, raw", "error, pooled", "error, raw",
        "loss, pooled", "loss, raw",
    )  # fmt: skip
    print(table(head, [row(options.audits, one, options.seed) for one in designs]))


if __name__ == "__main__":
    main()
