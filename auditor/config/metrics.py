"""Metrics that an audit shows, and those whose gaps it tests."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from auditor.registry import Options


def _hyphenated(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(one.strip().replace("_", "-") for one in names)


MetricNames = Annotated[tuple[str, ...] | None, AfterValidator(_hyphenated)]
"""Names of metrics; underscores become hyphens."""


class MetricsSection(Options):
    """Metrics on all samples, on each class, and on each slice, such as `{primary: [sensitivity, auroc]}`."""

    primary: MetricNames = None
    """Metrics whose gaps between slices are tested; null: accuracy for single-label classifiers, else
    sensitivity and specificity. Accuracy is tested by `performance-gap` in any case."""
    show: MetricNames = None
    """Further metrics of the report; null: those that suit the task."""
