"""The slices of samples that do not exist yet: values of attributes, from options or from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.attributes.known_values import KnownValues, known_values
from auditor.attributes.typed_columns import type_attributes
from auditor.config import AuditConfig
from auditor.config.criteria import Criterion
from auditor.config.loading import read_class_names
from auditor.datasets import DatasetAdapter
from auditor.errors import ConfigError, DataError
from auditor.phrasing import several
from auditor.records import Dataset
from auditor.records.predictions import GROUP, LABEL
from auditor.statistics.bands import band_names


@dataclass(frozen=True)
class Population:
    """Slices, classes and clusters of the planned samples.

    Attributes:
        known: values of the attributes; with the support that the data has, or without.
        classes: class names; empty if they are unknown.
        group: name of the column with clusters; None for independent samples.
        per_cluster: mean number of samples of the clusters of the data; None without data.
        notes: what they are based on.
    """

    known: KnownValues
    classes: tuple[str, ...]
    group: str | None
    per_cluster: float | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, config: AuditConfig, options: Sequence[str] = ()) -> Population:
        """Reads the values of attributes from options, the configuration, or the data.

        Args:
            config: of the audit.
            options: of the command, such as ``site=A,B``; they come before the configuration, which
                comes before the data.

        Raises:
            ConfigError: an option has another form, or the values of an attribute that a criterion is
                about are unknown.
        """
        dataset, absent = _open(config)
        of_data = _of_data(config, dataset)
        stated = {**config.plan.values, **dict(_values(option) for option in options)}
        _require_declared(config, of_data, stated)
        for name, edges in config.slices.edges.items():
            if name not in of_data.values:
                stated.setdefault(name, tuple(band_names(edges, integers=False)))
        known = _with_stated(of_data, stated)
        needed = _attributes_needed(config)
        unknown = [name for name in needed if name not in known.values]
        per_slice = any(one.per_slice for one in config.criteria)
        if dataset is None and (unknown or (per_slice and not known.values)):
            names = several(unknown, 5) if unknown else "the attributes"
            example = unknown[0] if unknown else "site"
            raise ConfigError(
                f"expected the values of {names}; the data could not be read ({absent}): state "
                f"`plan.values`, or options such as --values {example}=A,B"
            )
        group = getattr(config.data.options, "group", None)
        per_cluster = None
        if dataset is not None and dataset.group is not None:
            group = dataset.group
            per_cluster = len(dataset) / max(dataset.samples[GROUP].nunique(), 1)
        note = f"The data was not read: {absent}." if dataset is None else "The data was read."
        return cls(known, _classes(config, dataset), group, per_cluster, (note,))

    def classes_for(self, config: AuditConfig) -> tuple[str, ...]:
        """Class names; where they are unknown, those that criteria name.

        Raises:
            ConfigError: a criterion is about each class, and they are unknown.
        """
        if self.classes:
            return self.classes
        if any(one.class_name == "each" for one in config.criteria):
            raise ConfigError(
                "expected the classes, because a criterion is about each of them; the data could not be "
                "read: state `model.classes`"
            )
        return tuple(one.class_name for one in config.criteria if one.class_name is not None)

    def slices_of(self, criterion: Criterion) -> list[int | None]:
        """Support of each slice of a criterion in the data; None where it is unknown."""
        if not criterion.per_slice:
            return [None]
        sizes: list[int | None] = []
        for name in self._attributes(criterion):
            number = len(self.known.values[name])
            # Two values have one gap.
            number = 1 if criterion.is_gap and number == 2 else number
            support = self.known.support.get(name)
            sizes += [None] * number if support is None else sorted(support)[:number]
        return sizes

    def most_values(self, criterion: Criterion) -> int:
        """Number of values of the attribute that has most of them; 1 for all samples."""
        if not criterion.per_slice:
            return 1
        return max(len(self.known.values[name]) for name in self._attributes(criterion))

    def rest_per_sample(self, criterion: Criterion) -> float:
        """Samples of the rest for each one of a slice, for equally frequent values."""
        if not criterion.is_gap:
            return 1.0
        return min(len(self.known.values[name]) - 1 for name in self._attributes(criterion))

    def _attributes(self, criterion: Criterion) -> list[str]:
        names = self.known.values if criterion.attributes is None else criterion.attributes
        return [name for name in names if name not in self.known.left_out]


def _open(config: AuditConfig) -> tuple[Dataset | None, str]:
    """The data, or why it cannot be read."""
    options = config.data.options
    if not isinstance(options, DatasetAdapter):
        raise ConfigError(f"data.adapter {config.data.adapter!r}: the plug-in has no `open()`")
    try:
        return options.open(), ""
    except DataError as error:
        return None, str(error)


def _of_data(config: AuditConfig, dataset: Dataset | None) -> KnownValues:
    if dataset is None:
        return KnownValues({}, {}, {})
    dataset, types = type_attributes(dataset, config.data.missing, config.slices.edges)
    return known_values(dataset, types, config.slices)


def _with_stated(known: KnownValues, stated: Mapping[str, Sequence[str]]) -> KnownValues:
    """Values that are stated, and otherwise those of the data."""
    for name, values in stated.items():
        if len(set(values)) < 2 or len(set(values)) != len(values):
            raise ConfigError(
                f"plan.values.{name}: expected at least two different values; got {list(values)}"
            )
    return KnownValues(
        {**known.values, **{name: tuple(values) for name, values in stated.items()}},
        {name: support for name, support in known.support.items() if name not in stated},
        {name: why for name, why in known.left_out.items() if name not in stated},
    )


def _attributes_needed(config: AuditConfig) -> list[str]:
    """Attributes that criteria are about, in order."""
    names = _declared(config)
    needed: list[str] = []
    for one in config.criteria:
        if one.per_slice:
            needed += one.attributes if one.attributes is not None else names
        needed += one.one_slice
    return list(dict.fromkeys(needed))


def _require_declared(
    config: AuditConfig, of_data: KnownValues, stated: Mapping[str, Sequence[str]]
) -> None:
    known = [*of_data.values] or _declared(config)
    for name in stated:
        if known and name not in known:
            raise ConfigError(
                f"plan.values: expected attributes of the data, out of {several(known, 10)}; got {name!r}"
            )


def _declared(config: AuditConfig) -> list[str]:
    """Attributes that ``data`` lists; a folder has a table of them instead."""
    declared = getattr(config.data.options, "attributes", None)
    return [] if declared is None or isinstance(declared, Path) else [str(one) for one in declared]


def _values(option: str) -> tuple[str, tuple[str, ...]]:
    name, equals, text = option.partition("=")
    if not equals or not name:
        raise ConfigError(
            f"--values: expected an attribute and values, such as site=A,B; got {option!r}"
        )
    return name, tuple(one.strip() for one in text.split(","))


def _classes(config: AuditConfig, dataset: Dataset | None) -> tuple[str, ...]:
    stated = config.model.classes
    if isinstance(stated, tuple):
        return stated
    if isinstance(stated, Path) and stated.is_file():
        return read_class_names(stated)
    if dataset is None:
        return ()
    if dataset.classes is not None:
        return dataset.classes
    cells = (
        cell if isinstance(cell, tuple | list) else (cell,)
        for cell in dataset.samples[LABEL].dropna()
    )
    names = {str(name) for cell in cells for name in cell}
    # The weights may name classes whose labels are indices, but a plan does not load them.
    return () if all(name.isdecimal() for name in names) else tuple(sorted(names))
