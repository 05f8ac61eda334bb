from __future__ import annotations

from typing import get_args

import pytest

from auditor.records import (
    Contingency,
    Estimate,
    EvidencePart,
    IntersectionContrast,
    Quantities,
    Quantity,
    Record,
    SampleGroup,
    SampleGroups,
    SampleRef,
    Table,
)
from auditor.report.view.details import details
from auditor.report.view.tables import TextTable


def test_every_type_of_evidence_is_known() -> None:
    union, _ = get_args(EvidencePart)
    types = get_args(union)
    assert len(types) >= 9
    for one in types:
        assert details.dispatch(one) is not details.dispatch(object), one


def test_unknown_type_is_an_error() -> None:
    class Unknown(Record):
        pass

    with pytest.raises(TypeError, match=r"expected a part of the evidence .*; got Unknown"):
        details(Unknown())


def test_quantities_are_written_with_their_units() -> None:
    part = Quantities(
        items=(
            Quantity(name="over-confidence", value=0.45, unit="points"),
            Quantity(name="share", value=Estimate(value=0.5, low=0.4, high=0.6), unit="share"),
            Quantity(name="distance", value=0.012, unit="score"),
            Quantity(name="images", value=1078, unit="count"),
            Quantity(name="missing", value=None, unit="score"),
        )
    )
    assert details(part).numbers == (
        ("over-confidence", "+45 points"),
        ("share", "50 % (40–60 %)"),
        ("distance", "0.012"),
        ("images", "1 078"),
        ("missing", "–"),
    )


def test_table_is_written_with_the_units_of_its_columns() -> None:
    part = Table(
        title="classes",
        columns=("class", "recall", "raw"),
        rows=(("a", 0.5, 0.123456), ("b", None, "text")),
        units=(None, "share", None),
    )
    assert details(part).tables == (
        TextTable(
            "Classes", ("class", "recall", "raw"), (("a", "50 %", "0.1235"), ("b", "–", "text"))
        ),
    )


def test_contingency_is_a_table_of_counts() -> None:
    part = Contingency(
        source="reference",
        attribute="cell",
        labels=("x", "y"),
        values=("mono", "poly"),
        counts=((30, 1400), (240, 30)),
    )
    (table,) = details(part).tables
    assert table.title == "Samples by label and cell in the training data"
    assert table.columns == ("label", "mono", "poly")
    assert table.rows == (("x", "30", "1 400"), ("y", "240", "30"))


def test_sample_groups_list_their_members() -> None:
    members = (
        SampleRef(sample="a.png", label="x"),
        SampleRef(sample="row 12", label=None, source="reference"),
    )
    groups = (SampleGroup(members=members, note="mirrored"), SampleGroup(members=members[:1]))
    (table,) = details(SampleGroups(title="copies", groups=groups)).tables
    assert table.rows == (
        ("a.png (x), row 12 (training data)", "mirrored"),
        ("a.png (x)", ""),
    )
    (plain,) = details(SampleGroups(title="copies", groups=groups[1:])).tables
    assert (plain.columns, plain.rows) == (("samples (label)",), (("a.png (x)",),))


def test_intersection_is_compared_with_each_value_and_their_sum() -> None:
    gap = Estimate(value=0.08, low=0.02, high=0.14)
    part = IntersectionContrast(against_each={"cell": gap, "line": gap}, beyond_sum=gap)
    assert details(part).numbers == (
        ("gap to other samples with the same cell", "+8 points (+2 to +14)"),
        ("gap to other samples with the same line", "+8 points (+2 to +14)"),
        ("error rate beyond the sum of what both values add", "+8 points (+2 to +14)"),
    )
