"""Failure regions: a region that causes failures is found without an attribute, and no other is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.claims import quantity
from builders.image_evidence import ImageArray, Model, Probabilities, audit_data
from builders.marked_images import (
    MARK,
    SIDE,
    band_brightness,
    banded_images,
    bright_places,
    confident,
    has_mark,
    intervention,
    labels,
    marked_audit,
    model_of,
    predict_by_band_or_mark,
    region_of,
    turns,
    with_mark,
)
from numpy.typing import NDArray

from auditor.checks.failure_regions import FailureRegions
from auditor.discovery.failure_clusters import failure_clusters
from auditor.records import AuditData, Claim, Estimate, MapShift, SliceKey, Table

SECOND_MARK = np.s_[:, :, 2:6, 2:6]
"""Pixels of a mark in the opposite corner."""


def only_claim(audit: AuditData) -> Claim:
    (claim,) = FailureRegions().examine(audit).claims
    return claim


def infill_methods(claim: Claim) -> set[str]:
    """The infill methods that the claim lists."""
    prefix = "failures corrected with the infill "
    names = [one.name for part in claim.evidence if part.type == "quantities" for one in part.items]
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def effects(claim: Claim) -> tuple[Estimate, Estimate, Estimate, Estimate]:
    """Share corrected and its control, share flipped and its control."""
    corrected, flipped = intervention(claim).effects
    return corrected.value, corrected.control, flipped.value, flipped.control


def maps_of(claim: Claim) -> MapShift:
    """The maps of the cluster that the claim concerns."""
    part = claim.part(MapShift)
    assert part is not None
    return part


def test_mark_without_annotation_is_found_and_confirmed() -> None:
    audit = marked_audit()
    claim = only_claim(audit)
    assert claim.kind == "robustness"
    assert claim.ceiling == "alert"
    assert claim.slice == SliceKey(predicted="a")
    assert claim.confirms == (claim.slice,)
    assert quantity(claim, "failures with the predicted class") == 80
    # Every failure has the mark, and no other region matters.
    corrected, corrected_control, flipped, flipped_control = effects(claim)
    assert corrected.value == 1
    assert corrected_control.value < 0.1
    assert flipped.value == 1
    assert flipped_control.value == 0
    assert claim.effect is not None
    assert claim.effect.low > 0.8
    assert claim.p_value == pytest.approx(1e-5)
    assert claim.weight == pytest.approx(80 * claim.effect.value)
    failures = audit.predictions.loc[audit.predictions["failure"], "sample"]
    assert claim.samples
    assert set(claim.samples) <= set(failures)
    # It accounts for all failures that masking corrects, tested or not: here all.
    assert claim.accounts_for == set(failures.index)


def test_mark_without_annotation_is_located() -> None:
    claim = only_claim(marked_audit())
    region = region_of(claim)
    assert region.place == "lower right corner"
    assert region.pixels(SIDE, SIDE)[26:30, 26:30].mean() == 1
    # More of the failures' evidence for the class lies there than of the class's own images.
    in_failures = quantity(claim, "evidence in the region, in failures")
    in_class = quantity(
        claim, "evidence in the region, in correctly classified images of the class"
    )
    assert isinstance(in_failures, float)
    assert isinstance(in_class, float)
    assert in_failures > in_class
    assert infill_methods(claim) == {"blur", "in-painting", "donor"}
    assert intervention(claim).variant in infill_methods(claim)
    assert "This corrects 100 % of them" in claim.statement[1]


def test_forward_passes_stay_within_the_documented_number() -> None:
    audit = marked_audit()
    FailureRegions().examine(audit)
    assert model_of(audit).n_predicted <= 80 * 12 + 8 * 80


def test_region_that_flips_no_other_image_is_not_reported() -> None:
    """Hard images: the right band is faint, and that of class a is a little brighter."""
    images = banded_images(360, 0)
    hard = np.flatnonzero((labels(360) == 1) & (turns(360, 2) == 0))
    images[hard, :, :8] += 45
    images[hard, :, 8:16] -= 70

    def predict(some: ImageArray) -> Probabilities:
        return confident(band_brightness(some).argmax(1))

    model = Model(images, predict, cams_with=bright_places)
    claim = only_claim(audit_data(labels(360), predict(images), {}, model=model))
    corrected, _, flipped, _ = effects(claim)
    assert corrected.value > 0.9
    assert flipped.value < 0.05
    assert claim.effect is None
    assert not claim.confirms
    assert claim.p_value is not None
    assert claim.p_value > 0.05


def test_failures_without_a_region_are_not_reported() -> None:
    """Any change of an image changes its prediction arbitrarily: masking corrects everywhere alike."""
    p_values = []
    for seed in range(12):
        images = banded_images(300, seed)

        def predict(some: ImageArray) -> Probabilities:
            fails = some.sum((1, 2, 3), dtype=np.int64) % 5 == 0
            return confident(np.where(fails, 0, band_brightness(some).argmax(1)))

        model = Model(images, predict, cams_with=bright_places)
        claim = only_claim(audit_data(labels(300), predict(images), {}, model=model, seed=seed))
        assert claim.effect is None
        assert infill_methods(claim) == set()  # other infills are only tried for an effect
        p_values.append(claim.p_value)
    assert min(one for one in p_values if one is not None) > 0.01


def test_two_classes_leave_no_donors_for_the_infill() -> None:
    label = np.minimum(labels(360), 1)
    images = with_mark(banded_images(360, 1), turns(360, 3) == 0)

    def predict(some: ImageArray) -> Probabilities:
        by_band = np.minimum(band_brightness(some).argmax(1), 1)
        return confident(np.where(has_mark(some), 0, by_band), 2)

    model = Model(images, predict, cams_with=bright_places)
    claim = only_claim(audit_data(label, predict(images), {}, model=model))
    assert claim.effect is not None
    assert region_of(claim).place == "lower right corner"
    assert infill_methods(claim) == {"blur", "in-painting"}


def test_missing_model_is_listed_as_skipped() -> None:
    (skipped,) = FailureRegions().examine(replace(marked_audit(), model=None)).skipped
    assert "model is not available" in skipped.reason


def test_too_few_failures_are_listed_as_skipped() -> None:
    found = FailureRegions().examine(marked_audit(n=90))
    assert not found.claims
    assert "no predicted class has 30 failures" in found.skipped[0].reason


def test_classes_beyond_the_limit_are_listed_as_skipped() -> None:
    images = banded_images(360, 0)

    def predict(some: ImageArray) -> Probabilities:
        codes = band_brightness(some).argmax(1)
        return confident(np.where(some[:, 0, 31, 0] % 2 == 0, codes, (codes + 1) % 3))

    model = Model(images, predict, cams_with=bright_places)
    audit = audit_data(labels(360), predict(images), {}, model=model)
    found = FailureRegions(max_classes=2).examine(audit)
    assert len(found.claims) == 2
    (left_out,) = {"a", "b", "c"} - {str(one.slice.predicted) for one in found.claims}
    assert f"failures predicted as {left_out} were left out" in found.skipped[0].reason


def test_annotated_cause_explains_the_region() -> None:
    model = model_of(marked_audit())
    coin = np.random.default_rng(0).random(360) < 0.5
    attributes: dict[str, NDArray[np.str_]] = {
        "sticker": np.where(turns(360, 3) == 0, "yes", "no"),
        "coin": np.where(coin, "heads", "tails"),
    }
    probabilities = predict_by_band_or_mark(model.inputs)
    claim = only_claim(audit_data(labels(360), probabilities, attributes, model=model))
    assert claim.explained_by == ("sticker",)
    table = claim.part(Table)
    assert table is not None
    assert table.rows[0] == ("sticker", "yes", 1.0, 0.0)
    assert "sticker = yes in 100 % instead of 0 %" in claim.statement[-1]


def audit_with_two_marks() -> AuditData:
    """A fifth of every class has the mark, and a fifth has one in the opposite corner."""
    turn = turns(540, 5)
    images = with_mark(banded_images(540, 0), turn == 0)
    images = with_mark(images, turn == 1, SECOND_MARK)

    def predict(some: ImageArray) -> Probabilities:
        marked = has_mark(some) | has_mark(some, SECOND_MARK)
        return confident(np.where(marked, 0, band_brightness(some).argmax(1)))

    model = Model(images, predict, cams_with=bright_places)
    return audit_data(labels(540), predict(images), {}, model=model)


def test_two_causes_are_each_found_at_their_place() -> None:
    audit = audit_with_two_marks()
    of_class, *of_clusters = FailureRegions().examine(audit).claims
    assert model_of(audit).n_predicted <= 3 * (80 * 12 + 8 * 80)
    failing = audit.predictions["failure"].to_numpy()
    expected = {
        place: set(np.flatnonzero(failing & (turns(540, 5) == turn)).tolist())
        for turn, place in enumerate(("lower right corner", "upper left corner"))
    }
    assert of_class.effect is not None
    assert of_class.effect.value == pytest.approx(0.5, abs=0.1)
    assert of_class.accounts_for == expected[region_of(of_class).place]
    # The maps also divide each mark's failures by label. Clusters that the first region corrects, and
    # those that a cluster's region corrects, are left out.
    (of_cluster,) = of_clusters
    place = region_of(of_cluster).place
    assert {region_of(of_class).place, place} == set(expected)
    assert of_cluster.slice == SliceKey(predicted="a")
    assert of_cluster.effect is not None
    assert of_cluster.effect.value == 1
    assert quantity(of_cluster, "failures in the cluster") == 36
    # It also accounts for failures in other clusters.
    assert of_cluster.accounts_for == expected[place]
    assert quantity(of_cluster, "failures with the predicted class") == 144


def test_claim_of_a_cluster_names_its_place_and_holds_its_maps() -> None:
    of_class, of_cluster = FailureRegions().examine(audit_with_two_marks()).claims
    assert of_class.part(MapShift) is None
    shift = maps_of(of_cluster)
    assert shift.place == region_of(of_cluster).place
    assert f"whose evidence lies at the {shift.place}; elsewhere" in of_cluster.title
    assert f"more of the evidence at the {shift.place}" in of_cluster.statement[0]
    # Each map is given as shares of its evidence.
    assert np.sum(shift.mean_map) == pytest.approx(1, abs=0.01)
    assert np.sum(shift.difference) == pytest.approx(0, abs=0.01)


def audit_with_tint(seed: int, marked: float, n: int = 900) -> AuditData:
    """A mark on some images makes them class a, and so does a tint of the whole image on others.

    Args:
        seed: of the images.
        marked: share of the images with the mark; two in ten are tinted.
        n: number of images.
    """
    rank = np.arange(n) // 3 / (n // 3)
    images = with_mark(banded_images(n, seed), rank < marked)
    images[rank >= 0.8, 2] += 60

    def predict(some: ImageArray) -> Probabilities:
        tinted = some[:, 2].mean((1, 2)) - some[:, 0].mean((1, 2)) > 15
        return confident(np.where(tinted | has_mark(some), 0, band_brightness(some).argmax(1)))

    def maps(some: ImageArray, _: NDArray[np.int64]) -> NDArray[np.float32]:
        """Evidence at the mark; without one, anywhere in the upper half."""
        cells = np.random.default_rng(len(some)).random((len(some), 8, 8)).astype(np.float32)
        cells[:, 4:] = 0
        cells[has_mark(some), 6:, 6:] += 20
        return cells

    model = Model(images, predict, cams_with=maps)
    return audit_data(labels(n), predict(images), {}, model=model, seed=seed)


def test_cause_of_few_failures_is_found_in_their_cluster() -> None:
    of_class, *of_clusters = FailureRegions().examine(audit_with_tint(0, 0.06)).claims
    assert quantity(of_class, "failures with the predicted class") == 156
    assert effects(of_class)[0].value < 0.35
    (of_mark,) = [one for one in of_clusters if maps_of(one).place == "lower right corner"]
    assert quantity(of_mark, "failures in the cluster") == 36
    assert region_of(of_mark).place == "lower right corner"
    assert of_mark.effect is not None
    assert of_mark.effect.value == 1
    assert of_class.effect is None or of_class.effect.high < of_mark.effect.low
    assert len(of_mark.accounts_for) == 36
    # The tint has no region, and none is reported for its clusters.
    assert all(other.effect is None for other in of_clusters if other is not of_mark)


def audit_without_a_region(seed: int) -> AuditData:
    """The maps form clusters, but any change of an image changes its prediction arbitrarily."""
    images = with_mark(banded_images(720, seed), np.arange(720) % 2 == 0)

    def predict(some: ImageArray) -> Probabilities:
        fails = some.sum((1, 2, 3), dtype=np.int64) % 3 == 0
        return confident(np.where(fails, 0, band_brightness(some).argmax(1)))

    model = Model(images, predict, cams_with=bright_places)
    return audit_data(labels(720), predict(images), {}, model=model, seed=seed)


def test_clusters_of_failures_without_a_region_are_not_reported() -> None:
    p_values = []
    for seed in range(6):
        _, *of_clusters = FailureRegions().examine(audit_without_a_region(seed)).claims
        assert not any(one.effect or one.accounts_for or one.confirms for one in of_clusters)
        p_values += [one.p_value for one in of_clusters if one.p_value is not None]
    assert len(p_values) >= 8
    assert min(p_values) > 0.01


def test_clusters_beyond_the_limit_are_listed_as_skipped() -> None:
    found = FailureRegions(max_clusters=1).examine(audit_without_a_region(1))
    assert len(found.claims) == 2
    expected = "more clusters of maps of failures predicted as a were left out"
    assert expected in found.skipped[0].reason


def test_max_clusters_zero_examines_classes_only() -> None:
    found = FailureRegions(max_clusters=0).examine(audit_without_a_region(0))
    assert len(found.claims) == 1
    assert not found.skipped


def test_failure_clusters_divide_the_failures_by_their_maps() -> None:
    audit = audit_with_tint(0, 0.06)
    model, frame = model_of(audit), audit.predictions
    failures = np.flatnonzero((frame["predicted"] == "a") & (frame["label"] != "a"))
    found = failure_clusters(audit, model, 0, 24)
    rows = np.concatenate([one.rows for one in found])
    assert len(set(rows)) == len(rows)
    assert set(rows) <= set(failures)
    sizes = [len(one.rows) for one in found]
    assert sizes == sorted(sizes, reverse=True)
    marked = model.inputs[rows][MARK].mean((1, 2, 3)) > 150
    clusters = np.split(marked, np.cumsum(sizes)[:-1])
    assert [set(one.tolist()) for one in clusters] == [{False}, {True}]


def test_failure_clusters_leave_out_clusters_that_are_too_small_or_nearly_all() -> None:
    audit = audit_with_tint(0, 0.06)
    assert len(failure_clusters(audit, model_of(audit), 0, 37)) == 1
    mostly_marked = audit_with_tint(0, 0.7)
    found = failure_clusters(mostly_marked, model_of(mostly_marked), 0, 24)
    assert all(len(one.rows) <= 0.9 * 540 for one in found)


def test_former_option_names_are_accepted() -> None:
    with pytest.warns(DeprecationWarning, match="is now called"):
        check = FailureRegions.model_validate({"min_mended": 0.2, "min_turned": 0.3})
    assert (check.min_corrected, check.min_flipped) == (0.2, 0.3)
