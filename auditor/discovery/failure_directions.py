"""Failure directions: directions of an image embedding in which failures lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from auditor.discovery.embedding import ImageEmbedding
from auditor.discovery.sample_splitting import Mask, SampleSplit, jaccard
from auditor.discovery.slice_description import in_affected_strata
from auditor.records import AuditData
from auditor.statistics import Floats, Integers

_SHARES = (0.05, 0.1, 0.2, 0.3)
"""Sizes of a slice that are tried, as shares of the samples."""
_MARGIN = 1.3
"""A slice of the search half must have this times the smallest support: the test half may have less."""
_PENALTY = 0.05
"""Inverse strength of the ridge penalty, for a few dozen failures in some dozens of dimensions."""
_RESAMPLES = 5
_FOLDS = 5
_SAME_SLICE = 0.5
"""Two slices count as one if this share of the smaller lies in the other."""
_MIN_P_VALUE = 1e-300
"""Smaller p-values underflow."""


@dataclass(frozen=True)
class FailureDirection:
    """A direction of the embedding in which failures lie.

    Attributes:
        predicted: the predicted class of these failures; None for all failures.
        score: (n,) how far each sample lies in this direction.
        members: (n,) whether the score is above the threshold of the slice.
        clarity: z-value of its gap on the search half, from cross-validated scores.
        stability: mean Jaccard index with the members found on resampled images, in the test half.
    """

    predicted: str | None
    score: Floats
    members: Mask
    clarity: float
    stability: float


def failure_directions(
    audit: AuditData, sample_split: SampleSplit, embedding: ImageEmbedding, min_failures: int
) -> list[FailureDirection]:
    """Fits directions for all failures, and for those with each predicted class.

    Args:
        audit: the audited data.
        sample_split: the samples; directions are fitted on the search half.
        embedding: coordinates of these samples.
        min_failures: smallest number of failures in the search half.

    Returns:
        The directions with the clearest gap first; of several with nearly the same members, only
        the clearest.
    """
    failure, predicted = sample_split.failure, sample_split.predicted
    targets: list[tuple[str | None, Mask]] = [(None, failure)]
    by_count = np.argsort(-np.bincount(predicted[failure]), kind="stable")
    targets += [(audit.classes[code], failure & (predicted == code)) for code in by_count]
    fitted = (
        _fit(audit, sample_split, embedding, failures, name)
        for name, failures in targets
        if int(failures[sample_split.search].sum()) >= min_failures
    )
    found: list[FailureDirection] = []
    for one in sorted(filter(None, fitted), key=lambda one: -one.clarity):
        if all(_overlap(one.members, other.members) < _SAME_SLICE for other in found):
            found.append(one)
    return found


def _fit(
    audit: AuditData,
    sample_split: SampleSplit,
    embedding: ImageEmbedding,
    failures: Mask,
    predicted: str | None,
) -> FailureDirection | None:
    """Fits a direction on the search half, and the size of the slice in it.

    Only labels with a substantial share of these failures are used. None if a slice would be too
    small to be tested.
    """
    affected = in_affected_strata(sample_split.label, sample_split.search & failures)
    at = np.flatnonzero(sample_split.search & affected)
    target = failures[at]
    shares = [share for share in _SHARES if share * len(at) >= _MARGIN * audit.min_support]
    if not shares or int((~target).sum()) < _FOLDS:
        return None
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=audit.seed)
    # The size of the slice is chosen by scores of samples that the direction was not fitted on.
    held_out = cross_val_predict(
        _model(), embedding.coordinates[at], target, cv=folds, method="decision_function"
    )
    clarity, share = max(
        (_clarity(sample_split, at, held_out >= np.quantile(held_out, 1 - share)), share)
        for share in shares
    )

    def slice_of(score: Floats) -> Mask:
        # The threshold comes from the test half, without its outcomes: scores of samples that the
        # direction was fitted on are too far apart.
        threshold = float(np.quantile(score[affected & sample_split.test], 1 - share))
        return np.asarray(affected & (score >= threshold), dtype=np.bool_)

    score = _scores(embedding, at, target)
    members = slice_of(score)
    generator = np.random.default_rng(audit.seed)
    overlaps = []
    for _ in range(_RESAMPLES):
        drawn = generator.integers(0, len(at), len(at))
        if 0 < target[drawn].sum() < len(at):
            again = slice_of(_scores(embedding, at[drawn], target[drawn]))
            overlaps.append(jaccard(members & sample_split.test, again & sample_split.test))
    stability = float(np.mean(overlaps)) if overlaps else 0.0
    return FailureDirection(predicted, score, members, clarity, stability)


def _model() -> LogisticRegression:
    return LogisticRegression(C=_PENALTY, max_iter=1000)


def _scores(embedding: ImageEmbedding, at: Integers, target: Mask) -> Floats:
    model = _model().fit(embedding.coordinates[at], target)
    return np.asarray(model.decision_function(embedding.coordinates), dtype=np.float64)


def _clarity(sample_split: SampleSplit, at: Integers, inside: Mask) -> float:
    """The z-value of a slice of the search half: of its gap or its excess gap, whichever is smaller."""
    among = np.zeros(len(sample_split.rows), dtype=np.bool_)
    among[at] = True
    members = np.zeros(len(sample_split.rows), dtype=np.bool_)
    members[at] = inside
    gaps = sample_split.gap(members, sample_split.label, among)
    excess = sample_split.excess_gap(members, sample_split.label, among)
    p_value = max(float(gaps.p_value[0]), excess.p_value)
    positive = gaps.gap[0].value > 0 and excess.gap.value > 0
    return float(norm.isf(max(p_value, _MIN_P_VALUE) / 2)) if positive else -np.inf


def _overlap(one: Mask, other: Mask) -> float:
    """Overlap coefficient: shared part of the smaller of two slices."""
    return float((one & other).sum() / max(min(one.sum(), other.sum()), 1))
