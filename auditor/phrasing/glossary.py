"""Fixed texts: names of severities and verdicts, captions of maps, and the glossary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from auditor.records.base import Severity, Verdict
from auditor.records.outcome import ACCEPTANCE_CRITERIA, OutcomeState
from auditor.records.result import ClaimRecord

SEVERITY_NAMES: Mapping[Severity, str] = {"alert": "Alert", "warning": "Warning", "note": "Note"}
SEVERITY_SHAPES: Mapping[Severity, str] = {"alert": "■", "warning": "◆", "note": "●"}
"""A shape beside the colour, so that colour never carries meaning alone."""

OUTCOME_NAMES: Mapping[OutcomeState, str] = {
    "passes": "passes",
    "fails": "does not pass",
    "undecided": "cannot be judged",
    "no-gate": "no gate was set",
}
"""The outcome of an audit."""

VERDICT_NAMES: Mapping[Verdict, str] = {
    "observed": "Observed",
    "supported": "Supported",
    "confirmed": "Confirmed",
    "untestable": "Not testable",
}
VERDICT_MEANINGS: Mapping[Verdict, str] = {
    "observed": "seen in this data; it was not tested, or may be chance",
    "supported": "significant after correction for everything that was tested",
    "confirmed": "an intervention changed the predictions as this finding claims",
    "untestable": "this data cannot decide it",
}


def verdict_name(record: ClaimRecord) -> str:
    """How certain a finding is, in one or two words; a missed criterion is not a tested claim."""
    return "Missed" if record.check == ACCEPTANCE_CRITERIA else VERDICT_NAMES[record.verdict]


def verdict_meaning(record: ClaimRecord) -> str:
    """What `verdict_name` means."""
    if record.check == ACCEPTANCE_CRITERIA:
        return "a criterion that was set before the results were known"
    return VERDICT_MEANINGS[record.verdict]


DETAIL_NAMES: Mapping[str, str] = {
    "guided": "Guided Grad-CAM",
    "gradient": "Gradient",
    "other": "Second method",
}
"""Detail maps by their column in ``explanations/``; a plain gradient is never called guided."""

DETAIL_CAPTIONS: Mapping[str, str] = {
    "guided": (
        "In published tests, guided backpropagation hardly depends on what the network has "
        "learned. All numbers in the findings come from Grad-CAM."
    ),
    "gradient": (
        "Guided backpropagation is not defined for this network, so the plain gradient "
        "of the class score is shown instead. All numbers in the findings come from Grad-CAM."
    ),
    "other": (
        "The method that the configuration asks for; the provenance names it. All numbers in the "
        "findings come from Grad-CAM."
    ),
}


class Term(NamedTuple):
    """A term of the glossary.

    Attributes:
        anchor: its address in a document.
        name: the term.
        meaning: what it means here.
    """

    anchor: str
    name: str
    meaning: str


GLOSSARY: tuple[Term, ...] = (
    Term("sample", "Sample", "One image with its label and the model’s prediction."),
    Term("failure", "Failure", "A sample whose predicted class is not its label."),
    Term(
        "attribute",
        "Attribute",
        "A column of the data that describes samples, such as a site or a camera.",
    ),
    Term("slice", "Slice", "The samples that share attribute values, and perhaps a label."),
    Term("support", "Support", "How many samples a number is based on."),
    Term(
        "gap",
        "Gap",
        "The error rate of a slice minus that of the other samples, compared class by class, so that "
        "harder classes do not count against a slice.",
    ),
    Term(
        "ratio",
        "Ratio",
        "The error rate of a slice as a multiple of that of the other samples, compared class by class. "
        "It can matter where the gap is small: an error rate of 5.5 % beside one of 1 %.",
    ),
    Term(
        "pooled",
        "Pooled estimate",
        "The error rate of a slice, partially pooled with the other values of the attribute: a rate from "
        "few samples is moved towards the mean of the values. It ranks small slices better than the raw "
        "error rate. It is not tested.",
    ),
    Term(
        "interval",
        "95 % interval",
        "A range that covers the true value in 95 of 100 such audits. A wide interval means that few "
        "samples are behind the number.",
    ),
    Term(
        "sensitivity",
        "Sensitivity and specificity",
        "The share of positive samples that are called positive (recall), and the share of negative "
        "samples that are called negative.",
    ),
    Term(
        "predictive-values",
        "Predictive values",
        "The share of samples called positive that are positive (PPV, precision), and the share of those "
        "called negative that are negative (NPV). Both depend on how frequent the class is.",
    ),
    Term(
        "auroc",
        "AUROC and average precision",
        "How well the scores rank positive before negative samples, at all thresholds together. AUROC is "
        "the probability that a positive sample has a higher score than a negative one; 0.5 is chance. "
        "Average precision (AP) is the area below the precision–recall curve; chance is the share of "
        "positive samples.",
    ),
    Term(
        "calibration",
        "Calibration",
        "Whether predictions with a probability of 80 % come true in 80 % of cases. The calibration error "
        "is the mean distance; the slope is below 1 if probabilities are too extreme; the intercept is "
        "below 0 if they are too high.",
    ),
    Term(
        "not-defined",
        "Not defined",
        "A metric has no value where the samples that it needs are missing, such as sensitivity in a "
        "slice without positive samples. Some other tools write 0 there.",
    ),
    Term(
        "operating-point",
        "Operating point",
        "The point of an ROC or precision–recall curve that belongs to the threshold of the decisions.",
    ),
    Term(
        "q-value",
        "q-value",
        "A p-value corrected for all tests of this audit. A result is significant if its q-value is at "
        "most the level of the audit, usually 0.05. For the errors of annotated slices, that bounds the "
        "probability of even one false report; elsewhere, the share of significant results that "
        "are chance.",
    ),
    Term(
        "severity",
        "Severity",
        "How much a finding matters: note, warning or alert. It follows from the size of the effect "
        "and its interval, never from a heat map.",
    ),
    Term(
        "verdict",
        "Verdict",
        "How certain a finding is: observed, supported, confirmed, or not testable.",
    ),
    Term(
        "intervention",
        "Intervention",
        "Images are changed in one respect, such as one region, and the predictions before and after "
        "are compared.",
    ),
    Term(
        "grad-cam",
        "Grad-CAM",
        "A coarse map of where in the image the network found evidence for one class, computed from "
        "one of its last layers. All numbers about maps in this report come from it.",
    ),
    Term(
        "guided-grad-cam",
        "Guided Grad-CAM",
        "Guided backpropagation multiplied by Grad-CAM: a fine map for visual inspection. Guided "
        "backpropagation gives nearly the same map for a network with random weights, so no number "
        "and no verdict is based on it.",
    ),
    Term(
        "unit",
        "Unit",
        "One channel of the network’s target layer. It responds to some pattern anywhere in the "
        "image; the images that activate it most suggest which one, as in Zhou, Khosla, Lapedriza, "
        "Oliva and Torralba, “Object detectors emerge in deep scene CNNs” (2015). A unit may respond "
        "to several patterns, and its response does not prove that the model needs them.",
    ),
    Term(
        "shortcut",
        "Shortcut",
        "The model relies on something other than the object. It is a suspected shortcut until an "
        "intervention confirms it.",
    ),
)
