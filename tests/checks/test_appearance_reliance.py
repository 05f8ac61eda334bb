"""Appearance reliance: styles that mislead the model are confirmed, hard objects are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from builders.image_evidence import ImageArray, Model, Probabilities, audit_data
from builders.marked_images import intervention, labels, model_of, turns
from numpy.typing import NDArray

from auditor.checks import appearance_reliance
from auditor.checks.appearance_reliance import AppearanceReliance
from auditor.interventions.style_transfer import STYLE_TRANSFERS
from auditor.records import AuditData, Claim, Estimate, Quantities, SliceKey

SIDE = 24
STRIPES = np.where(np.arange(SIDE) % 2, 12, -12)[:, None]
Misled = Callable[[ImageArray], NDArray[np.bool_]]
MISLEADS_A = [0.8, 0.1, 0.1]


def is_bright(images: ImageArray) -> NDArray[np.bool_]:
    return np.asarray(images.mean((1, 2, 3)) > 110)


def is_blurred(images: ImageArray) -> NDArray[np.bool_]:
    edges = np.diff(images.astype(float), axis=3)
    return np.asarray(edges.var((1, 2, 3)) < 60)


def is_striped(images: ImageArray) -> NDArray[np.bool_]:
    return np.asarray((images * np.sign(STRIPES)).mean((1, 2, 3)) > 4)


def brighten(images: ImageArray) -> ImageArray:
    return np.asarray(images + 80, dtype=np.uint8)


def blur(images: ImageArray) -> ImageArray:
    wide = np.pad(images.astype(float), ((0, 0), (0, 0), (0, 0), (3, 3)), mode="wrap")
    return np.asarray(sum(wide[..., k : k + SIDE] for k in range(7)) / 7, dtype=np.uint8)


def add_stripes(images: ImageArray) -> ImageArray:
    return np.asarray(images + STRIPES, dtype=np.uint8)


def predict(images: ImageArray, misled: Misled, used: float = 1.0) -> Probabilities:
    """Predicts the class of the brightest band; a style misleads a share of the images to class a."""
    bands = images.mean(1).reshape(len(images), 3, 8 * SIDE).mean(2)
    probabilities = np.where(np.arange(3) == bands.argmax(1)[:, None], 0.8, 0.1)
    # The place of the darkest column determines which images are misled. No style changes it.
    column = images.mean((1, 2)).argmin(1)
    probabilities[misled(images) & (column < used * SIDE)] = MISLEADS_A
    return probabilities


def neutral_images(n: int, seed: int) -> ImageArray:
    """Images with a bright band at the place of their label and a dark column anywhere."""
    random = np.random.default_rng(seed)
    images = random.integers(40, 70, (n, 3, SIDE, SIDE), dtype=np.uint8)
    for code in range(3):
        images[labels(n) == code, :, 8 * code : 8 * code + 8] += 60
    dark = random.integers(0, SIDE, n)
    images[np.arange(n), :, :, dark] -= 25
    return images


def audited(
    style: Callable[[ImageArray], ImageArray],
    misled: Misled,
    n: int = 360,
    used: float = 1.0,
    seed: int = 0,
) -> AuditData:
    """Every other image of each label has the style of an old camera."""
    images = neutral_images(n, seed)
    old = turns(n, 2) == 0
    images[old] = style(images[old])

    def predict_all(some: ImageArray) -> Probabilities:
        return predict(some, misled, used)

    camera = np.where(old, "old", "new")
    model = Model(images, predict_all)
    return audit_data(labels(n), predict_all(images), {"camera": camera}, model=model, seed=seed)


def only_claim(audit: AuditData, check: AppearanceReliance | None = None) -> Claim:
    (claim,) = (check or AppearanceReliance()).examine(audit).claims
    return claim


def drops(claim: Claim) -> tuple[Estimate, Estimate, Estimate]:
    """With styles of the same label, with styles of other labels, and between unchanged images."""
    same, other = intervention(claim).effects
    assert same.control == other.control
    return same.value, other.value, same.control


@pytest.mark.parametrize(
    ("style", "misled", "names"),
    [
        (brighten, is_bright, {"brightness and colours"}),
        (blur, is_blurred, {"sharpness and grain", "fine texture"}),
        (add_stripes, is_striped, {"fine texture"}),
    ],
)
def test_used_style_is_named_and_its_gap_confirmed(
    style: Callable[[ImageArray], ImageArray], misled: Misled, names: set[str]
) -> None:
    claim = only_claim(audited(style, misled))
    assert claim.kind == "robustness"
    assert claim.slice == SliceKey(attributes={"camera": "old"})
    assert claim.effect is not None
    # Images of two of the three labels are predicted as class a whenever they have the style.
    assert claim.effect.value == pytest.approx(2 / 3, abs=0.06)
    assert claim.p_value == pytest.approx(1e-5)
    found = intervention(claim)
    assert found.method == "transfer-style"
    assert found.region is None
    assert found.variant in names
    assert found.flipped_to == "a"
    assert claim.title.startswith(f"Transferring the {found.variant} of samples with camera")
    assert {str(key) for key in claim.confirms} == {
        "camera = old",
        "camera = old, label = b",
        "camera = old, label = c",
    }


def test_evidence_holds_both_drops_and_the_error_rates() -> None:
    claim = only_claim(audited(brighten, is_bright))
    same, other, gap = drops(claim)
    assert claim.effect is not None
    assert same.value == claim.effect.value
    assert other.low > 0.3
    assert gap.value == pytest.approx(2 / 3, abs=0.02)
    rates = claim.part(Quantities)
    assert rates is not None
    assert [one.value for one in rates.items] == [pytest.approx(2 / 3, abs=0.06), 0]


def test_error_rates_of_labels_are_said_where_the_effect_differs() -> None:
    # The style makes classes b and c fail always, and never class a.
    claim = only_claim(audited(brighten, is_bright))
    assert claim.title.endswith(" predictions wrong (100 of 100 for label b)")
    (sentence,) = [one for one in claim.statement if "differs between labels" in one]
    assert "b 100 % against 0 % (n = " in sentence
    assert "a 0 % against 0 % (n = " in sentence


def test_label_that_the_style_helps_is_confirmed_for_the_other_value() -> None:
    audit = audited(brighten, is_bright)
    predict_style = model_of(audit).predict_with

    def predict_both_ways(some: ImageArray) -> Probabilities:
        """Brightness misleads classes b and c; in dark images, class a is taken for c."""
        probabilities = predict_style(some)
        probabilities[~is_bright(some) & (probabilities.argmax(1) == 0)] = [0.1, 0.1, 0.8]
        return probabilities

    model = Model(model_of(audit).inputs, predict_both_ways)
    camera: NDArray[np.str_] = np.where(audit.predictions["camera"] == "old", "old", "new")
    claim = only_claim(
        audit_data(labels(360), predict_both_ways(model.inputs), {"camera": camera}, model=model)
    )
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(1, abs=0.05)
    assert claim.title.startswith("Exchanging the brightness and colours between samples with ")
    assert {str(key) for key in claim.confirms} == {
        "camera = old",
        "camera = old, label = b",
        "camera = old, label = c",
        "camera = new, label = a",
    }


def test_brightness_of_hard_objects_is_not_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bright b and dark c are hard. The objects are like that; it is not the camera's style."""
    images, label = neutral_images(600, 0), labels(600)
    hard = turns(600, 2) == 0
    bright = (label == 1) & hard | (label != 1) & ~hard
    images[bright] = brighten(images[bright])

    def predict_objects(some: ImageArray) -> Probabilities:
        probabilities = predict(some, is_bright, used=0)
        code = probabilities.argmax(1)
        probabilities[(code == 1) & is_bright(some) | (code == 2) & ~is_bright(some)] = MISLEADS_A
        return probabilities

    values = np.where(hard, "yes", "no")
    model = Model(images, predict_objects)
    audit = audit_data(label, predict_objects(images), {"difficult": values}, model=model)
    assert only_claim(audit).effect is None
    monkeypatch.setattr(appearance_reliance, "STYLE_TRANSFERS", STYLE_TRANSFERS[:1])
    claim = only_claim(audit)
    same, other, _ = drops(claim)
    # With styles of the same label alone, the style would seem to be the cause.
    assert same.low > 0.05
    assert other.low < 0
    assert claim.effect is None
    assert not claim.confirms


