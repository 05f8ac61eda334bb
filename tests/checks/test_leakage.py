"""Leakage: planted copies in the training data are found, and new images are not."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from builders.claims import quantity
from builders.image_evidence import Model
from builders.stored_images import coloured, fingerprinted, photo, similar_photo, stored
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from auditor.checks.leakage import Leakage
from auditor.imaging.perceptual_hash import phash
from auditor.records import Claim, Images, SampleGroups

TRANSFORMATIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": ImageOps.mirror,
    "cropped to the upper left": lambda one: one.crop((0, 0, 86, 86)).resize((96, 96)),
    "cropped to the middle": lambda one: one.crop((5, 5, 91, 91)).resize((96, 96)),
    "darker": lambda one: ImageEnhance.Brightness(one).enhance(0.8),
    "rotated": lambda one: one.rotate(5, Image.Resampling.BILINEAR),
}


def pairs(claim: Claim) -> dict[str, str]:
    """The training image of each matched sample."""
    found = claim.part(SampleGroups)
    assert found is not None
    return {group.members[0].sample: group.members[1].sample for group in found.groups}


def notes(claim: Claim) -> list[str]:
    """How each pair matches."""
    found = claim.part(SampleGroups)
    assert found is not None
    return [group.note for group in found.groups]


def test_audited_images_in_the_training_data_are_found() -> None:
    files = [coloured(k) for k in range(20)]
    trained = [*(coloured(100 + k) for k in range(15)), coloured(4), coloured(9, quality=70)]
    found = Leakage().examine(fingerprinted(files, trained=[*trained, None]))
    (claim,) = found.claims
    assert pairs(claim) == {"s0004": "row 16", "s0009": "row 17"}
    one, other = (phash(Image.open(io.BytesIO(file))) for file in (coloured(9), trained[16]))
    bits = (int(str(one), 16) ^ int(str(other), 16)).bit_count()
    similar = f"fingerprints differ in {bits} of 64 bits" if bits else "equal fingerprint"
    assert notes(claim) == ["equal file", similar]
    assert "(1 as equal files, 1 with small changes)" in claim.statement[0]
    assert [one.reason for one in found.skipped] == ["unreadable training images: 1"]


def test_new_images_give_no_claim_and_the_limit_of_the_search_is_listed() -> None:
    made = fingerprinted(
        [coloured(k) for k in range(8)], trained=[coloured(50 + k) for k in range(9)]
    )
    assert not Leakage().examine(made).claims
    (skipped,) = Leakage(max_images=5).examine(made).skipped
    assert skipped.reason.startswith("5 of 9 training images, drawn at random")


def test_former_name_of_max_images_is_accepted_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="max_pictures is now called max_images"):
        check = Leakage.model_validate({"max_pictures": 5})
    assert check.max_images == 5


@pytest.mark.parametrize(
    ("trained", "why"), [(None, "no training data is given"), ([], "its table has no paths")]
)
def test_check_without_training_images_is_skipped(
    trained: list[bytes | None] | None, why: str
) -> None:
    made = fingerprinted([coloured(0), coloured(1)], trained=trained)
    (skipped,) = Leakage().examine(made).skipped
    assert why in skipped.reason


def test_transformed_copies_are_found_and_new_images_are_not() -> None:
    trained: list[bytes | None] = [stored(photo(k)) for k in range(40)]
    files = [stored(change(photo(k))) for k, change in enumerate(TRANSFORMATIONS.values())]
    files += [stored(photo(30), quality=20), *(stored(photo(100 + k)) for k in range(20))]
    (*copies, transformed) = Leakage().examine(fingerprinted(files, trained=trained)).claims
    found = {
        sample: row for claim in (*copies, transformed) for sample, row in pairs(claim).items()
    }
    expected = {f"s{k:04d}": f"row {k + 1}" for k in range(len(TRANSFORMATIONS))}
    assert found == expected | {"s0005": "row 31"}
    mirrored = [
        (sample, note)
        for sample, note in zip(pairs(transformed), notes(transformed), strict=True)
        if "mirrored" in note
    ]
    ((sample, note),) = mirrored
    assert sample == "s0000"
    words = re.fullmatch(r"transformed copy, mirrored; correlation (.*) after alignment", note)
    assert words is not None
    assert float(words[1]) == pytest.approx(1, abs=1e-3)
    assert all(claim.counted and claim.ceiling == "warning" for claim in copies)
    # A match is inferred: it is no warning before a person has looked at the pairs.
    assert (transformed.ceiling, transformed.action[:18]) == ("note", "Look at the pairs.")


def test_different_images_of_similar_objects_are_no_copies() -> None:
    trained: list[bytes | None] = [stored(similar_photo(k)) for k in range(40)]
    files = [stored(similar_photo(100 + k)) for k in range(30)]
    assert not Leakage().examine(fingerprinted(files, trained=trained)).claims
    rotated = stored(similar_photo(3).rotate(4, Image.Resampling.BILINEAR))
    (claim,) = Leakage().examine(fingerprinted([*files, rotated], trained=trained)).claims
    assert pairs(claim) == {"s0030": "row 4"}


def test_transformed_copy_of_an_image_that_occurs_twice_in_training_is_found() -> None:
    trained: list[bytes | None] = [*(stored(photo(k)) for k in range(30)), stored(photo(4), 90)]
    files = [stored(ImageOps.mirror(photo(4))), stored(photo(99))]
    (claim,) = Leakage().examine(fingerprinted(files, trained=trained)).claims
    assert list(pairs(claim)) == ["s0000"]


def test_candidates_by_network_features_find_more_transformed_copies() -> None:
    trained: list[bytes | None] = [stored(similar_photo(k, 0.1)) for k in range(150)]
    # They differ only in faint details, and are rotated by more than any view is.
    files = [stored(similar_photo(k, 0.1).rotate(11, Image.Resampling.BICUBIC)) for k in range(20)]
    made = fingerprinted(files, trained=trained)

    def describe(images: Images, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features that are invariant to rotation: mean levels in rings about the middle."""
        y, x = np.mgrid[-47.5:48, -47.5:48]
        ring = np.hypot(x, y) // 3
        levels = [np.asarray(images[int(row)].image.convert("L"), float) for row in rows]
        return np.array(
            [[one[ring == k].mean() for k in range(15)] for one in levels], dtype=np.float32
        )

    assert made.images is not None
    model = Model(np.empty(0, np.uint8), lambda _: np.empty(0))
    model.features_with = describe
    model.feature_vectors = describe(made.images, np.arange(len(files)))
    alone, helped = (
        {
            sample
            for claim in Leakage(max_described=most).examine(replace(made, model=model)).claims
            for sample in pairs(claim)
        }
        for most in (0, 200)
    )
    assert alone < helped
    (skipped,) = Leakage(max_described=10).examine(replace(made, model=model)).skipped
    assert "thumbnails alone" in skipped.reason


