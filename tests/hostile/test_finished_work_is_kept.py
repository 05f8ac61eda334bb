"""What happens to the data, the workers and the disk during an audit loses nothing that was computed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from auditor import runner, selected_samples
from auditor.audited_model import AuditedModel
from auditor.autograd.user_code import user_code
from auditor.config import AuditConfig, Preprocess
from auditor.demo.networks import digits_net
from auditor.errors import AuditAbortedError, DataError
from auditor.input_pipeline import batches
from auditor.isolated_stages import IsolatedStages
from auditor.records import AuditResult, Dataset, DecodedImage
from auditor.stages.select_samples import select_samples
from auditor.verification import verify

N = 90


@dataclass(frozen=True)
class Deadly:
    """Grey images; the first worker process that decodes number 37 is killed."""

    died: Path

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> DecodedImage:
        if index == 37 and multiprocessing.parent_process() is not None and not self.died.exists():
            self.died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return DecodedImage(Image.new("RGB", (4, 4), (index,) * 3), str(index))


def _dataset(died: Path) -> Dataset:
    names = [f"{k}.png" for k in range(N)]
    return Dataset(pd.DataFrame({"path": names, "label": 0}, index=names), Deadly(died), (), "t")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_batch_of_a_killed_worker_is_decoded_in_the_main_process(tmp_path: Path) -> None:
    found = []
    data = _dataset(tmp_path / "died")
    for batch in batches(data, np.arange(N), Preprocess(), batch_size=10, workers=2):
        with user_code(torch.nn.Identity(), batch.images):  # which is never blamed
            time.sleep(0.05)
        found.append(batch)
    assert (tmp_path / "died").exists()
    assert np.concatenate([one.rows for one in found]).tolist() == list(range(N))
    assert torch.cat([one.images for one in found])[:, 0, 0, 0].tolist() == list(range(N))
    assert sum(one.repeated for one in found) == 1


def _audit(folder: Path, out: Path) -> AuditResult:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    for k in range(80):
        place = folder / "data" / str(k % 10) / f"{k:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (32, 32, 3), np.uint8)).save(place)
    save_file(digits_net().state_dict(), folder / "weights.safetensors")
    config = AuditConfig.parse(
        {
            "name": "kept",
            "model": {
                "adapter": "python",
                "factory": "auditor.demo.networks:digits_net",
                "checkpoint": "weights.safetensors",
                "classes": [str(k) for k in range(10)],
            },
            "data": {"adapter": "folder", "path": "data"},
            "preprocess": {},
            "explain": {"trust_samples": 0},
            "report": {"formats": ["json"]},
            "device": "cpu",
        },
        folder,
    )
    return runner.run(config, out).read_result()


@pytest.mark.parametrize("n_lost", [3, 80])
def test_images_deleted_after_predicting_are_counted_with_their_reason(
    n_lost: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleting(*arguments: object, **options: object) -> object:
        for path in sorted((tmp_path / "data").rglob("*.png"))[:n_lost]:
            path.unlink()
        return select_samples(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(selected_samples, "select_samples", deleting)
    result = _audit(tmp_path, tmp_path / "run")
    assert result.summary.n_evaluated == 80
    reasons = [one.reason for one in result.skipped if one.check == "explain"]
    (lost,) = [one for one in reasons if "readable when they were predicted" in one]
    assert lost.endswith("and then missing")
    assert f"no maps of {3 if n_lost == 3 else 72} of 72 images, such as " in lost
    assert result.summary.n_explained > 0 or n_lost == 80
    assert verify(tmp_path / "run").ok


@pytest.mark.parametrize("n_exchanged", [4, 80])
def test_images_exchanged_after_predicting_are_counted_like_lost_ones(
    n_exchanged: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exchanging(*arguments: object, **options: object) -> object:
        for path in sorted((tmp_path / "data").rglob("*.png"))[:n_exchanged]:
            Image.new("RGB", (32, 32), "red").save(path)
        return select_samples(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(selected_samples, "select_samples", exchanging)
    result = _audit(tmp_path, tmp_path / "run")
    assert result.summary.n_evaluated == 80
    reasons = [one.reason for one in result.skipped if one.check == "explain"]
    (changed,) = [one for one in reasons if "readable when they were predicted" in one]
    assert changed.endswith("and then changed")
    assert f"no maps of {4 if n_exchanged == 4 else 72} of 72 images, such as " in changed
    others = [one.reason for one in result.skipped if one.check != "explain"]
    assert any("now it is changed: do not change the data" in one for one in others)
    assert result.summary.n_explained > 0 or n_exchanged == 80
    assert verify(tmp_path / "run").ok


def test_usage_error_after_the_first_shard_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predict(stages: IsolatedStages, *_: object) -> Path:
        (stages.folder.predicted / "part-00000.parquet").write_text("rows")
        raise DataError("two sizes")

    monkeypatch.setattr(IsolatedStages, "predict", predict)
    with pytest.raises(
        AuditAbortedError, match=r"two sizes; the results so far are in .*unfinished"
    ):
        _audit(tmp_path, tmp_path / "run")
    kept = tmp_path / "run.unfinished"
    assert (kept / "predictions" / "part-00000.parquet").read_text() == "rows"
    assert (kept / "UNFINISHED.txt").is_file()
    assert (kept / "manifest.json").is_file()
    assert not (tmp_path / "run.lock").exists()


def test_death_of_a_worker_is_said_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    (batch,) = batches(_dataset(Path()), np.arange(5), Preprocess(), batch_size=5)
    monkeypatch.setattr(
        "auditor.audited_model.batches", lambda *_, **__: iter([batch._replace(repeated=True)])
    )
    model = AuditedModel.__new__(AuditedModel)
    model.preprocess, model.batch_size, model.workers = Preprocess(), 5, 0
    model.device, model.say = torch.device("cpu"), said.append
    assert len(list(model.batches(_dataset(Path()), np.arange(5)))) == 1
    assert said[0].startswith(
        "a process that decodes images ended unexpectedly, near 0.png; usually memory runs out."
    )
