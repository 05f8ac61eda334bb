"""Hidden slices: failures that are alike in a way that no attribute says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from auditor.checks._looks import Looks, embed
from auditor.checks._places import grid
from auditor.checks._wording import effect, interval, numbers, percent, points, several
from auditor.records import Claim, Evidence, Examination, Skipped, SliceKey
from auditor.registry import Options, plugin
from auditor.statistics import Gaps, Integers, stratified_gap

NAME = "hidden-slices"
_SHOWN = 12
_SHARES = (0.05, 0.1, 0.2, 0.3)
"""Sizes that a slice may have, as shares of the samples: those that leave enough to test on."""
_ROOM = 1.3
"""Times the smallest support that a slice of the search half must hold: the other may hold less."""
_PENALTY = 0.05
"""Inverse strength of the ridge penalty: a few dozen failures in some dozens of dimensions."""
_RESAMPLES = 5
_BANDS = 5
"""Bands of confidence within which failures are compared."""
_REMAINS = 0.5
"""An attribute explains a slice if less than this part of its gap is left with it held fixed."""

_ALIKE = 0.5
"""Two slices are one where so much of the smaller lies in the other."""
_NAMED = 0.2
"""A value is named that is so much more frequent in a slice than in the rest (a share)."""
_CONCERNED = 0.1
"""Labels with such a share of some failures are those that have them."""
_FOLDS = 5
_TELLS = 0.3
"""From here on a value with a gap of its own and the slice have one cause."""

Mask = NDArray[np.bool_]


@plugin("check", NAME)
class HiddenSlices(Options):
    """Are there failures that are alike in a way that no attribute says?

    On one half of the samples, the direction in which failures lie is learnt (a penalised logistic
    regression) in what the target layer and a coarse thumbnail say of a picture, less what its label
    says: once for all failures, and once for those that are called each class, of the labels that
    have such failures. What lies far in that direction is a slice; who of the other half is in it is
    decided by picture and label alone. There its error rate is compared with the rest of the same
    labels, and again with the rest of the same labels and confidence: hard pictures fail, but the
    model knows; a shortcut fails with confidence. The larger p-value counts. A slice that changes
    when the search is repeated on resampled pictures is dropped.

    Reference:
        S. Jain, H. Lawrence, A. Moitra and A. Madry, "Distilling model failures as directions in
        latent space", ICLR 2023, section 2; S. Eyuboglu et al., "Domino: discovering systematic
        errors with cross-modal embeddings", ICLR 2022, for search and test on separate samples.
    """

    min_gap: float = Field(0.1, ge=0, le=1)
    """Smallest gap in error rate that is told: its interval must lie above, and that of the gap among
    pictures of the same confidence above half of it."""
    min_failures: int = Field(12, ge=5)
    """Failures that the half for the search must hold, of a kind."""
    max_samples: int = Field(4000, ge=100)
    """Samples that are looked at, drawn at random."""
    max_slices: int = Field(5, ge=1)
    """How many slices are tested at most."""
    min_stability: float = Field(0.5, ge=0, le=1)
    """Smallest overlap (Jaccard) with the slices found on resampled pictures."""

    def examine(self, evidence: Evidence) -> Examination:
        """Searches on one half, tests on the other."""
        if evidence.model is None:
            return _skipped("the model is not at hand to be asked again")
        n = len(evidence.predictions)
        generator = np.random.default_rng(evidence.seed)
        rows = np.sort(generator.permutation(n)[: self.max_samples]).astype(np.int64)
        data = _Data.of(evidence, rows, generator)
        found = int(data.failure[data.search].sum())
        if found < self.min_failures:
            return _skipped(
                f"the half for the search holds {found} failures; {self.min_failures} are needed to "
                "tell what they have in common"
            )
        looks = embed(evidence.model, rows, data.label, data.search)
        claims = [
            self._claim(evidence, data, looks, one)
            for one in self._candidates(evidence, data, looks)
        ]
        told = tuple(claim for claim in claims if claim is not None)
        if told:
            return Examination(told)
        return _skipped(
            f"what {n} samples hold in common would leave fewer than {evidence.min_support} of them to "
            "test it on"
        )

    def _candidates(self, evidence: Evidence, data: _Data, looks: Looks) -> list[_Direction]:
        """Directions for all failures and for those called each class: the clearest, no two alike."""
        kinds: list[tuple[str | None, Mask]] = [(None, data.failure)]
        codes = np.argsort(-np.bincount(data.predicted[data.failure]), kind="stable")
        kinds += [(evidence.classes[k], data.failure & (data.predicted == k)) for k in codes]
        drawn = (
            _direction(looks, data, failures, called, evidence)
            for called, failures in kinds
            if int(failures[data.search].sum()) >= self.min_failures
        )
        found: list[_Direction] = []
        for one in sorted(filter(None, drawn), key=lambda one: -one.clarity):
            if all(_shared(one.members, other.members) < _ALIKE for other in found):
                found.append(one)
        return found[: self.max_slices]

    def _claim(
        self, evidence: Evidence, data: _Data, looks: Looks, one: _Direction
    ) -> Claim | None:
        inside = one.members[data.test]
        gaps = _gaps(data, inside, data.label)
        if int(gaps.n_slice[0]) < evidence.min_support:
            return None
        sure = _gaps(data, inside, data.label * _BANDS + data.band)
        gap, rest = gaps.gap[0], float(gaps.base_rate[0])
        p_value = max(float(gaps.p_value[0]), float(sure.p_value[0]))
        holds = (
            one.stability >= self.min_stability
            and gap.low > self.min_gap
            and float(sure.gap.low[0]) > self.min_gap / 2
        )
        members = data.rows[data.test][inside]
        frame = evidence.predictions.iloc[members]
        rate = float(frame["failure"].mean())
        marks = _marks(evidence, data, inside)
        looked = looks.differs(data.test & one.members, data.test & ~one.members)
        common = several([*map(str, marks[:2]), looked.words], 3)
        called = f" (mostly called {one.called})" if one.called else ""
        order = np.argsort(-one.score[data.test][inside], kind="stable")
        shown = frame.iloc[order]
        return Claim(
            check=NAME,
            title=f"Pictures that have something in common fail in {percent(rate)} of the cases, "
            f"others of the same labels in {percent(rest)}: {common}",
            slice=SliceKey(),
            # Without an effect the test counts, and nothing is told of it.
            effect=effect("error-rate gap of a slice found in the pictures", gap)
            if holds
            else None,
            limit=self.min_gap,
            p_value=p_value if np.isfinite(p_value) else 1.0,
            support=len(members),
            samples=tuple(shown["sample"][shown["failure"]].astype(str)[:_SHOWN]),
            statement=f"Found on one half of the samples and tested on the other: {len(members)} pictures "
            f"that look alike to the model or in a thumbnail fail in {percent(rate)} of the cases"
            f"{called}, others of the same labels in {percent(rest)}. The gap is {points(gap.value)} "
            f"({interval(gap, ' points')}), and {points(float(sure.gap.value[0]))} among pictures of the "
            f"same confidence. What marks them: {common}. Searched again on resampled pictures, "
            f"{percent(one.stability)} of the slice stay the same.",
            action="Look through these pictures for what they share, add it as an attribute, and audit "
            "again: then it can be tested by its name.",
            limits="The slice is a direction in what the model sees; what it stands for, a person has "
            "to say. Slices of another kind may be there unseen.",
            evidence={
                "error_rate": rate,
                "rest_error_rate": rest,
                "gap_at_same_confidence": numbers(sure.gap[0]),
                "stability": one.stability,
                "called": one.called,
                "marked_by": [str(mark) for mark in marks],
                "typical": [str(name) for name in shown["sample"][:_SHOWN]],
                "brightness_difference": grid(looked.map, 3),
            },
            weight=max(0.0, gap.value) * len(members),
            # Every network has pictures that are harder than others: as long as nobody has said what
            # these share, they are to be looked at, and stop no release.
            ceiling="warning",
            explained_by=tuple(mark.name for mark in marks if mark.tells),
        )


@dataclass(frozen=True)
class _Data:
    """The samples that are looked at.

    Attributes:
        rows: (n,) positions in the predictions.
        label: (n,) indices.
        predicted: (n,) indices.
        failure: (n,).
        band: (n,) of the confidence.
        search: (n,) whether the sample is in the half for the search, half of each label.
    """

    rows: Integers
    label: Integers
    predicted: Integers
    failure: Mask
    band: Integers
    search: Mask

    @property
    def test(self) -> Mask:
        """Whether the sample is in the other half."""
        return ~self.search

    @classmethod
    def of(cls, evidence: Evidence, rows: Integers, generator: np.random.Generator) -> _Data:
        frame = evidence.predictions.iloc[rows]
        label = _codes(frame["label"])
        order = np.lexsort((generator.random(len(rows)), label))
        search = np.zeros(len(rows), dtype=np.bool_)
        search[order] = np.arange(len(rows)) % 2 == 0
        confidence = frame["confidence"].to_numpy(dtype=np.float64)
        edges = np.quantile(confidence, np.arange(1, _BANDS) / _BANDS)
        return cls(
            rows,
            label,
            _codes(frame["predicted"]),
            frame["failure"].to_numpy(dtype=np.bool_),
            np.searchsorted(edges, confidence, side="right").astype(np.int64),
            search,
        )


@dataclass(frozen=True)
class _Direction:
    """A direction in which failures lie.

    Attributes:
        called: the class that these failures are called, or None for all failures.
        score: (n,) how far each sample lies in it.
        members: (n,) whether that is beyond the threshold.
        clarity: how clear its gap is on the search half, by scores of samples it was not learnt on.
        stability: mean overlap with the members found on resampled pictures, in the test half.
    """

    called: str | None
    score: NDArray[np.float64]
    members: Mask
    clarity: float
    stability: float


def _direction(
    looks: Looks, data: _Data, failures: Mask, called: str | None, evidence: Evidence
) -> _Direction | None:
    """Learns a direction on the search half, and how far along it a slice begins.

    Only of labels that have such failures. None where a slice would be too small to be tested.
    """
    concerned = _concerned(data.label, data.search & failures)
    at = np.flatnonzero(data.search & concerned)
    target = failures[at]
    shares = [part for part in _SHARES if part * len(at) >= _ROOM * evidence.min_support]
    if not shares or int((~target).sum()) < _FOLDS:
        return None
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=evidence.seed)
    # Scores of samples that the direction was not learnt on: only they tell how large a slice is.
    honest = cross_val_predict(
        _model(), looks.space[at], target, cv=folds, method="decision_function"
    )
    clarity, share = max(
        (_clear(data, at, honest >= np.quantile(honest, 1 - part)), part) for part in shares
    )
    score = _scored(looks, at, target)
    members = concerned & (score >= np.quantile(score[at], 1 - share))
    generator = np.random.default_rng(evidence.seed)
    overlaps = []
    for _ in range(_RESAMPLES):
        drawn = generator.integers(0, len(at), len(at))
        if not 0 < target[drawn].sum() < len(at):
            continue
        again = _scored(looks, at[drawn], target[drawn])
        same = concerned & (again >= np.quantile(again[at], 1 - share))
        overlaps.append(_overlap(members & data.test, same & data.test))
    return _Direction(
        called, score, members, clarity, float(np.mean(overlaps)) if overlaps else 0.0
    )


def _concerned(label: Integers, failures: Mask) -> Mask:
    """Whether a sample's label is one that has such failures, beside a stray one."""
    counts = np.bincount(label[failures], minlength=int(label.max()) + 1)
    return np.asarray((counts >= _CONCERNED * max(counts.sum(), 1))[label], dtype=np.bool_)


