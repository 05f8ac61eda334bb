"""What a plan assumes: values of metrics, and how the samples are distributed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.errors import ConfigError
from auditor.records.metric_names import METRICS, metric_named

_GAP, _DEVIATION = "-gap", "-sd"
_RANGES: Mapping[str, tuple[float, float, str]] = {
    "prevalence": (1e-9, 1 - 1e-9, "a share between 0 and 1, such as 0.1"),
    "correlation": (0.0, 1.0, "a correlation from 0 to 1, such as 0.2"),
    "per-cluster": (1.0, 1e9, "at least 1 sample per cluster"),
}
"""Smallest and largest value of assumptions that are no metrics."""


@dataclass(frozen=True)
class Assumptions:
    """Assumed numbers by name.

    Attributes:
        values: canonical names of metrics, of metrics with ``-gap`` or ``-sd``, and ``prevalence``,
            ``correlation``, ``per-cluster``.
    """

    values: Mapping[str, float]

    @classmethod
    def of(cls, configured: Mapping[str, float], options: Sequence[str] = ()) -> Assumptions:
        """Reads assumptions.

        Args:
            configured: ``plan.assume`` of the configuration.
            options: of the command, such as ``sensitivity=0.95``; they override the configuration.

        Raises:
            ConfigError: a name is unknown, or a value is out of range.
        """
        values = {}
        for name, value in configured.items():
            key = _canonical(name, f"plan.assume.{name}")
            values[key] = _in_range(key, value, f"plan.assume.{name}")
        for option in options:
            name, _, text = option.partition("=")
            place = f"--assume {option}"
            try:
                value = float(text)
            except ValueError:
                raise ConfigError(
                    f"{place}: expected a name and a number, such as sensitivity=0.95"
                ) from None
            key = _canonical(name, place)
            values[key] = _in_range(key, value, place)
        return cls(values)

    def get(self, name: str) -> float | None:
        """The assumed value; None if there is none."""
        return self.values.get(name)

    def need(self, name: str, why: str) -> float:
        """The assumed value.

        Args:
            name: of the assumption.
            why: what it is needed for, for the message.

        Raises:
            MissingAssumptionError: there is none.
        """
        value = self.values.get(name)
        if value is None:
            raise MissingAssumptionError(name, why)
        return value


class MissingAssumptionError(ConfigError):
    """A plan needs an assumption that is not stated.

    Attributes:
        name: of the assumption.
        why: what it is needed for.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"expected an assumption: --assume {name}=…, for {why}")
        self.name = name
        self.why = why


def _canonical(name: str, place: str) -> str:
    plain = name.strip().lower().replace("_", "-")
    if plain in _RANGES:
        return plain
    for ending in (_GAP, _DEVIATION, ""):
        if plain.endswith(ending):
            try:
                return metric_named(plain.removesuffix(ending)).name + ending
            except ValueError:
                break
    known = [*METRICS, *_RANGES]
    near = difflib.get_close_matches(plain, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known names: {', '.join(known)}"
    raise ConfigError(f"{place}: expected the name of a metric or of an assumption; {hint}")


def _in_range(name: str, value: float, place: str) -> float:
    low, high, expected = _RANGES.get(name, (0.0, 1.0, "a share from 0 to 1, such as 0.95"))
    if name not in _RANGES:
        metric = metric_named(name.removesuffix(_GAP).removesuffix(_DEVIATION))
        if name.endswith(_DEVIATION):
            low, high, expected = 1e-9, 1e9, "a standard deviation above 0"
        elif name.endswith(_GAP) or metric.unit != "share":
            low, high, expected = -1e9, 1e9, "a finite number"
    if not low <= value <= high:
        raise ConfigError(f"{place}: expected {expected}; got {value:g}")
    return value
