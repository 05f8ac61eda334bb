from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from PIL import Image

from auditor import runner
from auditor.config import AuditConfig
from auditor.datasets.manifest import Manifest
from auditor.datasets.table_files import read_table
from auditor.datasets.tables import weight_column, with_decimal_points
from auditor.errors import DataError

ROWS = [["file", "label", "note"], ["a\\b.png", "no", "first\nsecond"], ["c.png", "01", "x"]]
"""A table with Windows paths and a quoted line break."""


def _text(separator: str, end: str) -> str:
    quoted = [[f'"{cell}"' if "\n" in cell else cell for cell in row] for row in ROWS]
    return "".join(separator.join(row) + end for row in quoted)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("commas", _text(",", "\n").encode()),
        ("byte-order mark", _text(",", "\r\n").encode("utf-8-sig")),
        ("semicolons", _text(";", "\r\n").encode()),
        ("semicolons and mark", _text(";", "\r\n").encode("utf-8-sig")),
        ("tabs", _text("\t", "\r\n").encode()),
        ("UTF-16 with tabs", _text("\t", "\r\n").encode("utf-16")),
        ("UTF-16 of the other order", b"\xfe\xff" + _text(",", "\n").encode("utf-16-be")),
        ("stated separator", ("sep=;\r\n" + _text(";", "\r\n")).encode()),
        ("stated after a mark", ("sep=;\r\n" + _text(";", "\r\n")).encode("utf-8-sig")),
    ],
)
def test_table_of_a_spreadsheet_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "table.csv").write_bytes(content)
    table = read_table(tmp_path / "table.csv")
    assert [list(table.columns), *table.to_numpy().tolist()] == ROWS


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,5", "2", " -3,25 ", ""], ["1.5", "2", "-3.25", ""]),
        (["1,500", "2,250"], ["1,500", "2,250"]),  # perhaps thousands
        (["1,500", "2,25"], ["1.500", "2.25"]),
        (["1,5", "x"], ["1,5", "x"]),
        (["1,2,3", "4"], ["1,2,3", "4"]),
        (["1.5", "2"], ["1.5", "2"]),
    ],
)
def test_decimal_commas_become_points(cells: list[str], expected: list[str]) -> None:
    assert with_decimal_points(pd.Series(cells)).tolist() == expected


def test_weights_with_decimal_commas_are_read() -> None:
    assert weight_column(pd.Series(["0,5", "1,25"]), "table").tolist() == [0.5, 1.25]


def _manifest(folder: Path, rows: list[dict[str, Any]], **options: Any) -> Any:
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    return Manifest.model_validate({"path": str(folder / "table.csv")} | options).open()


@pytest.mark.parametrize(
    ("where", "files"),
    [
        ({"split": "test"}, ["b", "c"]),
        ({"split": "test", "site": 2}, ["c"]),
        ({"site": [1, 2]}, ["a", "b", "c"]),
        ({"held_out": True}, ["b"]),
        ({"size": 1}, ["a"]),
    ],
)
def test_rows_are_chosen_by_values(tmp_path: Path, where: dict[str, Any], files: list[str]) -> None:
    rows = [
        {"file": "a", "label": "x", "split": "train", "site": 1, "held_out": False, "size": "1.0"},
        {"file": "b", "label": "y", "split": "test", "site": 1, "held_out": True, "size": "2.0"},
        {"file": "c", "label": "x", "split": "test", "site": 2, "held_out": False, "size": "3.0"},
    ]
    assert _manifest(tmp_path, rows, where=where).samples["path"].tolist() == files


def test_value_that_no_row_has_is_refused(tmp_path: Path) -> None:
    rows = [{"file": "a", "label": "x", "split": one} for one in ("test", "train")]
    with pytest.raises(
        DataError, match=r"split = 'val'; there are none: the values are test, train"
    ):
        _manifest(tmp_path, rows, where={"split": "val"})


MODEL = """
import torch
from torch import nn

class Bright(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())

    def forward(self, x):
        shade = x.mean((1, 2, 3)) + 0 * self.features(x).mean((1, 2, 3))
        return torch.stack([0.5 - shade, shade - 0.5], 1)
"""


@pytest.mark.parametrize(
    ("dark", "bright"), [("no", "yes"), ("01", "1"), ("1", "0"), ("off", "on")]
)
def test_audit_keeps_class_names_that_yaml_or_csv_could_change(
    tmp_path: Path, dark: str, bright: str
) -> None:
    rows = [f"img\\{k:02d}.png;{[dark, bright][k % 2]};{k},5;test" for k in range(40)]
    rows += ["img\\none.png;other;1,5;train"]
    (tmp_path / "table.csv").write_text("file;label;size;split\r\n" + "\r\n".join(rows), "utf-16")
    (tmp_path / "img").mkdir()
    for k in range(40):
        shade = (50 + 150 * (k % 2) + k % 5,) * 3
        Image.new("RGB", (12, 10), shade).save(tmp_path / "img" / f"{k:02d}.png")
    (tmp_path / "bright_sheet.py").write_text(MODEL)
    model = {"adapter": "python", "factory": "bright_sheet:Bright", "classes": [dark, bright]}
    data = {"adapter": "manifest", "path": "table.csv", "attributes": ["size"]}
    config = {
        "name": "sheet",
        "model": model,
        "data": data | {"where": {"split": "test"}},
        "preprocess": {},
        "workers": 0,
        "report": {"formats": ["json"]},
    }
    (tmp_path / "audit.yaml").write_text(yaml.safe_dump(config))
    run = runner.run(AuditConfig.load(tmp_path / "audit.yaml"), tmp_path / "run")
    result = run.read_result()
    assert (result.summary.n_evaluated, result.summary.n_failures) == (40, 0)
    table = pd.read_parquet(run.path / "predictions.parquet")
    assert set(table["label"]) == {dark, bright}
