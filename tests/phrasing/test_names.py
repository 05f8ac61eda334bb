from __future__ import annotations

from auditor.phrasing import quoted, reading_order, several, slice_name, whom
from auditor.records import SliceKey


def test_slice_in_a_sentence_names_label_and_values() -> None:
    key = SliceKey(attributes={"cell": "mono", "line": "A"}, label="functional")
    assert whom(key) == "functional samples with cell = mono and line = A"
    assert whom(SliceKey(label="9"), "images") == "“9” images"
    assert whom(SliceKey()) == "samples"


def test_slice_in_a_table_is_short() -> None:
    key = SliceKey(attributes={"cell": "mono", "line": "A"}, label="functional")
    assert slice_name(key) == "cell mono, line A · functional"
    assert slice_name(SliceKey(label="9", predicted="8")) == "label 9 · predicted 8"
    assert slice_name(SliceKey()) == "all samples"


def test_label_that_begins_with_a_letter_needs_no_quotes() -> None:
    assert [quoted(one) for one in ("cat", "9", "")] == ["cat", "“9”", "“”"]


def test_long_list_is_cut() -> None:
    assert several(["a"]) == "a"
    assert several(["a", "b", "c"]) == "a, b and c"
    assert several(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert several(["a"] * 1553).endswith(" and 1 550 more")


def test_bands_are_sorted_by_their_numbers_and_missing_values_come_last() -> None:
    names = ["78 and over", "(missing)", "9–18", "under 9", "18–78", "poly", "0.5"]
    ordered = sorted(names, key=lambda name: reading_order({"sharpness": name}))
    assert ordered == ["under 9", "0.5", "9–18", "18–78", "78 and over", "poly", "(missing)"]
