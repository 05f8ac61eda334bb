"""Label errors, copies and leakage: planted on the spot and found, and nothing where nothing is."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from builders.image_evidence import Model, audit_data
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from auditor.checks.duplicates import Duplicates
from auditor.checks.label_errors import LabelErrors
from auditor.checks.leakage import Leakage
from auditor.errors import UnreadableImageError
from auditor.imaging.perceptual_hash import phash
from auditor.records import AuditData, DecodedImage, Examination, Images


@dataclass(frozen=True)
class Shelf:
    """Images in memory; None stands for one that can't be read."""

    stored: tuple[bytes | None, ...]

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: int) -> DecodedImage:
        data = self.stored[index]
        if data is None:
            raise UnreadableImageError("truncated", "cut off")
        image = Image.open(io.BytesIO(data)).convert("RGB")
        return DecodedImage(image, hashlib.sha256(data).hexdigest())


def file(seed: int, **changes: int) -> bytes:
    """An image as bytes; ``quality`` saves it as JPEG, ``side`` resizes it."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    image = coarse.resize((96, 96), Image.Resampling.BICUBIC)
    if "side" in changes:
        image = image.resize((changes["side"],) * 2, Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    if "quality" in changes:
        image.save(stream, "JPEG", quality=changes["quality"])
    else:
        image.save(stream, "PNG")
    return stream.getvalue()


def imaged(
    files: list[bytes],
    label: list[int] | None = None,
    trained: Sequence[bytes | None] | None = None,
) -> AuditData:
    labels = np.array(label if label is not None else [k % 2 for k in range(len(files))])
    shelf = Shelf(tuple(files))
    made = audit_data(labels, np.eye(2)[labels], {})
    frame = made.predictions.assign(
        sha256=pd.Series([shelf[k].sha256 for k in range(len(shelf))], dtype=object),
        phash=pd.Series([phash(shelf[k].image) for k in range(len(shelf))], dtype=object),
    )
    return replace(
        made,
        predictions=frame,
        images=shelf,
        reference=None if trained is None else pd.DataFrame({"label": [0] * len(trained)}),
        reference_images=None if trained is None else Shelf(tuple(trained)),
    )


def test_copies_are_found_saved_again_or_resized_and_their_labels_compared() -> None:
    files = [file(k) for k in range(30)]
    files += [file(3), file(5, quality=60), file(7, side=64), file(3, quality=80)]
    label = [0] * 30 + [0, 1, 0, 0]
    surplus, torn = Duplicates().examine(imaged(files, label)).claims
    found = [{one["sample"] for one in group} for group in surplus.evidence["groups"]]
    assert found[0] == {"s0003", "s0030", "s0033"}
    assert sorted(map(sorted, found[1:])) == [["s0005", "s0031"], ["s0007", "s0032"]]
    assert surplus.effect is not None
    assert surplus.effect.value == pytest.approx(4 / 34)
    assert (torn.support, torn.samples) == (2, ("s0005", "s0031"))
    assert surplus.p_value is None
    assert torn.p_value is None


def test_images_that_differ_are_no_copies_even_where_their_fingerprints_agree() -> None:
    made = imaged([file(k) for k in range(12)])
    same = made.predictions.assign(phash=["00000000ffffffff"] * 12)
    assert not Duplicates().examine(replace(made, predictions=same)).claims


def test_what_was_not_compared_is_said() -> None:
    made = imaged([file(k) for k in range(12)])
    made = replace(made, predictions=made.predictions.assign(phash=["00000000ffffffff"] * 12))
    (skipped,) = Duplicates(max_pairs=4).examine(made).skipped
    assert "the pixels of 7 of 11 pairs" in skipped.reason
    (skipped,) = Duplicates().examine(replace(made, images=None)).skipped
    assert "their pixels are not at hand" in skipped.reason
    plain = replace(made, predictions=made.predictions.drop(columns="phash"))
    (skipped,) = Duplicates().examine(plain).skipped
    assert "not fingerprinted" in skipped.reason


def test_audited_images_are_found_in_the_training_data() -> None:
    files = [file(k) for k in range(20)]
    trained = [*(file(100 + k) for k in range(15)), file(4), file(9, quality=70), None]
    found = Leakage().examine(imaged(files, trained=trained))
    (claim,) = found.claims
    assert [(one["sample"], one["training_row"]) for one in claim.evidence["pairs"]] == [
        ("s0004", 16),
        ("s0009", 17),
    ]
    assert "1 as equal files and 1 changed a little" in claim.statement
    assert [one.reason for one in found.skipped] == ["1 training images can't be read"]


def test_no_leak_is_no_claim_and_the_bound_is_said() -> None:
    made = imaged([file(k) for k in range(8)], trained=[file(50 + k) for k in range(9)])
    assert not Leakage().examine(made).claims
    (skipped,) = Leakage(max_images=5).examine(made).skipped
    assert skipped.reason.startswith("5 of 9 training images, drawn at random")


@pytest.mark.parametrize(
    ("trained", "why"), [(None, "no training data is given"), ([], "its table names none")]
)
def test_without_training_images_leakage_is_skipped(
    trained: list[bytes | None] | None, why: str
) -> None:
    made = imaged([file(0), file(1)], trained=trained)
    (skipped,) = Leakage().examine(made).skipped
    assert why in skipped.reason


# --- labels ------------------------------------------------------------------------------------


def labelled(
    turned: NDArray[np.bool_], true: NDArray[np.int64], attribute: NDArray[np.str_]
) -> AuditData:
    """A model that is right and sure; labels of ``turned`` samples are one class further."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 0.5, (len(true), 3))
    logits[np.arange(len(true)), true] += 4
    shares = np.exp(logits)
    shares /= shares.sum(1, keepdims=True)
    given = np.where(turned, (true + 1) % 3, true)
    made = audit_data(given, shares, {"site": attribute})
    return replace(made, probabilities=shares.astype(np.float32))


