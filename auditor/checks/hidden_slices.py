"""Hidden slices: failures that are alike in a way that no attribute says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from auditor.discovery.embedding import ImageEmbedding, embed
from auditor.discovery.sample_splitting import Mask, SampleSplit, jaccard
from auditor.discovery.slice_description import distinctive_values, where_frequent
from auditor.imaging.location import grid
from auditor.phrasing import effect, interval, numbers, percent, points, several
from auditor.records import AuditData, Claim, Examination, Skipped, SliceKey
from auditor.registry import Options, plugin
from auditor.statistics import Floats, Integers

NAME = "hidden-slices"
_SHOWN = 12
_SHARES = (0.05, 0.1, 0.2, 0.3)
"""Sizes that a slice may have, as shares of the samples: those that leave enough to test on."""
_ROOM = 1.3
"""Times the smallest support that a slice of the search half must hold: the other may hold less."""
_PENALTY = 0.05
"""Inverse strength of the ridge penalty: a few dozen failures in some dozens of dimensions."""
_RESAMPLES = 5
_FOLDS = 5
_ALIKE = 0.5
"""Two slices are one where so much of the smaller lies in the other."""
_LEAST_P = 1e-300
"""Smaller p-values are no numbers any more."""


@plugin("check", NAME)
class HiddenSlices(Options):
    """Are there failures that are alike in a way that no attribute says?

    On one half of the samples, the direction in which failures lie is learnt (a penalised logistic
    regression) in what the target layer and a coarse thumbnail say of an image, less what tells the
    classes apart: once for all failures, and once for those that are called each class, of the
    labels that have such failures. What lies far in that direction is a slice; who of the other half
    is in it is decided by image and label alone. There its error rate is compared with the rest of
    the same labels, and so is its excess: failure less the doubt that the model admits. Hard images
    fail, but the model knows; a shortcut fails with confidence. The larger p-value counts. A slice
    that changes when the search is repeated on resampled images is dropped.

    Reference:
        S. Jain, H. Lawrence, A. Moitra and A. Madry, "Distilling model failures as directions in
        latent space", ICLR 2023, section 2; S. Eyuboglu et al., "Domino: discovering systematic
        errors with cross-modal embeddings", ICLR 2022, for search and test on separate samples.
    """

    min_gap: float = Field(0.25, ge=0, le=1)
    """Smallest gap that is told, in the error rate and in the excess: both intervals must lie above.
    Every network has images that it fares somewhat worse with: of 108 with nothing planted, 36 in 100
    have a slice with 10 points, 7 with 20, and 3 with 25 (docs/planted.md)."""
    min_failures: int = Field(12, ge=5)
    """Failures that the half for the search must hold, of a kind."""
    max_samples: int = Field(4000, ge=100)
    """Samples that are looked at, drawn at random."""
    max_slices: int = Field(5, ge=1)
    """How many slices are tested at most."""
    min_stability: float = Field(0.5, ge=0, le=1)
    """Smallest overlap (Jaccard) with the slices found on resampled images."""

    def examine(self, audit: AuditData) -> Examination:
        """Searches on one half, tests on the other."""
        if audit.model is None:
            return _skipped("the model is not at hand to be asked again")
        n = len(audit.predictions)
        generator = np.random.default_rng(audit.seed)
        rows = np.sort(generator.permutation(n)[: self.max_samples]).astype(np.int64)
        data = SampleSplit.of(audit, rows, "label", generator)
        found = int(data.failure[data.search].sum())
        if found < self.min_failures:
            return _skipped(
                f"the half for the search holds {found} failures; {self.min_failures} are needed to "
                "tell what they have in common"
            )
        looks = embed(audit.model, rows, data.label, data.search)
        claims = [
            self._claim(audit, data, looks, one) for one in self._candidates(audit, data, looks)
        ]
        told = tuple(claim for claim in claims if claim is not None)
        if told:
            return Examination(told)
        return _skipped(
            f"what {n} samples hold in common would leave fewer than {audit.min_support} of them to "
            "test it on"
        )

    def _candidates(
        self, audit: AuditData, data: SampleSplit, looks: ImageEmbedding
    ) -> list[_Direction]:
        """Directions for all failures and for those called each class: the clearest, no two alike."""
        kinds: list[tuple[str | None, Mask]] = [(None, data.failure)]
        often = np.argsort(-np.bincount(data.predicted[data.failure]), kind="stable")
        kinds += [(audit.classes[k], data.failure & (data.predicted == k)) for k in often]
        drawn = (
            _direction(looks, data, failures, called, audit)
            for called, failures in kinds
            if int(failures[data.search].sum()) >= self.min_failures
        )
        found: list[_Direction] = []
        for one in sorted(filter(None, drawn), key=lambda one: -one.clarity):
            if all(_shared(one.members, other.members) < _ALIKE for other in found):
                found.append(one)
        return found[: self.max_slices]

    def _claim(
        self, audit: AuditData, data: SampleSplit, looks: ImageEmbedding, one: _Direction
    ) -> Claim | None:
        inside = one.members[data.test]
        gaps = data.gap(one.members, data.label)
        if int(gaps.n_slice[0]) < audit.min_support:
            return None
        excess = data.excess_gap(one.members, data.label)
        gap, rest = gaps.gap[0], float(gaps.base_rate[0])
        p_value = max(float(gaps.p_value[0]), excess.p_value)
        holds = (
            one.stability >= self.min_stability
            and gap.low > self.min_gap
            and excess.gap.low > self.min_gap
        )
        members = data.rows[data.test][inside]
        frame = audit.predictions.iloc[members]
        rate = float(frame["failure"].mean())
        marked = distinctive_values(audit, data, one.members)
        looked = looks.differs(data.test & one.members, data.test & ~one.members)
        common = several([*map(str, marked[:2]), looked.words], 3)
        called = f" (mostly called {one.called})" if one.called else ""
        order = np.argsort(-one.score[data.test][inside], kind="stable")
        shown = frame.iloc[order]
        return Claim(
            check=NAME,
            title=f"Images that have something in common fail in {percent(rate)} of the cases, "
            f"others of the same labels in {percent(rest)}: {common}",
            slice=SliceKey(),
            # Without an effect the test counts, and nothing is told of it.
            effect=effect("error-rate gap of a slice found in the images", gap) if holds else None,
            limit=self.min_gap,
            p_value=p_value if np.isfinite(p_value) else 1.0,
            support=len(members),
            samples=tuple(shown["sample"][shown["failure"]].astype(str)[:_SHOWN]),
            statement=f"Found on one half of the samples and tested on the other: {len(members)} images "
            f"that look alike to the model or in a thumbnail fail in {percent(rate)} of the cases"
            f"{called}, others of the same labels in {percent(rest)}. The gap is {points(gap.value)} "
            f"({interval(gap, ' points')}), and {points(excess.gap.value)} beyond the doubt that the model "
            f"admits. What marks them: {common}. Searched again on resampled images, "
            f"{percent(one.stability)} of the slice stay the same.",
            action="Look through these images for what they share, add it as an attribute, and audit "
            "again: then it can be tested by its name.",
            limits="The slice is a direction in what the model sees; what it stands for, a person has "
            "to say. Slices of another kind may be there unseen.",
            evidence={
                "error_rate": rate,
                "rest_error_rate": rest,
                "excess_gap": numbers(excess.gap),
                "stability": one.stability,
                "called": one.called,
                "marked_by": [str(mark) for mark in marked],
                "typical": [str(name) for name in shown["sample"][:_SHOWN]],
                "brightness_difference": grid(looked.map, 3),
            },
            weight=max(0.0, gap.value) * len(members),
            # Every network has images that are harder than others: as long as nobody has said what
            # these share, they are to be looked at, and stop no release.
            ceiling="warning",
            explained_by=tuple(mark.name for mark in marked if mark.tells),
            accounts_for=frozenset(data.rows[one.members & data.failure].tolist()),
        )


@dataclass(frozen=True)
class _Direction:
    """A direction in which failures lie.

    Attributes:
        called: the class that these failures are called, or None for all failures.
        score: (n,) how far each sample lies in it.
        members: (n,) whether that is beyond the threshold.
        clarity: how clear its gap is on the search half, by scores of samples it was not learnt on.
        stability: mean overlap with the members found on resampled images, in the test half.
    """

    called: str | None
    score: Floats
    members: Mask
    clarity: float
    stability: float


def _direction(
    looks: ImageEmbedding, data: SampleSplit, failures: Mask, called: str | None, audit: AuditData
) -> _Direction | None:
    """Learns a direction on the search half, and how far along it a slice begins.

    Only of labels that have such failures. None where a slice would be too small to be tested.
    """
    concerned = where_frequent(data.label, data.search & failures)
    at = np.flatnonzero(data.search & concerned)
    target = failures[at]
    shares = [part for part in _SHARES if part * len(at) >= _ROOM * audit.min_support]
    if not shares or int((~target).sum()) < _FOLDS:
        return None
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=audit.seed)
    # Scores of samples that the direction was not learnt on: only they tell how large a slice is.
    honest = cross_val_predict(
        _model(), looks.space[at], target, cv=folds, method="decision_function"
    )
    clarity, share = max(
        (_clear(data, at, honest >= np.quantile(honest, 1 - part)), part) for part in shares
    )
    score = _scored(looks, at, target)
    members = concerned & (score >= _threshold(score, concerned, data, share))
    generator = np.random.default_rng(audit.seed)
    overlaps = []
    for _ in range(_RESAMPLES):
        drawn = generator.integers(0, len(at), len(at))
        if not 0 < target[drawn].sum() < len(at):
            continue
        again = _scored(looks, at[drawn], target[drawn])
        same = concerned & (again >= _threshold(again, concerned, data, share))
        overlaps.append(jaccard(members & data.test, same & data.test))
    return _Direction(
        called, score, members, clarity, float(np.mean(overlaps)) if overlaps else 0.0
    )


def _threshold(score: Floats, concerned: Mask, data: SampleSplit, share: float) -> float:
    """Where the slice begins, by the half for the test.

    Without its outcomes. The scores of the samples that a direction was learnt on spread too far.
    """
    return float(np.quantile(score[concerned & data.test], 1 - share))


def _model() -> LogisticRegression:
    return LogisticRegression(C=_PENALTY, max_iter=1000)


def _scored(looks: ImageEmbedding, at: Integers, target: Mask) -> Floats:
    model = _model().fit(looks.space[at], target)
    return np.asarray(model.decision_function(looks.space), dtype=np.float64)


def _clear(data: SampleSplit, at: Integers, inside: Mask) -> float:
    """How clear a slice of the search half is, in standard errors: its gap, or its excess."""
    among = np.zeros(len(data.rows), dtype=np.bool_)
    among[at] = True
    slice_ = np.zeros(len(data.rows), dtype=np.bool_)
    slice_[at] = inside
    gaps = data.gap(slice_, data.label, among)
    excess = data.excess_gap(slice_, data.label, among)
    p_value = max(float(gaps.p_value[0]), excess.p_value)
    upward = gaps.gap[0].value > 0 and excess.gap.value > 0
    return float(norm.isf(max(p_value, _LEAST_P) / 2)) if upward else -np.inf


def _shared(one: Mask, other: Mask) -> float:
    """How much of the smaller of two slices lies in the other."""
    return float((one & other).sum() / max(min(one.sum(), other.sum()), 1))


def _skipped(reason: str) -> Examination:
    return Examination(skipped=(Skipped(check=NAME, reason=reason),))
