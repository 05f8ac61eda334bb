"""How often the audit's own statements are right, for the sign-off."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from auditor import resources


@dataclass(frozen=True)
class ValidationResult:
    """A simulated question with its measured answer."""

    question: str
    setting: str
    result: str


@dataclass(frozen=True)
class Validation:
    """What was measured of this program.

    Attributes:
        measured: the date.
        source: the document with all simulations.
        results: question by question.
    """

    measured: str
    source: str
    results: tuple[ValidationResult, ...]


def validation() -> Validation:
    """Reads ``configs/validation.yaml`` of this installation."""
    path = resources.folder("configs") / "validation.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Validation(
        measured=str(content["measured"]),
        source=content["source"],
        results=tuple(ValidationResult(**one) for one in content["results"]),
    )
