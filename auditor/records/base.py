"""What every record of ``audit.json`` is made of: numbers with intervals and units, names of slices."""

from __future__ import annotations

from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

Severity = Literal["note", "warning", "alert"]
Verdict = Literal["observed", "supported", "confirmed", "untestable"]
Unit = Literal["points", "share", "ratio", "score", "count"]
"""How a number is written: a difference of shares in percentage points, a share as a percentage, a
ratio, a score without a unit, or a count."""
ClaimKind = Literal["outcome", "data", "map", "robustness"]
"""What a claim speaks of: how the model does on slices; the data alone; attribution maps or features;
what an intervention on the images changes."""

AttributeRole = Literal["confounder", "mediator", "diagnostic"]
"""What an attribute is to the others: a common cause to hold fixed; a step on the path from an attribute
to the failure; or a part of what defines the label."""

SEVERITIES: tuple[Severity, ...] = ("note", "warning", "alert")
"""From the mildest to the gravest."""


class IntervalLike(Protocol):
    """A number with its interval, whatever class it has."""

    @property
    def value(self) -> float:
        """The number."""
        ...

    @property
    def low(self) -> float:
        """Lower end."""
        ...

    @property
    def high(self) -> float:
        """Upper end."""
        ...


class Record(BaseModel):
    """A part of ``audit.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Estimate(Record):
    """A number with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, interval: IntervalLike) -> Estimate:
        """The estimate with the numbers of an interval of ``auditor.statistics``."""
        return Estimate(value=interval.value, low=interval.low, high=interval.high)


class Effect(Estimate):
    """What a claim measures, as a number with its interval and unit."""

    name: str
    """What the number is, such as ``error-rate gap`` or ``Cramér's V``."""
    unit: Unit

    @classmethod
    def measured(cls, name: str, interval: IntervalLike, unit: Unit) -> Effect:
        """The effect with the numbers of an interval of ``auditor.statistics``."""
        return cls(name=name, unit=unit, **Estimate.of(interval).model_dump())


class SliceKey(Record):
    """Names a slice: samples that share attribute values, a label, a prediction."""

    attributes: dict[str, str] = {}
    label: str | None = None
    predicted: str | None = None

    def __str__(self) -> str:
        parts = [f"{name} = {value}" for name, value in self.attributes.items()]
        parts += [f"label = {self.label}"] if self.label is not None else []
        parts += [f"predicted = {self.predicted}"] if self.predicted is not None else []
        return ", ".join(parts) or "all samples"


DATA_NOTE = "data"
"""The name instead of a check where `Skipped` says what was left out or assumed of the data."""


class Skipped(Record):
    """A check, or a part of one, that could not be done."""

    check: str
    reason: str
