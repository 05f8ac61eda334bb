"""Do audited and reference images come from one distribution? Images with equal labels are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from auditor.comparisons.reference_images import (
    ReferenceSample,
    audited_groups,
    labelled_reference,
    why_not,
)
from auditor.errors import DataError
from auditor.imaging.small_copies import THUMBNAIL_SIDE, small_copies
from auditor.records import AuditData, Images
from auditor.records.image_properties import NAMES, WORDS, Properties, in_words
from auditor.records.predictions import codes, property_column
from auditor.records.small_copies import Detail, KeptCopies
from auditor.statistics import Floats, Integers
from auditor.statistics.two_sample import TwoSample, two_sample_test

_THUMBNAIL = 16
"""Principal components of the thumbnails."""
_FEATURES = 32
"""Principal components of the features."""
_LEAST = 40
"""Fewest images of either kind: with fewer, even different images hardly show."""
_SKEWED = frozenset({"sharpness", "size", "colourfulness"})
"""Properties with a long tail, compared on a logarithmic scale."""
_CONSTANT = 1e-9


@dataclass(frozen=True)
class PropertyDifference:
    """A property of audited images beside that of reference images.

    Attributes:
        name: of the property, such as ``brightness``; of a hue or camera with its value.
        audited: mean; of a hue or camera, the share of the images.
        reference: the same.
        difference: standardised difference: audited minus reference, in standard deviations.
        is_share: whether the numbers are shares.
    """

    name: str
    audited: float
    reference: float
    difference: float
    is_share: bool


@dataclass(frozen=True)
class ImageShift:
    """Comparison of audited images with as many reference images of the same labels.

    Attributes:
        rows: (n,) positions of the audited images in ``AuditData.predictions``.
        sample: n reference images.
        properties: differences, the largest first.
        images: test on properties and thumbnails, in which the network takes no part.
        features: test on the features of the target layer.
    """

    rows: Integers
    sample: ReferenceSample
    properties: tuple[PropertyDifference, ...]
    images: TwoSample
    features: TwoSample

    @property
    def least_like_reference(self) -> Integers:
        """(n,) rows of the audited images, those that both classifiers tell apart best first."""
        n = len(self.sample.rows)
        score = self.images.scores[n:] + self.features.scores[n:]
        return self.rows[np.argsort(-score, kind="stable")]


def image_shift(audit: AuditData, number: int) -> ImageShift | str:
    """Tests whether audited and reference images of the same labels can be told apart.

    Args:
        audit: the audited data.
        number: largest number of images of either kind.

    Returns:
        The comparison, or why it could not be made.
    """
    reason = why_not(audit)
    if reason is not None or audit.images is None or audit.model is None:
        return reason or "the audited images are not available"
    whole = labelled_reference(audit)
    rows, chosen = _matched(codes(audit.predictions["label"]), whole.labels, number, audit.seed)
    own = _described(audit.images, rows, audit.copies)
    audit.model.read_reference(whole.rows[chosen], audit.reference_copies, Detail.PROPERTIES)
    other = _described(whole.images, whole.rows[chosen], audit.reference_copies)
    rows, sample = rows[own.readable], whole.kept(chosen)
    sample = sample.kept(other.readable, int((~other.readable).sum()))
    if min(len(rows), len(sample.rows)) < _LEAST:
        return (
            f"{min(len(rows), len(sample.rows))} readable images of the same labels are in both the "
            f"audited and the reference data; at least {_LEAST} are needed"
        )
    try:
        features = [
            audit.model.features_of(sample.images, sample.rows),
            audit.model.features(rows),
        ]
    except DataError as error:
        return f"the images could not be compared: {error}"
    names = audited_groups(audit)
    groups = None if names is None else [names[row] for row in rows]
    n = len(sample.rows)

    def tested(values: Floats) -> TwoSample:
        return two_sample_test(values[:n], values[n:], sample.groups, groups, audit.seed)

    columns = _columns([*other.properties, *own.properties])
    thumbnails = np.concatenate([other.thumbnails, own.thumbnails])
    return ImageShift(
        rows=rows,
        sample=sample,
        properties=_differences(columns, n),
        images=tested(np.concatenate([columns.values, _components(thumbnails, _THUMBNAIL)], 1)),
        features=tested(_components(np.concatenate(features).astype(np.float64), _FEATURES)),
    )


def _matched(
    audited: Integers, reference: Integers, number: int, seed: int
) -> tuple[Integers, NDArray[np.bool_]]:
    """Equally many images of each label on both sides: audited rows, and a mask of the reference."""
    rng = np.random.default_rng(seed)
    labels = np.intersect1d(audited, reference)
    both = np.array([min((audited == k).sum(), (reference == k).sum()) for k in labels], dtype=int)
    if both.sum() > number:
        both = np.floor(both * (number / both.sum())).astype(int)
    rows: list[int] = []
    chosen = np.zeros(len(reference), dtype=bool)
    for k, size in zip(labels, both, strict=True):
        rows += rng.permutation(np.flatnonzero(audited == k))[:size].tolist()
        chosen[rng.permutation(np.flatnonzero(reference == k))[:size]] = True
    return np.sort(np.array(rows, dtype=np.int64)), chosen


@dataclass(frozen=True)
class _Described:
    """Properties and thumbnails (n, 192) of the readable images."""

    readable: NDArray[np.bool_]
    properties: list[Properties]
    thumbnails: Floats


def _described(images: Images, rows: Integers, kept: KeptCopies) -> _Described:
    copies = small_copies(images, rows.tolist(), kept, Detail.PROPERTIES)
    readable = [copy for copy in copies if copy is not None]
    thumbnails = [copy.thumbnail.reshape(1, -1).astype(np.float64) for copy in readable]
    return _Described(
        np.array([copy is not None for copy in copies], dtype=bool),
        [copy.properties for copy in readable if copy.properties is not None],
        np.concatenate([np.empty((0, 3 * THUMBNAIL_SIDE**2)), *thumbnails]),
    )


@dataclass(frozen=True)
class _Columns:
    """Properties as numbers: (n, d) values, their names, and which of them are shares."""

    values: Floats
    raw: Floats
    names: list[str]
    is_share: list[bool]


def _columns(properties: Sequence[Properties]) -> _Columns:
    """One column for each number, and one for each frequent value of a property that is a word."""
    values, raw, names, is_share = [], [], [], []
    for name in NAMES:
        cells = [getattr(one, name) for one in properties]
        shown = in_words(property_column(name))
        if name in WORDS:
            known = sorted({str(cell) for cell in cells if cell is not None})
            found = [(f"{shown} {one}", [cell == one for cell in cells]) for one in known]
        else:
            missing = np.array([cell is None for cell in cells])
            found = [(f"an {shown}", (~missing).tolist())] if missing.any() else []
            numbers = np.array([np.nan if cell is None else cell for cell in cells], dtype=float)
            numbers[missing] = numbers[~missing].mean() if (~missing).any() else 0.0
            raw.append(numbers)
            values.append(np.log1p(numbers) if name in _SKEWED else numbers)
            names.append(shown)
            is_share.append(False)
        for title, has in found:
            values.append(np.array(has, dtype=float))
            raw.append(values[-1])
            names.append(title)
            is_share.append(True)
    return _Columns(np.stack(values, 1), np.stack(raw, 1), names, is_share)


def _differences(columns: _Columns, n: int) -> tuple[PropertyDifference, ...]:
    """Standardised differences of the last rows from the first n, the largest first."""
    other, own = columns.values[:n], columns.values[n:]
    deviation = np.sqrt((own.var(0) + other.var(0)) / 2)
    apart = own.mean(0) - other.mean(0)
    # Constant on either side, but different: the deviation of both together.
    deviation = np.where(deviation > _CONSTANT, deviation, columns.values.std(0))
    size = np.where(deviation > _CONSTANT, apart / np.maximum(deviation, _CONSTANT), 0.0)
    return tuple(
        PropertyDifference(
            columns.names[k],
            float(columns.raw[n:, k].mean()),
            float(columns.raw[:n, k].mean()),
            float(size[k]),
            columns.is_share[k],
        )
        for k in np.argsort(-np.abs(size), kind="stable")
    )


def _components(values: Floats, number: int) -> Floats:
    """Principal components of both samples together: the sample of a row plays no part in them."""
    deviation = values.std(0)
    scaled = (values - values.mean(0)) / np.where(deviation > _CONSTANT, deviation, np.inf)
    if not scaled.any():
        return np.zeros((len(values), 1))
    n = min(number, len(values) // 8, int((deviation > _CONSTANT).sum()))
    solver = "covariance_eigh" if scaled.shape[1] <= 1000 else "randomized"
    found: Floats = PCA(n, svd_solver=solver, random_state=0).fit_transform(scaled)
    return found
