"""A softmax inside the network is applied once: a confidence of .958 stays .958."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from builders.memory_datasets import in_memory
from torch import Tensor, nn

import auditor
from auditor.audited_model import AuditedModel
from auditor.classifiers import Classifier
from auditor.classifiers.outputs import recognise
from auditor.config import AuditConfig, DataSection, ModelSection, OutputKind, Preprocess
from auditor.model_opening import OpenedModel, open_model
from auditor.preparation import match
from auditor.preprocessing_trials import try_preprocessing
from auditor.run_folder import PREDICTIONS

MARGIN = float(np.log(0.958 / 0.042))
"""Difference of two logits whose softmax is .958."""


class Confident(nn.Module):
    """Predicts by the brightness, always with a confidence of .958; its last layer is chosen."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 2, 1)
        self.last = last

    def forward(self, images: Tensor) -> Tensor:
        """Outputs (N, 2)."""
        half = torch.where(images.mean((1, 2, 3)) > 0.5, MARGIN / 2, -MARGIN / 2)
        half = half + 1e-6 * torch.relu(self.maps(images)).mean((1, 2, 3))  # so that maps exist
        outputs: Tensor = self.last(torch.stack((-half, half), 1))
        return outputs


def _images(n: int = 60) -> list[tuple[np.ndarray, str]]:
    rng = np.random.default_rng(0)
    return [
        (rng.integers(150 * (k % 2), 100 + 150 * (k % 2), (8, 8, 3), np.uint8), "ab"[k % 2])
        for k in range(n)
    ]


@pytest.mark.parametrize(
    ("last", "output"),
    [
        (nn.Softmax(1), None),
        (nn.Softmax(1), "probabilities"),
        (nn.LogSoftmax(1), None),
        (nn.Identity(), None),
        (nn.Sequential(nn.Softmax(1), nn.Dropout()), None),
    ],
    ids=["softmax", "stated", "log-softmax", "logits", "softmax and dropout"],
)
def test_confidence_of_a_softmax_inside_the_network(
    last: nn.Module, output: OutputKind | None
) -> None:
    opened = _opened(last, output)
    pixels = np.stack([image for image, _ in _images()]).transpose(0, 3, 1, 2)
    share = opened.model.probabilities(torch.from_numpy(pixels))
    np.testing.assert_allclose(share.max(1), 0.958, atol=1e-3)


def _opened(last: nn.Module, output: OutputKind | None) -> OpenedModel:
    config = AuditConfig(
        name="odd",
        model=ModelSection(adapter="in memory", classes=("a", "b"), output=output),
        data=DataSection(adapter="in memory"),
        preprocess=Preprocess(),
    )
    data = in_memory(_images())
    return open_model(match(config, data, Classifier(Confident(last), "in memory", "Confident")))


def test_confidence_of_a_softmax_from_python(tmp_path: Path) -> None:
    network = Confident(nn.Softmax(1))
    result = auditor.audit(
        network, _images(), classes=["a", "b"], preprocess={}, out=tmp_path / "run"
    )
    frame = pd.read_parquet(tmp_path / "run" / PREDICTIONS)
    np.testing.assert_allclose(frame["confidence"], 0.958, atol=1e-3)
    np.testing.assert_allclose(frame[["p:a", "p:b"]].max(axis=1), 0.958, atol=1e-3)
    assert result.summary.n_evaluated == 60
    # A calibrated confidence would be 1 here: the model is under-confident, never over-confident.
    assert not [one for one in result.findings if "too high" in one.title]


def test_softmax_that_is_stated_to_be_logits_is_doubted() -> None:
    doubt = _opened(nn.Softmax(1), "logits").doubt
    assert doubt is not None
    assert "softmax would be applied twice" in doubt


@pytest.mark.parametrize(
    ("outputs", "kind"),
    [
        ([[0.958, 0.042], [0.042, 0.958]], "probabilities"),
        ([[1.0, 0.0], [1.0, 0.0]], "probabilities"),
        ([[0.5, 0.5]], "probabilities"),
        ([[0.9, 0.9], [0.1, 0.2]], "logits"),
        ([[1.2, -0.2], [0.3, 0.7]], "logits"),
        ([[-0.043, -3.17]], "log-probabilities"),
        ([[np.nan, 0.5]], "logits"),
        ([[0.9580078, 0.0419922]], "probabilities"),  # half precision
    ],
)
def test_outputs_are_recognised(outputs: list[list[float]], kind: OutputKind) -> None:
    assert recognise(torch.tensor(outputs), "single-label") == kind


def test_trial_of_other_preprocessings_keeps_the_confidence() -> None:
    model: AuditedModel = _opened(nn.Softmax(1), None).model
    data = in_memory(_images())
    rows = np.arange(60)
    used = try_preprocessing(model, data.images, rows, rows % 2)[0]
    assert used.confidence == pytest.approx(0.958, abs=1e-3)
    assert used.accuracy == 1