def test_turned_labels_are_named_with_the_class_that_they_show() -> None:
    generator = np.random.default_rng(1)
    true = generator.integers(0, 3, 900)
    turned = (generator.random(900) < 0.06) & (true == 1)  # ones that are called twos
    site = generator.choice(["north", "south"], 900)
    (claim,) = LabelErrors().examine(labelled(turned, true, site)).claims
    assert (claim.slice.label, claim.slice.predicted) == ("c", "b")
    named = {one["sample"] for one in claim.evidence["suspected"]}
    planted = {f"s{k:04d}" for k in np.flatnonzero(turned)}
    assert len(named & planted) >= 0.8 * len(planted)
    assert len(named - planted) <= 0.1 * len(named)
    assert (claim.p_value, claim.ceiling) == (None, "note")


def test_labels_are_not_blamed_for_what_goes_along_with_an_attribute() -> None:
    generator = np.random.default_rng(1)
    true = generator.integers(0, 3, 900)
    site = generator.choice(["north", "south"], 900)
    turned = (generator.random(900) < 0.12) & (true == 1) & (site == "north")
    found = LabelErrors().examine(labelled(turned, true, site))
    assert not found.claims
    (skipped,) = found.skipped
    assert "called b: the model contradicts" in skipped.reason
    assert "more often with site = north; the labels are not blamed" in skipped.reason


def test_few_labels_are_not_blamed_for_a_shortcut_that_shows_in_other_classes() -> None:
    generator = np.random.default_rng(4)
    true = generator.integers(0, 3, 900)
    site = generator.choice(["north", "south"], 900)
    # Many zeros and few ones of the north are called twos: by the model, not by chance.
    rate = np.select([true == 0, true == 1], [0.4, 0.03], 0.0) * (site == "north")
    fooled = generator.random(900) < rate
    made = labelled(np.zeros(900, dtype=bool), np.where(fooled, 2, true), site)
    assert made.probabilities is not None
    given = audit_data(true, made.probabilities.astype(np.float64), {"site": site})
    found = LabelErrors(min_count=1).examine(replace(given, probabilities=made.probabilities))
    assert not found.claims
    assert all("site = north" in one.reason for one in found.skipped)


def test_right_labels_are_left_alone_and_missing_probabilities_said() -> None:
    generator = np.random.default_rng(2)
    true = generator.integers(0, 3, 900)
    made = labelled(np.zeros(900, dtype=bool), true, generator.choice(["north", "south"], 900))
    assert not LabelErrors().examine(made).claims
    (skipped,) = LabelErrors().examine(replace(made, probabilities=None)).skipped
    assert "more than 100 classes" in skipped.reason


# --- changed copies ----------------------------------------------------------------------------


