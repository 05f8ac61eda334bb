from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from builders.files import write_image, write_text

from auditor.config import AuditConfig
from auditor.datasets.manifest import Manifest
from auditor.errors import ConfigError, DataError, UnreadableImageError
from auditor.records.predictions import FIXED, GROUP, WEIGHT


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    for name in ("a.png", "deep/b.png"):
        write_image(tmp_path / name, len(name))
    return write_text(
        tmp_path / "test.csv",
        "file,finding,age,ward,zip,object,mask\n"
        'a.png,NA,31,1,a,"1,2,3,4",m/a.png\n'
        "deep/b.png,None,,x,,,\n"
        'a.png,sick,2.5,NA,c,"(0, 0, 2.5, 1)",m/b.png\n',
    )


def test_open_manifest_keeps_cells_as_they_are(manifest: Path) -> None:
    data = Manifest(
        path=manifest, label="finding", attributes=("age", "ward", "zip"), box="object", mask="mask"
    ).open()
    samples = data.samples
    assert samples.index.tolist() == ["a.png", "deep/b.png", "a.png#2"]
    assert samples["path"].tolist() == ["a.png", "deep/b.png", "a.png"]
    assert samples["label"].tolist() == ["NA", "None", "sick"]  # these can be class names
    assert samples["age"].tolist() == ["31", "", "2.5"]
    assert samples["ward"].tolist() == ["1", "x", "NA"]
    assert samples["zip"].tolist() == ["a", "", "c"]
    assert samples["box"].tolist() == [(1, 2, 3, 4), None, (0, 0, 2.5, 1)]
    assert samples["mask"].fillna("-").tolist() == [
        str(manifest.parent / "m/a.png"), "-", str(manifest.parent / "m/b.png"),
    ]  # fmt: skip
    assert (data.adapter, data.classes, data.reference) == ("manifest", None, None)
    images = pickle.loads(pickle.dumps(data.images))  # noqa: S301  # just written here
    assert [images[at].image.getpixel((0, 0))[0] for at in range(3)] == [5, 10, 5]


def test_open_manifest_parquet_keeps_types(manifest: Path, tmp_path: Path) -> None:
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
    assert samples["old"].tolist() == [True, False]
    assert pd.api.types.is_numeric_dtype(samples["age"])
    assert samples["box"].tolist() == [(1, 2, 3, 4), None]


def test_open_manifest_reference_has_the_same_columns(manifest: Path, tmp_path: Path) -> None:
    trained = write_text(tmp_path / "train.csv", "finding,age,zip,more\nsick,1,5,0\nNA,x,6,0\n")
    data = Manifest(
        path=manifest, label="finding", attributes=("age", "zip"), reference=trained
    ).open()
    assert data.reference is not None
    assert data.reference.columns.tolist() == ["label", "age", "zip"]
    assert data.reference["age"].tolist() == ["1", "x"]


def test_open_manifest_attributes_can_have_types(manifest: Path) -> None:
    types: dict[str, Any] = {"age": "numeric", "ward": ["x", 1], "zip": None}
    data = Manifest.model_validate(
        {"path": manifest, "label": "finding", "attributes": types}
    ).open()
    assert data.attributes == ("age", "ward", "zip")
    assert data.stated_types == {"age": "numeric", "ward": ("x", "1")}


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"age": "number"}, "data.attributes: age: expected categorical, ordinal, numeric, or a list"),
        ({"age": ["x", "x"]}, "age: expected two or more distinct values in order"),
        ({"answer": [False, "yes"]}, "answer: expected texts or numbers, not False: put it in quotes"),
        ("age", "expected a list of names, or a mapping of names to types"),
    ],
)  # fmt: skip
def test_manifest_wrong_types_are_refused(attributes: Any, message: str) -> None:
    raw = {"adapter": "manifest", "path": "test.csv", "attributes": attributes}
    model = {"adapter": "python", "factory": "a:b", "classes": ["x"]}
    with pytest.raises(ConfigError, match=message):
        AuditConfig.parse({"name": "a", "model": model, "data": raw})


def test_open_manifest_images_are_relative_to_root(manifest: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "elsewhere/a.png", 99)
    data = Manifest(path=manifest, label="finding", root=tmp_path / "elsewhere").open()
    assert data.images[0].image.getpixel((0, 0)) == (99, 99, 99)
    with pytest.raises(UnreadableImageError, match="missing"):
        data.images[1]


