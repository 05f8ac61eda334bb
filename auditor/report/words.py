"""Numbers and terms as a report words them: the same in every document."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from auditor.records import MISSING, AuditResult, Effect, Estimate, Severity, SliceRecord, Verdict

SEVERITY: dict[Severity, str] = {"alert": "Alert", "warning": "Warning", "note": "Note"}
SEVERITY_MARK: dict[Severity, str] = {"alert": "■", "warning": "◆", "note": "●"}
"""A shape beside the colour, so that colour never carries meaning alone."""

VERDICT: dict[Verdict, str] = {
    "observed": "Observed",
    "supported": "Supported",
    "confirmed": "Confirmed",
    "untestable": "Not testable",
}
VERDICT_MEANING: dict[Verdict, str] = {
    "observed": "seen in this data; not tested, or it could be chance",
    "supported": "holds after correction for everything that was tested",
    "confirmed": "an intervention moved the predictions as this finding claims",
    "untestable": "this data can't decide it",
}

FAULTS: dict[str, tuple[str, str]] = {
    "label-errors": ("suspected label errors", "label doubtful"),
    "duplicates": ("copies with different labels", "a copy has another label"),
    "leakage": ("labels that differ in training", "another label in training"),
}
"""What a check that blames the data calls many failures, and one."""

GLOSSARY: tuple[tuple[str, str, str], ...] = (
    ("sample", "Sample", "One image with its label and what the model said of it."),
    ("failure", "Failure", "A sample whose predicted class is not its label."),
    ("attribute", "Attribute", "A column that describes samples, such as a site or a camera."),
    ("slice", "Slice", "The samples that share attribute values, and perhaps a label."),
    ("support", "Support", "How many samples a number rests on."),
    (
        "gap",
        "Gap",
        (
            "The error rate of a slice minus that of the other samples, compared class by class, so "
            "that a slice with harder classes is not accused."
        ),
    ),
    (
        "interval",
        "95 % interval",
        (
            "The range in which the true value would lie in 95 of 100 such audits. A wide one means "
            "that few samples stand behind the number."
        ),
    ),
    (
        "q-value",
        "q-value",
        (
            "A p-value corrected for all the tests of this audit (Benjamini–Hochberg): calling every "
            "result up to 0.05 real is wrong for about one in twenty of them."
        ),
    ),
    (
        "severity",
        "Severity",
        (
            "How much a finding matters: note, warning, alert. Graded by the size of the effect and "
            "its interval, never by a heat map."
        ),
    ),
    (
        "verdict",
        "Verdict",
        "How sure a finding is: observed, supported, confirmed, or not testable.",
    ),
    (
        "grad-cam",
        "Grad-CAM",
        (
            "A coarse map of where in the image the network found evidence for one class, read from "
            "one of its last layers. All numbers about maps in this report come from it."
        ),
    ),
    (
        "guided-grad-cam",
        "Guided Grad-CAM",
        (
            "Guided backpropagation multiplied with Grad-CAM: a fine view for the eye. Guided "
            "backpropagation looks much the same for a network with random weights, so no number and "
            "no verdict rests on it."
        ),
    ),
    (
        "unit",
        "Unit",
        (
            "One channel of the network’s target layer. It responds to some pattern, wherever in the "
            "image that is; the images that excite it most hint at which, as in Zhou, Khosla, "
            "Lapedriza, Oliva and Torralba, “Object detectors emerge in deep scene CNNs” (2015). It "
            "may respond to several, and that it responds does not prove what the model needs."
        ),
    ),
    (
        "shortcut",
        "Shortcut",
        (
            "The model relies on something other than the object. It stays a suspicion until an "
            "intervention confirms it."
        ),
    ),
)
"""Anchor, term, meaning."""

GUIDED_CAPTION = (
    "Detail view. Guided backpropagation alone fails the randomization test (it hardly depends on "
    "what the network has learnt); the numbers behind the findings come from Grad-CAM."
)


GRADIENT_CAPTION = (
    "Detail view. Guided backpropagation is not defined for this network, so the plain gradient of "
    "the class score is shown instead; the numbers behind the findings come from Grad-CAM."
)


OTHER_CAPTION = (
    "By the method that the configuration asks for, which the provenance names; the numbers behind the "
    "findings come from Grad-CAM."
)


@dataclass(frozen=True)
class VerdictWords:
    """The outcome of the gate.

    Attributes:
        state: ``passes``, ``blocked`` or ``none``; for style.
        headline: the outcome in a few words.
        reason: why, in a sentence or two.
    """

    state: str
    headline: str
    reason: str


def verdict(result: AuditResult) -> VerdictWords:
    """What the gate says, without claiming more than was tested."""
    tested = "It speaks for what was tested here, with the samples that there were, and no further."
    if result.summary.accuracy is None:
        return VerdictWords(
            "blocked", "Nothing could be judged", "Not one sample could be evaluated."
        )
    if result.gate is None:
        return VerdictWords("none", "No gate was set", f"This audit only reports. {tested}")
    n = len(result.blocking)
    if n:
        reach = "finding reaches" if n == 1 else "findings reach"
        return VerdictWords(
            "blocked",
            "Does not pass the gate",
            f"{count(n)} {reach} the severity “{result.gate}”, at which this audit was configured "
            "to stop a release.",
        )
    return VerdictWords(
        "passes",
        "Passes the gate",
        f"No finding reaches the severity “{result.gate}”. {tested}",
    )


def not_testable(n_slices: int, n_untested: int, n_skipped: int) -> str:
    """What could not be tested, in a sentence."""
    parts = []
    if n_untested:
        parts.append(f"{count(n_untested)} of {count(n_slices)} slices hold too few samples")
    if n_skipped:
        noun = "part" if n_skipped == 1 else "parts"
        parts.append(f"{count(n_skipped)} {noun} of the checks could not be done")
    if not parts:
        return "Every slice was large enough and every check could be done."
    sentence = ", and ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage, such as ``23 %``; small ones keep a digit.

    Args:
        share: 0 to 1.
        digits: decimals.
    """
    number = 100 * share
    if digits == 0 and 0 < abs(number) < 1:
        digits = 1
    return f"{number:.{digits}f}\u202f%".replace("-", "−")


