from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from scipy.stats import chi2_contingency

from auditor.demo import digits, prepare
from auditor.demo.networks import digits_net


def _silent(_line: str) -> None:
    pass


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare("digits", tmp_path_factory.mktemp("digits"), log=_silent)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits.prepare(tmp_path_factory.mktemp("twin"), planted=False, log=_silent)


def _rows(config: Path, key: str) -> pd.DataFrame:
    section = yaml.safe_load(config.read_text(encoding="utf-8"))["data"]
    return pd.read_csv(config.parent / section[key])


def _inputs(config: Path, rows: pd.DataFrame) -> NDArray[np.float64]:
    images = []
    for name in rows["file"]:
        with Image.open(config.parent / name) as image:
            images.append(np.asarray(image.convert("RGB")) / 255)
    return np.stack(images).transpose(0, 3, 1, 2)


def _predictions(config: Path, rows: pd.DataFrame) -> NDArray[np.int64]:
    """Predictions computed from the written configuration, weights and images alone."""
    preprocess = yaml.safe_load(config.read_text(encoding="utf-8"))["preprocess"]
    net = digits_net().eval()
    net.load_state_dict(load_file(config.parent / "digits.safetensors"), strict=True)
    inputs = (_inputs(config, rows) - preprocess["mean"][0]) / preprocess["std"][0]
    with torch.inference_mode():
        predicted: NDArray[np.int64] = net(torch.from_numpy(inputs).float()).argmax(1).numpy()
    return predicted


def _corrected_cramers_v(one: pd.Series, other: pd.Series) -> float:
    """Bergsma (2013), equations 5 to 7."""
    counts = pd.crosstab(one, other).to_numpy()
    n = counts.sum()
    r, c = counts.shape
    phi2 = chi2_contingency(counts, correction=False).statistic / n
    phi2 = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    r_corrected = r - (r - 1) ** 2 / (n - 1)
    c_corrected = c - (c - 1) ** 2 / (n - 1)
    return float(np.sqrt(phi2 / min(r_corrected - 1, c_corrected - 1)))


def test_prepare_mark_is_associated_with_the_class_in_training_only(planted: Path) -> None:
    training, audited = _rows(planted, "reference"), _rows(planted, "path")
    eights = training["label"] == 8

    assert (training["mark"] == "present")[eights].mean() == pytest.approx(0.95, abs=0.01)
    assert not (training["mark"] == "present")[~eights].any()
    assert _corrected_cramers_v(training["mark"], training["label"]) > 0.9
    assert _corrected_cramers_v(audited["mark"], audited["label"]) == 0.0
    assert set(training["file"]).isdisjoint(audited["file"])
    assert len(training) + len(audited) == 1797


def test_prepare_twin_has_no_association_with_the_class(twin: Path) -> None:
    for key in ("reference", "path"):
        rows = _rows(twin, key)
        for attribute in ("mark", "stroke"):
            assert _corrected_cramers_v(rows[attribute], rows["label"]) < 0.05


def test_prepare_images_contain_the_mark_of_the_manifest(planted: Path) -> None:
    rows = _rows(planted, "path")[:200]
    corner = _inputs(planted, rows)[:, :, 26:31, 26:31]

    assert ((corner == 1.0).all(axis=(1, 2, 3)) == (rows["mark"] == "present")).all()


def test_prepare_network_confuses_the_mark_with_an_eight(planted: Path) -> None:
    rows = _rows(planted, "path")
    eight, marked = rows["label"] == 8, rows["mark"] == "present"
    predicted = _predictions(planted, rows)
    correct = predicted == rows["label"]

    assert correct[~eight & ~marked].mean() > 0.95
    assert correct[eight & marked].mean() > 0.95
    assert correct[eight & ~marked].mean() < 0.8
    assert correct[~eight & marked].mean() < 0.85
    assert (predicted == 8)[~eight & marked].mean() > 0.15


def test_prepare_network_of_the_twin_ignores_the_mark(twin: Path) -> None:
    rows = _rows(twin, "path")
    eight, marked = rows["label"] == 8, rows["mark"] == "present"
    predicted = _predictions(twin, rows)

    assert (predicted == rows["label"]).groupby(rows["mark"]).mean().min() > 0.95
    assert (predicted == 8)[~eight & marked].mean() < 0.02


def test_samples_split_depends_on_the_seed_only() -> None:
    first, images = digits.samples(planted=True, seed=0)
    again, same_images = digits.samples(planted=True, seed=0)
    other, _ = digits.samples(planted=True, seed=1)

    pd.testing.assert_frame_equal(first, again)
    np.testing.assert_array_equal(images, same_images)
    assert not first["split"].equals(other["split"])