def _model() -> LogisticRegression:
    return LogisticRegression(C=_PENALTY, max_iter=1000)


def _scored(looks: Looks, at: Integers, target: Mask) -> NDArray[np.float64]:
    model = _model().fit(looks.space[at], target)
    return np.asarray(model.decision_function(looks.space), dtype=np.float64)


def _clear(data: _Data, at: Integers, inside: Mask) -> float:
    """How many of its own margins of error the gap of a slice of the search half is large."""
    gap = _gaps_of(data.failure[at], inside, data.label[at]).gap[0]
    margin = gap.value - gap.low
    return gap.value / margin if np.isfinite(margin) and margin > 0 else -np.inf


def _gaps(data: _Data, inside: Mask, strata: Integers) -> Gaps:
    return _gaps_of(data.failure[data.test], inside, strata[data.test])


def _gaps_of(failure: Mask, inside: Mask, strata: Integers) -> Gaps:
    _, codes = np.unique(strata, return_inverse=True)
    n = int(codes.max()) + 1
    own_failures, own, rest_failures, rest = (
        np.bincount(codes[chosen], minlength=n)[None]
        for chosen in (inside & failure, inside, ~inside & failure, ~inside)
    )
    return stratified_gap(own_failures, own, rest_failures, rest)


def _overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


