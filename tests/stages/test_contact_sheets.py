"""Contact sheets of the slices of findings, and the map of the failures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from builders.audited_models import audited
from builders.compared_runs import finding
from builders.image_evidence import audit_data
from builders.stored_images import StoredImages, coloured
from PIL import Image
from sklearn.decomposition import PCA
from torch import Tensor, nn

from auditor.autograd.target_layer import TargetLayer
from auditor.evaluated_samples import EvaluatedSamples
from auditor.records import AuditData, Dataset, Finding, SliceKey
from auditor.stages.contact_sheets import contact_sheets
from auditor.stages.failure_map import failure_map, principal_plane

N = 60
MAPS = TargetLayer("maps", 6, 8, 8, "NCHW", None, "named by the test")


def data() -> tuple[EvaluatedSamples, AuditData]:
    """Samples of the labels a and b in turn; the first 24 have the mark, and the first 9 of these fail."""
    label = np.arange(N) % 2
    predicted = np.where(np.arange(N) < 9, 1 - label, label)
    share = np.where(np.arange(2) == predicted[:, None], 0.8, 0.2)
    mark = np.where(np.arange(N) < 24, "yes", "no")
    audit = audit_data(label, share, {"mark": mark})
    names = [str(one) for one in audit.predictions["sample"]]
    table = pd.DataFrame({"path": names, "label": label}, index=pd.Index(names))
    images = StoredImages(tuple(coloured(k) for k in range(N)))
    return (
        EvaluatedSamples(
            audited(nn.Identity()), Dataset(table, images, (), "test"), audit.predictions
        ),
        audit,
    )


def about(**key: object) -> Finding:
    return finding().model_copy(update={"kind": "outcome", "slice": SliceKey.model_validate(key)})


def test_sheet_has_failures_first_and_correct_samples_of_the_slice(tmp_path: Path) -> None:
    samples, audit = data()
    (sheet,) = contact_sheets(samples, audit, [about(attributes={"mark": "yes"})], tmp_path)
    assert (sheet.n_failures, sheet.n_correct) == (9, 15)
    assert [one.failure for one in sheet.images] == [True] * 6 + [False] * 6
    numbers = [int(one.sample[1:]) for one in sheet.images]
    assert len(set(numbers)) == 12
    assert all(one < 9 for one in numbers[:6])
    assert all(9 <= one < 24 for one in numbers[6:])
    rows = pq.read_table(tmp_path / "sheets-00000.parquet").to_pylist()
    place = int(sheet.images[0].image.removeprefix("explanations/sheets-00000.parquet#"))
    with Image.open(io.BytesIO(rows[place]["image"])) as stored:
        assert max(stored.size) <= 96
    (again,) = contact_sheets(samples, audit, [about(attributes={"mark": "yes"})], tmp_path)
    assert again == sheet


def test_sheets_share_images_and_leave_out_findings_without_a_slice(tmp_path: Path) -> None:
    samples, audit = data()
    marked = about(attributes={"mark": "yes"})
    of_data = marked.model_copy(update={"kind": "data", "slice": SliceKey(label="a")})
    predicted = about(attributes={"mark": "yes"}, predicted="a")
    found = contact_sheets(samples, audit, [marked, about(), of_data, marked, predicted], tmp_path)
    assert [str(one.slice) for one in found] == [str(marked.slice), str(predicted.slice)]
    # Predicted as a: the odd ones of the nine failures, and the even ones of the others, 10 to 22.
    assert (found[1].n_failures, found[1].n_correct) == (4, 7)
    assert [one.failure for one in found[1].images] == [True] * 4 + [False] * 7
    stored = pq.read_table(tmp_path / "sheets-00000.parquet").num_rows
    assert stored == len({one.sample for sheet in found for one in sheet.images})


def test_no_sheet_without_findings(tmp_path: Path) -> None:
    samples, audit = data()
    assert contact_sheets(samples, audit, [], tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_principal_plane_is_that_of_sklearn() -> None:
    features = np.random.default_rng(0).normal(size=(40, 6)) @ np.diag([5, 3, 1, 1, 1, 1])
    features[:, 1] += features[:, 0]
    found = principal_plane(np.column_stack([features, np.ones(40), np.full(40, np.nan)]))
    assert found is not None
    points, explained = found
    scaled = (features - features.mean(0)) / features.std(0)
    expected = PCA(2, svd_solver="full").fit(scaled)
    assert explained == pytest.approx(expected.explained_variance_ratio_.sum())
    assert np.abs(points) == pytest.approx(np.abs(expected.transform(scaled)))
    assert principal_plane(np.ones((40, 6))) is None


class Colours(nn.Module):
    """Maps of six channels, of which a head makes two logits."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 6, 1)
        self.head = nn.Linear(6, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.maps(images).mean((2, 3)))
        return logits


def test_failure_map_places_failures_and_names_their_slice() -> None:
    samples, audit = data()
    failures = np.arange(N)[::2]  # 30 of them; 12 have the mark
    found = failure_map(
        EvaluatedSamples(audited(Colours(), 2, layer=MAPS), samples.dataset, samples.table),
        audit,
        failures,
        [about(attributes={"mark": "yes"})],
    )
    assert found is not None
    assert found.n_failures == len(found.points) == 30
    assert [one.sample for one in found.points] == [f"s{k:04d}" for k in failures]
    assert [one.slice for one in found.points] == [0] * 12 + [None] * 18
    assert 0 < found.explained <= 1
    assert failure_map(samples, audit, failures[:19], []) is None
