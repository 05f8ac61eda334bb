"""The budget of the checks: how many images they may run through the model."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from auditor.registry import Options

KEY = "budget"
"""Its key below ``checks``, beside the names of checks."""
_LEAST_PIXELS = 640_000_000
"""Pixels that checks may run in any case: they take seconds to minutes, and small audits need them."""


class CheckBudget(Options):
    """How much the checks may cost."""

    forwards: int | None = Field(None, ge=0)
    """Images that all checks together may run through the model, a map counting as three; what does not fit
    is listed as not tested. null: as many as predicting and explaining take, and at least 640 million
    pixels (39,000 images of 128 × 128)."""


def forward_limit(checks: Mapping[str, object], reference: float, pixels: int) -> int:
    """Images that the checks may run through the model.

    Args:
        checks: the section ``checks`` of a configuration.
        reference: forward passes of predicting and explaining.
        pixels: of one input.
    """
    stated = checks.get(KEY)
    if isinstance(stated, CheckBudget) and stated.forwards is not None:
        return stated.forwards
    return max(round(reference), _LEAST_PIXELS // max(pixels, 1))
