"""The nouns of an audit: what is written to ``audit.json`` and what stages hand to each other.

The pydantic models are the JSON of a result (``schema_version`` and its history stand beside the
constant below); the dataclasses at the end live in memory only. Nothing here holds HTML.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION: Literal[1] = 1
"""Version of ``audit.json``.

1: first version. Within a version keys are only added.
"""

Severity = Literal["note", "warning", "alert"]
Verdict = Literal["observed", "supported", "confirmed", "untestable"]
Role = Literal["predicted", "label"]
JobKind = Literal["failure", "contrast", "mean"]

SEVERITIES: tuple[Severity, ...] = ("note", "warning", "alert")
"""From the mildest to the gravest."""

MISSING = "(missing)"
"""Attribute value of the samples that have none: a slice of its own, not dropped rows."""


class Record(BaseModel):
    """A part of ``audit.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Estimate(Record):
    """A number with its 95 % confidence interval."""

    value: float
    low: float
    high: float


class Effect(Estimate):
    """What a finding claims, as a number with its interval."""

    name: str
    """What the number is, such as ``error-rate gap`` or ``Cramér's V``."""


class SliceKey(Record):
    """Names a slice: samples that share attribute values, a label, a prediction."""

    attributes: dict[str, str] = {}
    label: str | None = None
    predicted: str | None = None

    def __str__(self) -> str:
        parts = [f"{name} = {value}" for name, value in self.attributes.items()]
        parts += [f"label = {self.label}"] if self.label is not None else []
        parts += [f"predicted = {self.predicted}"] if self.predicted is not None else []
        return ", ".join(parts) or "all samples"


class RunInfo(Record):
    """Which audit this is."""

    id: str
    name: str
    created_at: datetime
    auditor_version: str
    status: Literal["complete"]


class ModelProvenance(Record):
    """Which classifier was audited."""

    adapter: str
    sha256: str
    """SHA-256 over the names, shapes and bytes of all weights."""
    target_layer: str | None
    target_layer_reason: str = ""
    n_parameters: int | None = None
    description: str = ""


class DataProvenance(Record):
    """Which data it was audited on."""

    adapter: str
    sha256: str
    """SHA-256 over the sample ids, labels, attributes and picture contents."""
    n_samples: int
    n_reference: int | None = None


class Provenance(Record):
    """Everything needed to repeat the audit."""

    model: ModelProvenance
    data: DataProvenance
    config: dict[str, Any]
    environment: dict[str, str]
    seed: int
    preprocess: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    """Wall time of each stage."""


class Summary(Record):
    """The audit in eight numbers."""

    n_samples: int
    n_evaluated: int
    n_unusable: int
    n_failures: int
    n_explained: int
    accuracy: Estimate | None
    """None when no sample could be evaluated."""
    unusable: dict[str, int] = {}
    """How many samples for each reason."""


class DataFaults(Record):
    """Failures that are suspected to be the data's fault and not the model's.

    An additional number: in every other one of the audit, these samples count as failures.
    """

    n_failures: int
    """How many failures are suspected."""
    by_check: dict[str, int]
    """How many of them each check names; several may name the same."""
    accuracy: Estimate | None
    """Of the samples without them; None where there is none. Suspected labels of samples that the
    model got right are not looked for, so the accuracy on right labels may be lower."""
    samples: dict[str, list[str]]
    """The suspected failures, with the checks that name each."""


class ClassRecord(Record):
    """One class: how many samples it has and how well it is recognised."""

    name: str
    support: int
    recall: Estimate | None
    precision: Estimate | None


class ConfusionPair(Record):
    """How often one class was taken for another."""

    label: str
    predicted: str
    count: int


class SliceRecord(Record):
    """One slice and how it compares with the rest of the data of the same labels."""

    attributes: dict[str, str]
    label: str | None
    support: int
    n_failures: int
    error_rate: Estimate | None
    gap: Estimate | None
    """Error rate of the slice minus that of the rest, within class; None where not testable."""
    p_value: float | None
    q_value: float | None
    detectable_gap: float | None = None
    """Smallest gap that this support could have shown in 80 % of audits."""
    computed: bool = False
    """Whether the attribute was computed from the pictures and not annotated by anybody."""


