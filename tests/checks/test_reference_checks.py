"""Reference accuracy, covariate shift and expected accuracy: planted losses and shifts, and none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders.audited_models import audited
from builders.changed_backgrounds import CLASSES, Sample, shapes, trained_on_dark_backgrounds
from builders.image_evidence import Model, audit_data
from builders.memory_datasets import in_memory
from numpy.typing import NDArray
from PIL import Image

from auditor.audited_model import AuditedModel
from auditor.autograd.target_layer import find_layer
from auditor.checks import Check
from auditor.checks.covariate_shift import CovariateShift
from auditor.checks.expected_accuracy import ExpectedAccuracy
from auditor.checks.reference_accuracy import ReferenceAccuracy
from auditor.errors import UnreadableImageError
from auditor.evaluated_samples import EvaluatedSamples
from auditor.judging.broken_parts import BrokenParts
from auditor.records import (
    AuditData,
    Claim,
    Clusters,
    DecodedImage,
    Finding,
    Images,
    SampleGroups,
    Table,
)
from auditor.stages.judge import judge
from auditor.statistics import proportion_gap


class Coded:
    """Images whose first pixel is their position; some of them are unreadable."""

    def __init__(self, n: int, unreadable: Sequence[int] = ()) -> None:
        self.n, self.unreadable = n, set(unreadable)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> DecodedImage:
        if index in self.unreadable:
            raise UnreadableImageError("truncated", "cut off")
        return DecodedImage(Image.new("RGB", (4, 4), (index % 256, index // 256, 0)), str(index))


def counted(
    audited_failures: Sequence[int],
    reference_failures: Sequence[int],
    n: int = 300,
    m: int = 300,
    unreadable: Sequence[int] = (),
) -> AuditData:
    """Samples of three classes in turn, with the given failures, and reference images likewise."""

    def share(size: int, failed: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        label = np.arange(size) % 3
        choice = label.copy()
        choice[list(failed)] = (choice[list(failed)] + 1) % 3
        return label, np.eye(3)[choice]

    label, own = share(n, audited_failures)
    trained, other = share(m, reference_failures)

    def predicted(_: Images, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(other[rows])

    model = Model(np.zeros((n, 3, 4, 4), np.uint8), lambda _: own, probabilities_with=predicted)
    data = audit_data(label, own, {}, model=model)
    names = np.array(data.classes)[trained]
    return replace(
        data,
        images=Coded(n),
        reference=pd.DataFrame({"label": names}),
        reference_images=Coded(m, unreadable),
        reference_labels=tuple(names),
    )


def whole(check: Check, data: AuditData) -> Claim:
    """The claim about the whole audit."""
    return check.examine(data).claims[0]


@pytest.mark.parametrize(
    ("failures", "severity"),
    [(0, None), (24, None), (45, "note"), (60, "warning"), (120, "alert")],
)
def test_loss_against_the_reference_has_the_severity_of_its_interval(
    failures: int, severity: str | None
) -> None:
    # 0, 8, 15, 20 and 40 points of loss; the intervals reach down by about 4 to 6 points.
    data = counted(range(failures), range(3))
    found = judge({"reference-accuracy": ReferenceAccuracy()}, data).findings
    assert (found[0].severity if found else None) == severity


def test_loss_of_accuracy_is_that_of_the_counts() -> None:
    claim = whole(ReferenceAccuracy(), counted(range(90), range(6)))
    assert claim.title == "The accuracy is 98 % on reference images and 70 % on the audited ones"
    assert claim.effect is not None
    # 90 of 300 against 6 of 300 failures: the square-and-add interval of independent proportions.
    gap = proportion_gap(90, 300, 6, 300).gap[()]
    assert claim.effect.value == pytest.approx(0.28)
    assert claim.effect.low == pytest.approx(gap.low, abs=0.005)
    table = claim.part(Table)
    assert table is not None
    assert sorted(str(row[0]) for row in table.rows) == ["a", "b", "c"]
    assert table.rows[0][1:5] == (100.0, 0.98, 100.0, 0.7)


def test_loss_of_one_class_is_reported_where_the_whole_is_within_the_limit() -> None:
    # Class 0 loses 24 of its 100 samples; the whole loses 8 points.
    data = counted(range(0, 72, 3), [])
    (finding,) = judge({"reference-accuracy": ReferenceAccuracy()}, data).findings
    assert finding.slice.label == "a"
    assert finding.severity == "warning"
    assert "76 % of the audited ones" in finding.title


def test_sample_of_the_reference_and_unreadable_images_are_stated() -> None:
    data = counted(range(90), range(6), unreadable=range(0, 300, 10))
    found = ReferenceAccuracy(max_images=100).examine(data)
    first = found.claims[0].statement[0]
    assert "of 300 reference images, drawn at random," in first
    assert found.skipped[0].reason.endswith("could not be read")
    assert len(found.skipped) == 1


def test_other_mix_of_classes_is_no_loss_of_the_model() -> None:
    # Class 0 is always wrong, and more frequent in the audited data: within labels, nothing is lost.
    label, trained = np.repeat([0, 1], [200, 100]), np.repeat([0, 1], [100, 200])

    def predicted(_: Images, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.eye(2)[np.ones(len(rows), dtype=int)]

    own = np.eye(2)[np.ones(300, dtype=int)]
    model = Model(np.zeros((300, 3, 4, 4), np.uint8), lambda _: own, probabilities_with=predicted)
    names = np.array(["a", "b"])[trained]
    data = replace(
        audit_data(label, own, {}, model=model),
        images=Coded(300),
        reference=pd.DataFrame({"label": names}),
        reference_images=Coded(300),
        reference_labels=tuple(names),
    )
    claim = whole(ReferenceAccuracy(), data)
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(1 / 3)
    assert claim.graded_by is not None
    assert claim.graded_by.value == 0
    assert not judge({"reference-accuracy": ReferenceAccuracy()}, data).findings


def test_clustered_images_have_a_wider_interval() -> None:
    data = counted(range(90), range(6))  # neighbours fail together
    cluster = np.arange(300) // 10
    clustered = replace(data, clusters=Clusters("patient", cluster))
    one, other = (whole(ReferenceAccuracy(), each) for each in (data, clustered))
    assert one.effect is not None
    assert other.effect is not None
    assert other.effect.value == pytest.approx(one.effect.value)
    assert other.effect.low < one.effect.low - 0.02


@pytest.mark.parametrize("check", [ReferenceAccuracy(), CovariateShift()])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reference": None}, "no reference (training) data is given"),
        ({"reference_images": None}, "its table has no paths"),
        ({"reference_images": Coded(0)}, "its table has no paths"),
        ({"model": None}, "the model is not available"),
        ({"reference_labels": ("z",) * 300}, "labels"),
        ({"reference_images": Coded(300, range(300))}, "readable|could be read"),
    ],
)
def test_what_cannot_be_compared_is_listed(
    check: Check, changes: dict[str, Any], reason: str
) -> None:
    found = check.examine(replace(counted(range(90), []), **changes))
    assert not found.claims
    (skipped,) = found.skipped
    assert any(one in skipped.reason for one in [*reason.split("|"), "among the classes"])


# The planted shift: shapes on other backgrounds than those the network was trained on.


def planted(samples: list[Sample], reference: list[Sample], network: Any) -> AuditData:
    """Audit data with a real network behind it."""
    dataset = in_memory(samples)
    model: AuditedModel = audited(network, 3)
    pixels = np.stack([image for image, _ in samples]).transpose(0, 3, 1, 2)
    import torch

    inputs = model.inputs(torch.from_numpy(pixels))
    model.layer = find_layer(network, inputs[:4], None)
    share = model.probabilities(torch.from_numpy(pixels))
    label = np.array([CLASSES.index(one) for _, one in samples])
    data = audit_data(label, share, {})
    frame = data.predictions.assign(sample=dataset.samples.index)
    names = tuple("abc"[CLASSES.index(one)] for _, one in reference)
    access = EvaluatedSamples(model, dataset, frame)
    return replace(
        data,
        predictions=frame,
        model=access,
        images=access.originals,
        reference=pd.DataFrame({"label": names}),
        reference_images=in_memory(reference).images,
        reference_labels=names,
    )


def judged(data: AuditData) -> list[Finding]:
    checks: dict[str, Check] = {
        "covariate-shift": CovariateShift(),
        "reference-accuracy": ReferenceAccuracy(),
    }
    broken = BrokenParts()
    findings = judge(checks, data, broken=broken).findings
    assert not broken.parts
    return findings


def test_changed_backgrounds_are_one_finding_led_by_the_loss() -> None:
    trained = trained_on_dark_backgrounds()
    data = planted(shapes(1, 150, 90, 200), trained.images, trained.network)
    first, *others = judged(data)
    assert not others
    assert first.check == "reference-accuracy"
    assert first.severity == "alert"
    shift = next(one for one in first.supporting if one.check == "covariate-shift")
    assert "brightness" in shift.title
    assert shift.severity != "note"
    part = next(one for one in shift.evidence if isinstance(one, SampleGroups))
    # The images least like the reference are those with the brightest backgrounds.
    shown = {int(member.sample) for member in part.groups[0].members}
    brightness = np.array([image.mean() for image, _ in shapes(1, 150, 90, 200)])
    assert brightness[list(shown)].mean() > np.quantile(brightness, 0.6)


def test_shift_without_a_loss_is_a_note() -> None:
    trained = trained_on_dark_backgrounds()
    # The test images are darker, and as easy.
    data = planted(shapes(1, 150, 0, 30), trained.images, trained.network)
    findings = judged(data)
    assert [(one.check, one.severity) for one in findings] == [("covariate-shift", "note")]
    assert "The accuracy is not shown to be lower" in " ".join(findings[0].statement)


def test_images_of_one_source_have_no_finding() -> None:
    trained = trained_on_dark_backgrounds()
    assert not judged(planted(shapes(1, 150, 20, 90), trained.images, trained.network))


# The published accuracy.


@pytest.mark.parametrize(
    ("failures", "expected", "severity"),
    [
        (30, None, None),
        (30, 0.9, None),
        (36, 0.9, None),  # 88 %: may be chance
        (57, 0.918, "warning"),  # 81 %
        (90, 0.918, "alert"),  # 70 %
        (0, 1.0, None),
    ],
)
def test_accuracy_below_the_published_one_is_a_finding(
    failures: int, expected: float | None, severity: str | None
) -> None:
    data = replace(counted(range(failures), []), expected_accuracy=expected)
    found = judge({"expected-accuracy": ExpectedAccuracy()}, data).findings
    assert (found[0].severity if found else None) == severity


def test_reasons_of_a_loss_are_tried() -> None:
    data = replace(counted(range(90), []), expected_accuracy=0.95)
    claim = whole(ExpectedAccuracy(), data)
    assert "no other preprocessing is shown to be better" in claim.statement[1]
    assert isinstance(data.model, Model)
    data.model.better = "with values from 0 to 255, 95 % instead of 70 %"
    claim = whole(ExpectedAccuracy(), data)
    assert claim.statement[1].startswith("Another preprocessing fits better: with values from 0")
    assert claim.action == "Correct the preprocessing and audit again."
    assert len(whole(ExpectedAccuracy(max_images=0), data).statement) == 1
