from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.compared_runs import SITE, compared_runs
from builders.small_runs import predictions, small_run
from scipy.stats import binom
from statsmodels.stats.contingency_tables import mcnemar as independent_mcnemar
from statsmodels.stats.multitest import multipletests

from auditor.comparison import compare
from auditor.comparison.compare import slice_changes
from auditor.comparison.pairing import PairedSlice, Pairs
from auditor.comparison.records import Pairing
from auditor.phrasing import slice_name
from auditor.records import SliceKey
from auditor.run_folder import RunFolder
from auditor.statistics import sign_flip


def test_changes_equal_an_independent_mcnemar_test(tmp_path: Path) -> None:
    # site A (positions 0, 1, 4, 5, …): 16 broken, 3 fixed, 5 wrong in both; site B: 2 fixed.
    a = [k for k in range(200) if SITE[k] == "A"]
    b = [k for k in range(200) if SITE[k] == "B"]
    broken, fixed, both = a[:16], [*a[16:19], *b[:2]], a[19:24]
    found = compare(*compared_runs(tmp_path, fixed + both, broken + both))
    assert (found.overall.broken, found.overall.fixed) == (16, 5)
    assert found.overall.change.value == pytest.approx((21 - 10) / 200)
    assert found.before.paired_accuracy.value == pytest.approx(0.95)
    assert found.after.paired_accuracy.value == pytest.approx(0.895)
    by_name = {slice_name(one.slice): one for one in (found.overall, *found.slices)}
    assert set(by_name) == {
        "all samples", "label intact", "label broken", "site A", "site B", "site A · intact",
        "site A · broken", "site B · intact", "site B · broken",
    }  # fmt: skip
    site = by_name["site A"]
    assert (site.support, site.failures_before, site.failures_after) == (100, 8, 21)
    assert (site.broken, site.fixed, site.direction) == (16, 3, "worse")
    # Mid-p: the exact p-value less the probability of the observed table; 1 where both agree.
    for one in by_name.values():
        flipped = one.broken + one.fixed
        exact = float(independent_mcnemar([[0, one.broken], [one.fixed, 0]], exact=True).pvalue)
        expected = 1.0 if one.broken == one.fixed else exact - binom.pmf(one.broken, flipped, 0.5)
        assert one.p_value == pytest.approx(expected)
    names = list(by_name)
    adjusted = multipletests([by_name[name].p_value for name in names], method="fdr_bh")[1]
    assert [by_name[name].q_value for name in names] == pytest.approx(list(adjusted))
    assert found.rules.n_tests == 9
    assert {slice_name(one.slice) for one in found.blocking} == {
        name for name, q in zip(names, adjusted, strict=True)
        if q <= 0.05 and by_name[name].change.value > 0
    }  # fmt: skip


def test_change_within_the_acceptable_rise_does_not_block(tmp_path: Path) -> None:
    one, two = compared_runs(tmp_path, (), range(0, 200, 5))
    assert {slice_name(each.slice) for each in compare(one, two, max_rise=0.19).blocking} >= {
        "all samples", "site A",
    }  # fmt: skip
    mild = compare(one, two, max_rise=0.2)
    assert mild.overall.direction == "worse"
    assert not mild.overall.blocks


def test_version_1_run_compared_with_itself_is_sliced_by_its_annotated_attributes(
    example_v1: Path,
) -> None:
    run = RunFolder.open(example_v1)
    found = compare(run, run)
    data = run.read_result().provenance.config["data"]
    assert isinstance(data, dict)
    configured = data["attributes"]
    assert configured == ["mark", "stroke"]
    names = {name for one in found.slices for name in one.slice.attributes}
    assert names == {"mark", "stroke"}
    # 10 labels, 2 values each of mark and of stroke, each value within 10 labels, and the 2 by 2
    # intersections: 10 + (2 + 2) + (20 + 20) + 4 = 58. All of them have at least 30 samples and are
    # tested, and so are all samples together.
    assert len(found.slices) == 58
    assert found.rules.n_tests == 59