class Finding(Record):
    """A suspicion with its evidence."""

    id: str
    check: str
    title: str
    severity: Severity
    verdict: Verdict
    slice: SliceKey
    effect: Effect | None
    p_value: float | None
    q_value: float | None
    support: int
    samples: list[str]
    """Sample ids that show it, the most telling first."""
    statement: str
    """What was seen and how sure, in plain words."""
    action: str
    """What to do next."""
    limits: str
    """What this finding can't say."""
    evidence: dict[str, Any] = {}
    """Numbers for tables and charts."""


class Skipped(Record):
    """A check, or a part of one, that could not be done."""

    check: str
    reason: str


class Unusable(Record):
    """A sample that could not be evaluated."""

    sample: str
    path: str
    reason: str


class MapRecord(Record):
    """One explained sample and target; the pictures lie in ``explanations/``."""

    sample: str
    target: str
    role: Role
    map: str
    """``file#row`` below the run folder: the unnormalised Grad-CAM and both overlays."""
    image: str
    """``file#row`` below the run folder: the picture as the network saw it."""
    mass: float
    """Sum of the unnormalised Grad-CAM over its positions."""


class PreflightRecord(Record):
    """Whether guided backpropagation is defined for this network."""

    status: Literal["valid", "partial", "undefined"]
    reason: str


class MeanMap(Record):
    """The mean Grad-CAM of an attribute value within a class."""

    attribute: str
    value: str
    label: str
    n: int
    map: str
    """``file#row`` below the run folder."""


class PanelRecord(Record):
    """One sample whose maps are shown beside an edge detector's, which sees no model at all."""

    sample: str
    gradient: str
    """The detail method shown: ``guided-backprop``, or ``gradient`` where that is undefined."""
    panel: str
    """``file#row`` below the run folder."""


class UnitRecord(Record):
    """A channel of the target layer that carries much of the evidence behind a finding."""

    finding: str
    channel: int
    share: float
    """Its part of the positive evidence for the predicted classes of the finding's samples."""
    pictures: list[str]
    """``file#row`` of the audited pictures that excite it most, the strongest first."""


class ExplanationsRecord(Record):
    """What was explained, how, and how far the maps can be trusted."""

    explainer: str
    """The detail view: ``guided-grad-cam``, ``gradient`` where that is undefined, or what was asked for."""
    preflight: PreflightRecord
    sanity: dict[str, Any] = {}
    failures: list[MapRecord] = []
    contrasts: list[MapRecord] = []
    """Correctly classified samples of the same slices, for comparison."""
    means: list[MeanMap] = []
    panels: list[PanelRecord] = []
    units: list[UnitRecord] = []


class AuditResult(Record):
    """One audit: the whole of ``audit.json``."""

    schema_version: Literal[1] = SCHEMA_VERSION
    run: RunInfo
    provenance: Provenance
    summary: Summary
    classes: list[ClassRecord]
    confusion: list[ConfusionPair]
    slices: list[SliceRecord]
    findings: list[Finding]
    skipped: list[Skipped]
    unusable: list[Unusable] = []
    explanations: ExplanationsRecord
    gate: Severity | None
    """Severity at which the audit does not pass; None when there is no gate."""
    data_faults: DataFaults | None = None
    """Failures that may be the data's fault; None in results of versions that did not look."""
    tests: dict[str, Any] = {}
    """How many hypotheses were tested, at which false discovery rate, by which correction."""

    @property
    def gate_holds(self) -> bool:
        """Whether no finding reaches the gate's severity."""
        return not self.blocking

    @property
    def blocking(self) -> list[Finding]:
        """The findings that reach the gate's severity."""
        if self.gate is None:
            return []
        bar = SEVERITIES.index(self.gate)
        return [one for one in self.findings if SEVERITIES.index(one.severity) >= bar]


