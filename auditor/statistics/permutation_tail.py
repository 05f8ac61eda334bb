"""Tail probabilities of a sum of scores under permutation within strata, without simulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from auditor.statistics.binomial import log_choose
from auditor.statistics.intervals import Floats, Integers

_STEPS = 200
_ROUNDING = 1e-9
_CENTRAL = 1e-4
"""Closer to the mean than this (in standard deviations), the formula is replaced by its limit."""


def permutation_tails(
    scores: Floats, inside: NDArray[np.bool_], strata: Integers
) -> tuple[float, float]:
    """Lower and upper tail probability of the sum of scores over a slice.

    Membership in the slice is permuted within strata. The double saddlepoint approximation has a
    relative error of a few per cent far out in the tail, where a simulation would need millions of
    permutations. It does not require large counts; if the possible sums are far apart, as small
    counts are, it interpolates between them. The smallest and the largest possible sum get half of
    their exact probability, as in mid-p values.

    Args:
        scores: (N,) finite numbers.
        inside: (N,) membership in the slice.
        strata: (N,) codes 0 … S - 1; every stratum contains slice and rest.

    Returns:
        Probability of a sum at most as large as the observed one, and of one at least as large. They
        add up to 1.

    Reference:
        J. Robinson, JRSS B 44 (1982) 91-101; A. C. Davison and D. V. Hinkley, "Saddlepoint
        approximations in resampling methods", Biometrika 75 (1988) 417-431; conditional tail: I. M.
        Skovgaard, Journal of Applied Probability 24 (1987) 875-887, in the form of O. E.
        Barndorff-Nielsen, Biometrika 73 (1986) 307-322.
    """
    sizes = np.bincount(strata).astype(np.float64)
    own = np.bincount(strata[inside], minlength=len(sizes)).astype(np.float64)
    centred = scores - (np.bincount(strata, scores) / sizes)[strata]
    scale = float(np.abs(centred).max(initial=0.0))
    if scale <= _ROUNDING * float(np.abs(scores).max(initial=0.0)):
        return 0.5, 0.5
    centred = centred / scale
    total = float(centred[inside].sum())
    for sign in (1.0, -1.0):
        if _is_less(sign * centred, inside, strata):
            continue
        most, log_share = _largest(sign * centred, strata, own, sizes)
        if sign * total >= most - _ROUNDING * max(1.0, abs(most)):
            beyond = float(np.exp(log_share)) / 2
            return (1 - beyond, beyond) if sign > 0 else (beyond, 1 - beyond)
    root = _signed_root(_Tilted.to(centred, strata, own, total), own, sizes)
    return float(norm.cdf(root)), float(norm.sf(root))


@dataclass(frozen=True)
class _Tilted:
    """Membership with probabilities expit(shift of the stratum + tilt · score).

    Attributes:
        tilt: of the scores.
        likelihood: log-likelihood ratio of this tilt against no tilt; at least 0.
        variances: (S,) variances of the number of members in each stratum.
        residual: variance of the sum given these numbers.
    """

    tilt: float
    likelihood: float
    variances: Floats
    residual: float

    @classmethod
    def to(cls, scores: Floats, strata: Integers, own: Floats, total: float) -> _Tilted:
        """Finds the tilt at which the expected sum and numbers of members equal the observed ones."""
        sizes = np.bincount(strata)
        shifts, tilt = np.log(own) - np.log(sizes - own), 0.0
        start = loss = _loss(scores, strata, own, total, shifts, tilt)
        for _ in range(_STEPS):
            chance = expit(shifts[strata] + tilt * scores)
            weight = chance * (1 - chance)
            variances = np.bincount(strata, weight).astype(np.float64)
            shared = np.bincount(strata, weight * scores)
            residual = float((weight * scores**2).sum() - (shared**2 / variances).sum())
            surplus = np.bincount(strata, chance) - own
            excess = float((chance * scores).sum()) - total
            step = (excess - float((shared * surplus / variances).sum())) / residual
            steps = (surplus - shared * step) / variances
            gain = excess * step + float((surplus * steps).sum())
            if gain <= 1e-14:
                break
            size = 1.0
            while True:
                trial = shifts - size * steps, tilt - size * step
                reached = _loss(scores, strata, own, total, *trial)
                if reached <= loss - 1e-4 * size * gain or size < 1e-6:
                    break
                size /= 2
            (shifts, tilt), loss = trial, reached
        return cls(tilt, start - loss, variances, residual)


def _loss(
    scores: Floats, strata: Integers, own: Floats, total: float, shifts: Floats, tilt: float
) -> float:
    """Cumulant generating function minus the inner product with the observed sums; convex."""
    cumulants = np.logaddexp(0, shifts[strata] + tilt * scores).sum()
    return float(cumulants - (shifts * own).sum() - tilt * total)


def _signed_root(tilted: _Tilted, own: Floats, sizes: Floats) -> float:
    """Standard normal score of the observed sum."""
    root = np.sign(tilted.tilt) * np.sqrt(2 * max(tilted.likelihood, 0.0))
    if abs(root) < _CENTRAL:
        return float(tilted.tilt * np.sqrt(tilted.residual))
    untilted = own * (sizes - own) / sizes
    log_determinant = float(np.log(tilted.variances / untilted).sum())
    scaled = tilted.tilt * np.sqrt(tilted.residual) * np.exp(log_determinant / 2)
    return float(root + np.log(scaled / root) / root)


def _is_less(scores: Floats, inside: NDArray[np.bool_], strata: Integers) -> bool:
    """Whether the sum over the slice is surely not the largest possible one: an exchange increases it.

    Args:
        scores: (N,) between -1 and 1.
        inside: (N,) membership in the slice.
        strata: (N,) codes; every stratum contains slice and rest.
    """
    n_strata = int(strata.max()) + 1
    lowest, highest = np.full(n_strata, np.inf), np.full(n_strata, -np.inf)
    np.minimum.at(lowest, strata[inside], scores[inside])
    np.maximum.at(highest, strata[~inside], scores[~inside])
    # The largest sum is at most the number of samples; it is compared up to rounding.
    return bool((highest - lowest).max() > 2 * _ROUNDING * max(len(scores), 1))


def _largest(scores: Floats, strata: Integers, own: Floats, sizes: Floats) -> tuple[float, float]:
    """The largest possible sum, and the logarithm of its probability."""
    order = np.lexsort((-scores, strata))
    ends = np.cumsum(sizes).astype(np.int64)
    starts = ends - sizes.astype(np.int64)
    ranked = scores[order]
    place = np.arange(len(ranked)) - np.repeat(starts, sizes.astype(np.int64))
    chosen = place < own[strata[order]]
    lowest = ranked[starts + own.astype(np.int64) - 1][strata[order]]
    tied = np.abs(ranked - lowest) <= _ROUNDING
    tied_sizes = np.bincount(strata[order], tied).astype(np.float64)
    tied_own = np.bincount(strata[order], tied & chosen).astype(np.float64)
    log_share = log_choose(tied_sizes, tied_own) - log_choose(sizes, own)
    return float(ranked[chosen].sum()), float(log_share.sum())
