"""Complete audits: the planted shortcut is found, and an unbiased model has no alert."""

from __future__ import annotations

import json
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
)

from auditor.config import AuditConfig
from auditor.errors import AuditAbortedError, ConfigError, ModelError, OutputExistsError
from auditor.manifest import sha256
from auditor.run_folder import RunFolder
from auditor.runner import run


def table(run: RunFolder) -> pd.DataFrame:
    return pd.read_parquet(run.path / "predictions.parquet")


def test_planted_shortcut_is_the_first_finding(planted_run: RunFolder) -> None:
    first = planted_run.read_result().findings[0]
    assert first.slice.attributes == {"mark": "present"}
    assert first.severity == "alert"
    assert first.verdict in {"supported", "confirmed"}
    assert "mark" in first.title
    assert "8" in first.title
    predictions = table(planted_run).set_index("sample")
    shown = predictions.loc[first.samples]
    # A mark makes the model predict 8, and an 8 without it is misclassified.
    marked, unmarked = shown["mark"] == "present", shown["mark"] == "absent"
    expected = (marked & (shown["predicted"] == "8")) | (unmarked & (shown["label"] == "8"))
    assert expected.sum() >= 0.8 * len(shown)  # a few marked digits get other predictions
    # The samples of map claims may be classified correctly.
    assert (shown["label"] != shown["predicted"]).mean() >= 0.8


def test_unbiased_model_has_no_alert(clean_run: RunFolder) -> None:
    result = clean_run.read_result()
    assert [finding.title for finding in result.findings if finding.severity == "alert"] == []
    assert result.outcome.state != "fails"


def test_summary_equals_sklearns_metrics_of_the_predictions(planted_run: RunFolder) -> None:
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


def test_metrics_equal_sklearns_metrics_of_the_predictions(planted_run: RunFolder) -> None:
    result, rows = planted_run.read_result(), table(planted_run)
    expected = {
        "accuracy": accuracy_score(rows["label"], rows["predicted"]),
        "balanced-accuracy": balanced_accuracy_score(rows["label"], rows["predicted"]),
        "macro-f1": f1_score(rows["label"], rows["predicted"], average="macro"),
    }
    for one in result.metrics:
        if one.metric in expected and not one.slice.attributes:
            assert one.estimate is not None
            assert one.estimate.value == pytest.approx(expected.pop(one.metric))
    assert not expected
    assert [one.metric for one in result.metrics if one.primary and not one.slice.attributes] == [
        "accuracy"
    ]
    assert result.curves == []
    assert result.reliability is not None
    assert sum(one.support for one in result.reliability.bins) == result.summary.n_evaluated


def test_unknown_metric_is_refused_before_anything_is_predicted(
    planted_inputs: Path, tmp_path: Path
) -> None:
    config = AuditConfig.load(planted_inputs, ["metrics.primary=[sensitvity]"])
    with pytest.raises(ConfigError, match=r"metrics\.primary: expected metrics of a single-label"):
        run(config, tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_probabilities_confidence_and_loss_agree(planted_run: RunFolder) -> None:
    rows = table(planted_run)
    columns = rows[[f"p:{digit}" for digit in range(10)]].to_numpy(np.float64)
    assert columns.sum(1) == pytest.approx(1, abs=1e-5)
    assert (columns.argmax(1) == rows["predicted"].astype(int)).all()
    assert columns.max(1) == pytest.approx(rows["confidence"].to_numpy(), abs=1e-6)
    of_label = columns[np.arange(len(rows)), rows["label"].astype(int)]
    assert -np.log(of_label) == pytest.approx(rows["loss"].to_numpy(), abs=1e-4)


def test_every_failure_is_explained_for_both_targets_with_a_contrast(
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
    # One per failure of each label, as long as there are correct samples.
    wanted = Counter(failures["label"])
    correct = Counter(rows[rows["label"] == rows["predicted"]]["label"])
    got = Counter(rows.loc[sorted(contrasts), "label"])
    assert got == {label: min(n, correct[label]) for label, n in wanted.items()}


def test_map_records_point_to_the_stored_maps(planted_run: RunFolder) -> None:
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


def test_explanations_are_stored_in_few_files(planted_run: RunFolder) -> None:
    assert len(list((planted_run.path / "explanations").iterdir())) <= 12


def test_manifest_lists_every_file_of_the_run(planted_run: RunFolder) -> None:
    manifest = json.loads((planted_run.path / "manifest.json").read_text())["files"]
    files = {
        path.relative_to(planted_run.path).as_posix()
        for path in planted_run.path.rglob("*")
        if path.is_file()
    }
    assert files - {"manifest.json"} == set(manifest)
    assert {"audit.json", "predictions.parquet", "report.html", "report.pdf"} <= files
    assert manifest["audit.json"] == sha256(planted_run.path / "audit.json")


@pytest.mark.slow
def test_same_seed_gives_the_same_result(
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


def test_finished_run_is_not_overwritten_by_default(
    planted_inputs: Path, planted_run: RunFolder
) -> None:
    before = sha256(planted_run.path / "audit.json")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        run(AuditConfig.load(planted_inputs), planted_run.path)
    assert sha256(planted_run.path / "audit.json") == before


def test_usage_error_leaves_no_folder_behind(planted_inputs: Path, tmp_path: Path) -> None:
    config = AuditConfig.load(
        planted_inputs, ["model.classes=['0','1','2','3','4','5','6','7','8','9','ten']"]
    )
    with pytest.raises(ModelError, match="11"):
        run(config, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_aborted_run_leaves_a_marked_folder(
    planted_inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("disk failure")

    monkeypatch.setattr("auditor.selected_samples.find_failures", broken)
    with pytest.raises(AuditAbortedError, match="disk failure"):
        run(AuditConfig.load(planted_inputs), tmp_path / "run")
    left = tmp_path / "run.unfinished"
    assert "not finished" in (left / "UNFINISHED.txt").read_text()
    assert "disk failure" in (left / "traceback.txt").read_text()
    assert list((left / "predictions").glob("part-*.parquet"))
    assert not (tmp_path / "run").exists()


def test_map_sanity_is_measured_and_shown_beside_edges(planted_run: RunFolder) -> None:
    explanations = planted_run.read_result().explanations
    # Half the passes of predicting and explaining, at 52 a sample: fewer than the largest number, 50.
    assert explanations.sanity["n_samples"] == 43
    tested = {(one.test, one.explainer): one for one in explanations.map_tests}
    assert set(tested) == {
        *((name, "grad-cam") for name in ("deletion", "insertion", "occlusion", "randomization")),
        *((name, "guided-backprop") for name in ("randomization", "edges")),
    }
    assert all(-1 <= one.value.low <= one.value.high <= 1 for one in tested.values())
    # With average pooling and a linear layer as head, both methods equal CAM.
    assert explanations.sanity["hirescam_disagreement"] == pytest.approx(0, abs=1e-5)
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


def test_units_behind_the_first_finding_respond_to_the_mark(planted_run: RunFolder) -> None:
    result, rows = planted_run.read_result(), table(planted_run).set_index("sample")
    units = [one for one in result.explanations.units if one.finding == result.findings[0].id]
    assert len(units) == 3
    assert [one.share for one in units] == sorted((one.share for one in units), reverse=True)
    name, _ = units[0].images[0].split("#")
    stored = pq.read_table(planted_run.path / name).to_pylist()
    top = [stored[int(reference.split("#")[1])] for reference in units[0].images]
    assert {one["channel"] for one in top} == {units[0].channel}
    marked = [rows["mark"][one["sample"]] == "present" for one in top]
    assert sum(marked) >= 5  # of six; three would be expected by chance
