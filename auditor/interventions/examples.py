"""Examples of an intervention: images before and after, at fixed ranks of the effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.interventions.matched_pairs import MatchedPairs
from auditor.interventions.regions import ImageArray
from auditor.interventions.value_contrasts import ValueContrast
from auditor.phrasing import condition
from auditor.records import (
    AuditData,
    ExampleRank,
    ImageKeeper,
    ImagePrediction,
    InterventionExample,
)
from auditor.records.predictions import CONFIDENCE, LOSS, PREDICTED, SAMPLE, codes
from auditor.statistics import Floats, Integers

RANKS: Mapping[ExampleRank, float] = {
    "largest": 0.0,
    "upper quartile": 0.25,
    "median": 0.5,
    "lower quartile": 0.75,
    "smallest": 1.0,
}
"""The examples, by the share of the tested images with a larger effect."""


@dataclass(frozen=True)
class Change:
    """One way in which all tested images were changed.

    Attributes:
        how: in words.
        probabilities: (n, K) of the changed images.
        images: makes the changed images (k, 3, H, W) of some of the n, given as positions (k,).
        donors: (n,) positions in ``AuditData.predictions`` of the images that content or style was
            taken from; None without donors.
    """

    how: str
    probabilities: Floats
    images: Callable[[Integers], ImageArray]
    donors: Integers | None = None


def intervention_examples(
    audit: AuditData, rows: Integers, effect: Floats, changes: Sequence[Change]
) -> tuple[InterventionExample, ...]:
    """The images with the largest, the smallest and the median effect, and those at the quartiles.

    The ranks are fixed in advance, so that the examples show the weak effects beside the strong ones.
    Only the images of these examples are made.

    Args:
        audit: the audited data, whose keeper stores the images.
        rows: (n,) positions in ``AuditData.predictions`` of the tested images.
        effect: (n,) change of the label's probability, -1 to 1.
        changes: how the images were changed.

    Returns:
        At most one example of each rank; none where the images cannot be stored.
    """
    if audit.keeper is None or audit.model is None or len(rows) == 0:
        return ()
    order = np.argsort(-effect, kind="stable")
    places = {round(share * (len(rows) - 1)): rank for rank, share in list(RANKS.items())[::-1]}
    chosen = order[sorted(places)]
    names = [places[place] for place in sorted(places)]
    before = list(_unchanged(audit, audit.keeper, rows[chosen]))
    after = [list(_changed(audit, audit.keeper, rows, chosen, one)) for one in changes]
    table = audit.predictions.iloc[rows[chosen]]
    return tuple(
        InterventionExample(
            sample=str(sample),
            label=str(label),
            rank=names[k],
            change=float(effect[chosen[k]]),
            before=before[k],
            after=tuple(one[k] for one in after),
        )
        for k, (sample, label) in enumerate(zip(table[SAMPLE], table["label"], strict=True))
    )


def paired_examples(
    audit: AuditData,
    contrast: ValueContrast,
    pairs: MatchedPairs,
    probabilities: tuple[Floats, Floats],
    images: tuple[Callable[[Integers], ImageArray], Callable[[Integers], ImageArray]],
    what: str,
) -> tuple[InterventionExample, ...]:
    """Examples of images that were given the content or style of both sides of a contrast.

    Args:
        audit: the audited data.
        contrast: the attribute value.
        pairs: the images and their donors.
        probabilities: (n, K) with content of images with the value, and of others.
        images: make the images with content of either side.
        what: what they were given, such as ``Style of``.
    """
    each = np.arange(len(pairs))
    with_value, without_value = (one[each, pairs.label] for one in probabilities)
    value = condition(contrast.attribute, contrast.value)
    changes = (
        Change(f"{what} an image with {value}", probabilities[0], images[0], pairs.with_value),
        Change(f"{what} another image", probabilities[1], images[1], pairs.without_value),
    )
    effect = contrast.direction[pairs.label] * (without_value - with_value)
    return intervention_examples(audit, pairs.rows, effect, changes)


def _unchanged(audit: AuditData, keeper: ImageKeeper, rows: Integers) -> Iterator[ImagePrediction]:
    assert audit.model is not None
    table = audit.predictions.iloc[rows]
    columns = (table[PREDICTED], table[CONFIDENCE], table[LOSS], audit.model.images(rows))
    for predicted, confidence, loss, image in zip(*columns, strict=True):
        yield ImagePrediction(
            predicted=str(predicted),
            confidence=float(confidence),
            label_probability=float(np.exp(-loss)),
            image=keeper.keep(image),
        )


def _changed(
    audit: AuditData, keeper: ImageKeeper, rows: Integers, chosen: Integers, change: Change
) -> Iterator[ImagePrediction]:
    assert audit.model is not None
    frame = audit.predictions
    label = codes(frame["label"])[rows]
    predicted = audit.model.decide(change.probabilities)
    samples = frame[SAMPLE].astype(str)
    for k, image in zip(chosen, change.images(chosen), strict=True):
        yield ImagePrediction(
            how=change.how,
            donor=None if change.donors is None else samples.iloc[change.donors[k]],
            predicted=audit.classes[predicted[k]],
            confidence=float(change.probabilities[k, predicted[k]]),
            label_probability=float(change.probabilities[k, label[k]]),
            image=keeper.keep(image),
        )
