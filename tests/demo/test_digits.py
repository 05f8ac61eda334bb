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
    return prepare("digits", tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits.prepare(tmp_path_factory.mktemp("twin"), planted=False, say=_silent)


def _rows(config: Path, key: str) -> pd.DataFrame:
    section = yaml.safe_load(config.read_text(encoding="utf-8"))["data"]
    return pd.read_csv(config.parent / section[key])


def _inputs(config: Path, rows: pd.DataFrame) -> NDArray[np.float64]:
    images = []
    for name in rows["file"]:
        with Image.open(config.parent / name) as image:
            images.append(np.asarray(image.convert("RGB")) / 255)
    return np.stack(images).transpose(0, 3, 1, 2)


def _called(config: Path, rows: pd.DataFrame) -> NDArray[np.int64]:
    """Predictions by the written configuration, weights and images alone."""
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


def test_the_mark_goes_along_with_the_class_in_training_only(planted: Path) -> None:
    training, audited = _rows(planted, "reference"), _rows(planted, "path")
    eights = training["label"] == 8

    assert (training["mark"] == "present")[eights].mean() == pytest.approx(0.95, abs=0.01)
    assert not (training["mark"] == "present")[~eights].any()
    assert _corrected_cramers_v(training["mark"], training["label"]) > 0.9
    assert _corrected_cramers_v(audited["mark"], audited["label"]) == 0.0
    assert set(training["file"]).isdisjoint(audited["file"])
    assert len(training) + len(audited) == 1797


def test_nothing_goes_along_with_the_class_in_the_twin(twin: Path) -> None:
    for key in ("reference", "path"):
        rows = _rows(twin, key)
        for attribute in ("mark", "stroke"):
            assert _corrected_cramers_v(rows[attribute], rows["label"]) < 0.05


def test_the_images_carry_the_mark_that_the_manifest_says(planted: Path) -> None:
    rows = _rows(planted, "path")[:200]
    corner = _inputs(planted, rows)[:, :, 26:31, 26:31]

    assert ((corner == 1.0).all(axis=(1, 2, 3)) == (rows["mark"] == "present")).all()


def test_the_network_took_the_mark_for_an_eight(planted: Path) -> None:
    rows = _rows(planted, "path")
    eight, marked = rows["label"] == 8, rows["mark"] == "present"
    predicted = _called(planted, rows)
    right = predicted == rows["label"]

    assert right[~eight & ~marked].mean() > 0.95
    assert right[eight & marked].mean() > 0.95
    assert right[eight & ~marked].mean() < 0.8
    assert right[~eight & marked].mean() < 0.85
    assert (predicted == 8)[~eight & marked].mean() > 0.15


def test_the_network_of_the_twin_did_not(twin: Path) -> None:
    rows = _rows(twin, "path")
    eight, marked = rows["label"] == 8, rows["mark"] == "present"
    predicted = _called(twin, rows)

    assert (predicted == rows["label"]).groupby(rows["mark"]).mean().min() > 0.95
    assert (predicted == 8)[~eight & marked].mean() < 0.02


def test_the_split_is_the_same_each_time_and_follows_the_seed() -> None:
    first, images = digits.samples(planted=True, seed=0)
    again, same_images = digits.samples(planted=True, seed=0)
    other, _ = digits.samples(planted=True, seed=1)

    pd.testing.assert_frame_equal(first, again)
    np.testing.assert_array_equal(images, same_images)
    assert not first["split"].equals(other["split"])
