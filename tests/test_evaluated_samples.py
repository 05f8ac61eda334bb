"""Evaluated samples: their answers equal a plain forward pass; boxes and masks follow the crop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from auditor import image_cache
from auditor.classifiers import Classifier
from auditor.config import AuditConfig, DataSection, ModelSection, Preprocess
from auditor.errors import BudgetExhaustedError, DataError, LostImageError, UnreadableImageError
from auditor.evaluated_samples import EvaluatedSamples
from auditor.imaging.small_copies import small_copies, small_copy
from auditor.model_opening import open_model
from auditor.preparation import Prepared, match
from auditor.records import Dataset, DecodedImage, ModelAccess
from auditor.records.forward_budget import ForwardBudget
from auditor.records.small_copies import Detail, KeptCopies

N = 11


@dataclass(frozen=True)
class Noise:
    """Images of 20 × 10 pixels; the image ``unreadable`` can't be read."""

    unreadable: int = -1

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> DecodedImage:
        if index == self.unreadable:
            raise UnreadableImageError("truncated")
        pixels = np.random.default_rng(index).integers(0, 256, (10, 20, 3), dtype=np.uint8)
        return DecodedImage(Image.fromarray(pixels), str(index))


def prepared(unreadable: int = -1, **columns: object) -> Prepared:
    ids = pd.Index([f"s{k}" for k in range(N)], name="sample")
    samples = pd.DataFrame({"path": ids, "label": np.arange(N) % 3}, index=ids)
    for name, values in columns.items():
        samples[name] = pd.Series(values, index=ids, dtype=object)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
    )
    config = AuditConfig(
        name="test",
        model=ModelSection(adapter="test", classes=("a", "b", "c")),
        data=DataSection(adapter="test"),
        preprocess=Preprocess(resize=8, crop=8, mean=(0.5,), std=(0.25,)),
        batch_size=4,
        workers=0,
        device="cpu",
    )
    dataset = Dataset(samples, Noise(unreadable), (), "test")
    return match(config, dataset, Classifier(network, "test", "a small network"))


def evaluated(audit: Prepared) -> EvaluatedSamples:
    # All samples but the first one: rows of the table are not positions in the data set.
    frame = pd.DataFrame({"sample": [f"s{k}" for k in range(1, N)]})
    model = open_model(audit).model
    return EvaluatedSamples(model, audit.dataset, frame)


def inputs_of(samples: EvaluatedSamples, rows: np.ndarray) -> Tensor:
    return torch.from_numpy(samples.images(rows)).float().div(255).sub(0.5).div(0.25)


def network_of(audit: Prepared) -> nn.Sequential:
    module = audit.classifier.module
    assert isinstance(module, nn.Sequential)
    return module


def test_images_of_rows_equal_pillows_resize_and_crop() -> None:
    images = evaluated(prepared()).images(np.array([7, 0, 9, 2, 3]))
    assert images.shape == (5, 3, 8, 8)
    assert images.dtype == np.uint8
    # Row 7 is s8. Its 10 × 20 pixels become 8 × 16; the crop keeps the middle 8 columns.
    image = Image.fromarray(np.asarray(Noise()[8].image)).resize((16, 8), Image.Resampling.BILINEAR)
    assert np.abs(images[0].transpose(1, 2, 0).astype(int) - np.asarray(image)[:, 4:12]).max() <= 1


@pytest.mark.parametrize("megabytes", [256, 0])
def test_repeated_rows_are_decoded_once_whether_images_are_kept(
    monkeypatch: pytest.MonkeyPatch, megabytes: float
) -> None:
    monkeypatch.setattr(image_cache, "MEGABYTES", megabytes)
    audit = prepared()
    decoded: list[int] = []

    class Listed(Noise):
        def __getitem__(self, index: int) -> DecodedImage:
            decoded.append(index)
            return super().__getitem__(index)

    audit = replace(audit, dataset=replace(audit.dataset, images=Listed()))
    samples = evaluated(audit)
    decoded.clear()
    rows = [7, 2, 7, 7, 0, 2, 3]  # more than one batch of 4
    images = samples.images(np.array(rows))
    assert decoded == [8, 3, 1, 4]  # row 7 is s8
    for image, row in zip(images, rows, strict=True):
        assert np.array_equal(image, samples.images(np.array([row]))[0])


