from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.compared_runs import SITE, compared_runs
from builders.small_runs import CLASSES, predictions, small_run

from auditor.comparison import compare, pairing
from auditor.comparison.records import Pairing
from auditor.errors import DataError
from auditor.phrasing import slice_name


def test_only_the_same_samples_are_compared_and_the_others_counted(tmp_path: Path) -> None:
    before = predictions(200, site=SITE)
    after = predictions(205, wrong=range(20), site=[*SITE, *"AAAAA"])
    after.loc[0, "label"] = "broken"  # another label
    after.loc[1, "sha256"] = "f" * 64  # another image
    after.loc[2, ["status", "predicted"]] = ["truncated", None]
    before.loc[3, ["status", "predicted"]] = ["missing", None]
    after.loc[4, "site"] = "B"
    after = after.drop(index=[5, 6]).sample(frac=1, random_state=3)
    found = compare(small_run(tmp_path / "a", before), small_run(tmp_path / "b", after))
    assert found.pairing == Pairing(
        n_paired=194, only_before=2, only_after=5, other_label=1, other_image=1,
        unusable_before=1, unusable_after=1, other_attributes=1, images_compared=True,
        n_before=199,
    )  # fmt: skip
    assert {one.sample for one in found.broken} == {f"s{k:04d}" for k in (4, *range(7, 20))}
    (site,) = [one for one in found.slices if slice_name(one.slice) == "site A"]
    # Positions 0, 1, 5 of site A are omitted; 4 counts under its earlier value.
    assert (site.support, site.broken) == (97, len([k for k in (4, *range(7, 20)) if k % 4 < 2]))
    assert any("prediction in the earlier run only" in one for one in found.remarks)


def test_other_measurements_of_the_same_images_are_not_other_attributes(tmp_path: Path) -> None:
    # Another release of the auditor may measure slightly different values.
    brightness = {"image.brightness": np.linspace(0.1, 0.9, 200)}
    assert compare(*compared_runs(tmp_path, **brightness)).pairing.other_attributes == 0


def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    one, _ = compared_runs(tmp_path)
    other = predictions(40).replace({"broken": "cracked"})
    with pytest.raises(DataError, match="only before: broken; only after: cracked"):
        compare(one, small_run(tmp_path / "c", other, classes=("intact", "cracked")))
    unknown = predictions(40)
    unknown["sample"] = [f"t{k}" for k in range(40)]
    with pytest.raises(DataError, match="0 of 200 and 40 samples have the same id"):
        compare(one, small_run(tmp_path / "d", unknown))
    twice = pd.concat([predictions(40), predictions(1)])
    with pytest.raises(DataError, match="'s0000' occurs more than once"):
        compare(one, small_run(tmp_path / "e", twice))
    reordered = small_run(tmp_path / "f", predictions(200), classes=CLASSES[::-1])
    assert compare(one, reordered).overall.broken == 0  # the same classes in another order


def test_numbers_of_two_files_are_compared_by_their_value() -> None:
    whole, with_missing = pd.Series([1, 2, 3]), pd.Series([1.0, None, 3.0])
    texts = pd.Series(["1", "2", "x"])
    assert (pairing._texts(whole) == pairing._texts(with_missing)).tolist() == [True, False, True]
    assert (pairing._texts(whole) == pairing._texts(texts)).tolist() == [True, True, False]
    assert pairing._texts(with_missing)[1] == ""
