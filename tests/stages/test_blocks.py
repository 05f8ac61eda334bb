"""Blocks: their files, and what is joined from them, do not depend on which process computed which block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from auditor.errors import DataError, ModelError, UnreadableImageError
from auditor.evaluated_samples import EvaluatedSamples
from auditor.judging.broken_parts import BrokenParts
from auditor.records import Cell, Dataset, DecodedImage, Job, SampleSelection
from auditor.records.decisions import DecisionRule
from auditor.stages.explain import explain_blocks, explain_samples
from auditor.stages.merged_explanations import Explained, merge_explanations
from auditor.stages.predict import predict, predict_blocks
from auditor.stages.predicted_blocks import complete_blocks, unpredicted_images

N = 23
BLOCK = 5


@dataclass(frozen=True)
class Noise:
    """Images of 10 × 10 pixels, two of which can't be read; those of ``large`` have 12 × 12."""

    large: tuple[int, ...] = ()

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> DecodedImage:
        if index in {6, 13}:
            raise UnreadableImageError("truncated")
        side = 12 if index in self.large else 10
        pixels = np.random.default_rng(index).integers(0, 256, (side, side, 3), dtype=np.uint8)
        return DecodedImage(Image.fromarray(pixels), str(index))


class Raising(nn.Module):
    """Raises on bright images: those whose mean is above a limit."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.limit = limit
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

    def forward(self, images: Tensor) -> Tensor:
        if (images.mean((1, 2, 3)) > self.limit).any():
            raise ValueError("too bright")
        logits: Tensor = self.head(self.features(images))
        return logits


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "PREDICTED_SAMPLES", BLOCK)
    monkeypatch.setattr(blocks, "EXPLAINED_SAMPLES", BLOCK)


def _dataset(large: tuple[int, ...] = ()) -> Dataset:
    ids = pd.Index([f"s{k}" for k in range(N)], name="sample")
    return Dataset(pd.DataFrame({"path": ids, "label": 0}, index=ids), Noise(large), (), "test")


def _model(limit: float = 2.0) -> AuditedModel:
    module = Raising(limit).eval()
    return AuditedModel(
        module=module,
        rule=DecisionRule.single_label(["a", "b", "c"]),
        layer=find_layer(module, torch.zeros(1, 3, 10, 10), "features"),
        preprocess=Preprocess(),
        device=torch.device("cpu"),
        batch_size=2,
        workers=0,
    )


CODES = np.arange(N) % 3


def _ignore(_pieces: int) -> None:
    pass


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.parquet"))
    }


@pytest.mark.parametrize("limit", [2.0, 0.505])
@pytest.mark.parametrize("parts", [[[0, 1, 2], [3, 4]], [[4], [2, 0], [1, 3]]])
def test_predicted_blocks_any_subsets_equal_one_pass(
    parts: list[list[int]], limit: float, tmp_path: Path
) -> None:
    done: list[int] = []
    (tmp_path / "once").mkdir()
    expected = predict(_model(limit), _dataset(), CODES, tmp_path / "once", done.append)
    # Batches of two in blocks of five: no batch has samples of two blocks.
    assert done == [2, 2, 1] * 4 + [2, 1]
    assert len(expected) == (limit < 1)
    (tmp_path / "parts").mkdir()
    for numbers in parts:
        predict_blocks(_model(limit), _dataset(), CODES, tmp_path / "parts", numbers, _ignore)
    assert _contents(tmp_path / "parts") == _contents(tmp_path / "once")
    assert unpredicted_images(complete_blocks(tmp_path / "parts", N)) == expected
    again: list[int] = []
    assert predict(_model(limit), _dataset(), CODES, tmp_path / "parts", again.append) == expected
    assert again == [5, 5, 5, 5, 3]


def test_predicted_blocks_network_raises_on_all_is_said_by_the_join(tmp_path: Path) -> None:
    for numbers in ([3, 1], [4]):
        predict_blocks(_model(0.0), _dataset(), CODES, tmp_path, numbers, _ignore)
    assert len(complete_blocks(tmp_path, N)) == 3
    with pytest.raises(ModelError, match="too bright"):
        predict(_model(0.0), _dataset(), CODES, tmp_path, _ignore)


def test_predicted_blocks_images_of_other_sizes_in_another_block_raise(tmp_path: Path) -> None:
    large = tuple(range(10, 15))
    for number in range(5):
        predict_blocks(_model(), _dataset(large), CODES, tmp_path, [number], _ignore)
    with pytest.raises(DataError, match="s0 becomes 10 × 10 pixels and s10 becomes 12 × 12"):
        predict(_model(), _dataset(large), CODES, tmp_path, _ignore)


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more"])
def test_predicted_blocks_damaged_file_is_computed_again(damage: bytes, tmp_path: Path) -> None:
    predict(_model(), _dataset(), CODES, tmp_path, _ignore)
    before = _contents(tmp_path)
    (tmp_path / "part-00002.parquet").write_bytes(damage)
    predict(_model(), _dataset(), CODES, tmp_path, _ignore)
    assert _contents(tmp_path) == before


def _samples(limit: float) -> EvaluatedSamples:
    table = pd.DataFrame({"sample": [f"s{k}" for k in range(N)]})
    return EvaluatedSamples(_model(limit), _dataset(), table)


def _selection() -> SampleSelection:
    """Failures with both targets, contrasts, and samples of the two cells."""
    failures = [Job(k, "failure", (("predicted", 1), ("label", 0))) for k in (20, 3, 13, 8)]
    contrasts = [Job(k, "contrast", (("label", 0),)) for k in (2, 9, 11)]
    means = [Job(k, "mean", (("label", 0),)) for k in range(N) if k not in {20, 3, 13, 8, 2, 9, 11}]
    cells = (
        Cell("sex", "f", "a", np.arange(0, N, 2)),
        Cell("sex", "m", "a", np.arange(1, N, 2)),
    )
    return SampleSelection((*failures, *contrasts, *means), cells, ())


def _explained(folder: Path, limit: float, parts: Sequence[Sequence[int]]) -> tuple[Explained, str]:
    samples, selection, section = _samples(limit), _selection(), ExplainSection(precision="fast")
    broken = BrokenParts()
    folder.mkdir()
    if not parts:
        return explain_samples(samples, selection, section, folder, _ignore, broken), str(
            broken.skipped
        )
    for numbers in parts:
        explain_blocks(_samples(limit), selection, section, folder, numbers, _ignore)
    return merge_explanations(samples, selection, folder, broken), str(broken.skipped)


@pytest.mark.parametrize("limit", [2.0, 0.505, 0.0])
def test_explained_blocks_any_subsets_equal_one_pass(limit: float, tmp_path: Path) -> None:
    once, raised = _explained(tmp_path / "once", limit, [])
    parts, raised_in_parts = _explained(tmp_path / "parts", limit, [[4], [2, 0], [1, 3]])
    assert parts.record == once.record
    assert parts.skipped == once.skipped
    assert raised_in_parts == raised
    assert ("of 23 images, such as" in raised) == (limit < 1)
    assert [one.reason for one in once.skipped] == [
        "no maps of 2 of 23 images, such as s13: readable when they were predicted, and then truncated"
    ]
    assert once.n_explained == parts.n_explained == (0 if limit == 0 else once.n_explained)
    assert (once.maps is None) == (parts.maps is None) == (limit == 0)
    if once.maps is not None and parts.maps is not None:
        np.testing.assert_array_equal(once.maps.cams, parts.maps.cams)
    assert _contents(tmp_path / "parts") == _contents(tmp_path / "once")


def test_explained_blocks_block_of_other_jobs_is_computed_again(tmp_path: Path) -> None:
    once, _ = _explained(tmp_path / "once", 2.0, [])
    selection = _selection()
    fewer = SampleSelection(selection.jobs[1:], selection.cells, ())
    (tmp_path / "other").mkdir()
    for chosen in (fewer, selection):
        found = explain_samples(
            _samples(2.0), chosen, ExplainSection(precision="fast"), tmp_path / "other", _ignore,
            BrokenParts(),
        )  # fmt: skip
    assert found.record == once.record
    assert _contents(tmp_path / "other") == _contents(tmp_path / "once")
