"""Signature files that fuzzing found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auditor.errors import DataError
from auditor.signature import read_signature


@pytest.mark.parametrize("text", ["é" * 88, "\u202e", "=", "A" * 87, "\x00" * 88])
def test_signature_that_is_no_base64_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "run.sig"
    path.write_text(json.dumps({"seal": "0" * 64, "signature": text}), encoding="utf-8")
    with pytest.raises(DataError, match="expected a file that `auditor sign` wrote"):
        read_signature(path)