def photo(seed: int) -> Image.Image:
    """An image of 96 pixels a side: coarse patches and finer ones on them."""
    generator = np.random.default_rng(seed)
    coarse, fine = (
        np.asarray(
            Image.fromarray(generator.integers(0, 256, (n, n), dtype=np.uint8)).resize(
                (96, 96), Image.Resampling.BICUBIC
            ),
            dtype=np.float64,
        )
        for n in (6, 16)
    )
    return Image.fromarray((0.6 * coarse + 0.4 * fine).astype(np.uint8)).convert("RGB")


def of_one_kind(seed: int, part: float = 0.25) -> Image.Image:
    """Like all others but for details, as products of one make are."""
    return Image.blend(photo(7), photo(1000 + seed), part)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": ImageOps.mirror,
    "cropped to the upper left": lambda one: one.crop((0, 0, 86, 86)).resize((96, 96)),
    "cropped to the middle": lambda one: one.crop((5, 5, 91, 91)).resize((96, 96)),
    "darker": lambda one: ImageEnhance.Brightness(one).enhance(0.8),
    "turned": lambda one: one.rotate(5, Image.Resampling.BILINEAR),
}


def stored(image: Image.Image, quality: int | None = None) -> bytes:
    stream = io.BytesIO()
    if quality is None:
        image.save(stream, "PNG")
    else:
        image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def test_changed_copies_are_found_and_new_images_are_not() -> None:
    trained: list[bytes | None] = [stored(photo(k)) for k in range(40)]
    files = [stored(change(photo(k))) for k, change in enumerate(CHANGES.values())]
    files += [stored(photo(30), quality=20), *(stored(photo(100 + k)) for k in range(20))]
    (*copies, changed) = Leakage().examine(imaged(files, trained=trained)).claims
    pairs = [pair for claim in (*copies, changed) for pair in claim.evidence["pairs"]]
    found = {pair["sample"]: pair["training_row"] - 1 for pair in pairs}
    assert found == {f"s{k:04d}": k for k in range(len(CHANGES))} | {"s0005": 30}
    (mirrored,) = [pair for pair in changed.evidence["pairs"] if pair["mirrored"]]
    assert (mirrored["sample"], mirrored["correlation"]) == ("s0000", pytest.approx(1, abs=1e-3))
    assert all(claim.counted and claim.ceiling == "warning" for claim in copies)
    # A fitted match is inferred, and warns nobody before the pairs were looked at.
    assert (changed.ceiling, changed.action[:18]) == ("note", "Look at the pairs.")


def test_images_of_one_kind_are_no_copies_of_each_other() -> None:
    trained: list[bytes | None] = [stored(of_one_kind(k)) for k in range(40)]
    files = [stored(of_one_kind(100 + k)) for k in range(30)]
    assert not Leakage().examine(imaged(files, trained=trained)).claims
    again = [*files, stored(of_one_kind(3).rotate(4, Image.Resampling.BILINEAR))]
    (claim,) = Leakage().examine(imaged(again, trained=trained)).claims
    assert [(one["sample"], one["training_row"]) for one in claim.evidence["pairs"]] == [
        ("s0030", 4)
    ]


def test_a_training_set_that_holds_a_image_twice_hides_no_changed_copy_of_it() -> None:
    trained: list[bytes | None] = [*(stored(photo(k)) for k in range(30)), stored(photo(4), 90)]
    (claim,) = (
        Leakage()
        .examine(imaged([stored(ImageOps.mirror(photo(4))), stored(photo(99))], trained=trained))
        .claims
    )
    assert [one["sample"] for one in claim.evidence["pairs"]] == ["s0000"]


