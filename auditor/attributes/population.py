"""The attribute values for which the configuration states shares of the target population."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from auditor.attributes.categories import Categories, categories_of
from auditor.attributes.cells import stored_cells
from auditor.config import AuditConfig
from auditor.errors import ConfigError
from auditor.phrasing import several
from auditor.records import MISSING, AttributeSpec, Dataset
from auditor.statistics.bands import band_names


def require_known_values(
    config: AuditConfig, dataset: Dataset, types: Mapping[str, AttributeSpec]
) -> None:
    """Checks the attributes and values of ``population``, before anything is predicted.

    A value without samples is known if it is in the stated order of the attribute, between its stated
    edges, or in the training data.

    Args:
        config: the configuration.
        dataset: the samples, with typed attributes.
        types: the types of the attributes by name.

    Raises:
        ConfigError: weights are given as well, or an attribute or a value is unknown.
    """
    if config.population and dataset.weight is not None:
        raise ConfigError(
            "population: expected either shares of the population or weights; got both, because the data "
            f"has the weights {dataset.weight!r}: remove one of them"
        )
    for name, shares in config.population.items():
        if name not in types:
            known = several(list(types), 10) if types else "(there are none)"
            raise ConfigError(f"population: expected one of the attributes {known}; got {name!r}")
        values = _known_values(config, dataset, types[name])
        for value in shares:
            if value not in values:
                near = difflib.get_close_matches(value, values, n=1)
                hint = f"did you mean {near[0]!r}?" if near else "correct the spelling."
                raise ConfigError(
                    f"population.{name}: expected values among {several(list(values), 10)}; got "
                    f"{value!r}: {hint} If it is a value without samples, state the order of the values "
                    "in the types of the attributes, or leave it out"
                )


def _known_values(config: AuditConfig, dataset: Dataset, spec: AttributeSpec) -> list[str]:
    name, section = spec.name, config.slices
    found = categories_of(
        stored_cells(dataset.samples[name]),
        spec,
        stated_edges=section.edges.get(name),
        quantiles=section.quantiles,
        min_support=section.min_support,
    )
    if found.record.edges is not None and name not in section.edges:
        raise ConfigError(
            f"population.{name}: expected stated bands, because the edges of quantiles depend on the "
            f"sample; state them, such as `slices: {{edges: {{{name}: [18, 65]}}}}`"
        )
    if found.record.n_pooled:
        raise ConfigError(
            f"population.{name}: expected an attribute without pooled values; the rarest "
            f"{found.record.n_pooled} of its {found.record.n_values} values are one slice: group its "
            "values in the data"
        )
    return list(
        dict.fromkeys([*found.column.categories, *_without_samples(found, dataset), MISSING])
    )


def _without_samples(found: Categories, dataset: Dataset) -> list[str]:
    """Values that are known although no sample needs to have them."""
    record = found.record
    if record.edges is not None:
        return band_names(record.edges, integers=found.rule.integers)
    values = list(record.order or ())
    if dataset.reference is not None and record.name in dataset.reference:
        values += stored_cells(dataset.reference[record.name]).counts
    return values
