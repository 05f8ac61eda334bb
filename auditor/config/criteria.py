"""Acceptance criteria: fixed in the configuration before the audit is run."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from auditor.registry import Options

Metric = Literal["accuracy", "recall", "precision", "overconfidence", "calibration-error"]
DefaultCriterion = Literal["baseline", "recall", "finite-outputs", "confidence"]


class Criterion(Options):
    """One acceptance criterion, such as `{metric: recall, class: defective, min: 0.95}`."""

    model_config = ConfigDict(populate_by_name=True)

    metric: Metric
    """What is measured."""
    class_name: str | None = Field(None, alias="class")
    """The class of recall or precision; `each` for every class."""
    slice: dict[str, str] = {}
    """Attribute values of the samples that it is about, such as `{site: A}`; empty: all samples."""
    min: float | None = Field(None, ge=0, le=1)
    """Smallest acceptable value (a share, 0 to 1)."""
    max: float | None = Field(None, ge=0, le=1)
    """Largest acceptable value (a share, 0 to 1)."""

    @model_validator(mode="after")
    def _one_bound(self) -> Criterion:
        if (self.min is None) == (self.max is None):
            raise ValueError("expected either `min` or `max`")
        per_class = self.metric in {"recall", "precision"}
        if per_class and self.class_name is None:
            raise ValueError(f"expected `class`, a class name or `each`, for {self.metric}")
        if not per_class and self.class_name is not None:
            raise ValueError(f"expected no `class` for {self.metric}")
        return self

    @property
    def threshold(self) -> float:
        """The bound, whichever side it is on."""
        return self.min if self.min is not None else self.max or 0.0
