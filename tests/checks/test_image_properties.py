"""Image properties: planted causes are found, acceptable gaps are not, mirrors speak of one cause."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from auditor.checks.image_properties import ImageProperties, p_exceeds
from auditor.checks.performance_gap import PerformanceGap
from auditor.config import SliceSection
from auditor.judging.multiple_testing import OUTCOMES, adjust
from auditor.records import AuditData
from auditor.stages.judge import judge
from auditor.stages.slicing import slice_samples
from auditor.statistics import Intervals, proportion_gap

CLASSES = ("a", "b", "c", "d")


def words(codes: NDArray[np.int64]) -> pd.Categorical:
    """Class names of class indices."""
    return pd.Categorical(np.array(CLASSES)[codes], categories=list(CLASSES))


def audited(
    failure: NDArray[np.bool_],
    label: NDArray[np.int64],
    properties: dict[str, NDArray[np.float64]],
    attributes: dict[str, NDArray[np.str_]] | None = None,
) -> AuditData:
    """Evidence of samples that fail where told, with computed properties and attributes."""
    predicted = np.where(failure, (label + 1) % len(CLASSES), label)
    frame = pd.DataFrame(
        {
            "sample": [f"s{k}" for k in range(len(label))],
            "path": "",
            "label": words(label),
            "predicted": words(predicted),
            "confidence": 0.9,
            "loss": np.arange(len(label), dtype=np.float64),
            "failure": failure,
            **(attributes or {}),
            **properties,
        }
    )
    cut = slice_samples(
        frame, None, CLASSES, tuple(attributes or {}), SliceSection(), tuple(properties)
    )
    return AuditData(
        predictions=cut.predictions,
        classes=CLASSES,
        attributes=cut.attributes,
        slices=cut.slices,
        reference=None,
        alpha=0.05,
        min_support=30,
        seed=0,
        computed=cut.computed,
        computed_slices=cut.computed_slices,
    )


def drawn(seed: int, n: int) -> tuple[np.random.Generator, NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    return generator, generator.integers(0, len(CLASSES), n)


def test_image_properties_failing_blurred_images_are_found() -> None:
    found = 0
    for seed in range(10):
        generator, label = drawn(seed, 1000)
        blurred = generator.random(1000) < 0.1
        sharpness = np.where(blurred, 20, 400) * generator.lognormal(0, 0.3, 1000)
        failure = generator.random(1000) < np.where(blurred, 0.45, 0.05)
        others = {f"image.{name}": generator.random(1000) for name in ("brightness", "contrast")}
        judgement = judge(
            {"image-properties": ImageProperties()},
            audited(failure, label, {"image.sharpness": sharpness, **others}),
        )
        first = judgement.findings[0] if judgement.findings else None
        found += (
            first is not None
            and first.verdict == "supported"
            and list(first.slice.attributes) == ["image.sharpness"]
            and first.slice.attributes["image.sharpness"].startswith("under")
        )
    assert found >= 9


def test_image_properties_gap_within_one_label_is_found_there() -> None:
    generator, label = drawn(3, 1600)
    bright = (label == 2) & (generator.random(1600) < 0.5)
    brightness = generator.normal(0.4, 0.03, 1600) + 0.3 * bright
    failure = generator.random(1600) < np.where(bright, 0.4, 0.05)
    audit = audited(failure, label, {"image.brightness": brightness})
    (finding,) = judge({"image-properties": ImageProperties()}, audit).findings
    slices = [finding.slice.label, *(one.slice.label for one in finding.supporting)]
    assert "c" in slices


def test_image_properties_acceptable_gap_is_not_reported() -> None:
    generator, label = drawn(0, 20_000)
    brightness = generator.random(20_000)
    failure = generator.random(20_000) < np.where(brightness < 0.25, 0.07, 0.04)
    audit = audited(failure, label, {"image.brightness": brightness})
    assert not judge({"image-properties": ImageProperties()}, audit).findings
    strict = judge({"image-properties": ImageProperties(max_gap=0.0)}, audit).findings
    assert strict  # the gap is real: only its size is acceptable


def test_image_properties_irrelevant_properties_are_rarely_reported() -> None:
    accused = 0
    names = ("brightness", "contrast", "sharpness", "colourfulness", "border_brightness")
    for seed in range(60):
        generator, label = drawn(seed, 600)
        failure = generator.random(600) < 0.15
        made = {f"image.{name}": 100 * generator.random(600) for name in names}
        judgement = judge({"image-properties": ImageProperties()}, audited(failure, label, made))
        accused += bool(judgement.findings)
    assert accused <= 3


def test_image_properties_property_equal_to_attribute_joins_its_finding() -> None:
    generator, label = drawn(5, 1500)
    marked = generator.random(1500) < 0.5
    failure = generator.random(1500) < np.where(marked, 0.3, 0.05)
    made = audited(
        failure,
        label,
        {"image.border_brightness": 0.2 + 0.5 * marked + generator.normal(0, 0.05, 1500)},
        {"mark": np.where(marked, "present", "absent")},
    )
    judgement = judge(
        {"image-properties": ImageProperties(), "performance-gap": PerformanceGap()}, made
    )
    first, *others = judgement.findings
    assert first.slice.attributes == {"mark": "present"}
    assert not others
    assert "image-properties" in {one.check for one in first.supporting}


def test_image_properties_two_equal_properties_become_one_finding() -> None:
    generator, label = drawn(6, 1500)
    dark = generator.random(1500) < 0.3
    failure = generator.random(1500) < np.where(dark, 0.4, 0.05)
    made = {
        "image.brightness": 0.5 - 0.3 * dark + generator.normal(0, 0.04, 1500),
        "image.border_brightness": 0.5 - 0.3 * dark + generator.normal(0, 0.08, 1500),
    }
    judgement = judge({"image-properties": ImageProperties()}, audited(failure, label, made))
    assert len(judgement.findings) == 1


@pytest.mark.parametrize(
    ("failures", "total", "rest_failures", "rest_total"),
    [(60, 300, 90, 900), (40, 200, 60, 800), (150, 600, 240, 2000)],
)
def test_image_properties_p_value_equals_the_enumerated_probability_at_the_limit(
    failures: int, total: int, rest_failures: int, rest_total: int
) -> None:
    def likelihood(rest_rate: float) -> float:
        own = binom.logpmf(failures, total, rest_rate + 0.05)
        return -float(own + binom.logpmf(rest_failures, rest_total, rest_rate))

    # The most likely rates with a gap of exactly 5 points; then all outcomes with larger statistics.
    rest_rate = float(minimize_scalar(likelihood, bounds=(1e-6, 0.9), method="bounded").x)
    own, rest = np.arange(total + 1)[:, None] / total, np.arange(rest_total + 1) / rest_total
    error = np.sqrt(np.maximum(own * (1 - own) / total + rest * (1 - rest) / rest_total, 1e-12))
    statistic = (own - rest - 0.05) / error
    mass = binom.pmf(np.arange(total + 1), total, rest_rate + 0.05)[:, None] * binom.pmf(
        np.arange(rest_total + 1), rest_total, rest_rate
    )
    expected = mass[statistic >= statistic[failures, rest_failures] - 1e-9].sum()

    def gap(confidence: float = 0.95) -> Intervals:
        counts = [failures], [total], [rest_failures], [rest_total]
        return proportion_gap(*counts, confidence=confidence).gap

    found = p_exceeds(0.05, gap().value, lambda one: gap(one).low)[0]
    assert found == pytest.approx(expected, rel=0.05)


def test_image_properties_slices_are_computed_and_not_crossed() -> None:
    generator, label = drawn(7, 800)
    made = audited(
        generator.random(800) < 0.1,
        label,
        {"image.brightness": generator.random(800), "image.contrast": generator.random(800)},
        {"site": generator.choice(["north", "south"], 800)},
    )
    assert made.attributes == ("site",)
    assert all(len(one.key.attributes) == 1 for one in made.computed_slices)
    records = judge({"image-properties": ImageProperties()}, made).slices
    assert {name for one in records if one.computed for name in one.attributes} == {
        "image.brightness",
        "image.contrast",
    }
    assert {name for one in records if not one.computed for name in one.attributes} == {"site"}
    assert all(one.gap is not None for one in records if one.computed)


def test_image_properties_take_at_most_a_tenth_of_the_level() -> None:
    generator, label = drawn(8, 800)
    made = audited(
        generator.random(800) < 0.1,
        label,
        {f"image.{name}": generator.random(800) for name in ("brightness", "contrast", "aspect")},
        {"site": generator.choice(["north", "south"], 800)},
    )
    asked = list(PerformanceGap().examine(made))
    computed = list(ImageProperties().examine(made))
    alone, together = adjust(asked, 0.05), adjust([*asked, *computed], 0.05)
    beside = together.levels[: len(asked)]
    np.testing.assert_allclose(beside, OUTCOMES * alone.levels)
    assert np.nanmin(beside / alone.levels) >= 0.9
    # All computed properties together are held to what outcomes leave of alpha.
    others = together.levels[len(asked) :]
    assert np.nansum(others) <= 0.05 * (1 - OUTCOMES) + 1e-12


def test_image_properties_constant_properties_are_skipped_in_one_line() -> None:
    generator, label = drawn(9, 400)
    frame = pd.DataFrame(
        {
            "label": words(label),
            "image.brightness": 0.5 + generator.normal(0, 0.002, 400),
            "image.size": 224.0,
            "image.camera": None,
            "image.hue": ["grey"] * 390 + ["red"] * 10,
            "image.jpeg_quality": np.where(np.arange(400) < 200, 85.0, np.nan),
        }
    )
    names = tuple(str(name) for name in frame if name != "label")
    cut = slice_samples(frame, None, CLASSES, (), SliceSection(), names)
    assert cut.computed == ("image.jpeg_quality",)
    assert [one.key.attributes["image.jpeg_quality"] for one in cut.computed_slices[:2]] == [
        "85",
        "(missing)",
    ]
    (skipped,) = cut.skipped
    assert skipped.check == "image-properties"
    assert skipped.reason.startswith("image brightness, image size, image camera, image hue:")
