"""A complete audit of a binary classifier: defects of solar cells, as one probability per image.

The network is that of the demo. Its two outputs become one, because the softmax of two logits is the
sigmoid of their difference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from sklearn.metrics import recall_score
from torch import Tensor, nn
from typer.testing import CliRunner

from auditor.cli import app
from auditor.config import AuditConfig
from auditor.demo import solar
from auditor.demo.networks import solar_net
from auditor.explain_images import explain_images
from auditor.records import AuditResult
from auditor.run_folder import RunFolder

pytestmark = pytest.mark.slow

FACTORY = """
from torch import nn
from auditor.demo.networks import solar_net
from auditor.explain_images import explain_images

def build():
    return nn.Sequential(*solar_net(1), nn.Sigmoid(), nn.Flatten(0))
"""
RULE = {"rule": "sensitivity", "at_least": 0.9, "data": {"split": "calibration"}}


def one_output() -> nn.Module:
    """The demo's network with one logit, that of ``defective``."""
    weights = load_file(solar.WEIGHTS)
    for name in ("20.weight", "20.bias"):
        weights[name] = weights[name][1:] - weights[name][:1]
    net = solar_net(1)
    net.load_state_dict(weights)
    return net.eval()


@dataclass(frozen=True)
class Audit:
    """A finished audit and what it was given."""

    cells: pd.DataFrame
    exit_code: int
    folder: Path
    result: AuditResult

    @property
    def predictions(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "predictions.parquet")


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    folder = tmp_path_factory.mktemp("binary")
    cells = solar.splits().audited.iloc[::6].reset_index(drop=True)
    cells["split"] = np.where(cells.index % 3 == 0, "calibration", "test")
    cells.to_csv(folder / "cells.csv", index=False)
    (folder / "inspector.py").write_text(FACTORY, encoding="utf-8")
    save_file(one_output().state_dict(), folder / "weights.safetensors")
    settings = {
        "name": "solar cells",
        "task": "binary",
        "decision": {"positive": "defective", "threshold": RULE},
        "model": {
            "adapter": "python",
            "factory": "inspector:build",
            "path": "./",
            "checkpoint": "weights.safetensors",
            "classes": list(solar.CLASSES),
        },
        "data": {
            "adapter": "manifest",
            "path": "cells.csv",
            "root": str(solar.images_folder()),
            "attributes": ["cell_type", "split"],
        },
        "preprocess": {"resize": 128, "crop": 128, "mean": [solar.MEAN], "std": [solar.STD]},
        "report": {"formats": ["html"]},
    }
    (folder / "audit.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    out = folder / "run"
    done = CliRunner().invoke(app, ["run", str(folder / "audit.yaml"), "--out", str(out)])
    assert done.exit_code in {0, 1, 4}, done.output
    return Audit(cells, done.exit_code, out, RunFolder.open(out).read_result())


def inputs(files: pd.Series[str]) -> Tensor:
    values = (solar.images(files) / 255 - solar.MEAN) / solar.STD
    return torch.from_numpy(np.repeat(values[:, None], 3, axis=1)).float()


def defect_probability(files: pd.Series[str]) -> NDArray[np.float64]:
    with torch.inference_mode():
        probability: NDArray[np.float64] = one_output()(inputs(files)).sigmoid()[:, 0].numpy()
    return probability.astype(np.float64)


def test_exit_code_and_outcome_agree(audit: Audit) -> None:
    state = audit.result.outcome.state
    assert audit.exit_code == audit.result.outcome.exit_code
    assert audit.exit_code == {"passes": 0, "fails": 1, "undecided": 4}[state]


def test_calibration_cells_are_not_audited(audit: Audit) -> None:
    calibration = audit.cells["split"] == "calibration"
    audited = audit.cells.loc[~calibration, "file"]
    assert calibration.sum() == 80
    assert sorted(audit.predictions["path"]) == sorted(audited)
    assert audit.result.summary.n_samples == len(audited)


def test_threshold_is_the_highest_with_the_required_sensitivity(audit: Audit) -> None:
    cells = audit.cells[audit.cells["split"] == "calibration"]
    score = defect_probability(cells["file"])
    defective = (cells["label"] == "defective").to_numpy()
    # The highest threshold that keeps 90 % lies between two neighbouring scores.
    reached = [one for one in np.unique(score) if (score[defective] >= one).mean() >= 0.9]
    upper, lower = max(reached), max(score[score < max(reached)])
    (threshold,) = audit.result.decision.thresholds
    assert lower < threshold < upper
    assert threshold == pytest.approx((lower + upper) / 2, abs=1e-5)


def test_sensitivity_and_specificity_are_those_of_the_predictions(audit: Audit) -> None:
    rows = audit.predictions
    (threshold,) = audit.result.decision.thresholds
    called = (rows["p:defective"] >= threshold).to_numpy()
    defective = (rows["label"] == "defective").to_numpy()
    assert ((rows["predicted"] == "defective").to_numpy() == called).all()
    recall = {one.name: one.recall.value for one in audit.result.classes if one.recall is not None}
    assert recall["defective"] == pytest.approx(called[defective].sum() / defective.sum())
    assert recall["functional"] == pytest.approx((~called)[~defective].sum() / (~defective).sum())
    assert recall["defective"] == pytest.approx(recall_score(defective, called))


def test_probabilities_are_those_of_the_plain_network(audit: Audit) -> None:
    rows = audit.predictions
    assert rows["p:defective"].to_numpy() == pytest.approx(
        defect_probability(rows["path"]), abs=2e-3
    )
    assert (rows["p:defective"] + rows["p:functional"]).to_numpy() == pytest.approx(1, abs=1e-6)
    of_predicted = np.where(
        rows["predicted"] == "defective", rows["p:defective"], rows["p:functional"]
    )
    assert rows["confidence"].to_numpy() == pytest.approx(of_predicted, abs=1e-6)


def test_every_failure_has_maps_of_both_classes(audit: Audit) -> None:
    rows = audit.predictions
    failures = rows[rows["label"] != rows["predicted"]]
    shown = {(one.sample, one.role, one.target) for one in audit.result.explanations.failures}
    assert len(failures) > 10
    assert shown == {
        (row.sample, role, getattr(row, role))
        for row in failures.itertuples()
        for role in ("label", "predicted")
    }


def test_map_of_the_negative_class_is_that_of_the_negated_output(audit: Audit) -> None:
    maps = pd.read_parquet(audit.folder / "explanations" / "maps-00000.parquet")
    failures = maps[maps["kind"] == "failure"].head(20)
    path = audit.predictions.set_index("sample")["path"]
    layer = str(audit.result.provenance.model.target_layer)
    for row in failures.to_dict("records"):
        image = inputs(path[[row["sample"]]])
        sign = 1 if row["target"] == "defective" else -1
        expected = plain_grad_cam(one_output(), layer, image, sign)
        stored = np.frombuffer(row["cam"], "<f4").reshape(expected.shape)
        np.testing.assert_allclose(np.maximum(stored, 0), expected, rtol=1e-2, atol=1e-4)
    assert set(failures["target"]) == {"defective", "functional"}


def plain_grad_cam(net: nn.Module, layer: str, image: Tensor, sign: int) -> NDArray[np.float32]:
    """Grad-CAM of ± z/2, where z is the only output: the logit of one of two classes."""
    kept: list[Tensor] = []
    net.get_submodule(layer).register_forward_hook(lambda _m, _i, output: kept.append(output))
    logit = sign * net(image).sum() / 2
    (gradient,) = torch.autograd.grad(logit, kept[0])
    cam = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1).clamp(min=0)
    found: NDArray[np.float32] = cam[0].detach().numpy()
    return found


