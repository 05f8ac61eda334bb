"""The accuracy in the target population, and the weights behind it."""

from __future__ import annotations

from typing import Literal

from auditor.records.base import Estimate, Record


class PopulationValue(Record):
    """The share of an attribute value in the target population and in the audited samples."""

    attribute: str
    value: str
    share: float
    """In the target population, 0 to 1."""
    n_samples: int
    """Evaluated samples with this value."""


class PopulationRecord(Record):
    """The accuracy in the target population, with samples weighted to represent it."""

    source: Literal["weights", "shares"]
    """Weights from the data, or shares of attribute values from the configuration."""
    names: list[str]
    """The column with the weights, or the attributes."""
    accuracy: Estimate | None
    """Weighted accuracy; None if it cannot be estimated."""
    n_left_out: int | None
    """Evaluated samples with the weight 0, or with a value that the population does not have; None if their
    number is not shown."""
    effective_size: float | None = None
    """Effective sample size of the weights by Kish; None if the accuracy cannot be estimated."""
    design_effect: float | None = None
    """Variance of the accuracy relative to that of as many unweighted independent samples; None if all
    samples are correct, or none is."""
    values: list[PopulationValue] = []
    """The shares of the configuration; empty for weights from the data."""
    not_estimated: str | None = None
    """Why the accuracy cannot be estimated; None otherwise."""
