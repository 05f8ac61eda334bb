"""Comparing runs that are damaged, of another program, or hardly of the same samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders.compared_runs import SITE, compared_runs
from builders.small_runs import predictions, small_run
from typer.testing import CliRunner, Result

from auditor import cli
from auditor.manifest import write_manifest


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(one) for one in arguments])


Damage = Callable[[Path], None]


def content(data: bytes) -> Damage:
    return lambda path: void(path.write_bytes(data))


def void(_: object) -> None:
    pass


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4:400] = bytes(396)  # the data pages; the footer stays
    path.write_bytes(bytes(data))


def other_columns(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


def invalid_text(path: Path) -> None:
    table = pq.read_table(path)
    cells = pa.array([b"caf\xe9"] * len(table)).view(pa.string())
    pq.write_table(table.set_column(table.schema.get_field_index("path"), "path", cells), path)


def edited(change: Callable[[dict[str, dict[str, object]]], object]) -> Damage:
    def apply(path: Path) -> None:
        result = json.loads(path.read_text(encoding="utf-8"))
        change(result)
        path.write_text(json.dumps(result), encoding="utf-8")

    return apply


PREDICTIONS, RESULT = "predictions.parquet", "audit.json"

TABLE: tuple[tuple[str, Damage, str], ...] = (
    (PREDICTIONS, content(b""), "expected a readable Parquet file"),
    (PREDICTIONS, content(b"PAR1"), "expected a readable Parquet file"),
    (PREDICTIONS, content(b"sample,path\n1,2\n"), "expected a readable Parquet file"),
    (PREDICTIONS, content(b"PAR1" + bytes(60) + b"PAR1"), "expected a readable Parquet file"),
    (PREDICTIONS, cut, "expected a readable Parquet file"),
    (PREDICTIONS, changed, "expected a readable Parquet file"),
    (PREDICTIONS, invalid_text, "expected a readable Parquet file"),
    (PREDICTIONS, other_columns, "expected the columns sample, path"),
    (PREDICTIONS, Path.unlink, "expected the predictions of a finished run; they are missing"),
    (RESULT, content(b""), "expected JSON"),
    (RESULT, content(b"{"), "expected JSON"),
    (RESULT, content(b"\xff\xfe{}"), "expected JSON"),
    (RESULT, content(b"[" * 100_000), "expected JSON"),
    (RESULT, content(b"[]"), "expected schema_version"),
    (RESULT, content(b"{}"), "expected schema_version"),
    (RESULT, content(b'{"schema_version": 99}'), "got 99"),
    (RESULT, content(b'{"schema_version": 1}'), "provenance: expected a value; it is missing"),
    (RESULT, content(b'{"schema_version": 1, "findings": 3}'), "audit.json"),
    (RESULT, edited(lambda one: one.pop("summary")), "summary: expected a value; it is missing"),
    (RESULT, edited(lambda one: one["provenance"].update(config={"slices": 3})), "config"),
    (RESULT, edited(lambda one: one["provenance"].update(config={"gate": []})), "config"),
)


@pytest.mark.parametrize(("name", "damage", "word"), TABLE)
@pytest.mark.parametrize("which", [0, 1])
def test_damaged_run_is_refused_in_one_message(
    name: str, damage: Damage, word: str, which: int, tmp_path: Path
) -> None:
    runs = compared_runs(tmp_path)
    damage(runs[which].path / name)
    write_manifest(runs[which].path)  # by which nothing was altered
    done = invoke("compare", runs[0].path, runs[1].path, "--out", tmp_path / "out", "--quiet")
    if "config" in word and which == 1:  # only the rules of the earlier run are used
        assert done.exit_code == 0, done.stderr
        return
    assert done.exit_code == 2, done.output
    (message,) = done.stderr.splitlines()
    assert message.startswith("error: ")
    assert word in message
    assert str(runs[which].path) in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["render", "verify", "selftest"])
@pytest.mark.parametrize(("name", "damage", "word"), TABLE)
def test_damaged_run_ends_no_command_with_a_traceback(
    command: str, name: str, damage: Damage, word: str, tmp_path: Path
) -> None:
    run = small_run(tmp_path / "run", predictions(60))
    damage(run.path / name)
    done = invoke(command, run.path)
    # Altered files are what `verify` reports with 1.
    assert done.exit_code == (1 if command == "verify" else 2), done.output
    assert "Traceback" not in done.output


def renamed(n_same: int) -> pd.DataFrame:
    """Predictions for 200 samples, of which so many have the ids of the earlier run."""
    table = predictions(200, site=SITE)
    table.loc[n_same:, "sample"] = [f"other{k}" for k in range(200 - n_same)]
    return table


@pytest.mark.parametrize(
    ("n_same", "options", "code", "word"),
    [
        (200, [], 0, "No outcome changed"),
        (100, [], 0, "No outcome changed"),
        (
            99,
            [],
            4,
            "Cannot be judged. Only 99 of 200 samples of the earlier audit could be compared",
        ),
        (1, [], 4, "Only 1 of 200 samples of the earlier audit could be compared; at least 100"),
        (99, ["--min-paired", "0.4"], 0, "No outcome changed"),
        (40, ["--min-paired", "0"], 0, "No outcome changed"),
        (29, ["--min-paired", "0"], 4, "at least 30 are needed"),
        (199, ["--min-paired", "1"], 4, "at least 200 are needed"),
        (0, [], 2, "0 of 200 and 200 samples have the same id"),
    ],
)
def test_comparison_of_few_samples_cannot_be_judged(
    n_same: int, options: list[str], code: int, word: str, tmp_path: Path
) -> None:
    one = small_run(tmp_path / "a", predictions(200, site=SITE))
    two = small_run(tmp_path / "b", renamed(n_same))
    done = invoke("compare", one.path, two.path, "--out", tmp_path / "out", *options)
    assert done.exit_code == code, done.output
    assert word in " ".join(done.output.split())


def test_rise_in_few_samples_blocks_all_the_same(tmp_path: Path) -> None:
    one = small_run(tmp_path / "a", predictions(200, site=SITE))
    table = renamed(60)
    table.loc[:59, "predicted"] = np.where(table["label"][:60] == "intact", "broken", "intact")
    two = small_run(tmp_path / "b", table)
    done = invoke("compare", one.path, two.path, "--out", tmp_path / "out", "--quiet")
    assert done.exit_code == 1, done.output


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        (
            "label",
            "intact",
            "100 of 200 and 100 samples have the same id; of these, 100 have another label",
        ),
        ("sha256", "f" * 64, "of these, 200 have another image"),
        (
            "status",
            "missing",
            "of these, the others have no prediction in one of the audits",
        ),
    ],
)
def test_reason_why_no_sample_can_be_compared_is_said(
    column: str, value: str, word: str, tmp_path: Path
) -> None:
    one = small_run(tmp_path / "a", predictions(200, site=SITE))
    two = small_run(tmp_path / "b", predictions(200, site=SITE))
    table = pq.read_table(two.path / PREDICTIONS).to_pandas()
    table[column] = value
    if column == "label":
        table = table[table.index % 2 == 1]
    table.to_parquet(two.path / PREDICTIONS, index=False)
    write_manifest(two.path)
    done = invoke("compare", one.path, two.path, "--out", tmp_path / "out", "--quiet")
    assert done.exit_code == 2, done.output
    assert word in done.stderr


@pytest.mark.parametrize(
    "options",
    [("--max-rise", "nan"), ("--max-rise", "2"), ("--min-paired", "nan"), ("--min-paired", "-1")],
)
def test_option_out_of_range_is_refused(options: tuple[str, str], tmp_path: Path) -> None:
    done = invoke("compare", tmp_path, tmp_path, *options)
    assert done.exit_code == 2
    assert options[0] in done.stderr


def test_comparison_displays_its_progress(tmp_path: Path) -> None:
    one, two = compared_runs(tmp_path)
    done = invoke("compare", one.path, two.path, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    stages = [text.split(":")[0] for text in done.stderr.splitlines()]
    assert stages == ["read", "compare", "write"]
