"""The channels of the target layer that carry much of the evidence behind a finding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from auditor.records import AuditResult
from auditor.records.display_names import DisplayNames
from auditor.report.view.map_files import MapFiles


@dataclass(frozen=True)
class UnitImage:
    """An audited image that activates a unit strongly."""

    reference: str
    sample: str
    label: str


@dataclass(frozen=True)
class UnitView:
    """A channel of the target layer.

    Attributes:
        channel: its number, from 0.
        share: of the positive evidence for the predicted classes, 0 to 1.
        images: the audited images that activate it most, the strongest first.
    """

    channel: int
    share: float
    images: tuple[UnitImage, ...]


def read_units(
    files: MapFiles, result: AuditResult, names: DisplayNames
) -> dict[str, tuple[UnitView, ...]]:
    """The units behind findings, by the finding's id, the largest share first.

    Args:
        files: of the run folder, with the labels of the data.
        result: the audit.
        names: the display names of the labels.
    """
    records = result.explanations.units
    rows = files.rows((one for unit in records for one in unit.images), ("sample", "label"))
    found: dict[str, list[UnitView]] = defaultdict(list)
    for unit in records:
        images = tuple(
            UnitImage(one, str(rows[one]["sample"]), names.of_class(str(rows[one]["label"])))
            for one in unit.images
        )
        found[unit.finding].append(UnitView(unit.channel, unit.share, images))
    return {name: tuple(sorted(units, key=lambda one: -one.share)) for name, units in found.items()}


@dataclass(frozen=True)
class UnitOfReport:
    """A channel with all findings whose evidence it carries.

    Attributes:
        channel: its number, from 0.
        findings: number and address of each finding, and the channel's share of its evidence.
        images: the audited images that activate it most, the strongest first.
    """

    channel: int
    findings: tuple[tuple[int, str, float], ...]
    images: tuple[UnitImage, ...]


def units_of_report(
    findings: Iterable[tuple[int, str, Iterable[UnitView]]],
) -> tuple[UnitOfReport, ...]:
    """Each channel once, in the order in which the findings name them.

    Args:
        findings: number and address of each finding, and its channels.
    """
    images: dict[int, tuple[UnitImage, ...]] = {}
    named: dict[int, list[tuple[int, str, float]]] = defaultdict(list)
    for number, address, units in findings:
        for unit in units:
            images[unit.channel] = unit.images
            named[unit.channel].append((number, address, unit.share))
    return tuple(
        UnitOfReport(channel, tuple(named[channel]), shown) for channel, shown in images.items()
    )
