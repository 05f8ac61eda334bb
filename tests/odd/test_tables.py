"""Tables that are no tables, or whose cells are something else than paths, labels and attributes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditor.datasets import table_files
from auditor.datasets.manifest import Manifest
from auditor.datasets.table_files import read_table
from auditor.errors import DataError

GOOD = b"file,label\na,x\nb,y\n"


def _refused(path: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        Manifest(path=path, **options).open()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 800
    return message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label,label\na,b,c\n", "different names of the columns; got 'label' (2 times)"),
        ("file,label,site,site,site\na,b,c,d,e\n", "got 'site' (3 times)"),
        ("\n\nfile,label,file\na,b,c\n", "got 'file' (2 times)"),
        ("file,label\na,b,c\n", "expected 2 cells per row, as in the header; line 2 has 3"),
        ("file,label\na,b\nd,e,f\n", "line 3 has 3"),
        ("file,label\na\nd,e\n", "line 2 has 1"),
        ("file,label\na,b\n\nd\n", "line 4 has 1"),
        ("file,label\na,b,\n", "line 2 has 3"),
        ("", "the file is empty"),
        ("\n\n\n", "the file is empty"),
        ("\ufeff", "the file is empty"),
        ("file,label\n", "expected one row per image; there are none"),
        ("file\na\n", "data.label: no column 'label'; the columns are file"),
        ("file,label\na\0b,c\n", "it holds NUL bytes"),
        ('file,label\n"a,b\nc,d\n', "expected 2 cells per row"),
        ('file,label\na,"b\n', "EOF inside string"),
        ("file|label\na|b\n", "the cells seem to be separated by '|'"),
        ("file;label\na;b;c\n", "expected 2 cells per row, as in the header; line 2 has 3"),
        ("File,Label\na,b\n", "did you mean 'File'?"),
        ('[{"file": "a"}]', "it is JSON"),
        ('{"file": "a"}', "it is JSON"),
        ("<!DOCTYPE html>", "an HTML or XML page"),
        ("version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer: run `git lfs pull`"),
        ("file,label\nhttps://x.org/a.png,b\n", "URLs are not downloaded"),
        ("file,label\na,b\ns3://bucket/a.png,b\n", "1 of 2 rows: row 2 ('s3://bucket/a.png')"),
        ("file,label\nfile:///a.png,b\n", "URLs are not downloaded"),
        ('file,label\n"data:image/png;base64,iVBO",b\n', "URLs are not downloaded"),
    ],
)
def test_text_that_is_no_table_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert message in _refused(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "file,label\na,b\n".encode("utf-16")[:-1], "can't be read: 'utf-16"),
        ("t.csv", "file,label\n\u00e9,b\n".encode("latin1"), "can't decode byte 0xe9"),
        ("t.csv", b"\x89PNG\r\n\x1a\n" + bytes(40), "it is an image"),
        ("t.csv", gzip.compress(GOOD, mtime=0), "name it `.csv.gz`"),
        ("t.xlsx", b"PK\x03\x04" + bytes(40), "an Excel file"),
        ("t.csv", b"PAR1" + bytes(40), "name it `.parquet`"),
        ("t.csv.gz", GOOD, "can't be read: Not a gzipped file"),
        ("t.csv.gz", gzip.compress(GOOD * 999, mtime=0)[:-20], "Compressed file ended"),
        ("t.csv.gz", gzip.compress(GOOD, mtime=0)[:12] + bytes(20), "can't be read"),
        ("t.csv.xz", lzma.compress(GOOD)[:-9], "can't be read"),
        ("t.csv.zip", b"PK\x03\x04" + bytes(40), "got .zip: unpack it"),
        ("t.parquet", b"", "can't be read"),
        ("t.parquet", b"PAR1xxxx", "can't be read"),
        ("t.parquet", GOOD, "can't be read"),
    ],
)
def test_file_of_another_kind_is_refused(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert message in _refused(path)


def test_folder_in_place_of_a_table_is_refused(tmp_path: Path) -> None:
    assert "it is a folder" in _refused(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)],
)
def test_compressed_table_is_read_up_to_a_bound(
    suffix: str, pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"t.csv{suffix}"
    path.write_bytes(pack(GOOD))
    assert list(read_table(path)["label"]) == ["x", "y"]
    monkeypatch.setattr(table_files, "_SMALL", 1 << 20)
    path.write_bytes(pack(b"file,label\n" + b"a,x\n" * 500_000))  # 2 MB of one line: no real table
    assert "unpacks to at most 1 MiB; it has more" in _refused(path)


def _parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


INVALID = pa.Array.from_buffers(
    pa.string(),
    2,
    [None, pa.py_buffer(np.array([0, 1, 2], np.int32).tobytes()), pa.py_buffer(b"\xff\xfe")],
)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"file": [b"\xff\xd8secret", b"b"]}, "2 of 2 cells hold bytes: the images seem to be"),
        ({"file": [{"bytes": b"\xff\xd8secret", "path": "a"}, None]}, "1 of 2 cells hold dict"),
        ({"file": [["a"], ["b"]]}, "2 of 2 cells hold ndarray"),
        ({"file": ["a\0b", "b"]}, "no path holds a NUL"),
        ({"file": ["a", None]}, "expected a path in every cell"),
        ({"label": [b"x", b"y"]}, "data.label: expected text or numbers in 'label'"),
        ({"label": [{"a": 1}, {"a": 2}]}, "2 of 2 cells hold dict"),
        ({"site": [b"x", b"y"]}, "data.attributes: site: expected text or numbers"),
        ({"file": INVALID}, "column 'file': expected text in UTF-8"),
        ({"other": INVALID}, "column 'other': expected text in UTF-8"),
    ],
)
def test_cells_of_other_types_are_refused_and_not_printed(
    columns: dict[str, Any], message: str, tmp_path: Path
) -> None:
    good = {"file": ["a", "b"], "label": ["x", "y"], "site": ["p", "q"]}
    refused = _refused(_parquet(tmp_path / "t.parquet", **(good | columns)), attributes=("site",))
    assert message in refused
    assert "secret" not in refused


def test_repeated_column_of_a_parquet_file_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"])] * 3, names=["file", "label", "label"])
    pq.write_table(table, tmp_path / "t.parquet")
    assert "got 'label' (2 times)" in _refused(tmp_path / "t.parquet")


def test_parquet_file_with_very_many_rows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "_MOST_ROWS", 1)
    path = _parquet(tmp_path / "t.parquet", file=["a", "b"], label=["x", "y"])
    assert "expected at most 1 rows; it has 2" in _refused(path)


@pytest.mark.parametrize(
    "metadata",
    [
        b"no json",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe",
        b'{"index_columns": ["nope"], "columns": [], "column_indexes": []}',
        b'{"index_columns": [{"kind": "range", "start": 0, "stop": 9999999999, "step": 1}]}',
        b'{"index_columns": [{"kind": "other"}], "columns": [{}], "column_indexes": [1]}',
    ],
)
def test_metadata_of_pandas_is_not_believed(metadata: bytes, tmp_path: Path) -> None:
    table = pa.table({"file": ["a", "b"], "label": ["x", "y"]})
    path = tmp_path / "t.parquet"
    pq.write_table(table.replace_schema_metadata({b"pandas": metadata}), path)
    assert list(read_table(path).columns) == ["file", "label"]


def test_named_index_of_pandas_is_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"label": ["x", "y"]}, index=pd.Index(["a", "b"], name="file"))
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert sorted(table.columns) == ["file", "label"]
    assert list(table["file"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("cell", "path"),
    [("images\\a.png", "images/a.png"), ("C:\\x\\a.png", "C:/x/a.png"), ("a b.png", "a b.png")],
)
def test_backslashes_separate_folders(cell: str, path: str, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(f"file,label\n{cell},x\n", encoding="utf-8")
    found = Manifest(path=table, allow_outside=True).open()
    assert list(found.samples["path"]) == [path]


def test_backslash_in_the_name_of_a_file_stays(tmp_path: Path) -> None:
    (tmp_path / "a\\b.png").touch()
    table = tmp_path / "t.csv"
    table.write_text("file,label\na\\b.png,x\n", encoding="utf-8")
    assert list(Manifest(path=table).open().samples["path"]) == ["a\\b.png"]


def test_archive_with_a_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("t.csv", GOOD)
    assert "got .zip: unpack it" in _refused(path)
