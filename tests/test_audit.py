"""Whole audits: the planted shortcut is found and nothing else is accused."""

from __future__ import annotations

import json
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix

from auditor.config import AuditConfig
from auditor.errors import AuditAbortedError, DataError, ModelError, OutputExistsError
from auditor.manifest import sha256
from auditor.run_folder import RunFolder
from auditor.runner import run


def table(run: RunFolder) -> pd.DataFrame:
    return pd.read_parquet(run.path / "predictions.parquet")


def test_the_planted_shortcut_is_finding_number_one(planted_run: RunFolder) -> None:
    first = planted_run.read_result().findings[0]
    assert first.slice.attributes == {"mark": "present"}
    assert first.severity == "alert"
    assert first.verdict in {"supported", "confirmed"}
    assert "mark" in first.title
    assert "8" in first.title
    predictions = table(planted_run).set_index("sample")
    shown = predictions.loc[first.samples]
    # The mark was taken for an 8, and an 8 without it was taken for something else.
    marked, unmarked = shown["mark"] == "present", shown["mark"] == "absent"
    told = (marked & (shown["predicted"] == "8")) | (unmarked & (shown["label"] == "8"))
    assert told.sum() >= 0.8 * len(shown)  # a few marked digits fail in other ways
    # Maps that moved to the mark may be those of correct samples.
    assert (shown["label"] != shown["predicted"]).mean() >= 0.8


def test_the_unbiased_twin_is_not_accused(clean_run: RunFolder) -> None:
    result = clean_run.read_result()
    assert [finding.title for finding in result.findings if finding.severity == "alert"] == []
    assert result.outcome.state != "fails"


def test_the_summary_counts_what_the_predictions_hold(planted_run: RunFolder) -> None:
    result, rows = planted_run.read_result(), table(planted_run)
    assert result.summary.accuracy is not None
    assert result.summary.accuracy.value == pytest.approx(
        accuracy_score(rows["label"], rows["predicted"])
    )
    names = [one.name for one in result.classes]
    matrix = np.zeros((len(names), len(names)), int)
    for pair in result.confusion:
        matrix[names.index(pair.label), names.index(pair.predicted)] = pair.count
    assert (matrix == confusion_matrix(rows["label"], rows["predicted"], labels=names)).all()


def test_probabilities_are_those_of_the_network(planted_run: RunFolder) -> None:
    rows = table(planted_run)
    columns = rows[[f"p:{digit}" for digit in range(10)]].to_numpy(np.float64)
    assert columns.sum(1) == pytest.approx(1, abs=1e-5)
    assert (columns.argmax(1) == rows["predicted"].astype(int)).all()
    assert columns.max(1) == pytest.approx(rows["confidence"].to_numpy(), abs=1e-6)
    of_label = columns[np.arange(len(rows)), rows["label"].astype(int)]
    assert -np.log(of_label) == pytest.approx(rows["loss"].to_numpy(), abs=1e-4)


def test_every_failure_is_explained_for_both_classes_with_a_contrast(
    planted_run: RunFolder,
) -> None:
    result, rows = planted_run.read_result(), table(planted_run).set_index("sample")
    failures = rows[rows["label"] != rows["predicted"]]
    explained = {(one.sample, one.role): one for one in result.explanations.failures}
    assert set(explained) == {(s, role) for s in failures.index for role in ("predicted", "label")}
    assert len(explained) == len(result.explanations.failures)
    for role in ("predicted", "label"):
        truth = failures[role].to_dict()
        assert {one.sample: one.target for (_, r), one in explained.items() if r == role} == truth
    contrasts = {one.sample for one in result.explanations.contrasts}
    assert (rows.loc[sorted(contrasts), "label"] == rows.loc[sorted(contrasts), "predicted"]).all()
    # As many of each label, as long as there are so many correct ones.
    wanted = Counter(failures["label"])
    correct = Counter(rows[rows["label"] == rows["predicted"]]["label"])
    got = Counter(rows.loc[sorted(contrasts), "label"])
    assert got == {label: min(n, correct[label]) for label, n in wanted.items()}


def test_maps_lie_where_the_result_says_and_carry_their_numbers(planted_run: RunFolder) -> None:
    for one in planted_run.read_result().explanations.failures[:20]:
        name, row = one.map.split("#")
        stored = pq.read_table(planted_run.path / name).slice(int(row), 1).to_pylist()[0]
        assert (stored["sample"], stored["target"], stored["role"]) == (
            one.sample,
            one.target,
            one.role,
        )
        cam = np.frombuffer(stored["cam"], "<f4")
        assert cam.size == stored["cam_height"] * stored["cam_width"]
        assert np.maximum(cam, 0).sum() == pytest.approx(one.mass, rel=1e-5, abs=1e-9)
        assert stored["gradient"] is None
        name, row = one.image.split("#")
        image = pq.read_table(planted_run.path / name).slice(int(row), 1).to_pylist()[0]
        assert image["sample"] == one.sample
        sizes = {Image.open(BytesIO(stored[key])).size for key in ("overlay", "guided")}
        assert sizes == {(image["width"], image["height"])}


def test_few_files_however_many_failures(planted_run: RunFolder) -> None:
    assert len(list((planted_run.path / "explanations").iterdir())) <= 12


