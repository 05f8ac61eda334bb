"""Every report shows sensitive attributes as aggregates only, of cells with enough samples."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from builders.synthetic_run import Plan, build_run

from auditor.disclosure.result import disclosed
from auditor.manifest import write_manifest
from auditor.records import MISSING, AuditResult, Estimate, MetricValue
from auditor.report import documents
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder

SENSITIVE = ("cell", "line")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    plan = Plan(samples=400, side=24, drawn=6, sensitive=SENSITIVE)
    store = build_run(tmp_path_factory.mktemp("sensitive") / "run", plan)
    documents.write(store, ["csv", "json", "html"])
    return store


def test_cards_and_filters_have_no_sensitive_value(run: RunFolder) -> None:
    view = build_view(run)
    assert view.failures
    assert {name for card in view.failures for name, _ in card.attributes} == set()
    assert view.attributes == SENSITIVE
    assert view.sample_attributes == ()


def test_failures_table_has_no_sensitive_column_and_slices_table_has(run: RunFolder) -> None:
    tables = run.path / "tables"
    with (tables / "failures.csv").open(encoding="utf-8") as stream:
        assert not set(SENSITIVE) & set(next(csv.reader(stream)))
    with (tables / "slices.csv").open(encoding="utf-8") as stream:
        assert set(SENSITIVE) <= set(next(csv.reader(stream)))


def test_findings_about_a_sensitive_slice_name_no_sample(run: RunFolder) -> None:
    about = [one for one in build_view(run).findings if one.record.slice.attributes]
    assert about
    for one in about:
        assert (one.record.samples, one.cards, one.contrasts) == ([], (), ())


def test_places_of_failures_do_not_tell_their_slice(run: RunFolder) -> None:
    view = build_view(run)
    assert view.sheets == ()
    names = () if view.failure_map is None else [one.name for one in view.failure_map.groups]
    assert not [name for name in names if "mono" in name or "poly" in name]


def test_every_shown_slice_has_enough_samples(run: RunFolder) -> None:
    stored = run.read_result().slices
    shown = build_view(run).slices
    assert min(one.support for one in stored) < 10
    assert min(one.support for one in shown) >= 10
    report = json.loads((run.path / "report.json").read_text(encoding="utf-8"))
    assert min(one["support"] for one in report["slices"]) >= 10


def test_report_counts_what_it_does_not_show(run: RunFolder) -> None:
    found = disclosed(run.read_result())
    notes = build_view(run).disclosure.notes
    assert found.n_withheld > 1
    assert any(f"{found.n_withheld} cells are not shown" in one for one in notes)
    assert "cell and line are marked as sensitive" in notes[0]


def _small(result: AuditResult, **changes: object) -> AuditResult:
    """A result whose first finding is about a slice of four samples, and whose outcome rests on it."""
    tiny = result.findings[0].model_copy(
        update={
            "title": "75 % of samples with line = tiny are misclassified",
            "slice": result.findings[0].slice.model_copy(update={"attributes": {"line": "tiny"}}),
            "support": 4,
            "statement": [
                "Of 4 samples with line = tiny, 75 % are misclassified.",
                "It is Tuesday.",
            ],
        }
    )
    reason = result.outcome.reasons[0].model_copy(
        update={"text": f"{tiny.title}.", "reference": tiny.id}
    )
    slices = [
        *result.slices,
        result.slices[0].model_copy(update={"attributes": {"line": "tiny"}, "support": 4}),
    ]
    return result.model_copy(
        update={
            "findings": [tiny, *result.findings[1:]],
            "slices": slices,
            "outcome": result.outcome.model_copy(update={"reasons": [reason]}),
            **changes,
        }
    )


def test_finding_about_a_small_slice_keeps_severity_and_verdict_without_numbers(
    run: RunFolder,
) -> None:
    result = _small(run.read_result())
    found = disclosed(result).result
    first = found.findings[0]
    assert (first.severity, first.verdict) == (
        result.findings[0].severity,
        result.findings[0].verdict,
    )
    assert first.title == "A slice by line whose numbers are not shown"
    assert (first.effect, first.q_value, first.support, first.evidence) == (None, None, 0, [])
    assert "tiny" not in first.model_dump_json()
    assert found.outcome.state == result.outcome.state
    assert [one.text for one in found.outcome.reasons] == [f"{first.title}."]


def test_disclosed_twice_changes_nothing_more(run: RunFolder) -> None:
    once = disclosed(_small(run.read_result())).result
    assert disclosed(once).result == once


def test_metric_with_few_positive_samples_withholds_its_parts_only(run: RunFolder) -> None:
    key = run.read_result().slices[0]
    slice_key = (
        run.read_result()
        .findings[0]
        .slice.model_copy(update={"attributes": key.attributes, "label": None, "predicted": None})
    )
    values = [
        MetricValue(metric=name, slice=slice_key, estimate=None, support=n)
        for name, n in (("accuracy", 60), ("sensitivity", 6), ("specificity", 54))
    ]
    result = run.read_result().model_copy(update={"metrics": values})
    # 60 − 54 = 6 would reveal the number of positive samples.
    assert [one.metric for one in disclosed(result).result.metrics] == ["accuracy"]


def _with_min_failures(result: AuditResult, least: int) -> AuditResult:
    raw = result.model_dump(mode="json")
    raw["provenance"]["config"].setdefault("report", {})["min_failures"] = least
    return AuditResult.model_validate_json(json.dumps(raw))


def test_every_shown_slice_has_no_or_enough_failures_and_correct_predictions(
    run: RunFolder,
) -> None:
    def least(result: AuditResult) -> int:
        shown = disclosed(result).result.slices
        slices = [one for one in shown if set(SENSITIVE) & set(one.attributes)]
        counts = [n for one in slices for n in (one.n_failures, one.support - one.n_failures)]
        return min(n for n in counts if n)

    result = run.read_result()
    assert least(result) < 12
    changed = _with_min_failures(result, 12)
    assert least(changed) >= 12
    assert disclosed(changed).n_withheld > disclosed(result).n_withheld
    assert (
        "fewer than 10 samples, 12 failures or correct predictions"
        in disclosed(changed).wording.note
    )


@pytest.mark.parametrize(("value", "shown"), [(0.9, False), (1.0, True), (0.85, True)])
def test_metrics_that_reveal_few_failures_are_withheld(
    value: float, shown: bool, run: RunFolder
) -> None:
    result = _with_min_failures(run.read_result(), 5)
    attributes = next(one.attributes for one in disclosed(result).result.slices if one.attributes)
    key = result.findings[0].slice.model_copy(
        update={"attributes": attributes, "label": None, "predicted": None}
    )
    # Of 40 positive samples, 0.9 · 40 = 36 are recognised and 4 are not; 1.0: 40 and 0; 0.85: 34 and 6.
    estimate = Estimate(value=value, low=0.5, high=1.0)
    values = [
        MetricValue(metric=name, slice=key, estimate=one, support=n)
        for name, one, n in (("accuracy", None, 80), ("sensitivity", estimate, 40))
    ]
    found = disclosed(result.model_copy(update={"metrics": values})).result.metrics
    assert [one.metric for one in found] == (["accuracy", "sensitivity"] if shown else [])


def test_result_without_sensitive_attributes_is_unchanged(tmp_path: Path) -> None:
    result = build_run(tmp_path / "run", Plan(samples=60, side=16, drawn=2)).read_result()
    assert disclosed(result).result is result


def test_small_categories_have_no_selection_rate(tmp_path: Path) -> None:
    plan = Plan(samples=200, side=16, drawn=2, sensitive=("line",))
    store = build_run(tmp_path / "run", plan)
    table = pd.read_parquet(store.path / "predictions.parquet")
    table["line"] = ["rare"] * 5 + ["A"] * 80 + ["B"] * 60 + ["C"] * 55
    table.to_parquet(store.path / "predictions.parquet", index=False)
    write_manifest(store.path)
    rates = build_view(store).selection
    assert rates is not None
    # `rare` has 5 samples; with it alone missing, the total would reveal it.
    assert [one.names for one in rates.tables[0].categories] == [("A",), ("B",)]
    assert rates.tables[0].n_withheld == 2
    assert MISSING not in str(rates)
