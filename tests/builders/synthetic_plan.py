"""What a synthetic run holds."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.records import Estimate
from auditor.statistics.intervals import wilson


@dataclass(frozen=True)
class Plan:
    """What a synthetic run holds.

    Attributes:
        samples: number of samples.
        side: of the images, in pixels.
        classes: class names; the first is that of intact cells.
        attributes: two attributes; the first is the one that the model relies on.
        levels: values of the attributes; samples with the first value of the first one fail more often.
        name: of the audit.
        guided: whether there are detail maps.
        failure_rate: share of failures, about.
        drawn: how many different images are drawn; None: one for each sample.
        failures: exact number of failures; None: by their rate.
        sensitive: attributes that are marked as sensitive.
    """

    samples: int = 640
    side: int = 160
    classes: tuple[str, ...] = ("functional", "defective")
    attributes: tuple[str, str] = ("cell", "line")
    levels: tuple[tuple[str, ...], tuple[str, ...]] = (("mono", "poly"), ("A", "B", "C"))
    name: str = "solar-cells"
    guided: bool = True
    failure_rate: float = 0.14
    drawn: int | None = None
    failures: int | None = None
    sensitive: tuple[str, ...] = ()


def share(count: int, total: int) -> Estimate:
    """A share with its Wilson interval."""
    return Estimate.of(wilson(count, total)[()])
