"""The one Jinja environment of all templates, and the words that they share."""

from __future__ import annotations

from pathlib import Path

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
)
from markupsafe import Markup

from auditor import resources
from auditor.errors import ConfigError
from auditor.records import SEVERITIES
from auditor.report import words
from auditor.report.image_data import DETAIL, INTERVENTION_CARDS
from auditor.report.view.findings import FURTHER
from auditor.report.view.interventions import Excited, UnitView
from auditor.report.view.sample_cards import MapView, MeanView, SampleCard

_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")
"""Controls of text direction: in a name, they would reverse the sentence around it."""


def environment(own: str | None = None) -> Environment:
    """Templates with autoescape on; a name that is not defined is an error.

    Args:
        own: folder whose templates go before those of this package: a file of the same name
            replaces ours, and may extend it as ``auditor/html/report.html``.

    Raises:
        ConfigError: there is no such folder.
    """
    package = FileSystemLoader(resources.folder("templates"))
    loader: BaseLoader = package
    if own is not None:
        if not Path(own).is_dir():
            raise ConfigError(
                f"report.templates: expected a folder of templates at {own}; there is none: "
                "create it, or leave the key out to use the built-in templates"
            )
        loader = ChoiceLoader([FileSystemLoader(own), package, PrefixLoader({"auditor": package})])
    made = Environment(
        loader=loader,
        autoescape=True,
        finalize=harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": words.percent,
        "points": words.points,
        "interval": words.interval,
        "p": words.p,
        "count": words.count,
        "phrase": words.phrase,
        "tight": words.tight,
        "first_sentence": words.first_sentence,
        "rest_of": words.rest_of,
        "slice_name": words.slice_name,
        "image_alt": image_alt,
        "cam_alt": cam_alt,
        "detail_alt": detail_alt,
        "mean_alt": mean_alt,
        "unit_alt": unit_alt,
    }
    made.globals |= {
        "words": words,
        "further": FURTHER,
        "intervention_cards": INTERVENTION_CARDS,
        "detail_names": DETAIL,
        "detail_captions": {
            "guided": words.GUIDED_CAPTION,
            "gradient": words.GRADIENT_CAPTION,
            "other": words.OTHER_CAPTION,
        },
        "severities": tuple(reversed(SEVERITIES)),
        "source": lambda name: Markup(loader.get_source(made, name)[0]),  # noqa: S704 - own files
    }
    return made


def harmless(value: object) -> object:
    """A text without characters that turn the direction of everything after them."""
    if isinstance(value, str) and not value.isascii():
        # translate() of a Markup keeps it one: what was escaped stays so.
        return value.translate(_TURNING)
    return value


def image_alt(card: SampleCard) -> str:
    """Words for an image."""
    return f"Sample {card.sample}, label {card.label}, predicted {card.predicted}."


def cam_alt(one: MapView) -> str:
    """Words for a Grad-CAM: where the evidence lies."""
    return f"Grad-CAM for {one.target} ({_role(one)}): the evidence {one.where.words}."


def detail_alt(one: MapView, column: str) -> str:
    """Words for a detail view; its numbers are those of Grad-CAM."""
    return (
        f"{DETAIL[column]} for {one.target} ({_role(one)}): detail view; by Grad-CAM the evidence "
        f"{one.where.words}."
    )


def mean_alt(one: MeanView) -> str:
    """Words for a mean map."""
    return (
        f"Mean Grad-CAM of {one.n} samples with {one.attribute} {one.value} and label {one.label}: "
        f"the evidence {one.where.words}."
    )


def unit_alt(one: Excited, unit: UnitView) -> str:
    """Words for an image that excites a unit."""
    return (
        f"Sample {one.sample}, label {one.label}, with the places lit up that excite unit "
        f"{unit.channel}."
    )


def _role(one: MapView) -> str:
    return "predicted" if one.role == "predicted" else "the label"