@dataclass(frozen=True)
class _Mark:
    """An attribute value that is more frequent in a slice than in the rest.

    Attributes:
        name: of the attribute.
        inside: its share in the slice.
        outside: its share in the rest.
        tells: whether it has a gap of its own and marks the slice so clearly that both have one
            cause, or whether little of the slice's gap is left with it held fixed.
    """

    name: str
    value: str
    inside: float
    outside: float
    tells: bool

    def __str__(self) -> str:
        return (
            f"{self.name} = {self.value} in {percent(self.inside)} instead of "
            f"{percent(self.outside)}"
        )


def _shared(one: Mask, other: Mask) -> float:
    """How much of the smaller of two slices lies in the other."""
    return float((one & other).sum() / max(min(one.sum(), other.sum()), 1))


def _marks(evidence: Evidence, data: _Data, inside: Mask) -> list[_Mark]:
    """The most frequent value of each attribute in the slice against the rest, clearest first."""
    found: list[_Mark] = []
    frame = evidence.predictions.iloc[data.rows]
    plain = float(_gaps(data, inside, data.label).gap.value[0])
    label, failure = data.label[data.test], data.failure[data.test]
    # A value may fare worse only with the labels that the slice fails on: there it has to show.
    concerned = _concerned(label, inside & failure)
    others = ~inside & np.isin(label, label[inside])
    for name in ("label", *evidence.attributes, *evidence.computed):
        codes = _codes(frame[name])
        values = [str(value) for value in frame[name].cat.categories]
        tested = codes[data.test]
        own = np.bincount(tested[inside], minlength=len(values)) / max(inside.sum(), 1)
        rest = np.bincount(tested[others], minlength=len(values)) / max(others.sum(), 1)
        best = int((own - rest).argmax())
        more = float(own[best] - rest[best])
        alone = _gaps_of(failure[concerned], (tested == best)[concerned], label[concerned]).gap
        held = float(_gaps(data, inside, data.label * len(values) + codes).gap.value[0])
        clear = more >= _TELLS and float(alone.low[0]) > 0
        tells = name != "label" and (clear or not held >= _REMAINS * plain)
        if more >= _NAMED or tells:
            found.append(_Mark(name, values[best], float(own[best]), float(rest[best]), tells))
    return sorted(found, key=lambda mark: mark.outside - mark.inside)


def _codes(column: pd.Series) -> Integers:
    return np.asarray(column.cat.codes, dtype=np.int64)


def _skipped(reason: str) -> Examination:
    return Examination(skipped=(Skipped(check=NAME, reason=reason),))
