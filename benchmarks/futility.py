"""Error rate, power and cost of tests that are stopped when they are futile.

    python -m benchmarks.futility [--tests 2000] [--images 200]

Differences are drawn for each image: 1 (the intervention makes the model fail), -1 (it corrects it) or 0.
The full test rejects where the sign-flip test has p <= 0.05 and the interval lies above the limit; the
staged test is stopped after a quarter or half of the images where `statistics.is_futile` says so.
Everything that the staged test shows, the full test shows too, so its error rate cannot be higher.
"""

from __future__ import annotations

import argparse

import numpy as np

from auditor.statistics import is_futile, sign_flip, stages

_LIMIT = 0.05
_EFFECTS = (-0.05, 0.0, 0.05, 0.1, 0.15, 0.2, 0.3)


def main() -> None:
    """Prints a table with a row for each effect."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tests", type=int, default=2000)
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args()
    print("| effect | p <= 0.05, full | p <= 0.05, staged | shown, full | shown, staged | images used |")
    print("|---|---|---|---|---|---|")
    for effect in _EFFECTS:
        generator = np.random.default_rng(0)
        rows = [_tested(effect, options.images, generator) for _ in range(options.tests)]
        shares = " | ".join(f"{100 * share:.1f} %" for share in np.mean(rows, axis=0))
        print(f"| {effect:g} | {shares} |", flush=True)


def _tested(effect: float, n: int, generator: np.random.Generator) -> tuple[float, ...]:
    """Whether either test has p <= 0.05, whether either shows the effect, and the share of images used."""
    noise = 0.1
    chances = [noise / 2 + max(effect, 0), noise / 2 + max(-effect, 0)]
    change = generator.choice([1.0, -1.0, 0.0], n, p=[*chances, 1 - sum(chances)])
    full = sign_flip(change, n_draws=1000)
    significant = full.p_value <= 0.05
    shown = significant and full.change.low > _LIMIT
    done = np.zeros(0, dtype=np.int64)
    for part in stages(n):
        done = np.append(done, part)
        if is_futile(change[done], n, _LIMIT):
            break
    goes_on = len(done) == n
    return (significant, significant and goes_on, shown, shown and goes_on, len(done) / n)


if __name__ == "__main__":
    main()
