"""Images of copies are stored with the run, from the audited and from the training data."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from builders.audited_models import audited
from builders.compared_runs import finding
from builders.stored_images import StoredImages, coloured
from PIL import Image
from torch import nn

from auditor.evaluated_samples import EvaluatedSamples
from auditor.records import Dataset, Finding, SampleGroup, SampleGroups, SampleRef
from auditor.stages.matched_images import store_matched_images

FILES = tuple(coloured(k) for k in range(4))


def samples(trained: tuple[bytes | None, ...]) -> EvaluatedSamples:
    """The samples s1 … s3 of a data set with s0 … s3."""
    names = [f"s{k}" for k in range(4)]
    table = pd.DataFrame(
        {"path": [f"{one}.png" for one in names], "label": 0}, index=pd.Index(names)
    )
    data = Dataset(table, StoredImages(FILES), (), "test", reference_images=StoredImages(trained))
    frame = pd.DataFrame({"sample": names[1:], "path": table["path"].tolist()[1:]})
    return EvaluatedSamples(audited(nn.Identity()), data, frame)


def groups(*members: tuple[SampleRef, ...]) -> Finding:
    """A finding about the data with these groups."""
    part = SampleGroups(title="copies", groups=tuple(SampleGroup(members=one) for one in members))
    return finding().model_copy(update={"kind": "data", "evidence": [part]})


def audited_image(sample: str, label: str = "a") -> SampleRef:
    return SampleRef(sample=sample, label=label)


def training_image(row: int, label: str = "a") -> SampleRef:
    return SampleRef(sample=f"row {row}", label=label, source="reference")


def test_both_images_of_a_pair_are_stored_with_their_files(tmp_path: Path) -> None:
    found = groups((audited_image("s2"), training_image(2)))
    records = store_matched_images(samples((None, FILES[2])), [found], tmp_path)
    assert [(one.source, one.sample, one.path) for one in records] == [
        ("audited", "s2", "s2.png"),
        ("reference", "row 2", ""),
    ]
    rows = pq.read_table(tmp_path / "matches-00000.parquet").to_pylist()
    shown = [Image.open(io.BytesIO(one["image"])).size for one in rows]
    assert shown == [Image.open(io.BytesIO(FILES[2])).size] * 2
    assert [one.image for one in records] == [
        f"explanations/matches-00000.parquet#{k}" for k in range(2)
    ]


def test_unreadable_images_and_other_kinds_of_findings_are_left_out(tmp_path: Path) -> None:
    found = groups((audited_image("s1"), training_image(1)))
    outcome = found.model_copy(update={"kind": "outcome"})
    assert store_matched_images(samples((None,)), [outcome], tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    records = store_matched_images(samples((None,)), [found, found], tmp_path)
    assert [one.sample for one in records] == ["s1"]  # once, though two findings name it


def test_groups_with_different_labels_are_stored_first(tmp_path: Path) -> None:
    same = [(audited_image("s1"), training_image(k)) for k in range(1, 13)]
    conflict = (audited_image("s3"), training_image(13, "b"))
    records = store_matched_images(samples(FILES[:1] * 13), [groups(*same, conflict)], tmp_path)
    assert [one.sample for one in records][:2] == ["s3", "row 13"]
    assert "row 12" not in {one.sample for one in records}  # the thirteenth group
