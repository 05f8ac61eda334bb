"""How a notebook shows a result: outcome, numbers, and the findings with an image each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from auditor.disclosure.result import disclosed
from auditor.phrasing import count, effect, percent
from auditor.phrasing.glossary import SEVERITY_NAMES, SEVERITY_SHAPES, verdict_name
from auditor.records import SEVERITIES, AuditResult, Finding, Severity
from auditor.report.image_data import data_uri, stored_jpeg
from auditor.report.templating import environment
from auditor.report.view.map_files import MapFiles
from auditor.report.view.summary import verdict_text

_SHOWN = 12
"""Findings that are shown; the report has all of them."""
_EDGE = 160
"""Longest side of an image in pixels."""
_REASONS = 3


@dataclass(frozen=True)
class FindingRow:
    """A finding.

    Attributes:
        id: of the finding.
        severity: for the style.
        name: of the severity, with its shape.
        verdict: how certain it is.
        title: what was found.
        effect: its size; empty where it has none.
        images: the image that shows it and its Grad-CAM, as ``data:`` addresses; empty without maps.
        alt: what the image is.
    """

    id: str
    severity: Severity
    name: str
    verdict: str
    title: str
    effect: str
    images: tuple[str, ...]
    alt: str


def as_html(result: AuditResult, folder: Path | None) -> str:
    """The result as a fragment of HTML that needs nothing else; texts of the data are escaped.

    Args:
        result: of an audit.
        folder: its run folder, where the images are; None: without images.
    """
    result = disclosed(result).result
    summary = result.summary
    ordered = sorted(result.findings, key=lambda one: -SEVERITIES.index(one.severity))
    verdict = verdict_text(result)
    numbers = (
        ("evaluated", count(summary.n_evaluated)),
        ("accuracy", "–" if summary.accuracy is None else percent(summary.accuracy.value, 1)),
        ("failures", count(summary.n_failures)),
        ("not evaluated", count(summary.n_unusable)),
        ("findings", count(len(ordered))),
    )
    return (
        environment()
        .get_template("notebook/result.html")
        .render(
            name=result.run.name,
            verdict=verdict,
            reasons=[one.text for one in verdict.reasons[:_REASONS]],
            n_more_reasons=max(0, len(verdict.reasons) - _REASONS),
            numbers=numbers,
            findings=tuple(_rows(result, ordered[:_SHOWN], folder)),
            n_more=max(0, len(ordered) - _SHOWN),
            folder="" if folder is None else str(folder),
        )
    )


def _rows(result: AuditResult, shown: list[Finding], folder: Path | None) -> Iterator[FindingRow]:
    images = _images(result, shown, folder)
    for one in shown:
        sample = next((name for name in one.samples if name in images), "")
        yield FindingRow(
            id=one.id,
            severity=one.severity,
            name=f"{SEVERITY_SHAPES[one.severity]} {SEVERITY_NAMES[one.severity]}",
            verdict=verdict_name(one),
            title=one.title,
            effect="" if one.effect is None else f"{one.effect.name} {effect(one.effect)}",
            images=images.get(sample, ()),
            alt=sample,
        )


def _images(
    result: AuditResult, shown: list[Finding], folder: Path | None
) -> dict[str, tuple[str, ...]]:
    """Image and Grad-CAM of the first sample with maps of each finding; none if the folder is gone."""
    if folder is None or not folder.is_dir():
        return {}
    records = (*result.explanations.contrasts, *result.explanations.failures)
    # Of several maps of a sample, the one of its predicted class.
    explained = {
        one.sample: one for one in sorted(records, key=lambda one: one.role == "predicted")
    }
    chosen = {next((name for name in one.samples if name in explained), None) for one in shown} - {
        None
    }
    found = [explained[name] for name in chosen if name is not None]
    files = MapFiles(folder)
    images = files.rows([one.image for one in found], ("image",))
    maps = files.rows([one.map for one in found], ("overlay",))
    return {
        one.sample: (
            data_uri(stored_jpeg(images[one.image], "image", one.image, _EDGE)),
            data_uri(stored_jpeg(maps[one.map], "overlay", one.map, _EDGE)),
        )
        for one in found
    }