def test_effect_beyond_the_observed_gap_does_not_count() -> None:
    """The model tolerates real bright images, but not those that a style transfer brightened."""
    audit = audited(brighten, is_bright, n=600, used=0.1)
    model = model_of(audit)
    real = {image.tobytes() for image in model.inputs}

    def predict_transferred(some: ImageArray) -> Probabilities:
        probabilities = model.predict_with(some)
        transferred = np.array([image.tobytes() not in real for image in some])
        probabilities[transferred & is_bright(some)] = MISLEADS_A
        return probabilities

    unchanged = predict_transferred(model.inputs).argmax(1)
    assert model.predict_with(model.inputs).argmax(1).tolist() == unchanged.tolist()
    claim = only_claim(replace(audit, model=Model(model.inputs, predict_transferred)))
    same, other, gap = drops(claim)
    assert same.low > 0.5
    assert other.low > 0.5
    assert gap.high < 0.2
    assert claim.effect is None
    assert claim.p_value == 1
    assert not claim.confirms


def test_gap_without_a_visible_cause_is_not_confirmed() -> None:
    for seed in range(4):
        audit = audited(brighten, is_bright, used=0.0, seed=seed)
        failure = (audit.predictions["camera"] == "old") & (np.arange(360) % 5 == 0)
        claim = only_claim(replace(audit, predictions=audit.predictions.assign(failure=failure)))
        assert claim.effect is None
        assert not claim.confirms