def points(gap: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * gap:+.0f}".replace("-", "−")


def interval(estimate: Estimate, kind: str = "percent") -> str:
    """The interval in brackets' stead: ``81–87 %``.

    Args:
        estimate: value and limits.
        kind: ``percent``, ``points`` or ``number``.
    """
    if kind == "number":
        return f"{estimate.low:.2f} to {estimate.high:.2f}".replace("-", "−")
    if kind == "points":
        return f"{points(estimate.low)} to {points(estimate.high)}"
    return f"{100 * estimate.low:.0f}–{100 * estimate.high:.0f}\u202f%"


def unit(one: Effect) -> str:
    """How an effect is written: ``points``, ``percent`` or ``number``."""
    if "gap" in one.name or one.name.startswith("fall of"):
        return "points"
    return "percent" if any(word in one.name for word in ("share", "rate", "recall")) else "number"


def amount(one: Effect) -> str:
    """An effect without its interval: ``+23 points``, ``17 %`` or ``0.71``."""
    kind = unit(one)
    if kind == "points":
        return f"{points(one.value)} points"
    return percent(one.value) if kind == "percent" else f"{one.value:.2f}".replace("-", "−")


def effect(one: Effect) -> str:
    """An effect with its interval."""
    return f"{amount(one)} ({interval(one, unit(one))})"


