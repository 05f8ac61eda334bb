"""Text files in the encodings that people use: read as they are meant, or refused with the reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from builders.configurations import MINIMAL, write_config

from auditor.config import AuditConfig
from auditor.config.loading import read_class_names
from auditor.console import line, printable
from auditor.datasets.table_files import read_table
from auditor.errors import AuditorError, ConfigError, DataError

LATIN = "(Latin-1?): save the file as UTF-8"
NUL = "contains a NUL character, as in binary files and in UTF-16 without a byte-order mark"

# Encoding of "käfer" and "épée" on two lines; the message, or None where it is read.
TABLE: tuple[tuple[str, bytes, str | None], ...] = (
    ("UTF-8", "käfer\népée\n".encode(), None),
    ("UTF-8 with a mark", "käfer\népée\n".encode("utf-8-sig"), None),
    ("UTF-16 with a mark", "käfer\népée\n".encode("utf-16"), None),
    ("UTF-16 of the other order", b"\xfe\xff" + "käfer\népée\n".encode("utf-16-be"), None),
    ("UTF-32 with a mark", "käfer\népée\n".encode("utf-32"), None),
    ("lines of Windows", "käfer\r\népée\r\n".encode(), None),
    ("lines of an old Mac", "käfer\répée\r".encode(), None),
    ("empty lines and space", "\n  käfer \n\n\tépée\n\n".encode(), None),
    ("Latin-1", "käfer\népée\n".encode("latin-1"), f"line 1 contains the byte 0xe4, {'which'}"),
    ("Windows-1252", b"beetle\n\x80pee\n", "line 2 contains the byte 0x80"),
    ("UTF-16 without a mark", "käfer\n".encode("utf-16-le"), "line 1"),
    ("ASCII in UTF-16 without a mark", "beetle\n".encode("utf-16-be"), NUL),
    ("damaged UTF-16", "käfer\n".encode("utf-16")[:-1], "its utf-16-le is damaged|its utf-16 is"),
    ("a PNG", b"\x89PNG\r\n\x1a\n\0\0", "line 1 contains the byte 0x89"),
)
NAMES = [name for name, _, _ in TABLE]


@pytest.mark.parametrize(("content", "message"), [row[1:] for row in TABLE], ids=NAMES)
def test_file_of_classes_is_read_or_refused(
    content: bytes, message: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes(content)
    if message is None:
        assert read_class_names(path) == ("käfer", "épée")
        return
    with pytest.raises(ConfigError, match=message) as caught:
        read_class_names(path)
    assert str(path) in str(caught.value)
    assert "save the file as UTF-8" in str(caught.value)


TEXTS: tuple[tuple[str, bytes, str | None], ...] = tuple(
    (encoding, "name: épée\n".encode(encoding), message)
    for encoding, message in (
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", None),
        ("utf-32", None),
        ("latin-1", LATIN),
        ("utf-16-le", "expected text in UTF-8"),
        ("utf-16-be", "expected text in UTF-8"),
    )
)


@pytest.mark.parametrize(("encoding", "message"), [(row[0], row[2]) for row in TEXTS])
def test_configuration_is_read_or_refused(
    encoding: str, message: str | None, tmp_path: Path
) -> None:
    path = write_config(tmp_path, {"name": "EPEE"})
    text = path.read_text(encoding="utf-8").replace("EPEE", "épée")
    path.write_bytes(text.encode(encoding))
    if message is None:
        assert AuditConfig.load(path).name == "épée"
        return
    with pytest.raises(ConfigError) as caught:
        AuditConfig.load(path)
    assert str(caught.value).startswith(f"{path}: expected YAML; ")
    assert message in str(caught.value)


@pytest.mark.parametrize("encoding", [row[0] for row in TEXTS])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
def test_table_is_read_in_unicode_with_a_mark_and_else_refused(
    encoding: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"table{suffix}"
    separator = "\t" if suffix == ".tsv" else ","
    path.write_bytes(f"file{separator}label\na.png{separator}épée\n".encode(encoding))
    if encoding in {"utf-8", "utf-8-sig", "utf-16", "utf-32"}:
        table = read_table(path)
        assert list(table.columns) == ["file", "label"]
        assert table["label"].tolist() == ["épée"]
        return
    with pytest.raises(DataError, match="expected a table") as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("broken", [b"PAR1", b"", b"PAR1" + bytes(40) + b"PAR1", b"a,b\n1,2\n"])
def test_damaged_parquet_table_is_refused(broken: bytes, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(broken)
    with pytest.raises(AuditorError, match="expected a table"):
        read_table(path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("caf\udce9", "caf\\udce9"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\rb\x7f\tc", "a\\x0db\\x7f\\x09c"),
        ("épée 中 [b] :smile:", "épée 中 [b] :smile:"),
    ],
)
def test_text_is_printed_without_markup_and_control_characters(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert line(text).plain == shown


def test_path_with_bytes_that_are_no_utf_8_can_be_stored(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    data = MINIMAL["data"] | {"path": "test.csv"}  # type: ignore[operator]
    stored = AuditConfig.load(write_config(folder, {"data": data})).effective()
    assert stored["data"]["path"].endswith("/caf\\udce9/test.csv")
    AuditConfig.load(folder / "audit.yaml").model_dump_json()


@pytest.mark.parametrize("path", ["~nouser-of-this-name/a.csv"])
def test_home_folder_that_is_not_known_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.path: .*the home folder of '~nouser"):
        AuditConfig.load(write_config(tmp_path, {}), [f"data.path={path}"])
