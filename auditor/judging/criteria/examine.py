"""Measures all acceptance criteria: the default ones, then those of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

from auditor.config.criteria import Criterion, DefaultCriterion
from auditor.judging.broken_parts import BrokenParts
from auditor.judging.criteria.configured import examine_configured
from auditor.judging.criteria.defaults import examine_defaults
from auditor.records import AuditData, CriterionResult, Skipped

_Found = tuple[list[CriterionResult], list[Skipped]]
_ORDER: tuple[DefaultCriterion, ...] = get_args(DefaultCriterion)


@dataclass(frozen=True)
class ExaminedCriteria:
    """The acceptance criteria of an audit.

    Attributes:
        results: with ids C1, C2, …; one for each class and slice that a criterion is about.
        skipped: slices that a criterion could not be judged for, and why.
    """

    results: tuple[CriterionResult, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def examine_criteria(
    audit: AuditData,
    n_not_finite: int,
    defaults: Sequence[DefaultCriterion],
    configured: Sequence[Criterion],
    blocking: Sequence[str] | None = None,
    broken: BrokenParts | None = None,
) -> ExaminedCriteria:
    """Measures all criteria, the defaults first.

    Args:
        audit: the evaluated samples.
        n_not_finite: samples that could not be evaluated because an output was NaN or infinite.
        defaults: the default criteria that apply.
        configured: those of the configuration.
        blocking: names of the configured criteria that block the gate; None for all of them.
        broken: collects the criteria that raise an exception; None: the exception is raised.

    Raises:
        ConfigError: a criterion names an attribute value that no evaluated sample has, and ``broken``
            is None.
    """

    def attempt(name: str, blocks: bool, part: Callable[[], _Found]) -> _Found:
        if broken is None:
            return part()
        nothing: _Found = ([], [])
        return broken.attempt(name, "outcome" if blocks else "robustness", part, nothing)

    def default(name: DefaultCriterion) -> _Found:
        return list(examine_defaults(audit, n_not_finite, [name])), []

    results: list[CriterionResult] = []
    skipped: list[Skipped] = []
    for name in _ORDER:
        if name in defaults:
            results += attempt(f"criterion {name}", True, partial(default, name))[0]
    for position, criterion in enumerate(configured):
        place = f"criteria[{position}]"
        blocks = blocking is None or criterion.name in blocking
        examine = partial(examine_configured, audit, criterion, place)
        found, left_out = attempt(place, blocks, examine)
        results += [one.model_copy(update={"blocking": blocks}) for one in found]
        skipped += left_out
    numbered = (one.model_copy(update={"id": f"C{k}"}) for k, one in enumerate(results, start=1))
    return ExaminedCriteria(tuple(numbered), tuple(skipped))
