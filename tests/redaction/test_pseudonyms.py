"""Keyed pseudonyms."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest

from auditor.errors import DataError
from auditor.redaction.pseudonyms import Pseudonyms, read_or_make_key

KEY = bytes(range(32))


def test_pseudonym_is_the_start_of_the_keyed_hash() -> None:
    expected = hmac.new(KEY, b"sample\0a.png", hashlib.sha256).hexdigest()[:12]
    assert Pseudonyms(KEY).of("sample", "a.png") == f"s-{expected}"


def test_pseudonyms_same_id_same_pseudonym_other_kind_or_key_another() -> None:
    one, other = Pseudonyms(KEY), Pseudonyms(KEY[::-1])
    assert one.of("sample", "a") == Pseudonyms(KEY).of("sample", "a")
    assert one.of("sample", "a")[2:] != one.of("group", "a")[2:]
    assert one.of("sample", "a") != other.of("sample", "a")


def test_pseudonyms_equal_beginnings_become_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.redaction.pseudonyms._DIGITS", 1)
    made = Pseudonyms(KEY)
    shown = [made.of("sample", str(k)) for k in range(100)]  # 16 first digits for 100 ids
    assert len(set(shown)) == 100


def test_read_or_make_key_makes_a_private_file_and_reads_it_again(tmp_path: Path) -> None:
    path = tmp_path / "run.key"
    key = read_or_make_key(path)
    assert len(key) == 32
    assert path.stat().st_mode & 0o077 == 0
    assert read_or_make_key(path) == key


def test_read_or_make_key_other_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no key", encoding="utf-8")
    with pytest.raises(DataError, match="expected a key as hexadecimal digits"):
        read_or_make_key(path)
