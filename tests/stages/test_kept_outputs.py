"""Kept outputs: features and maps of predicting and explaining are those that checks would compute."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from auditor import blocks
from auditor.audited_model import AuditedModel
from auditor.autograd.target_layer import find_layer
from auditor.config import ExplainSection, Preprocess
from auditor.errors import UnreadableImageError
from auditor.evaluated_samples import EvaluatedSamples
from auditor.imaging.small_copies import small_copies
from auditor.judging.broken_parts import BrokenParts
from auditor.records import Cell, Dataset, DecodedImage, Job, SampleSelection
from auditor.records.decisions import DecisionRule
from auditor.records.predictions import COPY, FEATURES
from auditor.records.small_copies import Detail, KeptCopies
from auditor.run_folder import RunFolder
from auditor.stages.explain import explain_samples
from auditor.stages.kept_outputs import keep_features, keeps_copies, keeps_features, kept_copies
from auditor.stages.predict import predict
from auditor.stages.predicted_blocks import blocks_of

N = 12
UNREADABLE = 5
EVALUATED = np.array([k for k in range(N) if k != UNREADABLE])


@dataclass(frozen=True)
class Noise:
    """Images of 10 × 10 pixels, one of which can't be read."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> DecodedImage:
        if index == UNREADABLE:
            raise UnreadableImageError("truncated")
        pixels = np.random.default_rng(index).integers(0, 256, (10, 10, 3), dtype=np.uint8)
        return DecodedImage(Image.fromarray(pixels), str(index))


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "PREDICTED_SAMPLES", 5)
    monkeypatch.setattr(blocks, "EXPLAINED_SAMPLES", 4)


class _CountingNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.n_images = 0
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

    def forward(self, images: Tensor) -> Tensor:
        self.n_images += len(images)
        logits: Tensor = self.head(self.features(images))
        return logits


@pytest.fixture
def network() -> _CountingNetwork:
    return _CountingNetwork().eval()


@pytest.fixture
def samples(network: _CountingNetwork) -> EvaluatedSamples:
    ids = pd.Index([f"s{k}" for k in range(N)], name="sample")
    dataset = Dataset(pd.DataFrame({"path": ids, "label": 0}, index=ids), Noise(), (), "test")
    model = AuditedModel(
        module=network,
        rule=DecisionRule.single_label(["a", "b", "c"]),
        layer=find_layer(network, torch.zeros(1, 3, 10, 10), "features"),
        preprocess=Preprocess(),
        device=torch.device("cpu"),
        batch_size=2,
        workers=0,
    )
    return EvaluatedSamples(model, dataset, pd.DataFrame({"sample": ids[EVALUATED]}))


def _predicted(samples: EvaluatedSamples, folder: Path) -> RunFolder:
    run = RunFolder.begin(folder / "run")
    predict(samples.model, samples.dataset, np.zeros(N, np.int64), run.predicted, lambda _n: None)
    return run


def test_features_of_predicting_equal_those_of_a_pass_of_their_own(
    samples: EvaluatedSamples, network: _CountingNetwork, tmp_path: Path
) -> None:
    rows = np.arange(N - 1)
    expected = samples.model.outputs(torch.from_numpy(samples.images(rows)))
    keep_features(samples, _predicted(samples, tmp_path).predicted)
    before = network.n_images
    np.testing.assert_allclose(samples.features(rows), expected.features, rtol=1e-5)
    np.testing.assert_allclose(samples.peaks(rows), expected.peaks, rtol=1e-5)
    assert network.n_images == before
    assert samples.budget.used == 0


def test_merged_predictions_have_no_features(samples: EvaluatedSamples, tmp_path: Path) -> None:
    n_blocks = len(blocks_of(len(samples.dataset)))
    merged = _predicted(samples, tmp_path).merge_predictions(n_blocks)
    assert FEATURES not in pd.read_parquet(merged)


def test_copies_of_predicting_equal_those_of_images_that_are_decoded_again(
    samples: EvaluatedSamples, tmp_path: Path
) -> None:
    dataset = replace(samples.dataset, reference_images=Noise())
    samples = replace(samples, dataset=dataset)
    run = _predicted(samples, tmp_path)
    kept = kept_copies(samples, run.predicted)
    rows = range(N - 1)
    expected = small_copies(samples.originals, rows, KeptCopies(), Detail.PROPERTIES)
    assert sorted(kept.by_row) == list(rows)
    for row in rows:
        copy, other = kept.by_row[row], expected[row]
        assert copy is not None
        assert other is not None
        np.testing.assert_array_equal(copy.grey, other.grey)
        np.testing.assert_array_equal(copy.thumbnail, other.thumbnail)
        assert (copy.sha256, copy.phash) == (other.sha256, other.phash)
        assert (copy.detail, copy.properties) == (other.detail, other.properties)
    merged = run.merge_predictions(len(blocks_of(len(dataset))))
    assert not {COPY, FEATURES} & {*pd.read_parquet(merged)}


def test_copies_are_made_only_where_reference_images_are_compared(
    samples: EvaluatedSamples,
) -> None:
    with_reference = replace(samples.dataset, reference_images=Noise())
    assert keeps_copies(samples.model, with_reference)
    assert not keeps_copies(samples.model, samples.dataset)
    labels = replace(samples.model, rule=DecisionRule.multi_label(["a", "b"], [0.5, 0.5]))
    assert not keeps_copies(labels, with_reference)
    many = replace(with_reference, samples=pd.DataFrame(index=range(10_001)))
    assert not keeps_copies(samples.model, many)


def test_features_are_not_kept_of_too_many_samples_or_of_a_compiled_model(
    samples: EvaluatedSamples, network: _CountingNetwork
) -> None:
    # 4 channels: means and maxima are 32 bytes a sample, of 64 MiB.
    assert keeps_features(samples.model, 2 * 2**20)
    assert not keeps_features(samples.model, 2 * 2**20 + 1)
    compiled = replace(samples.model, module=nn.DataParallel(network))
    assert not keeps_features(compiled, N)


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_maps_of_explaining_are_kept_where_they_are_exact(
    precision: str, samples: EvaluatedSamples, network: _CountingNetwork, tmp_path: Path
) -> None:
    jobs = (
        Job(3, "failure", (("predicted", 1), ("label", 0))),
        Job(7, "contrast", (("label", 0),)),
        *(Job(row, "mean", (("label", 0),)) for row in (0, 1, 2)),
    )
    cells = (Cell("sex", "f", "a", np.array([0, 1, 2, 3])),)
    section = ExplainSection.model_validate({"precision": precision})
    selection, broken = SampleSelection(jobs, cells, ()), BrokenParts()
    explain_samples(samples, selection, section, tmp_path, lambda _n: None, broken)
    assert not broken.parts
    before = network.n_images
    rows, targets = np.array([3, 3, 7, 0, 1, 2]), np.array([1, 0, 0, 0, 0, 0])
    found = samples.cams(rows, targets)
    assert (network.n_images == before) == (precision == "exact")
    own = samples.model.cams(torch.from_numpy(samples.images(rows)), targets)
    np.testing.assert_allclose(found, own, rtol=1e-4, atol=1e-7)
