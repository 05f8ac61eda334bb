"""Staged tests: an intervention on a quarter of the test images, on half of them, and on all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.phrasing import plural
from auditor.statistics import Floats, Integers, stages

Columns = tuple[Floats, ...]
"""Results by image, each with the images along the first axis."""


@dataclass(frozen=True)
class StagedResult:
    """The results of a test on the images that it reached.

    Attributes:
        chosen: (n,) positions of these images among the planned ones, ascending.
        columns: their results.
        n_planned: number of planned images.
    """

    chosen: Integers
    columns: Columns
    n_planned: int

    @property
    def stopped(self) -> bool:
        """Whether the test was stopped before all images were used."""
        return len(self.chosen) < self.n_planned

    def p_value(self, full: float) -> float:
        """The p-value: that of the full test, or 1 if the test was stopped."""
        return 1.0 if self.stopped else full


def in_stages(
    n_planned: int,
    evaluate: Callable[[Integers], Columns],
    is_futile: Callable[[Integers, Columns], bool],
) -> StagedResult:
    """Evaluates images in stages until a test is futile.

    Args:
        n_planned: number of images of the full test.
        evaluate: computes the results of the images at some positions.
        is_futile: whether the test may be stopped after the images at some positions, ascending, with
            these results.

    Returns:
        The results; without a stop they are those of a single evaluation of all images.
    """
    parts = stages(n_planned)
    done = np.zeros(0, dtype=np.int64)
    found: Columns = ()
    for part in parts:
        new = evaluate(part)
        chosen = np.concatenate([done, part])
        order = np.argsort(chosen, kind="stable")
        joined = new if not found else tuple(map(_joined, found, new))
        done, found = chosen[order], tuple(one[order] for one in joined)
        if part is not parts[-1] and is_futile(done, found):
            break
    return StagedResult(done, found, n_planned)


def stopped_sentence(n_used: int, n_planned: int) -> tuple[str, ...]:
    """A sentence about a test that was stopped; nothing for one that was not."""
    if n_used >= n_planned:
        return ()
    used = f"{n_used} of {plural(n_planned, 'image')}"
    return (
        f"The test was stopped after {used}: the others could hardly have made the effect significant.",
    )


def _joined(one: NDArray[np.float64], other: NDArray[np.float64]) -> Floats:
    return np.concatenate([one, other])
