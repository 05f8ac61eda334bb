"""Reads tables from files, and refuses those that no reader of tables should guess about."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from auditor.errors import DataError
from auditor.phrasing import plural
from auditor.records.json_texts import parse_json_text

_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}
"""Integers that float64 does not hold exactly."""

_UNPACKERS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
_OTHER_ARCHIVES = frozenset({".zip", ".zst", ".tar", ".7z", ".tgz", ".rar"})
_GROWTH, _SMALL = 100, 64 << 20
"""A compressed text may unpack to 64 MiB, and beyond that to 100 times its size: texts rarely reach 30."""
_UTF_16, _UTF_32 = (b"\xff\xfe", b"\xfe\xff"), (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
"""Byte-order marks."""
_SEPARATOR_LINE = re.compile(r"\ufeff?sep=([;,\t|])\r?\n?")
_MOST_ROWS = 50_000_000
_CHUNK = 1 << 20

_CONTENTS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "compressed with gzip: name it `.csv.gz`"),
    (
        b"PK\x03\x04",
        "a ZIP archive or an Excel file: unpack it, or export the sheet as CSV in UTF-8",
    ),
    (b"\xd0\xcf\x11\xe0", "an Excel file: export the sheet as CSV in UTF-8"),
    (b"PAR1", "a Parquet file: name it `.parquet`"),
    (b"SQLite format 3", "an SQLite database: export the table as CSV in UTF-8"),
    (b"version https://git-lfs", "a Git LFS pointer: run `git lfs pull`"),
    (b"<", "an HTML or XML page, such as after a failed download: download the table again"),
    (b"{", "JSON: export it as CSV or Parquet"),
    (b"[", "JSON: export it as CSV or Parquet"),
    (b"\x89PNG", "an image: name the table with the paths and labels"),
    (b"\xff\xd8\xff", "an image: name the table with the paths and labels"),
)
"""First bytes of files that are no tables, and what they are."""


def read_table(path: Path) -> pd.DataFrame:
    """Reads a CSV, TSV, Parquet or JSON lines file.

    Args:
        path: ``.parquet``, ``.jsonl``, ``.tsv``, or anything else as CSV; texts also as ``.gz``, ``.bz2`` or
            ``.xz``. Texts are in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark. Cells of a CSV file
            are separated by commas, or by semicolons or tabs, as spreadsheets write them.

    Returns:
        The table; cells of a text file are unchanged text, empty cells are "".

    Raises:
        DataError: the file does not exist, its content does not match its suffix, or its rows do not match
            its header.
    """
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise DataError(f"{path}: expected a CSV or Parquet file; it {what}: correct the path")
        if path.suffix.lower() in {".parquet", ".pq"}:
            return _read_parquet(path)
        if path.suffix.lower() == ".jsonl":
            return _read_json_lines(path)
        return _read_text(path)
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path}: expected a header and rows; the file is empty") from error
    except (ValueError, OSError, EOFError, pa.ArrowException, lzma.LZMAError, zlib.error) as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise DataError(
            f"{path}: expected a table; it can't be read: {reason[:200]}: correct or export it again"
        ) from error


def _read_parquet(path: Path) -> pd.DataFrame:
    with pq.ParquetFile(path) as file:
        _require_distinct(file.schema_arrow.names, path)
        n_rows = file.metadata.num_rows
        if n_rows > _MOST_ROWS:
            raise DataError(
                f"{path}: expected at most {_MOST_ROWS:,} rows; it has {n_rows:,}: audit a sample of them"
            )
        stored = file.read()
    for name, column in zip(stored.column_names, stored.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            reason = " ".join(str(error).split())[:120]
            raise DataError(
                f"{path}: column {name!r}: expected text in UTF-8; {reason}: write the file again"
            ) from error
    # What another program wrote about pandas is ignored: it may name columns that do not exist.
    # As floats, large integers beside missing values would not be exact.
    plain = stored.replace_schema_metadata(None)
    table: pd.DataFrame = plain.to_pandas(types_mapper=_NULLABLE.get)
    return table


def _read_json_lines(path: Path) -> pd.DataFrame:
    """One object per line; keys that a line lacks are missing cells."""
    rows = []
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
        if line.strip():
            row = parse_json_text(line)
            if not isinstance(row, dict):
                raise DataError(
                    f"{path}: expected a JSON object in every line; line {number} holds {type(row).__name__}"
                )
            rows.append(row)
    return pd.DataFrame(rows)


def _read_text(path: Path) -> pd.DataFrame:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _OTHER_ARCHIVES:
        raise DataError(
            f"{path}: expected a table as text, or compressed as {', '.join(_UNPACKERS)}; got "
            f"{suffixes[-1]}: unpack it"
        )
    unpack = _UNPACKERS.get(suffixes[-1]) if suffixes else None
    kind = suffixes[-2:-1] if unpack else suffixes[-1:]
    opened = unpack or (lambda one: one.open("rb"))
    with opened(path) as stream:
        encoding = _encoding(stream.read(4))
    with opened(path) as stream:
        _inspect(stream, path, bounded=unpack is not None, binary=encoding != "utf-8-sig")
    with opened(path) as stream:
        separator, n_skipped = _separator(stream, encoding, "\t" if kind == [".tsv"] else ",")
    with opened(path) as stream:
        _require_rectangle(stream, encoding, (separator, n_skipped), path)
    with opened(path) as stream:
        table: pd.DataFrame = pd.read_csv(
            stream, dtype=str, na_filter=False, sep=separator, encoding=encoding, skiprows=n_skipped
        )
    return table


def _encoding(start: bytes) -> str:
    """The encoding of a text, by its byte-order mark."""
    if start.startswith(_UTF_32):  # begins like UTF-16
        return "utf-32"
    return "utf-16" if start.startswith(_UTF_16) else "utf-8-sig"


def _separator(stream: IO[bytes], encoding: str, usual: str) -> tuple[str, int]:
    """What separates the cells, by the header, and the number of lines before it.

    Spreadsheets write semicolons where the comma is the decimal sign, and tabs in UTF-16. Some write a first
    line such as ``sep=;``.
    """
    lines = io.TextIOWrapper(stream, encoding=encoding, newline="")
    try:
        stated = _SEPARATOR_LINE.fullmatch(lines.readline(20))
        if stated is not None:
            return stated[1], 1
        lines.seek(0)
        header = next((row for row in csv.reader(lines, delimiter=usual) if _is_filled(row)), [])
    except csv.Error:
        return usual, 0
    finally:
        lines.detach()
    others = [one for one in ("\t", ";") if len(header) == 1 and one in header[0]]
    return (others[0] if others else usual), 0


def _inspect(stream: IO[bytes], path: Path, *, bounded: bool, binary: bool) -> None:
    """Refuses what is no text, or unpacks to far more than a table does."""
    most = max(_SMALL, _GROWTH * path.stat().st_size) if bounded else None
    size = 0
    while chunk := stream.read(_CHUNK):
        if not size:
            head = chunk.removeprefix(b"\xef\xbb\xbf")
            for start, content in _CONTENTS:
                if head.startswith(start):
                    raise DataError(f"{path}: expected a table in CSV; it is {content}")
        size += len(chunk)
        if b"\0" in chunk and not binary:
            raise DataError(
                f"{path}: expected a table in CSV; it holds NUL bytes, so it is binary or damaged: export it "
                "again as CSV in UTF-8"
            )
        if most is not None and size > most:
            raise DataError(
                f"{path}: expected a compressed table that unpacks to at most {most >> 20} MiB; it has more: "
                "if that is right, unpack it and name the unpacked file"
            )


def _require_rectangle(stream: IO[bytes], encoding: str, form: tuple[str, int], path: Path) -> None:
    """Refuses repeated columns, and rows with another number of cells than the header.

    pandas takes the first of two columns, and fills short rows without a word.
    """
    separator, n_skipped = form
    lines = io.TextIOWrapper(stream, encoding=encoding, newline="")
    rows = csv.reader(lines, delimiter=separator)
    try:
        for _ in range(n_skipped):
            next(rows)
        header = next((row for row in rows if _is_filled(row)), [])
        _require_distinct(header, path)
        for row in rows:
            if len(row) != len(header) and _is_filled(row):
                fix = f"complete it, and quote cells that contain {separator!r}"
                raise DataError(
                    f"{path}: expected {plural(len(header), 'cell')} per row, as in the header; line "
                    f"{rows.line_num} has {len(row)}: {other_separator(header) or fix}"
                )
    except csv.Error:
        return  # of very long cells; pandas says what is wrong
    finally:
        lines.detach()


def other_separator(columns: Sequence[str]) -> str:
    """A hint if a table has one column, whose name holds another separator; else empty."""
    found = [one for one in (";", "\t", "|") if len(columns) == 1 and one in columns[0]]
    return f"the cells seem to be separated by {found[0]!r}; expected commas" if found else ""


def _is_filled(row: Sequence[str]) -> bool:
    return any(cell.strip() for cell in row)


def _require_distinct(names: Sequence[str], path: Path) -> None:
    """Refuses repeated columns; those without a name are not used anyway."""
    repeated = {name: n for name, n in Counter(names).items() if n > 1 and name.strip()}
    if repeated:
        shown = ", ".join(f"{name!r} ({n} times)" for name, n in list(repeated.items())[:5])
        raise DataError(
            f"{path}: expected different names of the columns; got {shown}: rename or remove the others"
        )
