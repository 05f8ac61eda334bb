from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from auditor import registry
from auditor.datasets.folder import Folder
from auditor.datasets.manifest import Manifest
from auditor.datasets.tables import typed, unique_ids
from auditor.datasets.torchvision import Torchvision
from auditor.errors import DataError, UnreadableImageError
from auditor.records.predictions import FIXED


def _image(path: Path, grey: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 3), (grey,) * 3).save(path)


def _csv(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# Manifest -------------------------------------------------------------------------------------


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    for name in ("a.png", "deep/b.png"):
        _image(tmp_path / name, len(name))
    return _csv(
        tmp_path / "test.csv",
        "file,finding,age,ward,zip,object,mask\n"
        'a.png,NA,31,1,a,"1,2,3,4",m/a.png\n'
        "deep/b.png,None,,x,,,\n"
        'a.png,sick,2.5,NA,c,"(0, 0, 2.5, 1)",m/b.png\n',
    )


def test_a_manifest_is_read_as_it_stands(manifest: Path) -> None:
    data = Manifest(
        path=manifest, label="finding", attributes=("age", "ward", "zip"), box="object", mask="mask"
    ).open()
    samples = data.samples
    assert samples.index.tolist() == ["a.png", "deep/b.png", "a.png#2"]
    assert samples["path"].tolist() == ["a.png", "deep/b.png", "a.png"]
    assert samples["label"].tolist() == ["NA", "None", "sick"]  # classes may be called so
    assert samples["age"].dtype == np.float64
    assert samples["age"].isna().tolist() == [False, True, False]
    assert samples["ward"].fillna("-").tolist() == ["1", "x", "-"]  # numbers in part stay text
    assert samples["zip"].isna().tolist() == [False, True, False]
    assert samples["box"].tolist() == [(1, 2, 3, 4), None, (0, 0, 2.5, 1)]
    assert samples["mask"].fillna("-").tolist() == [
        str(manifest.parent / "m/a.png"), "-", str(manifest.parent / "m/b.png"),
    ]  # fmt: skip
    assert (data.adapter, data.classes, data.reference) == ("manifest", None, None)
    images = pickle.loads(pickle.dumps(data.images))  # noqa: S301  # just written here
    assert [images[at].image.getpixel((0, 0))[0] for at in range(3)] == [5, 10, 5]


def test_parquet_says_the_same_as_csv(manifest: Path, tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "file": ["a.png", "deep/b.png"],
            "label": [1, 0],
            "old": [True, False],
            "age": pd.array([3, None], dtype="Int64"),
            "object": [[1.0, 2.0, 3.0, 4.0], None],
        }
    )
    table.to_parquet(tmp_path / "test.parquet")
    options: dict[str, Any] = {"attributes": ("old", "age"), "box": "object"}
    samples = Manifest(path=tmp_path / "test.parquet", **options).open().samples
    assert samples["label"].tolist() == [1, 0]
    assert samples["old"].tolist() == ["True", "False"]
    assert pd.api.types.is_numeric_dtype(samples["age"])
    assert samples["box"].tolist() == [(1, 2, 3, 4), None]


def test_the_reference_gets_the_same_columns_and_types(manifest: Path, tmp_path: Path) -> None:
    trained = _csv(tmp_path / "train.csv", "finding,age,zip,more\nsick,1,5,0\nNA,x,6,0\n")
    data = Manifest(
        path=manifest, label="finding", attributes=("age", "zip"), reference=trained
    ).open()
    assert data.reference is not None
    assert data.reference.columns.tolist() == ["label", "age", "zip"]
    assert data.reference["age"].tolist() == ["1", "x"]
    assert data.samples["age"].fillna("-").tolist() == ["31", "-", "2.5"]