def test_interval_of_the_drop_covers_the_true_drop() -> None:
    claims = [only_claim(audited(brighten, is_bright, 450, 0.3, seed)) for seed in range(10)]
    effects = [one.effect for one in claims if one.effect is not None]
    assert len(effects) == 10
    share = 2 / 3 * 8 / SIDE  # the darkest column is one of the first eight
    assert sum(one.low <= share <= one.high for one in effects) >= 8
    assert np.mean([one.value for one in effects]) == pytest.approx(share, abs=0.04)


def test_p_values_without_an_effect_are_not_too_small() -> None:
    """The predictions are arbitrary, but equal for equal images, and do not depend on style."""

    def predict_arbitrarily(some: ImageArray) -> Probabilities:
        digits = some.reshape(len(some), -1).astype(np.int64) @ np.arange(1, some[0].size + 1)
        return np.where((digits % 5 < 2)[:, None], [0.6, 0.4], [0.4, 0.6])

    p_values = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        images = random.integers(0, 255, (160, 3, 8, 8), dtype=np.uint8)
        label = np.arange(160) % 2
        coin: NDArray[np.str_] = np.where(random.random(160) < 0.5, "head", "tail")
        model = Model(images, predict_arbitrarily)
        audit = audit_data(
            label, predict_arbitrarily(images), {"coin": coin}, model=model, seed=seed
        )
        # With a gap in the predictions' table, so that every audit is examined.
        failure = audit.predictions["failure"] | (audit.predictions["coin"] == "head")
        audit = replace(audit, predictions=audit.predictions.assign(failure=failure))
        claim = only_claim(audit, AppearanceReliance(search_images=4, test_images=25))
        p_values.append(claim.p_value or 0.0)
    # The larger of two independent p-values lies below x with probability x².
    for bound in (0.05, 0.1, 0.3, 0.5):
        assert np.mean(np.array(p_values) <= bound) <= bound
    assert min(p_values) < 0.9


def test_attribute_without_a_gap_is_not_examined() -> None:
    audit = audited(brighten, is_bright, used=0.0)
    found = AppearanceReliance().examine(audit)
    assert not found.claims
    assert "no styles were swapped for camera" in found.skipped[0].reason
    assert model_of(audit).n_predicted == 0


def test_forward_passes_stay_within_the_documented_number() -> None:
    audit = audited(brighten, is_bright)
    AppearanceReliance(search_images=12, test_images=40).examine(audit)
    assert model_of(audit).n_predicted <= 2 * (16 * 12 + 4 * 40)


def test_value_in_one_label_only_is_listed_as_skipped() -> None:
    audit = audited(brighten, is_bright)
    camera = audit.predictions["camera"].where(audit.predictions["label"] == "b", "old")
    found = AppearanceReliance().examine(
        replace(audit, predictions=audit.predictions.assign(camera=camera))
    )
    assert not found.claims
    assert "only one label" in found.skipped[0].reason


def test_too_few_images_are_listed_as_skipped() -> None:
    found = AppearanceReliance().examine(audited(brighten, is_bright, n=30))
    assert "too few images to swap styles" in found.skipped[0].reason


def test_missing_model_is_listed_as_skipped() -> None:
    found = AppearanceReliance().examine(replace(audited(brighten, is_bright), model=None))
    assert "model is not available" in found.skipped[0].reason


def test_former_option_names_are_accepted() -> None:
    with pytest.warns(DeprecationWarning, match="min_fall is now called min_drop"):
        check = AppearanceReliance.model_validate({"min_fall": 0.2})
    assert check.min_drop == 0.2
