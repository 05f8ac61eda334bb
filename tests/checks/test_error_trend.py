"""The smooth curve beside the trend of the error rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.table_evidence import MakeEvidence

from auditor.checks.error_trend import ErrorTrend
from auditor.records import AuditData, Clusters, Curve, OrderedValues
from auditor.report.charts.curves import curve_charts
from auditor.report.view.curves import CurveView
from auditor.stages.judge import judge
from auditor.statistics import smooth_rate


@pytest.fixture
def audit(make_evidence: MakeEvidence) -> AuditData:
    """Failures become rarer and then more frequent with age, so that there is no linear trend."""
    random = np.random.default_rng(0)
    age = random.uniform(20, 80, 1200)
    failed = random.random(1200) < 0.05 + 0.3 * ((age - 50) / 30) ** 2
    return make_evidence(
        ["x"] * 1200, np.where(failed, "y", "x").tolist(), {"age": age.tolist()}, classes=("x", "y")
    )


def _curve(audit: AuditData) -> Curve:
    (found,) = ErrorTrend().examine(audit).claims
    curve = found.part(Curve)
    assert curve is not None
    return curve


def test_error_trend_numeric_attribute_has_a_smooth_curve(audit: AuditData) -> None:
    curve = _curve(audit)
    failed = audit.predictions["failure"].to_numpy(dtype=float)
    expected = smooth_rate(audit.ordered["age"].numbers, failed)
    assert expected is not None
    assert [one.y.value for one in curve.smooth] == pytest.approx(list(expected.rate.value))
    middle = curve.smooth[len(curve.smooth) // 2].y
    assert middle.high < curve.smooth[0].y.low
    (chart,) = curve_charts([CurveView("c", curve)])
    assert "solid: a smooth fit with its pointwise 95 % band" in chart.title


def test_error_trend_of_clusters_has_a_wider_curve(audit: AuditData) -> None:
    order = np.argsort(audit.predictions["failure"].to_numpy(), kind="stable")
    cluster = np.empty(1200, dtype=np.int64)
    cluster[order] = np.arange(1200) // 10  # failures of one cluster are alike
    clustered = _curve(replace(audit, clusters=Clusters("patient", cluster)))
    for wide, plain in zip(clustered.smooth, _curve(audit).smooth, strict=True):
        assert wide.y.high - wide.y.low > plain.y.high - plain.y.low


def test_error_trend_ordinal_attribute_has_no_smooth_curve(audit: AuditData) -> None:
    numbers = np.floor(audit.ordered["age"].numbers / 20)
    names = ("young", "middle", "old")
    ordinal = replace(audit, ordered={"age": OrderedValues(numbers, names)})
    curve = _curve(ordinal)
    assert curve.smooth == ()
    (chart,) = curve_charts([CurveView("c", curve)])
    assert "smooth" not in chart.title


def test_judge_keeps_the_curves_of_attributes_without_a_finding(audit: AuditData) -> None:
    judgement = judge({"error-trend": ErrorTrend()}, audit)
    assert not judgement.findings
    assert [one.x_name for one in judgement.error_curves] == ["age"]
