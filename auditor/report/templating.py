"""The one Jinja environment of all templates, and the words that they share."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from auditor import resources
from auditor.records import SEVERITIES
from auditor.report import words
from auditor.report.pictures import DETAIL
from auditor.report.view import MapView, MeanView, Shot


def environment() -> Environment:
    """Templates with autoescape on; a name that is not defined is an error."""
    loader = FileSystemLoader(resources.folder("templates"))
    made = Environment(
        loader=ChoiceLoader([loader]),
        autoescape=True,
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
        "first_sentence": words.first_sentence,
        "rest_of": words.rest_of,
        "slice_name": words.slice_name,
        "picture_alt": picture_alt,
        "cam_alt": cam_alt,
        "detail_alt": detail_alt,
        "mean_alt": mean_alt,
    }
    made.globals |= {
        "words": words,
        "detail_names": DETAIL,
        "detail_captions": {"guided": words.GUIDED_CAPTION, "gradient": words.GRADIENT_CAPTION},
        "severities": tuple(reversed(SEVERITIES)),
        "source": lambda name: Markup(loader.get_source(made, name)[0]),  # noqa: S704 - own files
    }
    return made


def picture_alt(shot: Shot) -> str:
    """Words for a picture."""
    return f"Sample {shot.sample}, label {shot.label}, predicted {shot.predicted}."


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


def _role(one: MapView) -> str:
    return "predicted" if one.role == "predicted" else "the label"