def p(value: float | None) -> str:
    """A p- or q-value; a dash where nothing was tested."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def tight(text: str) -> str:
    """A text in which no line ends between a number and its percent sign."""
    return re.sub(r"(?<=\d) %", "\u202f%", text)


def count(number: int) -> str:
    """A whole number with thin spaces between the thousands."""
    return f"{number:,}".replace(",", "\u202f")


def date(moment: datetime) -> str:
    """Day and time in UTC."""
    return f"{moment.astimezone(UTC):%d %B %Y, %H:%M} UTC".lstrip("0")


def phrase(name: str) -> str:
    """A key of the result as words."""
    return str(name).removeprefix("n_").replace("_", " ")


def value(raw: Any) -> str:
    """Any value of the result as text."""
    if raw is None or (isinstance(raw, float) and math.isnan(raw)):
        return "–"
    if isinstance(raw, bool):
        return "yes" if raw else "no"
    if isinstance(raw, int):
        return count(raw)
    if isinstance(raw, float):
        return f"{raw:.4g}".replace("-", "−")
    if isinstance(raw, dict) and {"value", "low", "high"} <= raw.keys():
        return f"{value(raw['value'])} ({value(raw['low'])} to {value(raw['high'])})"
    if isinstance(raw, dict):
        return ", ".join(f"{phrase(key)} {value(one)}" for key, one in raw.items())
    if isinstance(raw, list | tuple):
        return ", ".join(value(one) for one in raw)
    return str(raw)


def data_faults(result: AuditResult) -> str:
    """How many failures may be the data's fault, in two sentences; empty where none is suspected."""
    found, accuracy = result.data_faults, result.summary.accuracy
    if found is None or not found.n_failures or found.accuracy is None or accuracy is None:
        return ""
    kinds = ", ".join(
        f"{FAULTS.get(check, (check,))[0]} {count(n)}" for check, n in found.by_check.items()
    )
    twice = "; some for two reasons" if sum(found.by_check.values()) > found.n_failures else ""
    return (
        f"Of {count(result.summary.n_failures)} failures, {count(found.n_failures)} may be the data’s "
        f"fault ({kinds}{twice}). Without these samples the accuracy would be "
        f"{percent(found.accuracy.value, 1)} ({interval(found.accuracy)}) instead of "
        f"{percent(accuracy.value, 1)}; every other number here counts them as failures."
    )


def fault(checks: Iterable[str]) -> str:
    """Why a failure may be the data's fault, for its card; empty where no check says so."""
    return "; ".join(FAULTS.get(check, (check, "label doubtful"))[1] for check in checks)


def slice_name(one: SliceRecord) -> str:
    """A slice as ``cell mono, line A · functional``."""
    attributes = ", ".join(f"{name} {each}" for name, each in one.attributes.items())
    return " · ".join(part for part in (attributes, one.label) if part) or "all samples"


def in_order(attributes: Mapping[str, str]) -> tuple[tuple[str, int, float, str], ...]:
    """Sorts attribute values as people read them: bands by their numbers, missing ones last."""

    def key(value: str) -> tuple[int, float, str]:
        band = re.match(r"(under )?([-−]?\d+(?:\.\d+)?)(?:–| and over$|$)", value)
        if value == MISSING:
            return 3, 0.0, value
        if band is None:
            return 2, 0.0, value
        return (0 if band[1] else 1), float(band[2].replace("−", "-")), value

    return tuple((name, *key(value)) for name, value in attributes.items())


def first_sentence(text: str) -> str:
    """A text up to the end of its first sentence."""
    return sentences(text)[0]


def sentences(text: str) -> list[str]:
    """A text cut into its sentences; at least one, which may be empty."""
    return re.split(r"(?<=[.!?])\s+(?=[A-ZÄÖÜ„“])", text.strip())


def rest_of(text: str) -> str:
    """What follows the first sentence."""
    return text.strip()[len(first_sentence(text)) :].strip()


def rests(result: AuditResult) -> str:
    """How many tests stand behind the verdict, for a reader in a hurry; empty where none do."""
    n, alpha = result.tests.get("n_tests"), result.tests.get("alpha")
    if not isinstance(n, int):
        return ""
    said = f"{count(n)} statistical tests, corrected for their number"
    if isinstance(alpha, int | float) and alpha > 0:
        return f"{said}: of what counts as found, about one in {round(1 / alpha)} may be chance."
    return f"{said}."


def tests(account: Mapping[str, Any]) -> str:
    """What was tested and how it was corrected, in a sentence; empty where nothing was."""
    n = account.get("n_tests")
    if not isinstance(n, int):
        return ""
    alpha, significant = account.get("alpha"), account.get("n_significant")
    survived = (
        f"; {count(significant)} survive the correction"
        if isinstance(significant, int)
        else "; corrected"
    )
    rate = f", false discovery rate {percent(alpha)}" if isinstance(alpha, int | float) else ""
    how = account.get("correction")
    return f"{count(n)} hypotheses were tested{survived} for all of them ({how}{rate})."