def test_predict_equals_a_plain_forward_pass() -> None:
    audit = prepared()
    samples: ModelAccess = evaluated(audit)
    rows = np.array([7, 0, 9, 2, 3])  # more than one batch
    with torch.no_grad():
        expected = network_of(audit)(inputs_of(evaluated(audit), rows)).softmax(1).numpy()
    assert samples.predict(samples.images(rows)) == pytest.approx(expected, abs=1e-6)


def test_inputs_are_the_normalised_images() -> None:
    samples = evaluated(prepared())
    rows = np.array([3, 1])
    torch.testing.assert_close(samples.inputs(rows), inputs_of(samples, rows))


def test_originals_are_the_stored_images_of_the_rows() -> None:
    originals = evaluated(prepared()).originals
    assert len(originals) == N - 1
    assert originals[7].sha256 == "8"


def test_images_changed_since_they_were_predicted_are_not_read() -> None:
    audit = prepared()
    digests = [str(k) for k in range(1, N)]  # as Noise gives them
    digests[3] = digests[8] = "other"
    table = pd.DataFrame({"sample": [f"s{k}" for k in range(1, N)], "sha256": digests})
    samples = EvaluatedSamples(open_model(audit).model, audit.dataset, table)
    rows = np.arange(N - 1)
    status = [word for _, words in samples.read_present(rows) for word in words]
    assert [row for row in rows if status[row] != "ok"] == [3, 8]
    assert {status[3], status[8]} == {"changed"}
    assert sum(len(images) for images, _ in samples.read_present(rows)) == N - 3
    with pytest.raises(LostImageError, match=r"s4: .*now it is changed"):
        samples.features(rows)
    assert len(samples.features(np.array([0, 9]))) == 2
    with pytest.raises(UnreadableImageError, match="changed"):
        samples.originals[3]


def test_cams_equal_the_papers_sum_over_channels() -> None:
    audit = prepared()
    samples = evaluated(audit)
    rows, targets = np.array([7, 0, 9, 2, 3]), np.array([2, 0, 1, 1, 2])
    module = network_of(audit)
    head = module[-1]
    assert isinstance(head, nn.Linear)
    maps = module[:2](inputs_of(samples, rows))
    # Before global average pooling, dy/dA is the weight divided by the number of places.
    weights = head.weight[torch.from_numpy(targets)] / maps[0, 0].numel()
    expected = (weights[:, :, None, None] * maps).sum(1).clamp(min=0)
    np.testing.assert_allclose(
        samples.cams(rows, targets), expected.detach().numpy(), rtol=1e-5, atol=1e-8
    )


def test_features_are_the_spatial_means_of_the_target_layer() -> None:
    audit = prepared()
    samples = evaluated(audit)
    rows = np.arange(6)
    module = network_of(audit)
    end = int(open_model(audit).model.layer.name) + 1
    with torch.no_grad():
        expected = module[:end](inputs_of(samples, rows)).mean((2, 3)).numpy()
    assert samples.features(rows) == pytest.approx(expected, abs=1e-6)
    assert not any(one._forward_hooks for one in module.modules())


def test_features_of_the_same_images_equal_features() -> None:
    samples = evaluated(prepared())
    rows = np.array([4, 0, 7, 9, 2])  # more than one batch
    assert samples.features_of(Noise(), rows + 1) == pytest.approx(samples.features(rows), abs=1e-7)


def test_features_of_an_unreadable_image_raise_with_its_number() -> None:
    with pytest.raises(DataError, match="image 3"):
        evaluated(prepared()).features_of(Noise(unreadable=3), np.array([0, 3]))


def test_objects_from_boxes_follow_resize_and_crop() -> None:
    boxes: list[object] = [(0, 0, 1, 1)] * N
    boxes[1] = (10, 5, 20, 10)  # lower right quarter; the crop keeps 4 of its 8 columns
    boxes[2] = (0, 0, 4, 10)  # removed by the crop
    boxes[3] = None
    objects = evaluated(prepared(box=boxes)).objects(np.array([0, 1, 2]))
    assert objects is not None
    expected = np.zeros((8, 8), dtype=bool)
    expected[4:, 4:] = True
    assert (objects[0] == expected).all()
    assert not objects[1:].any()