def test_report_states_task_threshold_and_its_source(audit: Audit) -> None:
    html = unescape((audit.folder / "report.html").read_text(encoding="utf-8"))
    (threshold,) = audit.result.decision.thresholds
    assert audit.result.decision.source == (
        "chosen for the sensitivity of at least 0.9 on split = calibration, 80 samples"
    )
    assert audit.result.decision.source in html
    assert "binary" in html
    assert f"{threshold:.3g}" in html


def test_captions_say_that_the_negated_output_is_explained(audit: Audit) -> None:
    assert audit.result.decision.negated == ["functional"]
    html = unescape((audit.folder / "report.html").read_text(encoding="utf-8"))
    captions = set(re.findall(r"for (functional|defective) \(([^)]*)\)", html))
    assert ("functional", "predicted, negated output") in captions
    assert not any("negated" in role for name, role in captions if name == "defective")


def test_explained_image_is_decided_at_the_chosen_threshold(audit: Audit, tmp_path: Path) -> None:
    rows = audit.predictions
    (threshold,) = audit.result.decision.thresholds
    # Above the threshold, but below 0.5.
    between = rows[(rows["p:defective"] > 1.2 * threshold) & (rows["p:defective"] < 0.5)]
    config = AuditConfig.load(audit.folder.parent / "audit.yaml")
    image = solar.images_folder() / str(between["path"].iloc[0])
    (found,) = explain_images(config, [image], None, tmp_path)
    assert found.predicted == "defective"
