"""Acceptance criteria: fixed in the configuration before the audit is run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from auditor.records.metric_names import Metric, metric_named
from auditor.registry import Options

DefaultCriterion = Literal["baseline", "recall", "finite-outputs", "confidence"]

_GAP = "-gap"


def _slices(value: Any) -> Any:
    """`all`, `every`, or a mapping of attributes to values; whole numbers as text."""
    if value in ("all", "every"):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(  # noqa: TRY004 - pydantic turns only a ValueError into a message
            "expected `all`, `every`, or attribute values such as {site: A}"
        )
    return {name: _as_text(one) for name, one in value.items()}


def _as_text(value: Any) -> Any:
    """A whole number as text: names of classes and values may look like numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _share_of_confidence(value: Any) -> Any:
    if isinstance(value, int | float) and not 0.5 < value < 1:
        raise ValueError("expected a share between 0.5 and 1, such as 0.95")
    return value


SlicesOfCriterion = Annotated[Literal["all", "every"] | dict[str, str], BeforeValidator(_slices)]


class Criterion(Options):
    """One acceptance criterion, such as `{metric: sensitivity, class: defective, at_least: 0.95}`."""

    model_config = ConfigDict(populate_by_name=True)
    renamed: ClassVar[Mapping[str, str]] = {"min": "at_least", "max": "at_most", "slice": "slices"}

    name: str | None = Field(None, min_length=1)
    """Name by which `gate.blocking` refers to it."""
    metric: str
    """What is measured, such as `sensitivity`; `error_rate_gap` for the largest absolute difference of the
    error rate between a slice and the rest, and so on for every metric."""
    at_least: float | None = Field(None, allow_inf_nan=False)
    """Smallest acceptable value."""
    at_most: float | None = Field(None, allow_inf_nan=False)
    """Largest acceptable value."""
    class_name: Annotated[str | None, BeforeValidator(_as_text)] = Field(None, alias="class")
    """The class that it is about, if the metric is about one; `each` for every class."""
    slices: SlicesOfCriterion = "all"
    """`all` samples together, `every` value of the annotated attributes, or one slice such as `{site: A}`."""
    attributes: tuple[str, ...] | None = None
    """Attributes whose values `every` and a gap are about; null: all annotated ones."""
    confidence: Annotated[float, BeforeValidator(_share_of_confidence)] = 0.95
    """Coverage of the two-sided interval whose limits decide."""
    why: str | None = Field(None, min_length=1)
    """The reason for the limit, for the report."""

    @field_validator("metric", mode="after")
    @classmethod
    def _known_metric(cls, value: str) -> str:
        metric_named(_without_gap(value))
        return value.strip().lower().replace("_", "-")

    @model_validator(mode="after")
    def _one_limit(self) -> Criterion:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("expected either `at_least` or `at_most`")
        if self.is_gap and self.at_most is None:
            raise ValueError("expected `at_most` for a gap: the difference that is acceptable")
        if self.is_gap and isinstance(self.slices, dict):
            raise ValueError(
                "expected no single slice for a gap, which compares every value with the rest: limit "
                "it with `attributes`"
            )
        if self.attributes is not None and not self.per_slice:
            raise ValueError("expected `slices: every` beside `attributes`")
        if self.attributes is not None and not self.attributes:
            raise ValueError("expected at least one name in `attributes`; omit it for all of them")
        self._require_reachable_limit()
        return self

    def _require_reachable_limit(self) -> None:
        """Raises ValueError for a limit that no interval can lie beyond."""
        if self.is_gap:
            if not self.limit > 0:
                raise ValueError(
                    "expected a limit above 0 for a gap: no data can show that there is none at all"
                )
            if self.measured.unit == "share" and self.limit >= 1:
                raise ValueError("expected a limit below 1 for a gap, such as 0.05 for 5 points")
        elif self.measured.unit == "share":
            if not 0 <= self.limit <= 1:
                raise ValueError("expected a limit from 0 to 1, such as 0.9 for 90 %")
            if self.at_least == 1 or self.at_most == 0:
                raise ValueError(
                    "expected a limit that can be exceeded: no data can show a value of exactly "
                    f"{self.limit:g}"
                )
            word = "below" if self.at_most is None else "above"
            if self.at_least == 0 or self.at_most == 1:
                raise ValueError(
                    f"expected a limit that can be missed: no value is {word} {self.limit:g}"
                )

    @property
    def is_gap(self) -> bool:
        """Whether it is about the differences between slices and the rest."""
        return self.metric.endswith(_GAP)

    @property
    def measured(self) -> Metric:
        """The metric; for a gap, the one whose differences are judged."""
        return metric_named(_without_gap(self.metric))

    @property
    def per_slice(self) -> bool:
        """Whether it is judged for every slice."""
        return self.is_gap or self.slices == "every"

    @property
    def one_slice(self) -> dict[str, str]:
        """Attribute values of the samples that it is about; empty for all samples, and for every slice."""
        return self.slices if isinstance(self.slices, dict) else {}

    @property
    def limit(self) -> float:
        """The limit, whichever side it is on."""
        limit = self.at_least if self.at_least is not None else self.at_most
        return math.nan if limit is None else limit


def _without_gap(metric: str) -> str:
    return metric.strip().lower().replace("_", "-").removesuffix(_GAP)


def require_consistent(criteria: Sequence[Criterion]) -> None:
    """Checks that criteria neither repeat nor contradict each other.

    Raises:
        ValueError: two criteria have one name, judge the same side of the same number, or ask for
            values that no number can have.
    """
    names: dict[str, int] = {}
    sides: dict[tuple[object, ...], dict[str, int]] = {}
    for position, one in enumerate(criteria):
        if one.name is not None and names.setdefault(one.name, position) != position:
            raise ValueError(
                f"expected different names; criteria {names[one.name]} and {position} are both "
                f"called {one.name!r}"
            )
        subject = (
            one.is_gap,
            one.measured.name,
            one.class_name,
            tuple(sorted(one.one_slice.items())),
            one.per_slice,
            None if one.attributes is None else tuple(sorted(one.attributes)),
        )
        known = sides.setdefault(subject, {})
        side = "at_least" if one.at_least is not None else "at_most"
        if known.setdefault(side, position) != position:
            raise ValueError(
                f"expected one criterion for each question; criteria {known[side]} and {position} "
                f"both state `{side}` for the same {one.metric}: remove one of them"
            )
        if len(known) == 2:
            least, most = (criteria[known[key]].limit for key in ("at_least", "at_most"))
            if least >= most:
                raise ValueError(
                    f"expected criteria that can be met together; criteria {known['at_least']} and "
                    f"{known['at_most']} ask for a {one.metric} of at least {least:g} and at most "
                    f"{most:g}"
                )