def test_objects_from_masks_follow_resize_and_crop(tmp_path: Path) -> None:
    drawn = np.zeros((10, 20), np.uint8)
    drawn[:, 10:] = 255
    Image.fromarray(drawn).save(tmp_path / "mask.png")
    samples = evaluated(prepared(mask=[str(tmp_path / "mask.png")] * N))
    objects = samples.objects(np.array([0]))
    assert objects is not None
    assert objects[0, :, 4:].all()
    assert not objects[0, :, :4].any()


@pytest.mark.parametrize(
    ("size", "problem"),
    [
        ((5, 20), "a mask whose size is not that of the image"),
        (None, "a mask that can't be read (missing)"),
    ],
)
def test_objects_with_an_unusable_mask_are_empty_and_counted(
    size: tuple[int, int] | None, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "missing.png"
    if size is not None:
        Image.fromarray(np.zeros(size, np.uint8)).save(path)
    whole = tmp_path / "whole.png"
    Image.fromarray(np.full((10, 20), 255, np.uint8)).save(whole)
    samples = evaluated(prepared(mask=[str(path), str(path), *[str(whole)] * (N - 2)]))
    samples, (note,) = samples.with_usable_regions()
    assert problem in note.text
    objects = samples.objects(np.array([0, 2]))
    assert objects is not None
    used = list(samples.dataset.samples["mask"].iloc[samples.positions[[0, 2]]])
    assert [bool(one.any()) for one in objects] == [one == str(whole) for one in used]


def test_objects_without_boxes_and_masks_are_none() -> None:
    assert evaluated(prepared()).objects(np.array([0])) is None


def test_images_that_became_unreadable_raise() -> None:
    with pytest.raises(DataError, match="do not change the data while an audit runs"):
        evaluated(prepared(unreadable=3)).images(np.array([0, 1, 2]))


def counted(samples: EvaluatedSamples) -> list[int]:
    """Collects the number of images of every forward pass from now on."""
    sizes: list[int] = []
    samples.model.module.register_forward_pre_hook(
        lambda _module, inputs: sizes.append(len(inputs[0]))
    )
    return sizes


def test_features_of_a_sample_are_computed_once() -> None:
    samples = evaluated(prepared())
    sizes = counted(samples)
    some = samples.features(np.array([1, 2, 3]))
    more = samples.features(np.array([3, 0, 1, 3]))
    assert sum(sizes) == 4
    np.testing.assert_array_equal(more[[0, 2, 3]], some[[2, 0, 2]])
    # The maxima come from the same forward passes.
    assert (samples.peaks(np.arange(4)) >= samples.features(np.arange(4))).all()
    assert sum(sizes) == 4
    assert samples.budget.used == 4


def test_map_of_a_sample_and_target_is_computed_once() -> None:
    samples = evaluated(prepared())
    rows, targets = np.array([1, 2, 1]), np.array([0, 0, 2])
    first = samples.cams(rows, targets)
    sizes = counted(samples)
    again = samples.cams(rows[::-1], targets[::-1])
    np.testing.assert_array_equal(again, first[::-1])
    assert not sizes
    assert samples.budget.used == 3 * 3


def test_reference_images_are_run_once_for_features_and_probabilities() -> None:
    audit = prepared()
    reference = Noise()
    samples = evaluated(replace(audit, dataset=replace(audit.dataset, reference_images=reference)))
    plain = evaluated(audit)
    rows = np.array([4, 2, 7])
    sizes = counted(samples)
    features, probabilities = (
        samples.features_of(reference, rows),
        samples.probabilities_of(reference, rows),
    )
    assert sum(sizes) == 3
    np.testing.assert_allclose(features, plain.features_of(Noise(), rows), rtol=1e-5)
    np.testing.assert_allclose(probabilities, plain.probabilities_of(Noise(), rows), rtol=1e-5)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Positions of the images that are decoded, in order."""
    positions: list[int] = []
    plain = Noise.__getitem__

    def note(self: Noise, index: int) -> DecodedImage:
        positions.append(index)
        return plain(self, index)

    monkeypatch.setattr(Noise, "__getitem__", note)
    return positions


def test_reference_images_are_decoded_once_for_copies_and_outputs(decoded: list[int]) -> None:
    audit, reference = prepared(), Noise(unreadable=2)
    samples = evaluated(replace(audit, dataset=replace(audit.dataset, reference_images=reference)))
    decoded.clear()
    sizes = counted(samples)
    kept, rows = KeptCopies(), np.array([4, 2, 7])
    samples.read_reference(rows, kept, Detail.PROPERTIES)
    copies = small_copies(reference, rows.tolist(), kept, Detail.PROPERTIES)
    features = samples.features_of(reference, np.array([4, 7]))
    samples.probabilities_of(reference, np.array([4, 7]))
    assert decoded == [4, 2, 7]
    assert sum(sizes) == samples.budget.used == 2
    assert [one is None for one in copies] == [False, True, False]
    np.testing.assert_allclose(
        features, evaluated(audit).features_of(Noise(), np.array([4, 7])), rtol=1e-5
    )
    expected = small_copy(reference[4], Detail.PROPERTIES)
    assert copies[0] is not None
    np.testing.assert_array_equal(copies[0].grey, expected.grey)
    assert copies[0].properties == expected.properties


def test_reference_images_are_not_read_ahead_without_budget() -> None:
    audit = prepared()
    dataset = replace(audit.dataset, reference_images=Noise())
    samples = evaluated(replace(audit, dataset=dataset))
    samples.budget.limit = 1
    kept = KeptCopies()
    samples.read_reference(np.array([4, 7]), kept, Detail.COPIES)
    assert not kept.by_row
    assert samples.budget.used == 0


def test_images_are_decoded_once(decoded: list[int]) -> None:
    samples = evaluated(prepared())
    decoded.clear()
    one = samples.images(np.array([5, 1, 2]))
    other = samples.images(np.array([2, 8, 5]))
    assert decoded == [6, 2, 3, 9]
    np.testing.assert_array_equal(other[[0, 2]], one[[2, 0]])


def test_search_equals_predict_up_to_rounding_with_folded_batch_normalisation() -> None:
    torch.manual_seed(0)
    normalisation = nn.BatchNorm2d(5)
    network = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1),
        normalisation,
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
    ).eval()
    assert normalisation.running_var is not None
    normalisation.running_var.uniform_(0.5, 2)
    audit = replace(prepared(), classifier=Classifier(network, "test", "with batch normalisation"))
    samples = evaluated(audit)
    images = samples.images(np.arange(6))
    expected = samples.predict(images)
    before = samples.budget.used
    np.testing.assert_allclose(samples.search(images), expected, rtol=1e-4)
    assert samples.budget.used == before + 6


def test_budget_allows_what_is_left_and_names_it_otherwise() -> None:
    budget = ForwardBudget(limit=100)
    budget.spend(40)
    assert budget.allows(60)
    assert not budget.allows(61)
    assert "61 forward passes, and 60 of 100 are left" in budget.missing(61)


def test_budget_is_never_exceeded() -> None:
    budget = ForwardBudget(limit=100)
    budget.spend(40)
    with pytest.raises(BudgetExhaustedError, match="61 forward passes, and 60 of 100 are left"):
        budget.spend(61)
    assert budget.used == 40
    budget.lift()
    budget.spend(61)


def test_budget_leaves_later_checks_a_fair_share() -> None:
    budget = ForwardBudget(limit=100)
    budget.spend(10)
    budget.reserve_for([1000, 1000])  # three equal parts of 90
    assert budget.allows(30)
    assert not budget.allows(31)
    budget.reserve_for([1000, 10])  # 10 for the small one, and two equal parts of 80
    assert budget.allows(40)
    assert not budget.allows(41)
    budget.reserve_for([])
    assert budget.allows(90)


def test_budget_without_a_limit_allows_everything() -> None:
    budget = ForwardBudget()
    budget.reserve_for([1000])
    assert budget.allows(1e12)
