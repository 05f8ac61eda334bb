"""A check or stage that raises: the rest of the audit is kept, and its verdict says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import auditor
from auditor.errors import DataError
from auditor.records import AuditResult
from auditor.run_folder import RunFolder
from auditor.verification import verify


def _audit(out: Path) -> AuditResult:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )
    random = np.random.default_rng(0)
    images = [(random.integers(0, 255, (8, 8, 3), np.uint8), "ab"[k % 2]) for k in range(80)]
    sites = pd.DataFrame({"site": random.choice(["x", "y"], 80)})
    return auditor.audit(
        model, images, classes=["a", "b"], preprocess={}, attributes=sites, out=out
    )


def _raising(error: Exception) -> Callable[..., object]:
    def broken(*_: object, **__: object) -> object:
        raise error

    return broken


@pytest.mark.parametrize(
    ("place", "error", "name", "reason", "undecided"),
    [
        (
            "checks.class_gap.ClassGap.examine",
            ValueError("no\nnumber"),
            "class-gap",
            "could not be done: ValueError: no number",
            True,
        ),
        (
            "checks.duplicates.Duplicates.examine",
            KeyError("x"),
            "duplicates",
            "could not be done: KeyError: 'x'",
            False,
        ),
        (
            "runner.measure_map_sanity",
            ZeroDivisionError(),
            "map sanity",
            "could not be done: ZeroDivisionError",
            False,
        ),
        (
            "runner.dissect",
            torch.cuda.OutOfMemoryError("full"),
            "dissect",
            "could not be done: OutOfMemoryError: full",
            False,
        ),
    ],
)
def test_broken_part_is_listed_and_the_rest_is_kept(
    place: str,
    error: Exception,
    name: str,
    reason: str,
    undecided: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"auditor.{place}", _raising(error))
    result = _audit(tmp_path / "run")
    assert [one.reason for one in result.skipped if one.check == name] == [reason]
    assert result.summary.n_evaluated == 80
    reasons = [one for one in result.outcome.reasons if "could not be done" in one.text]
    assert [(one.kind, one.state) for one in reasons] == [("evaluation", "undecided")] * undecided
    assert all(name in one.text for one in reasons)
    if undecided:
        assert result.outcome.state != "passes"
    run = RunFolder.open(tmp_path / "run")
    assert type(error).__name__ in (run.path / "traceback.txt").read_text(encoding="utf-8")
    assert reason in (run.path / "report.html").read_text(encoding="utf-8").replace("&#39;", "'")
    assert verify(run.path).ok


def test_whole_audit_has_no_traceback_and_no_broken_part(tmp_path: Path) -> None:
    result = _audit(tmp_path / "run")
    assert not [one for one in result.skipped if one.reason.startswith("could not be done: ")]
    assert not (tmp_path / "run" / "traceback.txt").exists()


@pytest.mark.parametrize("error", [DataError("mask of another size"), UserWarning("overflow")])
def test_unreadable_data_and_warnings_still_end_the_audit(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.checks.class_gap.ClassGap.examine", _raising(error))
    with pytest.raises(auditor.errors.AuditorError, match=str(error)):
        _audit(tmp_path / "run")
