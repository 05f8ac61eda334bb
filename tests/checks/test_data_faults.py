"""Label errors, copies and leakage: planted on the spot and found, and nothing where nothing is."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pictured import evidence
from PIL import Image

from auditor.checks.duplicates import Duplicates
from auditor.checks.label_errors import LabelErrors
from auditor.checks.leakage import Leakage
from auditor.errors import UnreadableImageError
from auditor.properties import phash
from auditor.records import Evidence, Picture


@dataclass(frozen=True)
class Shelf:
    """Pictures in memory; None stands for one that can't be read."""

    stored: tuple[bytes | None, ...]

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: int) -> Picture:
        data = self.stored[index]
        if data is None:
            raise UnreadableImageError("truncated", "cut off")
        image = Image.open(io.BytesIO(data)).convert("RGB")
        return Picture(image, hashlib.sha256(data).hexdigest())


def file(seed: int, **changes: int) -> bytes:
    """A picture as bytes; ``quality`` saves it as JPEG, ``side`` resizes it."""
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


def pictured(
    files: list[bytes], label: list[int] | None = None, trained: list[bytes | None] | None = None
) -> Evidence:
    labels = np.array(label if label is not None else [k % 2 for k in range(len(files))])
    shelf = Shelf(tuple(files))
    made = evidence(labels, np.eye(2)[labels], {})
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
    surplus, torn = Duplicates().examine(pictured(files, label)).claims
    found = [{one["sample"] for one in group} for group in surplus.evidence["groups"]]
    assert found[0] == {"s0003", "s0030", "s0033"}
    assert sorted(map(sorted, found[1:])) == [["s0005", "s0031"], ["s0007", "s0032"]]
    assert surplus.effect is not None
    assert surplus.effect.value == pytest.approx(4 / 34)
    assert (torn.support, torn.samples) == (2, ("s0005", "s0031"))
    assert surplus.p_value is None
    assert torn.p_value is None


def test_pictures_that_differ_are_no_copies_even_where_their_fingerprints_agree() -> None:
    made = pictured([file(k) for k in range(12)])
    same = made.predictions.assign(phash=["00000000ffffffff"] * 12)
    assert not Duplicates().examine(replace(made, predictions=same)).claims


def test_what_was_not_compared_is_said() -> None:
    made = pictured([file(k) for k in range(12)])
    made = replace(made, predictions=made.predictions.assign(phash=["00000000ffffffff"] * 12))
    (skipped,) = Duplicates(max_pairs=4).examine(made).skipped
    assert "the pixels of 7 of 11 pairs" in skipped.reason
    (skipped,) = Duplicates().examine(replace(made, images=None)).skipped
    assert "their pixels are not at hand" in skipped.reason
    plain = replace(made, predictions=made.predictions.drop(columns="phash"))
    (skipped,) = Duplicates().examine(plain).skipped
    assert "not fingerprinted" in skipped.reason


def test_audited_pictures_are_found_in_the_training_data() -> None:
    files = [file(k) for k in range(20)]
    trained = [*(file(100 + k) for k in range(15)), file(4), file(9, quality=70), None]
    found = Leakage().examine(pictured(files, trained=trained))
    (claim,) = found.claims
    assert [(one["sample"], one["training_row"]) for one in claim.evidence["pairs"]] == [
        ("s0004", 16),
        ("s0009", 17),
    ]
    assert "1 as equal files and 1 changed a little" in claim.statement
    assert [one.reason for one in found.skipped] == ["1 training pictures can't be read"]


def test_no_leak_is_no_claim_and_the_bound_is_said() -> None:
    made = pictured([file(k) for k in range(8)], trained=[file(50 + k) for k in range(9)])
    assert not Leakage().examine(made).claims
    (skipped,) = Leakage(max_pictures=5).examine(made).skipped
    assert skipped.reason.startswith("5 of 9 training pictures, drawn at random")


@pytest.mark.parametrize(
    ("trained", "why"), [(None, "no training data is given"), ([], "its table names none")]
)
def test_without_training_pictures_leakage_is_skipped(
    trained: list[bytes | None] | None, why: str
) -> None:
    made = pictured([file(0), file(1)], trained=trained)
    (skipped,) = Leakage().examine(made).skipped
    assert why in skipped.reason


# --- labels ------------------------------------------------------------------------------------


def labelled(
    turned: NDArray[np.bool_], true: NDArray[np.int64], attribute: NDArray[np.str_]
) -> Evidence:
    """A model that is right and sure; labels of ``turned`` samples are one class further."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 0.5, (len(true), 3))
    logits[np.arange(len(true)), true] += 4
    shares = np.exp(logits)
    shares /= shares.sum(1, keepdims=True)
    given = np.where(turned, (true + 1) % 3, true)
    made = evidence(given, shares, {"site": attribute})
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
    given = evidence(true, made.probabilities.astype(np.float64), {"site": site})
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
