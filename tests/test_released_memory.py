"""What an audit examined is released before its documents are written, which take much memory themselves."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
from builders.python_audits import prepare

from auditor import runner
from auditor.records import AuditData
from auditor.registry import all_of
from auditor.report import documents
from auditor.report.documents import RenderedDocuments


def test_data_and_model_are_released_before_documents_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = [prepare(checks=dict.fromkeys(all_of("check"), False), device="cpu")]
    gc.collect()  # the exception that carried it
    held: dict[str, weakref.ref[object]] = {
        "samples": weakref.ref(prepared[0].dataset),
        "network": weakref.ref(prepared[0].classifier.module),
    }
    alive: list[str] = []
    made = runner._audit_data

    def write(*_: object) -> RenderedDocuments:
        alive.extend(name for name, one in held.items() if one() is not None)
        return RenderedDocuments((), ())

    def judged(*arguments: Any) -> AuditData:
        found = made(*arguments)
        held["audit data"] = weakref.ref(found)
        held["predictions"] = weakref.ref(found.predictions)
        return found

    monkeypatch.setattr(runner, "_audit_data", judged)
    monkeypatch.setattr(documents, "write", write)
    runner.audit(prepared.pop(), tmp_path / "run")
    assert len(held) == 4
    assert alive == []
