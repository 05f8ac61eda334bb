"""The task of the classifier, and how its probabilities become decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from auditor.registry import Options

Threshold = Annotated[float, Field(gt=0, lt=1)]
OutputKind = Literal["logits", "probabilities", "log-probabilities"]


class ThresholdRule(Options):
    """A threshold that is chosen on data that are not audited."""

    rule: Literal["youden", "f1", "sensitivity", "specificity"]
    """What to maximise: sensitivity + specificity (`youden`) or F1. With `sensitivity` or `specificity`, the
    threshold is the one that reaches `at_least` of it and most of the other."""
    at_least: float | None = Field(None, gt=0, le=1)
    """Required sensitivity or specificity (a share)."""
    data: Literal["reference"] | dict[str, str] = "reference"
    """`reference`: the images of the training data; or an attribute value, such as `{split: calibration}`,
    whose samples are then left out of the audit."""

    @model_validator(mode="after")
    def _complete(self) -> ThresholdRule:
        needs = self.rule in {"sensitivity", "specificity"}
        if needs and self.at_least is None:
            raise ValueError(f"expected `at_least`, such as 0.95, for the rule `{self.rule}`")
        if not needs and self.at_least is not None:
            raise ValueError(f"expected no `at_least` for the rule `{self.rule}`")
        return self

    @field_validator("data", mode="after")
    @classmethod
    def _one_split(
        cls, value: Literal["reference"] | dict[str, str]
    ) -> Literal["reference"] | dict[str, str]:
        if isinstance(value, dict) and len(value) != 1:
            raise ValueError("expected `reference`, or one attribute value such as {split: val}")
        return value


def _form(value: object) -> str:
    """Which of its forms a threshold has."""
    if isinstance(value, ThresholdRule) or (isinstance(value, Mapping) and "rule" in value):
        return "rule"
    return "labels" if isinstance(value, Mapping) else "number"


_OneThreshold = Annotated[
    Annotated[Threshold, Tag("number")] | Annotated[ThresholdRule, Tag("rule")],
    Discriminator(_form),
]
AnyThreshold = Annotated[
    Annotated[Threshold, Tag("number")]
    | Annotated[ThresholdRule, Tag("rule")]
    | Annotated[dict[str, _OneThreshold], Tag("labels")],
    Discriminator(_form),
]


class DecisionSection(Options):
    """How probabilities become decisions; only for the tasks `binary` and `multi-label`."""

    positive: str | None = None
    """The positive class of a binary task; null: the second class."""
    threshold: AnyThreshold = 0.5
    """Probability from which on the positive class is predicted: a number in (0, 1), or a rule such as
    `{rule: youden, data: reference}`; of a multi-label task also a mapping of labels to either. Labels that
    it lacks have 0.5."""
