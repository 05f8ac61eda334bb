"""Metrics of predictions and decisions, with intervals that respect clusters.

Each metric is measured as an `Estimated`: its value and the influence of each sample on it. Intervals
and differences are computed from these.
"""

from auditor.records.metric_names import METRICS, Metric, MetricUnit, metric_named
from auditor.statistics.metrics.averages import MeanOf, mean_of
from auditor.statistics.metrics.cases import BinaryCases, ClassCases
from auditor.statistics.metrics.catalog import measure
from auditor.statistics.metrics.difference_test import difference_p_value
from auditor.statistics.metrics.estimated import (
    Estimated,
    correlation,
    correlation_within,
    difference,
    interval,
    variance,
)

__all__ = [
    "METRICS",
    "BinaryCases",
    "ClassCases",
    "Estimated",
    "MeanOf",
    "Metric",
    "MetricUnit",
    "correlation",
    "correlation_within",
    "difference",
    "difference_p_value",
    "interval",
    "mean_of",
    "measure",
    "metric_named",
    "variance",
]