def test_another_label_in_training_is_a_data_fault_where_the_model_predicts_it() -> None:
    files = [stored(photo(k)) for k in range(24)]
    trained: list[bytes | None] = [files[0], files[1], stored(ImageOps.mirror(photo(2))), files[3]]
    trained += [stored(photo(200 + k)) for k in range(20)]
    made = fingerprinted(files, label=[0] * 24, trained=trained)
    # The first and third are predicted as their label in training, the second is not.
    predicted = made.predictions["predicted"].to_numpy().copy()
    predicted[[0, 2, 3]] = "b"
    frame = made.predictions.assign(
        predicted=pd.Categorical(predicted, categories=["a", "b"]), failure=predicted != "a"
    )
    labels = ("b", "b", "b", "a", *["a"] * 19, "no class")
    copies, transformed = (
        Leakage().examine(replace(made, predictions=frame, reference_labels=labels)).claims
    )
    assert quantity(copies, "images with another training label") == 2
    assert quantity(copies, "failures predicted as that label") == 1
    # By hand: of the copies s0000, s0001 and s0003, the first and the last fail; of the others, s0002.
    assert quantity(copies, "error rate of the matched images") == pytest.approx(2 / 3)
    assert quantity(copies, "error rate of the others") == pytest.approx(1 / 21)
    assert copies.samples[:2] == ("s0000", "s0001")
    assert copies.faulty == ("s0000",)  # s0003 fails although both labels agree
    assert copies.statement[2] == (
        "2 of them have another label in the training data; for 1 of these, the model predicts that label "
        "and counts as wrong."
    )
    assert transformed.faulty == ("s0002",)


def test_share_that_makes_leakage_a_warning_is_the_configured_one() -> None:
    files = [stored(photo(k)) for k in range(30)]
    trained: list[bytes | None] = [files[0], *(stored(photo(200 + k)) for k in range(9))]
    (claim,) = Leakage(max_share=0.2).examine(fingerprinted(files, trained=trained)).claims
    assert claim.limit == 0.2
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(1 / 30)
