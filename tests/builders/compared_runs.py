"""Pairs of small runs and findings for tests of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builders.small_runs import predictions, small_run

from auditor.manifest import write_manifest
from auditor.records import Effect, Finding, Severity, SliceKey, Verdict
from auditor.run_folder import RunFolder

SITE = ["A", "A", "B", "B"] * 50
"""Values of the attribute ``site`` of 200 samples."""


def compared_runs(
    folder: Path, wrong_before: Any = (), wrong_after: Any = (), **after: Any
) -> tuple[RunFolder, RunFolder]:
    """Two runs of the same 200 samples with the attribute ``site``.

    Args:
        folder: the runs are its folders ``a`` and ``b``.
        wrong_before: positions of the earlier run's failures.
        wrong_after: positions of the later run's failures.
        after: columns of the later run that differ.
    """
    return (
        small_run(folder / "a", predictions(200, wrong_before, site=SITE)),
        small_run(folder / "b", predictions(200, wrong_after, **({"site": SITE} | after))),
    )


def with_display_names(run: RunFolder, names: Mapping[str, Any]) -> RunFolder:
    """A run whose configuration has display names."""
    result = run.read_result()
    config = {**result.provenance.config, "display_names": dict(names)}
    provenance = result.provenance.model_copy(update={"config": config})
    run.write_result(result.model_copy(update={"provenance": provenance}))
    write_manifest(run.path)
    return run


def finding(
    check: str = "performance-gap",
    severity: Severity = "warning",
    verdict: Verdict = "supported",
    key: SliceKey = SliceKey(attributes={"site": "A"}),  # noqa: B008 - frozen
    name: str = "F1",
) -> Finding:
    """A finding of a check about a slice."""
    return Finding(
        id=name,
        check=check,
        kind="outcome",
        title=f"{check} of {key}",
        severity=severity,
        verdict=verdict,
        slice=key,
        effect=Effect(name="gap", value=0.2, low=0.1, high=0.3, unit="points"),
        limit=0.05,
        p_value=0.001,
        q_value=0.01,
        support=100,
        samples=[],
        statement=[],
        action="",
        limits="",
    )