def test_root_is_where_images_are(manifest: Path, tmp_path: Path) -> None:
    _image(tmp_path / "elsewhere/a.png", 99)
    data = Manifest(path=manifest, label="finding", root=tmp_path / "elsewhere").open()
    assert data.images[0].image.getpixel((0, 0)) == (99, 99, 99)
    with pytest.raises(UnreadableImageError, match="missing"):
        data.images[1]


@pytest.mark.parametrize("name", [*FIXED, "failure", "box", "mask", "image.size", "p:cat"])
def test_attribute_named_like_a_column_of_the_audit_is_refused(tmp_path: Path, name: str) -> None:
    path = _csv(tmp_path / "table.csv", f"file,class,{name}\na.png,cat,1\n")
    with pytest.raises(
        DataError, match=f"attribute '{name}': the audit writes a column of that name"
    ):
        Manifest(path=path, label="class", attributes=(name,)).open()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"data.label: there is no column 'label'; there are file, finding, age"),
        ({"label": "findings"}, r"no column 'findings'; did you mean 'finding'\?"),
        ({"attributes": ("agee",), "label": "finding"}, r"data.attributes: agee: .*did you mean 'age'\?"),
        ({"box": "ward", "label": "finding"}, r"x0,y0,x1,y1 .* 3 of 3 rows: row 1 \('1'\); row 2 \('x'\)"),
        ({"image": "zip", "label": "finding"}, r"a path in every cell of 'zip'.*1 of 3 rows: row 2"),
        ({"label": "finding", "attributes": ("mask",)}, r"attribute 'mask': the audit writes"),
        ({"label": "finding", "attributes": ("age", "age")}, r"'age': named 2 times"),
    ],
)  # fmt: skip
def test_what_a_manifest_lacks_is_named(
    manifest: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Manifest(path=manifest, **options).open()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is none: correct the path"),
        ("", "the file is empty"),
        ("file,label\n", r"one row an image; there are none"),
        ("file,label\na,b,c\n", "expected 2 cells a row"),
        ("file,label\na,b\na,b,c\n", "can't be read"),
        (b"file,label\n\xff\xfe,b\n", "can't be read"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, content: str | bytes | None, message: str) -> None:
    path = tmp_path / "test.csv"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=message):
        Manifest(path=path).open()
    wrong = tmp_path / "test.parquet"
    wrong.write_bytes(b"file,label")
    with pytest.raises(DataError, match="can't be read"):
        Manifest(path=wrong).open()


def test_ids_are_unique_even_where_a_path_looks_like_one() -> None:
    assert unique_ids(["a", "a#2", "a", "a"]) == ["a", "a#2", "a#3", "a#4"]


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (["1", " 2.5", "-3e2"], True),
        (["1", "", "NA"], True),
        (["1", "x"], False),
        (["", ""], False),
        (["1", "inf"], False),
        ([True, False], False),
        ([1, 2], True),
    ],
)
def test_numbers_are_numbers_only_when_all_are(cells: list[Any], numeric: bool) -> None:
    (column,) = typed(pd.Series(cells))
    assert pd.api.types.is_numeric_dtype(column) == numeric


# Folder ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for name in ("cat/2.png", "cat/deep/1.JPG", "dog/1.png", "dog/.hidden.png", ".cache/x.png"):
        _image(root / name)
    (root / "empty").mkdir()
    (root / "dog" / "notes.txt").write_text("no image")
    (root / "dog" / "broken.png").write_text("no image")
    return root


def test_a_folder_has_one_class_a_sub_folder(folder: Path) -> None:
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


def test_attributes_come_from_a_table(folder: Path, tmp_path: Path) -> None:
    table = _csv(
        tmp_path / "about.csv",
        "age,file,place\n3,dog/1.png,in\n4,./cat/2.png,out\n5,other/1.png,in\n",
    )
    data = Folder(path=folder, attributes=table).open()
    assert data.attributes == ("age", "place")
    assert data.samples["age"].fillna(-1).tolist() == [4, -1, 3, -1]
    assert data.samples["place"].fillna("-").tolist() == ["out", "-", "in", "-"]


