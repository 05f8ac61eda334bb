"""Duplicates: planted copies are found, different images are not, and labels of copies are compared."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from builders.claims import quantity
from builders.stored_images import coloured, fingerprinted

from auditor.checks.duplicates import Duplicates
from auditor.records import SampleGroups


def test_copies_recompressed_or_resized_are_found_and_their_labels_compared() -> None:
    files = [coloured(k) for k in range(30)]
    files += [coloured(3), coloured(5, quality=60), coloured(7, side=64), coloured(3, quality=80)]
    label = [0] * 30 + [0, 1, 0, 0]
    surplus, contradicted = Duplicates().examine(fingerprinted(files, label)).claims
    copies = surplus.part(SampleGroups)
    assert copies is not None
    found = [{one.sample for one in group.members} for group in copies.groups]
    assert found[0] == {"s0003", "s0030", "s0033"}
    assert sorted(map(sorted, found[1:])) == [["s0005", "s0031"], ["s0007", "s0032"]]
    assert quantity(surplus, "pairs of copies whose files differ") == 3
    assert surplus.effect is not None
    assert surplus.effect.value == pytest.approx(4 / 34)
    assert (contradicted.support, contradicted.samples) == (2, ("s0005", "s0031"))
    assert surplus.p_value is None
    assert contradicted.p_value is None


def test_equal_files_are_noted_as_such() -> None:
    files = [coloured(0), coloured(0), *(coloured(k) for k in range(1, 9))]
    (claim,) = Duplicates().examine(fingerprinted(files, [0] * 10)).claims
    copies = claim.part(SampleGroups)
    assert copies is not None
    assert [group.note for group in copies.groups] == ["equal files"]
    assert [(one.sample, one.label) for one in copies.groups[0].members] == [
        ("s0000", "a"),
        ("s0001", "a"),
    ]


def test_different_images_with_equal_fingerprints_are_no_copies() -> None:
    made = fingerprinted([coloured(k) for k in range(12)])
    same = made.predictions.assign(phash=["00000000ffffffff"] * 12)
    assert not Duplicates().examine(replace(made, predictions=same)).claims


def test_pairs_and_pixels_not_compared_are_listed_as_skipped() -> None:
    made = fingerprinted([coloured(k) for k in range(12)])
    made = replace(made, predictions=made.predictions.assign(phash=["00000000ffffffff"] * 12))
    (skipped,) = Duplicates(max_pairs=4).examine(made).skipped
    assert "the pixels of 7 of 11 pairs" in skipped.reason
    (skipped,) = Duplicates().examine(replace(made, images=None)).skipped
    assert "the pixels are not available" in skipped.reason
    plain = replace(made, predictions=made.predictions.drop(columns="phash"))
    (skipped,) = Duplicates().examine(plain).skipped
    assert "no fingerprints" in skipped.reason


def test_contradicted_label_predicted_as_that_of_the_other_copy_is_a_data_fault() -> None:
    files = [coloured(0), coloured(0), coloured(1), coloured(1)]
    files += [coloured(k) for k in range(2, 10)]
    made = fingerprinted(files, [0, 1, 0, 1, *[0] * 8])
    predicted = ["a", "a", "c", "c", *["a"] * 8]
    frame = made.predictions.assign(
        label=pd.Categorical(made.predictions["label"], categories=["a", "b", "c"]),
        predicted=pd.Categorical(predicted, categories=["a", "b", "c"]),
    )
    audit = replace(made, predictions=frame, classes=("a", "b", "c"))
    _, contradicted = Duplicates().examine(audit).claims
    # The second pair is predicted as neither label: whichever is right, the model is wrong.
    assert contradicted.faulty == ("s0001",)
    assert quantity(contradicted, "failures among the copies") == 3
    assert quantity(contradicted, "failures predicted as the label of another copy") == 1
    assert (contradicted.counted, contradicted.limit) == (True, 0.01)