@pytest.mark.parametrize("name", [*FIXED, "failure", "box", "mask", "image.size", "p:cat"])
def test_open_manifest_reserved_attribute_name_raises(tmp_path: Path, name: str) -> None:
    path = write_text(tmp_path / "table.csv", f"file,class,{name}\na.png,cat,1\n")
    with pytest.raises(
        DataError, match=f"attribute '{name}': the audit writes a column of that name"
    ):
        Manifest(path=path, label="class", attributes=(name,)).open()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"data.label: no column 'label'; the columns are file, finding, age"),
        ({"label": "findings"}, r"no column 'findings'; did you mean 'finding'\?"),
        ({"attributes": ("agee",), "label": "finding"}, r"data.attributes: agee: .*did you mean 'age'\?"),
        ({"box": "ward", "label": "finding"}, r"x0,y0,x1,y1 .* 3 of 3 rows: row 1 \('1'\); row 2 \('x'\)"),
        ({"image": "zip", "label": "finding"}, r"a path in every cell of 'zip'.*1 of 3 rows: row 2"),
        ({"label": "finding", "attributes": ("mask",)}, r"attribute 'mask': the audit writes"),
        ({"label": "finding", "attributes": ("age", "age")}, r"'age': listed 2 times"),
    ],
)  # fmt: skip
def test_open_manifest_wrong_option_raises(
    manifest: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Manifest(path=manifest, **options).open()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist: correct the path"),
        ("", "the file is empty"),
        ("file,label\n", r"one row per image; there are none"),
        ("file,label\na,b,c\n", "expected 2 cells per row"),
        ("file,label\na,b\na,b,c\n", "expected 2 cells per row"),
        (b"file,label\n\xff\xfe,b\n", "can't be read"),
    ],
)
def test_open_manifest_broken_table_raises(
    tmp_path: Path, content: str | bytes | None, message: str
) -> None:
    path = tmp_path / "test.csv"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=message):
        Manifest(path=path).open()
    wrong = tmp_path / "test.parquet"
    wrong.write_bytes(b"file,label")
    with pytest.raises(DataError, match="can't be read"):
        Manifest(path=wrong).open()


def test_open_manifest_group_is_text_and_no_attribute(manifest: Path) -> None:
    data = Manifest(path=manifest, label="finding", attributes=("age",), group="ward").open()
    assert data.group == "ward"
    assert data.attributes == ("age",)
    # "NA" and empty cells say that the group is not known.
    assert data.samples[GROUP].fillna("-").tolist() == ["1", "x", "-"]
    both = Manifest(path=manifest, label="finding", attributes=("ward",), group="ward").open()
    assert both.attributes == ("ward",)
    assert both.group == "ward"


def test_open_manifest_unknown_group_names_the_columns(manifest: Path) -> None:
    with pytest.raises(DataError, match=r"data\.group: no column 'wards'; did you mean 'ward'\?"):
        Manifest(path=manifest, label="finding", group="wards").open()


def test_open_manifest_reference_may_have_the_group(manifest: Path, tmp_path: Path) -> None:
    trained = write_text(tmp_path / "train.csv", "finding,ward\nsick,7\nNA,\n")
    data = Manifest(path=manifest, label="finding", group="ward", reference=trained).open()
    assert data.reference is not None
    assert data.reference[GROUP].fillna("-").tolist() == ["7", "-"]


def _weighted(folder: Path, *weights: str) -> Manifest:
    rows = "".join(f"{k}.png,sick,{weight}\n" for k, weight in enumerate(weights))
    return Manifest(path=write_text(folder / "w.csv", "file,label,w\n" + rows), weight="w")


def test_open_manifest_weight_is_a_number_and_no_attribute(tmp_path: Path) -> None:
    data = _weighted(tmp_path, "1", "0", "2.5").open()
    assert (data.weight, data.attributes) == ("w", ())
    assert data.samples[WEIGHT].tolist() == [1, 0, 2.5]


@pytest.mark.parametrize("bad", ["", "-1", "inf", "nan", "much", "1e300"])
def test_open_manifest_with_a_bad_weight_names_the_row(tmp_path: Path, bad: str) -> None:
    message = rf"data\.weight: expected a number from 0 .* 1 of 3 rows: row 2 \('{bad}'\)"
    with pytest.raises(DataError, match=message):
        _weighted(tmp_path, "1", bad, "2").open()


def test_open_manifest_with_weights_of_zero_raises(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.weight: expected a positive weight .* all 2 cells"):
        _weighted(tmp_path, "0", "0.0").open()


def test_open_manifest_unknown_weight_names_the_columns(manifest: Path) -> None:
    with pytest.raises(DataError, match=r"data\.weight: no column 'w'"):
        Manifest(path=manifest, label="finding", weight="w").open()


def test_open_manifest_parquet_missing_weight_raises(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"file": ["a.png", "b.png"], "label": ["x", "y"], "w": pd.array([3, None], dtype="Int64")}
    )
    table.to_parquet(tmp_path / "w.parquet")
    with pytest.raises(DataError, match=r"data\.weight: .* row 2 \(<NA>\)"):
        Manifest(path=tmp_path / "w.parquet", weight="w").open()
