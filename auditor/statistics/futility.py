"""Futility: whether a test that is planned on more samples can be stopped because it will find nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from auditor.statistics.intervals import Integers, two_sided_z


def is_futile(
    differences: ArrayLike, n_planned: int, limit: float, confidence: float = 0.95
) -> bool:
    """Whether a mean difference will hardly be shown to exceed a limit.

    The full test shows it if the lower limit of its interval exceeds `limit`. That takes a mean of
    about ``limit + z s / sqrt(n_planned)``, where s is the standard deviation. The test is futile if
    even the upper limit of the interval so far, ``mean + z s / sqrt(n)``, falls short of that.

    A stopped test rejects nothing (its p-value is 1), and a test that goes on is the full test with
    its usual p-value. Stopping therefore never raises the rate of false rejections. It costs a little
    power: a mean with which the full test has a power of 80 % is missed about 1 % more often at each
    look.

    Args:
        differences: (n,) differences so far, one per sample, -1 to 1.
        n_planned: number of samples of the full test.
        limit: what the lower limit of the interval has to exceed.
        confidence: coverage of both intervals.

    Returns:
        True if the test may be stopped; False without samples, and if all planned samples are there.

    Reference:
        C. Jennison and B. W. Turnbull, "Group Sequential Methods with Applications to Clinical Trials"
        (2000), section 10.2, stochastic curtailment; its boundary is non-binding (section 10.6).
    """
    change = np.asarray(differences, dtype=np.float64)
    n = len(change)
    if not 0 < n < n_planned:
        return False
    # Where all samples agree, the next one may still differ.
    deviation = np.sqrt(max(float(change.var()), 1 / n))
    z = two_sided_z(confidence)
    needed = limit + z * deviation / np.sqrt(n_planned)
    return bool(change.mean() + z * deviation / np.sqrt(n) < needed)


def stages(n_planned: int, least: int = 10) -> tuple[Integers, ...]:
    """Divides the samples of a test into a quarter, another quarter, and the rest.

    Samples are taken in regular distances, so that every stage has some of every part of the list.

    Args:
        n_planned: number of samples of the full test.
        least: smallest number of samples in a stage; with fewer, there is one stage.

    Returns:
        Positions (n,) of the samples of each stage, ascending.
    """
    every = np.arange(n_planned)
    if n_planned < 4 * least:
        return (every,)
    return every[::4], every[2::4], every[1::2]