def test_candidates_that_only_the_network_finds_are_fitted_too() -> None:
    trained: list[bytes | None] = [stored(of_one_kind(k, 0.1)) for k in range(150)]
    # All are alike but for faint details, and turned by more than any view is.
    files = [stored(of_one_kind(k, 0.1).rotate(11, Image.Resampling.BICUBIC)) for k in range(20)]
    made = imaged(files, trained=trained)

    def describe(images: Images, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """A network that turning does not matter to: mean levels in rings about the middle."""
        y, x = np.mgrid[-47.5:48, -47.5:48]
        ring = np.hypot(x, y) // 3
        levels = [np.asarray(images[int(row)].image.convert("L"), float) for row in rows]
        return np.array(
            [[one[ring == k].mean() for k in range(15)] for one in levels], dtype=np.float32
        )

    assert made.images is not None
    audited = made.images
    model = Model(np.empty(0, np.uint8), lambda _: np.empty(0))
    model.describe = describe
    model.described = describe(audited, np.arange(len(files)))
    alone, helped = (
        {
            pair["sample"]
            for claim in Leakage().examine(replace(made, model=one)).claims
            for pair in claim.evidence["pairs"]
        }
        for one in (None, model)
    )
    assert alone < helped
    (skipped,) = Leakage(max_described=10).examine(replace(made, model=model)).skipped
    assert "thumbnails alone" in skipped.reason


def test_a_leaked_image_with_another_label_in_training_is_a_conflict_of_the_data() -> None:
    files = [stored(photo(k)) for k in range(24)]
    trained: list[bytes | None] = [files[0], files[1], stored(ImageOps.mirror(photo(2))), files[3]]
    trained += [stored(photo(200 + k)) for k in range(20)]
    made = imaged(files, label=[0] * 24, trained=trained)
    # The model says what it was taught of the first and third, and what nobody did of the second.
    predicted = made.predictions["predicted"].to_numpy().copy()
    predicted[[0, 2, 3]] = "b"
    frame = made.predictions.assign(
        predicted=pd.Categorical(predicted, categories=["a", "b"]), failure=predicted != "a"
    )
    taught = ("b", "b", "b", "a", *["a"] * 19, "no class")
    copies, changed = (
        Leakage().examine(replace(made, predictions=frame, reference_labels=taught)).claims
    )
    assert copies.evidence["other_label"] == 2
    assert copies.samples[:2] == ("s0000", "s0001")
    assert copies.faulty == ("s0000",)  # s0003 fails although both labels agree
    assert "2 of them bear another label there; 1 of these" in copies.statement
    assert changed.faulty == ("s0002",)


def test_the_share_from_which_leakage_is_a_warning_is_the_configured_one() -> None:
    files = [stored(photo(k)) for k in range(30)]
    trained: list[bytes | None] = [files[0], *(stored(photo(200 + k)) for k in range(9))]
    (claim,) = Leakage(max_share=0.2).examine(imaged(files, trained=trained)).claims
    assert claim.limit == 0.2
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(1 / 30)


def test_copies_with_different_labels_are_the_datas_fault_where_the_model_says_the_other() -> None:
    files = [file(0), file(0), file(1), file(1), *(file(k) for k in range(2, 10))]
    label = [0, 1, 0, 1, *[0] * 8]
    made = imaged(files, label)
    predicted = ["a", "a", "c", "c", *["a"] * 8]
    frame = made.predictions.assign(
        label=pd.Categorical(made.predictions["label"], categories=["a", "b", "c"]),
        predicted=pd.Categorical(predicted, categories=["a", "b", "c"]),
    )
    _, torn = Duplicates().examine(replace(made, predictions=frame, classes=("a", "b", "c"))).claims
    # The second pair is called what neither label says: whichever is right, the model is wrong.
    assert torn.faulty == ("s0001",)
    assert (torn.evidence["failures"], torn.evidence["at_fault"]) == (3, 1)
    assert (torn.counted, torn.limit) == (True, 0.01)


def test_hard_images_that_the_model_calls_less_surely_are_no_label_errors() -> None:
    generator = np.random.default_rng(5)
    true = generator.integers(0, 3, 1500)
    lean = generator.normal(5, 1, 1500)  # how far an image leans to what the model calls it
    hard = (true == 1) & (generator.random(1500) < 0.3)
    lean[hard] = generator.normal(4.1, 0.4, int(hard.sum()))
    called = np.where(hard, 2, true)
    shares = np.full((1500, 3), 1.0)
    shares[np.arange(1500), called] = np.exp(lean)
    shares /= shares.sum(1, keepdims=True)
    site = generator.choice(["north", "south"], 1500)

    def examined(labels: NDArray[np.int64]) -> Examination:
        made = audit_data(labels, shares, {"site": site})
        return LabelErrors().examine(replace(made, probabilities=shares.astype(np.float32)))

    found = examined(true)
    assert not found.claims
    assert any("less surely than those that are rightly c" in one.reason for one in found.skipped)
    # Wrong labels fall on any image: half of those that are called c rightly are less sure.
    wrong = (true == 2) & (generator.random(1500) < 0.1)
    claims = examined(np.where(wrong, 0, true)).claims
    (claim,) = [one for one in claims if one.slice.label == "a"]
    planted = {f"s{k:04d}" for k in np.flatnonzero(wrong)}
    assert set(claim.faulty) <= {one["sample"] for one in claim.evidence["suspected"]} <= planted
    assert 0.3 * len(planted) <= len(claim.faulty) <= 0.7 * len(planted)
