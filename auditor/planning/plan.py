"""The plan of a configuration: for each criterion, samples and clusters per slice and in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.config import AuditConfig
from auditor.config.criteria import Criterion
from auditor.errors import ConfigError
from auditor.judging.criteria import KnownNames, require_known_names
from auditor.judging.criteria.wording import Wording
from auditor.phrasing import count, percent
from auditor.planning.assumptions import Assumptions, MissingAssumptionError
from auditor.planning.needs import Need, Rule, need_of
from auditor.planning.population import Population
from auditor.statistics.sample_size import clusters_for


@dataclass(frozen=True)
class PlannedCriterion:
    """What one criterion needs.

    Attributes:
        name: of the criterion.
        n_questions: number of classes and slices that it is judged for.
        assumed: the assumed value of its metric, NaN if none was needed.
        counted: samples per slice on which the metric rests; None if no number is enough.
        what: what they are, such as ``positive``; empty for all samples.
        samples: samples per slice.
        clusters: clusters per slice; None for independent samples.
        total: samples of all slices, if its values are equally frequent.
        alone: samples per slice if each slice is to be met with the power, but not all together.
        smallest: samples of the smallest slice that the data has; None without data.
        note: why there is no number; empty if there is one.
    """

    name: str
    n_questions: int
    assumed: float
    counted: int | None
    what: str
    samples: int | None
    clusters: int | None
    total: int | None
    alone: int | None
    smallest: int | None
    note: str


@dataclass(frozen=True)
class Plan:
    """What the criteria of a configuration need.

    Attributes:
        rows: one for each criterion.
        power: probability with which each of them is met if the assumptions hold.
        clustered: whether samples come in clusters.
        notes: what the plan is based on.
    """

    rows: tuple[PlannedCriterion, ...]
    power: float
    clustered: bool
    notes: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the numbers mean, and what they rest on."""
        reach = (
            f"With these numbers, each criterion is met with a probability of {percent(self.power)} or "
            "more, for all of its slices together, if the assumptions hold."
        )
        found = [reach]
        for one in self.rows:
            if one.note:
                found.append(f"{one.name}: no number is given, because {one.note}.")
            elif one.n_questions > 1 and one.alone is not None:
                found.append(
                    f"{one.name}: with {count(one.alone)} samples per slice, each slice by itself has that "
                    "probability."
                )
        if self.clustered:
            found.append(
                "All samples of a cluster are assumed to belong to one slice, and all or none of them to "
                "count: the worst case."
            )
        return (*found, *self.notes)


def plan_of(
    config: AuditConfig,
    assume: Sequence[str] = (),
    values: Sequence[str] = (),
    power: float | None = None,
) -> Plan:
    """Plans the samples of a configuration; reads the data if it exists, and never the model.

    Args:
        config: with criteria.
        assume: further assumptions, such as ``sensitivity=0.95``.
        values: values of attributes, such as ``site=A,B``.
        power: required probability, in (0.5, 1); None for that of the configuration.

    Raises:
        ConfigError: there are no criteria, an assumption or the values of an attribute are missing, or
            a criterion names something unknown.
    """
    if not config.criteria:
        raise ConfigError(
            "expected acceptance criteria; the configuration has none: add `criteria`, such as "
            "`- {metric: accuracy, at_least: 0.9}`"
        )
    power = config.plan.power if power is None else power
    if not 0.5 < power < 1:
        raise ConfigError(
            f"--power: expected a share between 0.5 and 1, such as 0.8; got {power:g}"
        )
    assumptions = Assumptions.of(config.plan.assume, assume)
    population = Population.of(config, values)
    known = KnownNames(config.task, population.classes_for(config), population.known)
    require_known_names(config.criteria, known)
    rows, missing = [], {}
    for criterion in config.criteria:
        try:
            rows.append(_planned(criterion, assumptions, population, power))
        except MissingAssumptionError as error:
            missing[error.name] = error.why
    if missing:
        raise ConfigError(_missing_text(missing))
    clustered = any(one.clusters is not None for one in rows)
    return Plan(tuple(rows), power, clustered, population.notes)


def _missing_text(missing: Mapping[str, str]) -> str:
    listed = "; ".join(f"{name} (for {why})" for name, why in missing.items())
    first = next(iter(missing))
    return (
        f"expected assumptions that are missing: {listed}: state them in `plan.assume`, or with options "
        f"such as --assume {first}=…"
    )


def _planned(
    criterion: Criterion,
    assumptions: Assumptions,
    population: Population,
    power: float,
) -> PlannedCriterion:
    sizes = population.slices_of(criterion)
    n_classes = max(len(population.classes), 2)
    n_questions = len(sizes) * (n_classes if criterion.class_name == "each" else 1)
    rest = population.rest_per_sample(criterion)

    def needed(of_power: float) -> Need:
        return need_of(Rule(criterion, of_power, rest, n_classes), assumptions)

    # Every slice has to be met: errors of the slices add up to 1 - power at most.
    alone, together = needed(power), needed(1 - (1 - power) / n_questions)
    samples, clusters = _in_slice(together, criterion, assumptions, population, power, n_questions)
    only, _ = _in_slice(alone, criterion, assumptions, population, power, 1)
    known = [one for one in sizes if one is not None]
    most = population.most_values(criterion)
    return PlannedCriterion(
        name=Wording.of(criterion, None).whole,
        n_questions=n_questions,
        assumed=together.assumed,
        counted=together.counted,
        what=together.what,
        samples=samples,
        clusters=clusters,
        total=None if samples is None else samples * most,
        alone=only,
        smallest=min(known) if known else None,
        note="" if samples is not None else _no_number(criterion, together),
    )


def _in_slice(
    need: Need,
    criterion: Criterion,
    assumptions: Assumptions,
    population: Population,
    power: float,
    n_questions: int,
) -> tuple[int | None, int | None]:
    """Samples and clusters of a slice, with those on which the metric does not rest."""
    if need.counted is None:
        return None, None
    per_cluster = assumptions.get("per-cluster") or population.per_cluster
    clustered = population.group is not None or assumptions.get("correlation") is not None
    if not clustered:
        return int(np.ceil(need.counted / need.share)), None
    if per_cluster is None:
        raise MissingAssumptionError("per-cluster", "samples in each cluster")
    correlation = assumptions.need("correlation", "the correlation within clusters")
    number = clusters_for(
        need.counted,
        per_cluster,
        correlation,
        criterion.confidence,
        1 - (1 - power) / n_questions,
    )
    # The worst case: all samples of a cluster count, or none.
    clusters = int(np.ceil(number / need.share))
    return int(np.ceil(clusters * per_cluster)), clusters


def _no_number(criterion: Criterion, need: Need) -> str:
    if criterion.is_gap:
        return (
            "the assumed gap is not inside of the limit, or more than a million samples are needed"
        )
    beyond = need.assumed > criterion.limit
    if beyond != (criterion.at_least is not None):
        return "the assumed value does not meet the criterion"
    return "more than a million samples are needed"
