"""Texts without ids, paths and file names."""

from __future__ import annotations

import pytest

from auditor.disclosure.texts import without_examples
from auditor.redaction.texts import KnownNames, factories, is_path, without_paths


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("weights from /home/ann/net.pt, read", "weights from (removed), read"),
        (r"read C:\Users\ann\net.pt", "read (removed)"),
        ("weights from digits.safetensors", "weights from (removed)"),
        ("read data/train/a.png.", "read (removed)."),
        (
            "3 of 4 and/or 12/15 points, 0.5 s, e.g. this",
            "3 of 4 and/or 12/15 points, 0.5 s, e.g. this",
        ),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
    ],
)
def test_without_paths_removes_paths_and_files_only(text: str, expected: str) -> None:
    assert without_paths(text) == expected


def test_without_examples_removes_examples_and_quotations() -> None:
    text = "2 files have no header, such as a b.dcm; they were left out: KeyError: 'ann'"
    assert (
        without_examples(text) == "2 files have no header; they were left out: KeyError: (removed)"
    )


def test_factories_are_the_functions_that_settings_name() -> None:
    settings = {"factory": "ward.nets:build", "device": "cuda:0", "folders": ["a/b", "x: y"]}
    assert factories([settings, None]) == {"ward.nets:build", "ward.nets.py"}


def test_is_path_label_is_none() -> None:
    assert is_path("a/b/0001.png")
    assert not is_path("patient 12")


def _replaced(text: str, names: dict[str, str], protected: frozenset[str] = frozenset()) -> str:
    known = KnownNames(protected)
    known.collect([text])
    for name, shown in names.items():
        known.add_file(name, shown)
    return known.replacer()(text)


def test_known_names_id_with_spaces_is_replaced() -> None:
    assert (
        _replaced("Samples ann b 7 and x differ.", {"ann b 7": "s-1"})
        == "Samples s-1 and x differ."
    )


def test_known_names_file_and_stem_of_a_path_are_replaced() -> None:
    names = {"/data/scan_17.png": "s-1"}
    assert _replaced("Look at scan_17.png, not scan_170 (scan_17).", names) == (
        "Look at s-1, not scan_170 (s-1)."
    )


def test_known_names_number_is_replaced_only_where_a_sample_is_named() -> None:
    text = "Of 17 samples, sample 17 and 17 % differ."
    assert _replaced(text, {"17": "s-1"}) == "Of 17 samples, sample s-1 and 17 % differ."


def test_known_names_class_with_the_name_of_a_sample_stays() -> None:
    assert _replaced("cat_01 fails", {"cat_01": "s-1"}, frozenset({"cat_01"})) == "cat_01 fails"