def test_models_that_differ_by_chance_are_rarely_worse() -> None:
    rng = np.random.default_rng(11)
    n, blocked = 400, 0
    account = Pairing(
        n_paired=n, only_before=0, only_after=0, other_label=0, other_image=0,
        unusable_before=0, unusable_after=0, other_attributes=0, images_compared=True,
        n_before=n,
    )  # fmt: skip
    slices = tuple(
        PairedSlice(SliceKey(attributes={"site": str(k)}), np.arange(k, n, 8, dtype=np.int64))
        for k in range(8)
    )
    label = pd.Series(["x"] * n)
    for _ in range(400):
        sides = [
            pd.DataFrame({"label": label, "predicted": np.where(rng.random(n) < 0.2, "y", "x")})
            for _ in range(2)
        ]
        found = slice_changes(Pairs(sides[0], sides[1], slices, account), 0.05, 20, 0.0)
        blocked += any(one.blocks for one in found)
    assert blocked <= 20  # half of the 5 % are rises: 10 expected, at most 20 with near certainty


def test_flipped_samples_are_ranked_by_loss(tmp_path: Path) -> None:
    classes = ("x", "y", "z")
    before = pd.DataFrame(
        {
            "sample": list("abcde"), "path": list("abcde"), "label": ["x"] * 5,
            "predicted": list("xyyxx"), "confidence": 0.6, "loss": [0.1, 2.0, 3.0, 0.1, 0.1],
            "status": "ok", "sha256": "0",
        }
    )  # fmt: skip
    after = before.assign(predicted=list("yxzzx"), loss=[1.0, 0.1, 3.0, 4.0, 0.1])
    found = compare(
        small_run(tmp_path / "a", before, classes=classes),
        small_run(tmp_path / "b", after, classes=classes),
    )
    assert [one.sample for one in found.broken] == ["d", "a"]
    assert [one.sample for one in found.fixed] == ["b"]
    assert found.moved == 1
    row = next(one for one in found.classes if one.name == "x")
    assert row.recall_before is not None
    assert row.recall_after is not None
    assert (row.recall_before.value, row.recall_after.value) == (0.6, 0.4)
    assert row.precision_after is not None
    assert row.precision_after.value == 1.0


def test_flipped_sample_has_its_attributes_only(tmp_path: Path) -> None:
    found = compare(*compared_runs(tmp_path, (), [0]))
    (flipped,) = found.broken
    assert flipped.attributes == {"site": "A"}
    assert found.pairing.other_attributes == 0


def test_small_slices_are_not_tested_and_bands_are_those_of_the_earlier_run(
    tmp_path: Path,
) -> None:
    age = np.arange(200.0)
    found = compare(
        small_run(tmp_path / "a", predictions(200, age=age)),
        small_run(tmp_path / "b", predictions(60, age=age[:60])),
    )
    by_name = {slice_name(one.slice): one for one in found.slices}
    assert by_name["age under 50"].support == 50
    assert by_name["age 50–99"].support == 10
    assert by_name["age 50–99"].direction == "untested"
    assert by_name["age 50–99"].p_value is None
    assert "age 100–149" not in by_name


def test_runs_of_clustered_samples_are_compared_by_sign_flips_of_clusters() -> None:
    generator = np.random.default_rng(0)
    n = 200
    patient = np.repeat(np.arange(20), 10)
    one = generator.random(n) < 0.2
    # All images of a fifth of the patients change together.
    two = np.where((patient % 5 == 0), ~one, one)
    sides = [
        pd.DataFrame(
            {
                "label": "a",
                "predicted": np.where(failed, "b", "a"),
                "data.group": patient.astype(str),
            }
        )
        for failed in (one, two)
    ]
    account = Pairing(
        n_paired=n, only_before=0, only_after=0, other_label=0, other_image=0,
        unusable_before=0, unusable_after=0, other_attributes=0, images_compared=True,
        n_before=n,
    )  # fmt: skip
    (found,) = slice_changes(Pairs(sides[0], sides[1], (), account), 0.05, 20, 0.0)
    expected = sign_flip(two.astype(float) - one, groups=patient)
    assert found.p_value == pytest.approx(expected.p_value)
    assert (found.change.value, found.change.low, found.change.high) == pytest.approx(
        (expected.change.value, expected.change.low, expected.change.high)
    )
    alone = [side.drop(columns="data.group") for side in sides]
    (plain,) = slice_changes(Pairs(alone[0], alone[1], (), account), 0.05, 20, 0.0)
    assert plain.p_value is not None
    assert found.p_value is not None
    assert plain.p_value < found.p_value
