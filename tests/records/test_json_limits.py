from __future__ import annotations

import json

import pytest

from auditor.records.json_limits import JsonFaultError, parse_json


def _nested(levels: int) -> str:
    return "[" * levels + "1" + "]" * levels


@pytest.mark.parametrize(
    "text",
    [
        "1",
        '{"a": [1, -2.5, null, true, {"b": "Käfer \\ud83e\\udd8a"}]}',
        "[1e100, -1e100, 18446744073709551616]",
        _nested(40),
        json.dumps("x" * 1_000_000),
    ],
    ids=["number", "document", "largest-numbers", "deepest", "longest"],
)
def test_document_within_bounds_is_returned(text: str) -> None:
    assert parse_json(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"a": [0, {"b": 1e101}]}',
            r"a\.1\.b: expected a finite number up to 1e\+100; got 1e\+101",
        ),
        ('{"a": NaN}', "a: expected a finite number"),
        ('{"a": 18446744073709551617}', "a: expected an integer of at most 64 bits"),
        ('{"a": "\\ud800"}', "a: expected Unicode text"),
        ('{"a": {"\\udfff": 1}}', "a: expected Unicode text"),
        (json.dumps({"a": "x" * 1_000_001}), "a: expected a text of at most 1000000 characters"),
        (_nested(41), r"0\.0\.0\.0: expected at most 40 levels"),
        ('{"a": ', "expected JSON"),
    ],
    ids=["large", "nan", "integer", "text", "key", "long", "deep", "no-json"],
)
def test_document_out_of_bounds_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(JsonFaultError, match=message):
        parse_json(text)
