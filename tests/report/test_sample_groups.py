from __future__ import annotations

from builders.compared_runs import finding

from auditor.records import Finding, MatchedImageRecord, SampleGroup, SampleGroups, SampleRef
from auditor.report.view.sample_groups import MatchedImages, sample_groups


def _image(sample: str, source: str = "audited", path: str = "") -> MatchedImageRecord:
    return MatchedImageRecord.model_validate(
        {"sample": sample, "source": source, "path": path, "image": f"m#{sample}"}
    )


IMAGES: MatchedImages = {
    (one.source, one.sample): one
    for one in (
        _image("a", path="a.png"),
        _image("b", path="b.png"),
        _image("c", path="dir/c.png"),
        _image("row 7", "reference", "train/7.png"),
    )
}


def _finding(*groups: tuple[SampleRef, ...], kind: str = "data") -> Finding:
    part = SampleGroups(
        title="copies of the same image",
        groups=tuple(SampleGroup(members=one, note="equal files") for one in groups),
    )
    return finding().model_copy(update={"kind": kind, "evidence": [part]})


def _ref(sample: str, label: str | None = "x", source: str = "audited") -> SampleRef:
    return SampleRef.model_validate({"sample": sample, "label": label, "source": source})


def test_group_shows_all_members_with_labels_files_and_match() -> None:
    (view,) = sample_groups(
        [_finding((_ref("a"), _ref("b"), _ref("row 7", "y", "reference")))], IMAGES
    )
    (group,) = view.groups
    assert view.title == "Copies of the same image"
    assert [(one.label, one.path, one.image) for one in group.members] == [
        ("x", "a.png", "m#a"), ("x", "b.png", "m#b"), ("y", "train/7.png", "m#row 7"),
    ]  # fmt: skip
    assert (group.conflict, group.note, group.omitted) == (True, "equal files", 0)
    assert [one.name for one in group.members] == [
        "a.png (a)", "b.png (b)", "train/7.png (row 7)",
    ]  # fmt: skip


def test_groups_with_different_labels_come_first_and_those_without_images_are_counted() -> None:
    found = _finding((_ref("a"), _ref("b")), (_ref("a"), _ref("lost")), (_ref("b"), _ref("c", "y")))
    (view,) = sample_groups([found], IMAGES)
    assert [[one.sample for one in group.members] for group in view.groups] == [
        ["b", "c"],
        ["a", "b"],
    ]
    assert view.omitted == 1


def test_unknown_label_of_a_training_image_is_no_conflict() -> None:
    (view,) = sample_groups([_finding((_ref("a"), _ref("row 7", None, "reference")))], IMAGES)
    assert not view.groups[0].conflict


def test_groups_of_other_findings_are_not_shown_as_copies() -> None:
    assert sample_groups([_finding((_ref("a"), _ref("b")), kind="map")], IMAGES) == ()