# In memory only ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """One decoded picture.

    Attributes:
        image: upright, in RGB, 8 bit.
        sha256: fingerprint of its bytes as stored (of its pixels where it is not a file).
        stored: what its file says of its making: ``jpeg_quality``, ``camera``.
    """

    image: Image.Image
    sha256: str
    stored: Mapping[str, str | float] = field(default_factory=dict)


class Images(Protocol):
    """Random access to the pictures of a data set; picklable, so that workers can decode."""

    def __len__(self) -> int:
        """How many pictures."""
        ...

    def __getitem__(self, index: int) -> Picture:
        """Decodes the picture at that position.

        Raises:
            UnreadableImageError: it can't be decoded; carries the reason.
        """
        ...


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures with attributes.

    Attributes:
        samples: one row a sample, in reading order; the index is the sample id (str, unique). Has
            the columns ``path`` (str, as shown in the report), ``label`` (as it stands in the
            data: a word or an index) and one column an attribute. Where boxes or masks exist,
            ``box`` (``(x0, y0, x1, y1)`` in pixels of the upright picture) or ``mask`` (path).
        images: the pictures, in the order of ``samples``.
        attributes: names of the attribute columns.
        classes: the data's own class names in the order of their indices, where it has them.
        reference: the training data's labels and attributes in the same columns, or None.
        adapter: name of the plug-in that made it.
        reference_images: the training data's pictures, in the order of ``reference``; None where
            they are not at hand.
    """

    samples: pd.DataFrame
    images: Images
    attributes: tuple[str, ...]
    adapter: str
    classes: tuple[str, ...] | None = None
    reference: pd.DataFrame | None = None
    reference_images: Images | None = None

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True)
class Slice:
    """Samples that share attribute values, and perhaps a label.

    Attributes:
        key: its name.
        rows: positions in ``Evidence.predictions``, ascending, int64.
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
        rows: (m,) positions in ``Evidence.predictions``, ascending, int64, each once.
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


class Oracle(Protocol):
    """The audited model as a check sees it: pictures in, probabilities out, nothing of torch."""

    def pictures(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """What the network saw, (n, 3, H, W), of these positions in ``Evidence.predictions``."""
        ...

    def predict(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Softmax probabilities (n, K) for pictures (n, 3, H, W), batch by batch."""
        ...

    def features(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The target layer's maps averaged over their places, (n, C), of these positions."""
        ...

    def features_of(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The same of any pictures, prepared as the audited ones are, at these positions in them.

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
class Evidence:
    """What a check may look at. Nothing here needs torch.

    Attributes:
        predictions: the evaluated samples (``status == "ok"``), index 0…n-1, columns ``sample``,
            ``path``, ``label``, ``predicted`` (categoricals over ``classes``), ``confidence``,
            ``loss``, ``failure`` (bool) and one categorical column an attribute (numbers already
            cut into bands, missing values as ``(missing)``). Where the pictures were fingerprinted,
            also ``sha256`` and ``phash`` (16 hexadecimal digits, None for a picture of one shade).
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
        computed: names of the columns of attributes that were computed from the pictures; they stand
            in ``predictions`` as the annotated ones do.
        computed_slices: every value of them, and every value within every label.
        probabilities: (n, K) float32 softmax probabilities, or None where there are too many classes.
        images: the evaluated samples' pictures, in the order of ``predictions``, or None.
        reference_images: the training data's pictures, or None where they are not at hand.
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
    model: Oracle | None = None
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
        confirms: slices whose gap this intervention on the pictures brings about; once its test
            survives the correction, it and what is supported of them are ``confirmed``.
        computed: whether its attribute was computed from the pictures; such claims have a share of
            the correction of their own.
        accounts_for: positions in ``Evidence.predictions`` of the failures that it speaks of, where it
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


@dataclass(frozen=True)
class Job:
    """One sample to explain.

    Attributes:
        row: its position in the evaluated samples.
        kind: a failure; a correct sample for contrast; or a sample that only mean maps need.
        targets: which class indices are explained, and in which role, each class once.
    """

    row: int
    kind: JobKind
    targets: tuple[tuple[Role, int], ...]


@dataclass(frozen=True)
class Choice:
    """What the explain stage has to do.

    Attributes:
        jobs: failures first, the worst of them foremost, then contrasts, then the rest.
        cells: the mean maps; every row of theirs is in ``jobs`` with its label as a target.
        skipped: what was left out, and why.
    """

    jobs: tuple[Job, ...]
    cells: tuple[Cell, ...]
    skipped: tuple[Skipped, ...]
