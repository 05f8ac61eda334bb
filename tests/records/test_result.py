"""Results that earlier releases wrote within the same schema version."""

from __future__ import annotations

import json
from pathlib import Path

from builders.small_runs import predictions, small_run

from auditor.records import AuditResult

ADDED_TO_SLICES = ("ratio", "level", "gate_power")


def test_result_without_fields_of_later_releases_is_read(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", predictions(60, site=["A", "B"] * 30))
    raw = json.loads((run.path / "audit.json").read_text("utf-8"))
    del raw["tested"]
    for one in raw["slices"]:
        for name in ADDED_TO_SLICES:
            one.pop(name, None)
    for one in raw["findings"]:
        one.pop("level", None)
    result = AuditResult.model_validate(raw)
    assert result.tested == []
    assert all(one.level is None and one.gate_power is None for one in result.slices)
