"""Shares of a target population in a configuration: ``{sex: {female: 0.51, male: 0.49}}``."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from numbers import Real
from typing import Annotated, Any

from pydantic import BeforeValidator

_TOLERANCE = 0.01
"""Largest deviation of the sum of the shares from 1, for rounded shares."""


def population_shares(raw: Any) -> dict[str, dict[str, float]]:
    """Checks the shares of a population.

    Args:
        raw: shares by the names of attributes and of their values.

    Returns:
        The same with text keys.

    Raises:
        ValueError: a share is not a number from 0 to 1, or the shares of an attribute do not sum to 1.
    """
    if not isinstance(raw, Mapping):
        raise ValueError(  # noqa: TRY004 - pydantic reports ValueError
            "expected attributes with shares, such as {sex: {female: 0.51, male: 0.49}}"
        )
    return {str(name): _of_attribute(str(name), given) for name, given in raw.items()}


def _of_attribute(name: str, given: Any) -> dict[str, float]:
    if not isinstance(given, Mapping) or not given:
        raise ValueError(
            f"{name}: expected a share for each value, such as {{female: 0.51, male: 0.49}}"
        )
    shares = {_text(name, value): share for value, share in given.items()}
    for value, share in shares.items():
        number = isinstance(share, Real) and not isinstance(share, bool)
        if not number or not isfinite(share) or not 0 <= share <= 1:
            raise ValueError(f"{name}: {value}: expected a share from 0 to 1, not {share!r}")
    total = sum(shares.values())
    if abs(total - 1) > _TOLERANCE + 1e-9:
        raise ValueError(
            f"{name}: expected shares with the sum 1; the sum is {total:.4g}: add the missing values, or "
            "correct the shares"
        )
    return {value: float(share) for value, share in shares.items()}


def _text(name: str, value: Any) -> str:
    # YAML reads yes, no, on, off and null as something other than text.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(  # noqa: TRY004 - pydantic reports ValueError
            f"{name}: expected values as text or numbers, not {value!r}: put it in quotes"
        )
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


PopulationShares = Annotated[dict[str, dict[str, float]], BeforeValidator(population_shares)]
"""Shares by attribute and value."""
