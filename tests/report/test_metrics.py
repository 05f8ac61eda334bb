from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pandas as pd
import pytest
from builders.synthetic_metrics import NOT_DEFINED

from auditor.records import AuditResult, Effect, Finding, MetricComparison, SliceKey
from auditor.report.charts.canvas import FIXED, PLACEHOLDERS
from auditor.report.charts.metric_charts import MetricCharts, metric_charts
from auditor.report.renderers.html import HtmlReport
from auditor.report.view.details import details
from auditor.report.view.marks import Marks
from auditor.report.view.metrics import MetricsView, metrics_view
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder

_MONO = SliceKey(attributes={"cell": "mono"})


@pytest.fixture(scope="module")
def result(run_folder: RunFolder) -> AuditResult:
    return run_folder.read_result()


def _view_of(result: AuditResult) -> MetricsView | None:
    evaluated = pd.DataFrame(columns=["label", "predicted", "confidence"])
    return metrics_view(result, Marks.of(result, alpha=0.05), evaluated)


@pytest.fixture(scope="module")
def view(result: AuditResult) -> MetricsView:
    found = _view_of(result)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def charts(view: MetricsView) -> MetricCharts:
    return metric_charts(view)


def _comparison(result: AuditResult) -> MetricComparison:
    own, whole = (
        one.estimate
        for key in (_MONO, SliceKey())
        for one in result.metrics
        if one.metric == "sensitivity" and one.slice == key
    )
    assert own is not None
    assert whole is not None
    return MetricComparison(
        metric="sensitivity", class_name=None, unit="share", own=own, rest=whole
    )


def _with_finding(result: AuditResult) -> AuditResult:
    """The result, and a finding on the sensitivity for mono cells."""
    finding = Finding(
        id="F1",
        check="metric-gap",
        kind="outcome",
        title="Sensitivity is lower for mono cells",
        severity="alert",
        verdict="supported",
        slice=_MONO,
        effect=Effect(name="sensitivity gap", value=0.2, low=0.1, high=0.3, unit="points"),
        p_value=0.001,
        q_value=0.001,
        support=100,
        statement=[],
        action="",
        limits="",
        samples=[],
        evidence=[_comparison(result)],
    )
    return result.model_copy(update={"findings": [finding]})


def test_metrics_view_has_every_metric_of_all_samples(
    view: MetricsView, result: AuditResult
) -> None:
    assert [one.name for one in view.overall] == [
        "Sensitivity", "Specificity", "Positive predictive value", "AUROC",
    ]  # fmt: skip
    assert [one.primary for one in view.overall] == [True, True, False, False]
    auroc = view.overall[3].cell
    assert (auroc.value, auroc.limits) == ("0.910", "0.885–0.930")
    assert re.fullmatch(r"\d+ %", view.overall[0].cell.value)
    assert not view.clustered


def test_metrics_view_primary_metrics_are_on_the_first_page(
    view: MetricsView, result: AuditResult
) -> None:
    assert re.fullmatch(
        r"Sensitivity \d+ % \(\d+–\d+ %\); specificity \d+ % \(\d+–\d+ %\)", view.primary_text
    )
    accuracy = result.metrics[0].model_copy(update={"metric": "accuracy"})
    only = _view_of(result.model_copy(update={"metrics": [accuracy]}))
    assert only is not None
    assert only.primary_text == ""


def test_metrics_view_undefined_value_states_the_reason(view: MetricsView) -> None:
    assert view.by_slice is not None
    assert view.by_slice.columns[:2] == ("Slice", "Sensitivity")
    cells = dict(view.by_slice.rows)
    assert cells["line (missing)"][0].value == NOT_DEFINED
    assert cells["line (missing)"][1].value == "–"  # not measured there
    assert [name for name, _ in view.by_slice.rows] == [
        "cell mono", "cell poly", "line A", "line B", "line C", "line (missing)",
    ]  # fmt: skip


def test_metrics_view_result_of_an_earlier_version_has_none(result: AuditResult) -> None:
    assert _view_of(result.model_copy(update={"metrics": []})) is None
    assert metric_charts(None).pairs == ()


