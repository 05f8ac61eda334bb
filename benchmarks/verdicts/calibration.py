"""Over-confidence and calibration error: coverage of intervals and false alarms.

    python -m benchmarks.verdicts.calibration [--audits 100] [--seed 0] [--only overall gap error]

Stated error probabilities are drawn from a beta law, so most are tiny and a few are large, and errors
from these probabilities plus a shift. Every share has its exact (Clopper-Pearson) 95 % interval. The
default run takes about ten minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from auditor.statistics import Floats, calibration, overconfidence, overconfidence_gap
from benchmarks.verdicts.simulated import shown, table

SIZES = (50, 200, 2_000, 20_000)
ERROR_RATES = (0.002, 0.02, 0.1, 0.5)
SHIFTS = (0.0, 0.02, 0.05, 0.2)
"""Over-confidence, the same for every sample, as far as probabilities allow."""
SHAPE = 0.5
"""First parameter of the beta law."""


def stated_errors(n: int, error_rate: float, generator: np.random.Generator) -> Floats:
    """(N,) stated error probabilities with a mean."""
    return generator.beta(SHAPE, SHAPE * (1 - error_rate) / error_rate, n)


def overall(audits: int, seed: int) -> str:
    """Over-confidence of all samples."""
    rows = []
    for n in SIZES:
        for error_rate in ERROR_RATES:
            for shift in SHIFTS:
                generator = np.random.default_rng([seed, n, round(1000 * error_rate)])
                covered = significant = 0
                for _ in range(audits):
                    stated = stated_errors(n, error_rate, generator)
                    rates = np.minimum(stated + shift, 1)
                    found = overconfidence(1 - stated, generator.random(n) >= rates)
                    truth = float((rates - stated).mean())
                    covered += found.difference.low <= truth <= found.difference.high
                    significant += found.p_value <= 0.05
                shares = (shown(count, audits) for count in (covered, significant))
                rows.append((n, f"{error_rate:.1%}", f"{shift:.0%}", *shares))
    return table(("samples", "stated errors", "shift", "covered", "significant at 5 %"), rows)


def gap(audits: int, seed: int) -> str:
    """Over-confidence of a slice beyond that of the rest, within two labels."""
    rows = []
    for n in SIZES:
        for error_rate in (*ERROR_RATES, 0.98):
            for share in (0.05, 0.3):
                generator = np.random.default_rng([seed, n, round(1000 * error_rate)])
                covered = significant = far = tested = 0
                for _ in range(audits):
                    stated = stated_errors(n, error_rate, generator)
                    label, inside = generator.integers(2, size=n), generator.random(n) < share
                    right = generator.random(n) >= stated
                    found = overconfidence_gap(1 - stated, right, inside, label)
                    tested += found.n_slice > 0
                    covered += found.n_slice > 0 and found.gap.low <= 0 <= found.gap.high
                    significant += found.p_value <= 0.05
                    far += found.p_value <= 0.005
                shares = (shown(count, tested) for count in (covered, significant, far))
                rows.append((n, f"{error_rate:.1%}", f"{share:.0%}", *shares))
    head = ("samples", "stated errors", "slice", "covered", "accused at 5 %", "accused at 0.5 %")
    return table(head, rows)


def error(audits: int, seed: int) -> str:
    """Expected calibration error against its value for the true error rates."""
    rows = []
    for n in SIZES:
        for error_rate in ERROR_RATES:
            for shift in SHIFTS:
                generator = np.random.default_rng([seed, n, round(1000 * error_rate)])
                covered, numbers = 0, []
                for k in range(audits):
                    stated = stated_errors(n, error_rate, generator)
                    rates = np.minimum(stated + shift, 1)
                    found = calibration(1 - stated, generator.random(n) >= rates, seed=k)
                    # The shift has one sign everywhere, so binning takes nothing away.
                    truth = float((rates - stated).mean())
                    covered += found.error.low <= truth <= found.error.high
                    numbers.append((truth, found.error.value, found.plain_error))
                means = (f"{one:.2%}" for one in np.mean(numbers, 0))
                rows.append(
                    (n, f"{error_rate:.1%}", f"{shift:.0%}", shown(covered, audits), *means)
                )
    head = ("samples", "stated errors", "shift", "covered", "true", "estimate", "plain estimate")
    return table(head, rows)


PARTS: dict[str, Callable[[int, int], str]] = {"overall": overall, "gap": gap, "error": error}


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    for name in options.only:
        part = PARTS[name]
        print(f"## {part.__doc__}\n\n{part(options.audits, options.seed)}\n", flush=True)


if __name__ == "__main__":
    main()
