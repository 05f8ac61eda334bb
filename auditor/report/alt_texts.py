"""Alternative texts of images, for readers who cannot see them."""

from __future__ import annotations

from auditor.phrasing import count, sentence_start
from auditor.phrasing.glossary import DETAIL_NAMES
from auditor.records import SheetImage
from auditor.report.view.interventions import InterventionView
from auditor.report.view.sample_cards import MapView, MeanView, SampleCard
from auditor.report.view.sample_groups import GroupMemberView
from auditor.report.view.units import UnitImage, UnitOfReport, UnitView


def image_alt(card: SampleCard) -> str:
    """Of a sample's image."""
    return f"Sample {card.sample}, label {card.label}, predicted {card.predicted}."


def cam_alt(one: MapView) -> str:
    """Of a Grad-CAM: where the evidence lies."""
    return f"Grad-CAM for {one.target} ({_role(one)}): the evidence {one.location.words}."


def detail_alt(one: MapView, column: str) -> str:
    """Of a detail map, which has no numbers of its own: the place is that of Grad-CAM."""
    place = one.location.place
    where = f"is strongest at the {place}" if place else one.location.words
    return (
        f"{DETAIL_NAMES[column]} for {one.target} ({_role(one)}): detail view; by Grad-CAM, the "
        f"evidence {where}."
    )


def mean_alt(one: MeanView) -> str:
    """Of a mean map."""
    return (
        f"Mean Grad-CAM of {count(one.n)} samples with {one.attribute} {one.value} and label "
        f"{one.label}: the evidence {one.location.words}."
    )


def unit_alt(one: UnitImage, unit: UnitView | UnitOfReport) -> str:
    """Of an image that activates a unit."""
    return (
        f"Sample {one.sample}, label {one.label}; the places that activate unit {unit.channel} are "
        "bright."
    )


def member_alt(one: GroupMemberView) -> str:
    """Of a member of a group, such as a copy."""
    data = "Training image" if one.source == "reference" else "Audited image"
    return f"{data} {one.name or one.sample}, label {one.label or 'not known'}."


def sheet_alt(one: SheetImage) -> str:
    """Of an image of a contact sheet."""
    outcome = f"predicted {one.predicted}" if one.failure else "predicted correctly"
    return f"Sample {one.sample}, label {one.label}, {outcome}."


def region_alt(text: str, intervention: InterventionView) -> str:
    """Of an image on which the region of an intervention is drawn.

    Args:
        text: alternative text of the image itself.
        intervention: whose region is drawn.
    """
    return f"{text} {sentence_start(intervention.where)} is outlined."


def _role(one: MapView) -> str:
    return "predicted" if one.role == "predicted" else "the label"
