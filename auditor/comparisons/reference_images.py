"""Reference (training) images beside the audited ones: which of them are used, and how many are correct."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.errors import DataError
from auditor.imaging.small_copies import small_copies
from auditor.records import AuditData, Images, ModelAccess, Severity
from auditor.records.predictions import GROUP, codes
from auditor.records.small_copies import Detail, KeptCopies
from auditor.statistics import (
    Floats,
    Gaps,
    Integers,
    Interval,
    Intervals,
    clustered_gap,
    clustered_wilson,
    holm,
    proportion,
    stratified_gap,
)

STORY = "reference"
"""Claims about the reference images form one finding."""


@dataclass(frozen=True)
class ReferenceSample:
    """Reference images with a label among the classes.

    Attributes:
        images: all images of the reference.
        rows: (n,) positions of the sample in them, ascending.
        labels: (n,) class indices.
        groups: n names of clusters, equal to those of `audited_groups` for the same cluster; None if
            nothing is clustered.
        n_labelled: number of reference images with a label among the classes.
        n_unreadable: images that were drawn and could not be read.
    """

    images: Images
    rows: Integers
    labels: Integers
    groups: tuple[str, ...] | None
    n_labelled: int
    n_unreadable: int = 0

    def kept(self, chosen: NDArray[np.bool_], n_unreadable: int = 0) -> ReferenceSample:
        """The images of a mask."""
        groups = self.groups
        if groups is not None:
            groups = tuple(one for one, keep in zip(groups, chosen, strict=True) if keep)
        return ReferenceSample(
            self.images,
            self.rows[chosen],
            self.labels[chosen],
            groups,
            self.n_labelled,
            n_unreadable,
        )


def why_not(audit: AuditData) -> str | None:
    """Why nothing can be compared with reference images; None if it can."""
    if audit.reference is None:
        return "no reference (training) data is given"
    if audit.reference_images is None or not len(audit.reference_images):
        return "the images of the reference data are not available: its table has no paths"
    if audit.model is None or audit.reference_labels is None:
        return "the model is not available"
    return None


def labelled_reference(audit: AuditData) -> ReferenceSample:
    """All reference images with a label among the classes; see `why_not`."""
    place = {name: k for k, name in enumerate(audit.classes)}
    label = np.array([place.get(one, -1) for one in audit.reference_labels or ()], dtype=np.int64)
    rows = np.flatnonzero(label >= 0)
    stated = audit.reference_groups or (None,) * len(label)
    groups = tuple(_group(stated[row], f"reference {row}") for row in rows)
    assert audit.reference_images is not None, "see why_not"
    return ReferenceSample(
        images=audit.reference_images,
        rows=rows,
        labels=label[rows],
        groups=None if audit.clusters is None else groups,
        n_labelled=len(rows),
    )


def audited_groups(audit: AuditData) -> tuple[str, ...] | None:
    """Names of the clusters of the audited samples; None if nothing is clustered."""
    if audit.clusters is None:
        return None
    if GROUP not in audit.predictions:
        return tuple(f"audited {k}" for k in audit.clusters.of_sample)
    stated = audit.predictions[GROUP]
    known = stated.notna()
    return tuple(
        _group(value if is_known else None, f"audited {k}")
        for k, (value, is_known) in enumerate(zip(stated, known, strict=True))
    )


def _group(stated: str | None, otherwise: str) -> str:
    """The name of a cluster; an image without one is a cluster of its own."""
    return otherwise if stated is None else f"group {stated}"


def drawn(
    whole: ReferenceSample, number: int, seed: int, kept: KeptCopies, model: ModelAccess
) -> ReferenceSample:
    """A random sample of reference images, without those that can't be read.

    Args:
        whole: to draw from.
        number: largest number of images.
        seed: of the draw.
        kept: small copies of the reference images.
        model: will run the images that are drawn.
    """
    chosen = np.zeros(len(whole.rows), dtype=bool)
    order = np.random.default_rng(seed).permutation(len(whole.rows))
    chosen[order[:number]] = True
    sample = whole.kept(chosen)
    model.read_reference(sample.rows, kept, Detail.FINGERPRINT)
    copies = small_copies(whole.images, sample.rows.tolist(), kept, Detail.FINGERPRINT)
    readable = np.array([copy is not None for copy in copies], dtype=bool)
    return sample.kept(readable, int((~readable).sum()))


@dataclass(frozen=True)
class AccuracyLoss:
    """Accuracy on a sample of the reference images and on the audited ones.

    Attributes:
        sample: the reference images.
        n_audited: number of audited samples.
        reference: accuracy on the reference.
        audited: accuracy on the audited samples.
        loss: accuracy on the reference less that on the audited samples.
        within: the same within labels, with Mantel and Haenszel's weights.
        p_value: of "no loss within any label"; NaN if there are too few clusters.
        classes: (C,) class indices with samples on both sides.
        counts: (C, 2) reference and audited samples of each.
        reference_by_class: (C,) accuracy on the reference.
        by_class: (C,) loss of each class.
        class_p_values: (C,) one-sided, adjusted for all classes by Holm.
    """

    sample: ReferenceSample
    n_audited: int
    reference: Interval
    audited: Interval
    loss: Interval
    within: Interval
    p_value: float
    classes: Integers
    counts: Integers
    reference_by_class: Floats
    by_class: Intervals
    class_p_values: Floats


def accuracy_loss(audit: AuditData, number: int) -> AccuracyLoss | str:
    """Predicts a random sample of the reference images and compares the accuracies.

    Args:
        audit: the audited data.
        number: largest number of reference images.

    Returns:
        The comparison, or why it could not be made.
    """
    reason = why_not(audit)
    if reason is not None:
        return reason
    model = audit.model
    assert model is not None, "see why_not"
    sample = drawn(labelled_reference(audit), number, audit.seed, audit.reference_copies, model)
    if not len(sample.rows):
        return "no reference image with a label among the classes could be read"
    try:
        probabilities = model.probabilities_of(sample.images, sample.rows)
    except DataError as error:
        return f"the reference images could not be predicted: {error}"
    finite = np.isfinite(probabilities).all(1)
    return _compared(audit, sample, ~finite | (_decided(model, probabilities) != sample.labels))


def severity_of(loss: Interval, warning: float, alert: float) -> Severity:
    """The severity of a loss of accuracy, from the lower limit of its interval."""
    return "alert" if loss.low > alert else "warning" if loss.low > warning else "note"


def _decided(model: ModelAccess, probabilities: Floats) -> Integers:
    return model.decide(np.nan_to_num(probabilities))


def _compared(audit: AuditData, sample: ReferenceSample, failed: NDArray[np.bool_]) -> AccuracyLoss:
    label = np.concatenate([codes(audit.predictions["label"]), sample.labels])
    bad = np.concatenate([audit.predictions["failure"].to_numpy(dtype=bool), failed])
    n = len(audit.predictions)
    is_audited = np.arange(len(label)) < n
    sides = [np.flatnonzero(is_audited), np.flatnonzero(~is_audited)]
    group: Integers | None = None
    names = audited_groups(audit)
    if names is not None and sample.groups is not None:
        joined = np.unique([*names, *sample.groups], return_inverse=True)[1]
        group = joined.astype(np.int64)
    rates = (
        proportion([(~bad[side]).sum() for side in sides], [len(side) for side in sides])
        if group is None
        else clustered_wilson((~bad).astype(np.float64), sides, group)
    )
    classes = np.intersect1d(label[is_audited], label[~is_audited])
    within = _gaps(bad, label, group, [sides[0]], audit.seed)
    raw = _gaps(bad, np.zeros_like(label), group, [sides[0]], audit.seed)
    own = [np.flatnonzero(is_audited & (label == k)) for k in classes]
    each = _gaps(bad, label, group, own, audit.seed)
    return AccuracyLoss(
        sample=sample,
        n_audited=n,
        reference=rates[1],
        audited=rates[0],
        loss=raw.gap[0],
        within=within.gap[0],
        p_value=float(within.p_value[0]),
        classes=classes,
        counts=np.array(
            [
                [((label == k) & ~is_audited).sum(), ((label == k) & is_audited).sum()]
                for k in classes
            ],
            dtype=np.int64,
        ).reshape(len(classes), 2),
        reference_by_class=np.array(
            [1 - bad[(label == k) & ~is_audited].mean() for k in classes], dtype=np.float64
        ),
        by_class=each.gap,
        class_p_values=_adjusted(each),
    )


def _adjusted(each: Gaps) -> Floats:
    """One-sided p-values, adjusted for all classes; 1 where nothing can be tested."""
    one_sided = np.where(each.gap.value > 0, each.p_value / 2, 1 - each.p_value / 2)
    return holm(np.nan_to_num(one_sided, nan=1.0))


def _gaps(
    bad: NDArray[np.bool_],
    stratum: Integers,
    group: Integers | None,
    slices: list[Integers],
    seed: int,
) -> Gaps:
    """Failure rate of audited samples minus that of the reference, within strata."""
    if group is not None:
        return clustered_gap(bad.astype(np.float64), slices, stratum, group, seed=seed)
    width = int(stratum.max()) + 1
    n_audited = len(bad)
    counts = []
    for rows in slices:
        inside = np.zeros(n_audited, dtype=bool)
        inside[rows] = True
        counts.append(
            [
                np.bincount(stratum[part], minlength=width)
                for part in (inside & bad, inside, ~inside & bad, ~inside)
            ]
        )
    own_bad, own, rest_bad, rest = np.array(counts).transpose(1, 0, 2)
    return stratified_gap(own_bad, own, rest_bad, rest)