def test_the_run_folder_is_whole_and_fingerprinted(planted_run: RunFolder) -> None:
    manifest = json.loads((planted_run.path / "manifest.json").read_text())["files"]
    files = {
        path.relative_to(planted_run.path).as_posix()
        for path in planted_run.path.rglob("*")
        if path.is_file()
    }
    assert files - {"manifest.json"} == set(manifest)
    assert {"audit.json", "predictions.parquet", "report.html", "report.pdf"} <= files
    assert manifest["audit.json"] == sha256(planted_run.path / "audit.json")


def test_the_same_seed_gives_the_same_result(
    planted_inputs: Path, planted_run: RunFolder, tmp_path: Path
) -> None:
    again = run(
        AuditConfig.load(planted_inputs, ["report.formats=[]", "workers=0"]), tmp_path / "again"
    ).read_result()
    before = planted_run.read_result()
    assert again.findings == before.findings
    assert again.slices == before.slices
    assert again.provenance.data.sha256 == before.provenance.data.sha256
    assert again.provenance.model.sha256 == before.provenance.model.sha256


def test_a_finished_run_is_not_overwritten_unasked(
    planted_inputs: Path, planted_run: RunFolder
) -> None:
    before = sha256(planted_run.path / "audit.json")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        run(AuditConfig.load(planted_inputs), planted_run.path)
    assert sha256(planted_run.path / "audit.json") == before


def test_a_model_of_other_classes_leaves_nothing_behind(
    planted_inputs: Path, tmp_path: Path
) -> None:
    config = AuditConfig.load(
        planted_inputs, ["model.classes=['0','1','2','3','4','5','6','7','8','9','ten']"]
    )
    with pytest.raises(ModelError, match="11"):
        run(config, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_what_breaks_off_leaves_a_folder_that_says_so(
    planted_inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr("auditor.runner.find_failures", broken)
    with pytest.raises(AuditAbortedError, match="on fire"):
        run(AuditConfig.load(planted_inputs), tmp_path / "run")
    left = tmp_path / "run.unfinished"
    assert "not finished" in (left / "UNFINISHED.txt").read_text()
    assert "on fire" in (left / "traceback.txt").read_text()
    assert list((left / "predictions").glob("part-*.parquet"))
    assert not (tmp_path / "run").exists()


def test_auditing_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    import auditor

    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(inplace=True),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = np.random.default_rng(0)
    images = [
        (random.integers(0, 255, (16, 16, 3), np.uint8), ["cat", "dog"][k % 2]) for k in range(80)
    ]
    result = auditor.audit(
        model,
        images,
        classes=["cat", "dog"],
        attributes=pd.DataFrame({"site": ["a", "b", "a", "a"] * 20}),
        out=tmp_path / "run",
        name="from Python",
    )
    assert result.summary.n_evaluated == 80
    assert (tmp_path / "run" / "report.html").is_file()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(not part._forward_hooks and not part._backward_hooks for part in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", ["label", "loss", "phash", "image.hue", "p:cat"])
def test_audit_from_python_refuses_an_attribute_named_like_its_own_column(
    tmp_path: Path, name: str
) -> None:
    import auditor

    images = [(np.zeros((8, 8, 3), np.uint8), "cat")] * 2
    with pytest.raises(DataError, match=f"attributes: attribute '{name}': the audit writes"):
        auditor.audit(
            torch.nn.Flatten(),
            images,
            classes=["cat", "dog"],
            attributes=pd.DataFrame({name: ["a", "b"]}),
            out=tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()


def test_the_maps_trust_is_measured_and_shown_beside_edges(planted_run: RunFolder) -> None:
    explanations = planted_run.read_result().explanations
    sanity = explanations.sanity
    assert sanity["n_samples"] == 8
    for name in ("deletion_area", "insertion_area"):
        assert 0 <= sanity[name] <= 1
        assert 0 <= sanity[f"{name}_random"] <= 1
    for name in ("randomization_grad_cam", "occlusion_rank_correlation", "edge_rank_correlation"):
        assert -1 <= sanity[name] <= 1
    # The network ends in average pooling and one linear layer: there, both methods are CAM.
    assert sanity["hirescam_disagreement"] == pytest.approx(0, abs=1e-5)
    assert len(explanations.panels) == 3
    for one in explanations.panels:
        name, row = one.panel.split("#")
        stored = pq.read_table(planted_run.path / name).slice(int(row), 1).to_pylist()[0]
        assert stored["sample"] == one.sample
        sizes = {
            Image.open(BytesIO(stored[key])).size
            for key in ("image", "overlay", "gradient", "edges")
        }
        assert sizes == {(32, 32)}


def test_the_units_behind_the_finding_respond_to_the_mark(planted_run: RunFolder) -> None:
    result, rows = planted_run.read_result(), table(planted_run).set_index("sample")
    units = [one for one in result.explanations.units if one.finding == result.findings[0].id]
    assert len(units) == 3
    assert [one.share for one in units] == sorted((one.share for one in units), reverse=True)
    name, _ = units[0].images[0].split("#")
    stored = pq.read_table(planted_run.path / name).to_pylist()
    top = [stored[int(reference.split("#")[1])] for reference in units[0].images]
    assert {one["channel"] for one in top} == {units[0].channel}
    marked = [rows["mark"][one["sample"]] == "present" for one in top]
    assert sum(marked) >= 5  # of six; by chance it would be three
