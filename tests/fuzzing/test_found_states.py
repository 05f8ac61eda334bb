"""What fuzzing found in unfinished runs and in model files."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from auditor.classifiers.exported import ExportedClassifier
from auditor.classifiers.keras import KerasClassifier
from auditor.config.recognise import Given
from auditor.errors import ModelError, UsageError
from fuzz.targets import load


@pytest.mark.parametrize(
    "data",
    [
        b'[[], [["row", "invalid", 0]], [], []]',
        b'[[], [["row", "remove", 0]], [], []]',
        b'[[], [["row", "cell", []]], [], []]',
        b'[[], [["row", "twice", 0]], [], []]',
        b'[[], [["row", "type", "dictionary"]], [], []]',
        b'[[], [], [], [["sample", "invalid", 0]]]',
        b'[[[["packages"], "copy", ["found"]]], [], [], []]',
    ],
)
def test_hostile_state_or_block_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load("states").open(tmp_path)(data)


@pytest.mark.parametrize(
    "data",
    [
        b'[[], [], [], [["status", "repeat", 2]]]',
        b'[[], [], [], [["status", "twice", 0]]]',
        b'[[], [], [], [["sample", "remove", 0]]]',
        b"bPAR1",
    ],
)
def test_damaged_block_counts_as_not_computed(data: bytes, tmp_path: Path) -> None:
    load("states").open(tmp_path)(data)


DIRECTORY = b"PK\x05\x06" + b"\0" * 4 + b"\1\0\1\0" + b"\x30\0\0\0" + b"\0" * 6
"""The end of a ZIP file that states a directory of 48 bytes, before which there are zeros."""


def test_keras_file_with_a_damaged_directory_is_refused(tmp_path: Path) -> None:
    if find_spec("keras") is None:  # whose import would choose a backend
        pytest.skip("Keras is not installed")
    path = tmp_path / "model.keras"
    path.write_bytes(b"PK\3\4" + b"\0" * 100 + DIRECTORY)
    with pytest.raises(ModelError, match="is damaged"):
        KerasClassifier(file=path).load()


def test_exported_program_with_a_damaged_directory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(b"PK\3\4" + b"\0" * 100 + DIRECTORY)
    found = ExportedClassifier.recognise(Given(str(path)))
    assert found is not None
    assert found.is_program
    with pytest.raises(ModelError):
        ExportedClassifier(file=path).load()
