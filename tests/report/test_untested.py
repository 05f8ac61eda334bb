from __future__ import annotations

from auditor.records import AttributeRecord, AttributeType, Estimate, SliceRecord
from auditor.report.view.untested import UntestedRow, untested_rows


def _slice(
    value: str, support: int, *, tested: bool = False, label: str | None = None
) -> SliceRecord:
    return SliceRecord(
        attributes={"age": value},
        label=label,
        support=support,
        n_failures=0,
        error_rate=None,
        gap=Estimate(value=0, low=0, high=0) if tested else None,
        p_value=None,
        q_value=None,
        detectable_gap=0.25,
    )


def _attribute(kind: AttributeType) -> AttributeRecord:
    return AttributeRecord(name="age", type=kind, guessed=True, n_values=50, n_missing=0)


SLICES = [_slice(f"{k}", 10 + k) for k in range(4)] + [_slice("4", 90, tested=True)]


def test_untested_rows_of_a_mostly_untested_numeric_attribute_are_one() -> None:
    within = _slice("0", 5, label="cat")
    rows = untested_rows([*SLICES, within], [_attribute("numeric")])
    assert rows == (UntestedRow("age: 4 of 5 bands, and bands within labels", "10–13 each", "any"),)


def test_untested_rows_of_other_attributes_are_one_per_slice() -> None:
    expected = [(f"age {k}", str(10 + k), "under 25 points") for k in range(4)]
    for rows in (
        untested_rows(SLICES, [_attribute("categorical")]),
        # Only three of five bands are untested.
        untested_rows([*SLICES[1:], _slice("0", 80, tested=True)], [_attribute("numeric")]),
    ):
        assert [(one.name, one.samples, one.gap) for one in rows] == expected[4 - len(rows) :]
