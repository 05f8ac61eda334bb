"""What is said of the methods behind the maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

RuleStatus = Literal["valid", "partial", "undefined"]

_DEFINED: Mapping[RuleStatus, str] = {
    "valid": "Guided backpropagation is defined for this network",
    "partial": "Guided backpropagation is only partly defined for this network",
    "undefined": "Guided backpropagation is not defined for this network",
}
NOT_TRUST = "This does not say whether its maps can be trusted"
"""Follows the statement that a method is defined, which is easily taken for more."""


class RuleVerdict(Protocol):
    """Whether the rule of guided backpropagation fits a network."""

    @property
    def status(self) -> RuleStatus:
        """``valid`` if it covers all activations, ``undefined`` if it covers none."""
        ...

    @property
    def reason(self) -> str:
        """Why; may be empty."""
        ...


def guided_rule_text(verdict: RuleVerdict) -> str:
    """Whether guided backpropagation is defined for a network, as a sentence or two."""
    reason = f" ({verdict.reason})" if verdict.reason else ""
    more = "" if verdict.status == "undefined" else f" {NOT_TRUST}."
    return f"{_DEFINED[verdict.status]}{reason}.{more}"
