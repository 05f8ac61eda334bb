from __future__ import annotations

from pathlib import Path

import pytest
from builders.files import write_image, write_text

from auditor.datasets.folder import Folder
from auditor.errors import DataError, UnreadableImageError
from auditor.records.predictions import GROUP, WEIGHT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for name in ("cat/2.png", "cat/deep/1.JPG", "dog/1.png", "dog/.hidden.png", ".cache/x.png"):
        write_image(root / name)
    (root / "empty").mkdir()
    (root / "dog" / "notes.txt").write_text("no image")
    (root / "dog" / "broken.png").write_text("no image")
    return root


def test_open_folder_classes_are_sub_folders(folder: Path) -> None:
    data = Folder(path=folder).open()
    assert data.classes == ("cat", "dog", "empty")
    assert data.samples.index.tolist() == [
        "cat/2.png",
        "cat/deep/1.JPG",
        "dog/1.png",
        "dog/broken.png",
    ]
    assert data.samples["label"].tolist() == ["cat", "cat", "dog", "dog"]
    assert data.images[2].image.size == (4, 3)
    with pytest.raises(UnreadableImageError, match="not-an-image"):
        data.images[3]


def test_open_folder_attributes_come_from_a_table(folder: Path, tmp_path: Path) -> None:
    table = write_text(
        tmp_path / "about.csv",
        "age,file,place\n3,dog/1.png,in\n4,./cat/2.png,out\n5,other/1.png,in\n",
    )
    data = Folder(path=folder, attributes=table, attribute_types={"age": "numeric"}).open()
    assert data.attributes == ("age", "place")
    assert data.stated_types == {"age": "numeric"}
    assert data.samples["age"].fillna("-").tolist() == ["4", "-", "3", "-"]
    assert data.samples["place"].fillna("-").tolist() == ["out", "-", "in", "-"]


def test_open_folder_reference_is_a_folder_or_a_table(folder: Path, tmp_path: Path) -> None:
    table = write_text(tmp_path / "about.csv", "file,age\ndog/1.png,3\n")
    assert Folder(path=folder, reference=folder).open().reference is not None
    by_folder = Folder(path=folder, attributes=table, reference=folder, reference_attributes=table)
    reference = by_folder.open().reference
    assert reference is not None
    assert reference["label"].tolist() == ["cat", "cat", "dog", "dog"]
    assert reference["age"].fillna("-").tolist() == ["-", "-", "3", "-"]
    trained = write_text(tmp_path / "train.csv", "label,age\ncat,old\n")
    data = Folder(path=folder, attributes=table, reference=trained).open()
    assert data.reference is not None
    assert data.reference["age"].tolist() == ["old"]
    assert data.samples["age"].fillna("-").tolist() == ["-", "-", "3", "-"]
    with pytest.raises(DataError, match=r"data\.reference_attributes"):
        Folder(path=folder, attributes=table, reference=folder).open()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("path,age\ncat/2.png,1\n", "no column 'file'"),
        ("file,age\ncat/2.png,1\ncat/2.png,2\n", "one row per image; 'cat/2.png' has several"),
        ("file,age\n2.png,1\n", r"paths such as 'cat/2.png' .*the first has '2.png'"),
        ("file,loss\ncat/2.png,1\n", "attribute 'loss'"),
    ],
)
def test_open_folder_table_without_match_raises(
    folder: Path, tmp_path: Path, table: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Folder(path=folder, attributes=write_text(tmp_path / "about.csv", table)).open()


def test_open_folder_without_images_raises(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it does not exist"):
        Folder(path=tmp_path / "nowhere").open()
    with pytest.raises(DataError, match="no sub-folders"):
        Folder(path=tmp_path).open()
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match="expected images"):
        Folder(path=tmp_path).open()


def test_open_folder_group_is_a_column_of_the_table_and_no_attribute(
    folder: Path, tmp_path: Path
) -> None:
    table = write_text(
        tmp_path / "about.csv", "file,owner,place\ndog/1.png,Ann,in\ncat/2.png,Bob,out\n"
    )
    data = Folder(path=folder, attributes=table, group="owner").open()
    assert (data.group, data.attributes) == ("owner", ("place",))
    assert data.samples[GROUP].fillna("-").tolist() == ["Bob", "-", "Ann", "-"]


def test_open_folder_group_without_column_names_the_columns(folder: Path, tmp_path: Path) -> None:
    table = write_text(tmp_path / "about.csv", "file,owner\ndog/1.png,Ann\n")
    with pytest.raises(DataError, match=r"data\.group: no column 'patient'; the columns are owner"):
        Folder(path=folder, attributes=table, group="patient").open()
    with pytest.raises(DataError, match=r"data\.group: no column 'patient'"):
        Folder(path=folder, group="patient").open()


def test_open_folder_weight_is_a_column_of_the_table_and_no_attribute(
    folder: Path, tmp_path: Path
) -> None:
    rows = "dog/1.png,1,in\ncat/2.png,2,out\n"
    table = write_text(tmp_path / "about.csv", "file,w,place\n" + rows)
    with pytest.raises(DataError, match=r"data\.weight: expected a number from 0 .* 2 of 4 rows"):
        Folder(path=folder, attributes=table, weight="w").open()
    files = [str(path) for path in Folder(path=folder).open().samples["path"]]
    write_text(table, "file,w,place\n" + "".join(f"{path},2,in\n" for path in files))
    data = Folder(path=folder, attributes=table, weight="w").open()
    assert (data.weight, data.attributes) == ("w", ("place",))
    assert data.samples[WEIGHT].tolist() == [2.0] * 4
