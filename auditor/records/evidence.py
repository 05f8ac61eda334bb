"""What checks look at, and what they bring back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.records.data import Images
from auditor.records.result import Effect, Severity, Skipped, SliceKey


@dataclass(frozen=True)
class Slice:
    """Samples that share attribute values, and perhaps a label.

    Attributes:
        key: its name.
        rows: positions in ``AuditData.predictions``, ascending, int64.
    """

    key: SliceKey
    rows: NDArray[np.int64]

    @property
    def support(self) -> int:
        """How many samples it holds."""
        return len(self.rows)


@dataclass(frozen=True)
class Cell:
    """The samples behind one mean map: an attribute value within a class."""

    attribute: str
    value: str
    label: str
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Maps:
    """Grad-CAM of the label, for samples drawn at random and not by how the model did on them.

    Attributes:
        rows: (m,) positions in ``AuditData.predictions``, ascending, int64, each once.
        cams: (m, h, w) float32, at least 0, not normalised, at the target layer's resolution.
        cells: which rows were drawn for which attribute value within a class. A comparison of two
            values takes these rows alone: those drawn for another attribute are no random sample
            of this one's values.
    """

    rows: NDArray[np.int64]
    cams: NDArray[np.float32]
    cells: tuple[Cell, ...]

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The maps (n, h, w) of some of the rows, in the order given."""
        return self.cams[np.searchsorted(self.rows, rows)]


class ModelAccess(Protocol):
    """The audited model as a check sees it: images in, probabilities out, nothing of torch."""

    def images(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """What the network saw, (n, 3, H, W), of these positions in ``AuditData.predictions``."""
        ...

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Softmax probabilities (n, K) for images (n, 3, H, W), batch by batch."""
        ...

    def features(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The target layer's maps averaged over their places, (n, C), of these positions."""
        ...

    def features_of(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The same of any images, prepared as the audited ones are, at these positions in them.

        Raises:
            DataError: one of them can't be read, or they come out in different sizes.
        """
        ...

    def cams(self, rows: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Unnormalised Grad-CAMs (n, h, w), at least 0, of one class index each."""
        ...

    def objects(self, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Where the object is in what the network saw, (n, H, W); None without boxes or masks."""
        ...


@dataclass(frozen=True)
class AuditData:
    """What a check may look at. Nothing here needs torch.

    Attributes:
        predictions: the evaluated samples (``status == "ok"``), index 0…n-1, columns ``sample``,
            ``path``, ``label``, ``predicted`` (categoricals over ``classes``), ``confidence``,
            ``loss``, ``failure`` (bool) and one categorical column an attribute (numbers already
            cut into bands, missing values as ``(missing)``). Where the images were fingerprinted,
            also ``sha256`` and ``phash`` (16 hexadecimal digits, None for an image of one shade).
        classes: class names in index order.
        attributes: names of the annotated attributes' columns.
        slices: all slices by them, single attribute values first, then intersections.
        reference: the training data with the same label and attribute columns, or None.
        alpha: false discovery rate of the audit.
        min_support: slices below it are not tested.
        seed: for permutations and bootstraps.
        maps: attribution maps of a random sample of each attribute value within each class, or
            None where none were made.
        model: the model, to be asked again, or None where it is not at hand.
        computed: names of the columns of attributes that were computed from the images; they stand
            in ``predictions`` as the annotated ones do.
        computed_slices: every value of them, and every value within every label.
        probabilities: (n, K) float32 softmax probabilities, or None where there are too many classes.
        images: the evaluated samples' images, in the order of ``predictions``, or None.
        reference_images: the training data's images, or None where they are not at hand.
        reference_labels: their labels in the same order, also those that are no class; ``reference``
            lacks the latter.
    """

    predictions: pd.DataFrame
    classes: tuple[str, ...]
    attributes: tuple[str, ...]
    slices: tuple[Slice, ...]
    reference: pd.DataFrame | None
    alpha: float
    min_support: int
    seed: int
    maps: Maps | None = None
    model: ModelAccess | None = None
    computed: tuple[str, ...] = ()
    computed_slices: tuple[Slice, ...] = ()
    probabilities: NDArray[np.float32] | None = None
    images: Images | None = None
    reference_images: Images | None = None
    reference_labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Claim:
    """One hypothesis that a check examined; the judge decides whether it becomes a finding.

    Attributes:
        check: the check's name.
        title: the claim in one sentence, with its number.
        slice: whom it concerns.
        effect: how large; its interval is unadjusted.
        limit: size of the effect from which on it matters (configured before the result was seen).
        p_value: of the test, or None where nothing is tested; NaN is not allowed.
        support: how many samples it rests on.
        samples: sample ids that show it.
        statement: what was seen, how sure.
        action: what to do next.
        limits: what it can't say.
        evidence: numbers for tables and charts.
        untestable: why it could not be tested, where that is so.
        weight: for the order among findings of one severity: how many failures it accounts for.
        ceiling: gravest severity that it may reach; below ``alert`` where it speaks of the data
            rather than of outcomes.
        explained_by: attributes that explain it away when they are held fixed, or that the data
            can't tell it apart from; it then belongs to their finding, where there is one.
        confirms: slices whose gap this intervention on the images brings about; once its test
            survives the correction, it and what is supported of them are ``confirmed``.
        computed: whether its attribute was computed from the images; such claims have a share of
            the correction of their own.
        accounts_for: positions in ``AuditData.predictions`` of the failures that it speaks of, where it
            names no attribute: claims without a name that account for the same failures tell of one
            cause.
        counted: whether it is a fact that was counted and not inferred: it needs no test, stands as it
            is, and is as grave as its ceiling where its interval lies above the limit.
        faulty: ids of failures that are the data's fault and not the model's, if the claim is right.
    """

    check: str
    title: str
    slice: SliceKey
    effect: Effect | None
    limit: float
    p_value: float | None
    support: int
    samples: tuple[str, ...]
    statement: str
    action: str
    limits: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    untestable: str | None = None
    weight: float = 0.0
    ceiling: Severity = "alert"
    explained_by: tuple[str, ...] = ()
    confirms: tuple[SliceKey, ...] = ()
    computed: bool = False
    accounts_for: frozenset[int] = frozenset()
    counted: bool = False
    faulty: tuple[str, ...] = ()


@dataclass(frozen=True)
class Examination:
    """What a check brings back: everything that it tested, and what it could not."""

    claims: tuple[Claim, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __iter__(self) -> Iterator[Claim]:
        return iter(self.claims)
