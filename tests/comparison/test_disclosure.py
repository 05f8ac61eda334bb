"""Comparisons show sensitive attributes as aggregates only."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from builders.compared_runs import compared_runs, finding

from auditor.comparison import documents
from auditor.comparison.compare import compare
from auditor.manifest import write_manifest
from auditor.progress import Silent
from auditor.records import SliceKey, SliceRecord
from auditor.run_folder import RunFolder

SITE = ["tiny"] * 4 + ["A"] * 96 + ["B"] * 100


def _sensitive(run: RunFolder) -> RunFolder:
    """The run with a sensitive attribute, and a finding about four samples."""
    result = run.read_result()
    config = {**result.provenance.config, "about": {"sensitive": ["site"]}}
    slices = [
        SliceRecord(
            attributes={"site": value},
            label=None,
            support=SITE.count(value),
            n_failures=0,
            error_rate=None,
            gap=None,
            p_value=None,
            q_value=None,
        )
        for value in ("tiny", "A", "B")
    ]
    run.write_result(
        result.model_copy(
            update={
                "provenance": result.provenance.model_copy(update={"config": config}),
                "slices": slices,
                "findings": [finding(key=SliceKey(attributes={"site": "tiny"}))],
            }
        )
    )
    write_manifest(run.path)
    return run


def test_comparison_sensitive_attribute_has_no_sample_and_no_small_slice(tmp_path: Path) -> None:
    before, after = compared_runs(tmp_path, range(10), range(5, 30))
    for run in (before, after):
        path = run.path / "predictions.parquet"
        pd.read_parquet(path).assign(site=SITE).to_parquet(path, index=False)
    found = compare(_sensitive(before), _sensitive(after))
    assert found.broken
    assert all(one.attributes == {} for one in (*found.broken, *found.fixed))
    # 200 − 96 − 100 = 4 would reveal `tiny`, so the counts of `A`, which blocks the gate, are not shown.
    assert {
        (one.slice.attributes["site"], one.support, one.blocks)
        for one in found.slices
        if one.slice.attributes
    } == {("B", 100, False), ("B", 50, False), ("(not shown)", 0, True)}
    assert found.exit_code == 1
    assert documents.write(
        found, before, after, tmp_path / "c", ["html", "markdown"], Silent()
    ).paths
    assert "tiny" not in found.model_dump_json()
    assert [one.after.title for one in found.findings if one.after] == [
        "A slice by site whose numbers are not shown"
    ]