def test_the_reference_of_a_folder_is_a_folder_or_a_table(folder: Path, tmp_path: Path) -> None:
    table = _csv(tmp_path / "about.csv", "file,age\ndog/1.png,3\n")
    assert Folder(path=folder, reference=folder).open().reference is not None
    by_folder = Folder(path=folder, attributes=table, reference=folder, reference_attributes=table)
    reference = by_folder.open().reference
    assert reference is not None
    assert reference["label"].tolist() == ["cat", "cat", "dog", "dog"]
    assert reference["age"].fillna(-1).tolist() == [-1, -1, 3, -1]
    trained = _csv(tmp_path / "train.csv", "label,age\ncat,old\n")
    data = Folder(path=folder, attributes=table, reference=trained).open()
    assert data.reference is not None
    assert data.reference["age"].tolist() == ["old"]
    assert data.samples["age"].fillna("-").tolist() == ["-", "-", "3", "-"]
    with pytest.raises(DataError, match=r"data\.reference_attributes"):
        Folder(path=folder, attributes=table, reference=folder).open()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("path,age\ncat/2.png,1\n", "there is no column 'file'"),
        ("file,age\ncat/2.png,1\ncat/2.png,2\n", "one row an image; 'cat/2.png' has more"),
        ("file,age\n2.png,1\n", r"paths such as 'cat/2.png' .*the first has '2.png'"),
        ("file,loss\ncat/2.png,1\n", "attribute 'loss'"),
    ],
)
def test_tables_that_do_not_fit_the_folder(
    folder: Path, tmp_path: Path, table: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Folder(path=folder, attributes=_csv(tmp_path / "about.csv", table)).open()


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is none"):
        Folder(path=tmp_path / "nowhere").open()
    with pytest.raises(DataError, match="no sub-folders"):
        Folder(path=tmp_path).open()
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match="expected images"):
        Folder(path=tmp_path).open()


# torchvision ----------------------------------------------------------------------------------


def _idx(values: np.ndarray) -> bytes:
    """The IDX format of MNIST: two zeros, type 8 (uint8), rank, sizes, values."""
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes()


def test_a_torchvision_data_set_from_the_disk(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    images = np.arange(2 * 28 * 28).reshape(2, 28, 28) % 251
    for part, codes in (("t10k", [9, 3]), ("train", [1, 2])):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(_idx(images))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(_idx(np.array(codes)))
    data = Torchvision(dataset="FashionMNIST", root=tmp_path).open()
    assert data.samples.index.tolist() == ["FashionMNIST/test/000000", "FashionMNIST/test/000001"]
    assert data.samples["label"].tolist() == [9, 3]
    assert data.classes is not None
    assert data.classes[9] == "Ankle boot"
    image = data.images[1]
    assert np.array_equal(np.asarray(image.image), np.repeat(images[1][..., None], 3, 2))
    assert image.sha256 != data.images[0].sha256
    trained = Torchvision(dataset="FashionMNIST", root=tmp_path, train=True).open()
    assert trained.samples["label"].tolist() == [1, 2]
    assert len(pickle.loads(pickle.dumps(data.images))) == 2  # noqa: S301  # just written here


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "FashonMNIST"}, r"no 'FashonMNIST'; did you mean 'FashionMNIST'\?"),
        ({"dataset": "FashionMNIST"}, "can't open it: .*nothing is downloaded"),
        ({"dataset": "FashionMNIST", "split": "test"}, "set data.train to true or false"),
        ({"dataset": "SVHN"}, "such as `split: test`"),
        ({"dataset": "FakeData"}, "keeps none for it"),
    ],
)
def test_what_torchvision_can_not_open(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Torchvision(root=tmp_path, **options).open()


def test_all_three_are_found_by_name() -> None:
    assert {"folder", "manifest", "torchvision"} <= set(registry.all_of("dataset"))
