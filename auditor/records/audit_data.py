"""What a check may look at: predictions, slices, maps, images, and the model to be asked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.records.base import AttributeRole, SliceKey
from auditor.records.data import Images
from auditor.records.decisions import Decisions, TaskName
from auditor.records.forward_budget import ForwardBudget
from auditor.records.small_copies import Detail, KeptCopies


@dataclass(frozen=True, init=False)
class Slice:
    """Samples that share attribute values, and perhaps a label.

    Attributes:
        key: its name.
        tail: whether it is the low or the high end of an ordered attribute, or all of its rare values.
            It overlaps the slices of the attribute's values, and is in no pair.
    """

    key: SliceKey
    tail: bool
    _rows: NDArray[np.int32]  # of all slices, the positions take much of the memory of an audit

    def __init__(self, key: SliceKey, rows: NDArray[np.int64], tail: bool = False) -> None:
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "tail", tail)
        object.__setattr__(self, "_rows", rows.astype(np.int32))

    @property
    def rows(self) -> NDArray[np.int64]:
        """Positions in ``AuditData.predictions``, ascending, int64."""
        return self._rows.astype(np.int64)

    @property
    def support(self) -> int:
        """How many samples it holds."""
        return len(self._rows)


@dataclass(frozen=True)
class OrderedValues:
    """The values of an ordered attribute.

    Attributes:
        numbers: (n,) float64; NaN where the value is missing. Of an ordinal attribute, the position
            of the value among all values.
        names: the values of an ordinal attribute in order; empty for a numeric one.
    """

    numbers: NDArray[np.float64]
    names: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class PreprocessingAdvice:
    """Whether another preprocessing than the configured one fits the network better.

    Attributes:
        n_images: on how many images they were tried.
        tried: names of the alternatives.
        better: one sentence about a better one; None if none is shown to be better.
    """

    n_images: int
    tried: tuple[str, ...]
    better: str | None


class ImageKeeper(Protocol):
    """Stores images that a check wants to show, such as those changed by an intervention."""

    def keep(self, image: NDArray[np.uint8]) -> str:
        """Stores an image (3, H, W) as a thumbnail; returns ``file#row`` below the run folder."""
        ...


class ModelAccess(Protocol):
    """The audited model as a check sees it: images in, probabilities out, nothing of torch."""

    def images(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """What the network saw, (n, 3, H, W), of these positions in ``AuditData.predictions``."""
        ...

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probabilities (n, K) for images (n, 3, H, W), batch by batch."""
        ...

    def search(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The same up to rounding, perhaps faster: for searches, whose result is tested afterwards."""
        ...

    def decide(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Predicted classes (n,) of probabilities (n, K); not for a multi-label task."""
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

    def probabilities_of(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probabilities (n, K) of any images, prepared as the audited ones are; raises as above."""
        ...

    def read_reference(self, rows: NDArray[np.int64], copies: KeptCopies, detail: Detail) -> None:
        """Decodes reference images once for their small copies and for what the network makes of them.

        Both are then known to whoever asks for them: an optional step that saves time and changes no result.
        """
        ...

    def preprocessing_advice(self, rows: NDArray[np.int64]) -> PreprocessingAdvice:
        """Tries other preprocessings on these positions in ``AuditData.predictions``."""
        ...

    def cams(self, rows: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Unnormalised Grad-CAMs (n, h, w), at least 0, of one class index each."""
        ...

    def objects(self, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Where the object is in what the network saw, (n, H, W); None without boxes or masks."""
        ...


@dataclass(frozen=True)
class Declarations:
    """What the configuration states about attributes.

    Attributes:
        reference_values: by attribute, the value that the others are compared with.
        roles: by attribute, what it is to the others.
        sensitive: protected attributes; their findings are never folded into those of others.
    """

    reference_values: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, AttributeRole] = field(default_factory=dict)
    sensitive: tuple[str, ...] = ()

    def with_role(self, role: AttributeRole) -> frozenset[str]:
        """The attributes that have a role."""
        return frozenset(name for name, one in self.roles.items() if one == role)


@dataclass(frozen=True)
class Clusters:
    """Which samples belong together, such as the images of a patient, and are not independent.

    Attributes:
        name: of the column, such as ``patient``.
        of_sample: (n,) number of each sample's cluster, from 0, int64. A sample whose cluster is not
            known has one of its own.
        n_missing: how many such samples there are.
    """

    name: str
    of_sample: NDArray[np.int64]
    n_missing: int = 0

    @property
    def number(self) -> int:
        """How many clusters there are."""
        return int(self.of_sample.max(initial=-1)) + 1

    @property
    def independent(self) -> bool:
        """Whether no two samples share a cluster."""
        return self.number == len(self.of_sample)


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
        slices: all slices by them: values first, then the ends of ordered attributes, values within
            each label, and intersections.
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
        primary_metrics: names of the metrics whose gaps are tested.
        probabilities: (n, K) float32 softmax probabilities, or None where there are too many classes.
        images: the evaluated samples' images, in the order of ``predictions``, or None.
        copies: small copies of ``images`` that checks share.
        reference_images: the training data's images, or None where they are not at hand.
        reference_copies: small copies of ``reference_images`` that checks share.
        reference_labels: their labels in the same order, also those that are no class; ``reference``
            lacks the latter.
        reference_names: the paths of the training data's images in the same order; None where they have
            none.
        reference_groups: their clusters in the same order, None where one is not known; None as a whole
            where the training data names none.
        expected_accuracy: the published accuracy of the model, or None.
        ordered: the values of the ordered attributes by name.
        declared: what the configuration states about attributes.
        clusters: which samples belong together; None where all are independent.
        task: what the classifier decides.
        decisions: the binary decisions behind the rows; None for single-label.
        keeper: stores images for the report; None where no report is written.
        budget: how many images the checks may still run through the model.
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
    primary_metrics: tuple[str, ...] = ()
    probabilities: NDArray[np.float32] | None = None
    images: Images | None = None
    copies: KeptCopies = field(default_factory=KeptCopies)
    reference_images: Images | None = None
    reference_copies: KeptCopies = field(default_factory=KeptCopies)
    reference_labels: tuple[str, ...] | None = None
    reference_names: tuple[str, ...] | None = None
    reference_groups: tuple[str | None, ...] | None = None
    expected_accuracy: float | None = None
    ordered: Mapping[str, OrderedValues] = field(default_factory=dict)
    declared: Declarations = field(default_factory=Declarations)
    clusters: Clusters | None = None
    task: TaskName = "single-label"
    decisions: Decisions | None = None
    keeper: ImageKeeper | None = None
    budget: ForwardBudget = field(default_factory=ForwardBudget)

    @property
    def value_slices(self) -> tuple[Slice, ...]:
        """The slices of single attribute values, without ends of ordered attributes."""
        return tuple(
            one
            for one in self.slices
            if len(one.key.attributes) == 1 and one.key.label is None and not one.tail
        )