def test_metrics_view_slices_of_findings_are_highlighted(result: AuditResult) -> None:
    found = _view_of(_with_finding(result))
    assert found is not None
    sensitivity, specificity = found.primary
    assert [str(one.value.slice) for one in sensitivity.slices if one.marked] == ["cell = mono"]
    assert not any(one.marked for one in specificity.slices)


def test_metrics_view_clusters_are_counted(result: AuditResult) -> None:
    clustered = [one.model_copy(update={"n_clusters": 7}) for one in result.metrics]
    found = _view_of(result.model_copy(update={"metrics": clustered}))
    assert found is not None
    assert found.clustered
    assert found.overall[0].clusters == "7"


def test_metrics_view_values_of_classes_are_in_their_own_table(result: AuditResult) -> None:
    of_class = [
        one.model_copy(update={"class_name": "defective"})
        for one in result.metrics
        if not one.slice.attributes
    ]
    found = _view_of(result.model_copy(update={"metrics": [*result.metrics, *of_class]}))
    assert found is not None
    assert found.by_class is not None
    assert found.by_class.columns[0] == "Class"
    assert [name for name, _ in found.by_class.rows] == ["defective"]
    assert [one.name for one in found.primary][2:] == [
        "Sensitivity of defective", "Specificity of defective",
    ]  # fmt: skip


def test_metric_comparison_is_shown_with_its_finding(result: AuditResult) -> None:
    own, rest = details(_comparison(result)).numbers
    assert own[0] == "sensitivity"
    assert rest[0] == "sensitivity, other samples"


def test_metric_charts_are_valid_and_distinct(charts: MetricCharts) -> None:
    assert charts.reliability is not None
    drawn = [charts.reliability, *(one for pair in charts.pairs for one in pair)]
    drawn += [chart for one in charts.forests for chart in (one.wide, one.narrow)]
    assert len(drawn) == 1 + 2 + 4
    ids: list[str] = []
    for one in drawn:
        svg = one.themed(FIXED)
        assert not any(placeholder in svg for placeholder in PLACEHOLDERS.values())
        root = ET.fromstring(svg)  # noqa: S314 - our own drawing
        assert one.description in root.attrib["aria-label"]
        ids += [item.attrib["id"] for item in root.iter() if "id" in item.attrib]
    assert len(ids) == len(set(ids))


def test_forest_chart_has_all_samples_and_undefined_slices(charts: MetricCharts) -> None:
    wide = charts.forests[0].wide
    assert wide.title == "Sensitivity by slice, with 95 % intervals"
    assert ">all samples</text>" in wide.svg
    assert f">{NOT_DEFINED}</text>" in wide.svg
    assert wide.description.endswith("not defined in 1 slice")
    assert "lowest: cell mono, " in wide.description


def test_operating_charts_name_threshold_slices_and_areas(charts: MetricCharts) -> None:
    ((roc, precision_recall),) = charts.pairs
    assert roc.title == "ROC of defective; marked: the threshold 0.5"
    assert precision_recall.title == "Precision–recall of defective; marked: the threshold 0.5"
    for text in ("all samples", "worst: cell mono", "best: cell poly", "AUROC 0.910 (0.885–0.930)"):
        assert f">{text}</text>" in roc.svg
    assert "worst slice, cell mono: AUROC 0.910" in roc.description
    assert "at the threshold, false positive rate " in roc.description
    assert "at the threshold, recall " in precision_recall.description


def test_reliability_chart_lists_its_bins(charts: MetricCharts, result: AuditResult) -> None:
    assert charts.reliability is not None
    assert result.reliability is not None
    assert charts.reliability.description.count("probability ") == len(result.reliability.bins)


def test_html_report_has_the_section_only_where_there_are_metrics(run_folder: RunFolder) -> None:
    text = HtmlReport().render(build_view(run_folder), run_folder.path).read_text(encoding="utf-8")
    section = text[text.index('id="metrics"') : text.index('id="slices"')]
    assert text.index('<li><a href="#metrics">') < text.index('<li><a href="#slices">')
    assert section.count("<figure") == 9  # seven, the histogram of confidence, and the loss
    assert NOT_DEFINED in section
    assert "The gaps of the primary metrics are tested" in section
    assert text.index("<b>Primary metrics.</b>") < text.index('id="findings"')
