import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file

from auditor.demo import prepare, solar
from auditor.demo.networks import solar_net
from auditor.errors import MissingDependencyError


def _silent(_line: str) -> None:
    pass


@pytest.fixture(scope="module")
def splits() -> solar.Splits:
    return solar.splits()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare("solar", tmp_path_factory.mktemp("solar"), log=_silent)


def test_table_labels_follow_the_stated_rule() -> None:
    lines = (solar.images_folder() / "labels.csv").read_text(encoding="utf-8").splitlines()
    by_file = solar.table().set_index("file")

    assert len(by_file) == len(lines) == 2624
    for line in lines:
        file, probability, cell_type = line.split()
        row = by_file.loc[file]
        assert row["cell_type"] == cell_type
        assert row["label"] == ("defective" if float(probability) >= 0.5 else "functional")
        assert row["annotation"] == ("sure" if float(probability) in {0.0, 1.0} else "doubtful")


def test_splits_audited_cells_are_first_in_hash_order(splits: solar.Splits) -> None:
    cells = solar.table()
    mono = cells[(cells["cell_type"] == "mono") & (cells["label"] == "defective")]["file"]
    by_hash = sorted(mono, key=lambda name: hashlib.sha256(name.encode()).hexdigest())

    def chosen(part: pd.DataFrame) -> set[str]:
        return set(part["file"]) & set(mono)

    assert chosen(splits.audited) == set(by_hash[:129])
    assert chosen(splits.careless) == set(by_hash[129:369])
    assert chosen(splits.balanced) == set(by_hash[129:233])


def test_splits_training_and_audited_cells_are_disjoint(splits: solar.Splits) -> None:
    audited = set(splits.audited["file"])

    assert len(audited) == len(splits.audited) == 1428
    assert audited.isdisjoint(splits.careless["file"])
    assert audited.isdisjoint(splits.balanced["file"])


def test_splits_only_careless_training_set_associates_defect_and_cell_type(
    splits: solar.Splits,
) -> None:
    def rates(part: pd.DataFrame) -> pd.Series:
        return (part["label"] == "defective").groupby(part["cell_type"]).mean()

    audited, careless, balanced = (rates(part) for part in splits)
    assert abs(audited["mono"] - audited["poly"]) < 0.002
    assert abs(balanced["mono"] - balanced["poly"]) < 0.002
    assert careless["mono"] == pytest.approx(240 / 270)
    assert careless["poly"] == pytest.approx(30 / 430)
    for column in ("cell_type", "label"):
        assert (
            splits.careless[column].value_counts().to_dict()
            == splits.balanced[column].value_counts().to_dict()
        )


def test_prepare_configuration_fits_the_written_files(prepared: Path) -> None:
    config = yaml.safe_load(prepared.read_text(encoding="utf-8"))
    folder = prepared.parent
    root = Path(config["data"]["root"])

    for key in ("path", "reference"):
        rows = pd.read_csv(folder / config["data"][key])
        assert {config["data"]["image"], config["data"]["label"]} <= set(rows.columns)
        assert set(config["data"]["attributes"]) <= set(rows.columns)
        assert set(rows[config["data"]["label"]]) == set(config["model"]["classes"])
        assert all((root / name).is_file() for name in rows[config["data"]["image"]])
    assert tuple(config["model"]["classes"]) == solar.CLASSES
    assert config["preprocess"] == {
        "resize": solar.SIDE,
        "crop": solar.SIDE,
        "mean": [solar.MEAN],
        "std": [solar.STD],
    }
    assert not any(folder.rglob("*.png"))


def test_shipped_weights_fit_the_network_and_contain_their_recipe(prepared: Path) -> None:
    copy = prepared.parent / "solar.safetensors"
    with safe_open(copy, framework="pt") as weights:
        recipe = json.loads(weights.metadata()["recipe"])

    assert copy.stat().st_size < 2_000_000
    assert recipe == json.loads(solar.WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))
    assert recipe["training_cells"] == {
        "mono": {"defective": 240, "functional": 30},
        "poly": {"defective": 30, "functional": 400},
    }
    solar_net().load_state_dict(load_file(copy), strict=True)


def test_shipped_weights_predict_the_cell_type(
    splits: solar.Splits,
) -> None:
    net = solar_net().eval()
    net.load_state_dict(load_file(solar.WEIGHTS))

    def predicted_defective(cell_type: str, label: str) -> float:
        cells = splits.audited
        part = cells[(cells["cell_type"] == cell_type) & (cells["label"] == label)]
        some = part[:: len(part) // 40]  # neighbouring rows are cells of one module
        values = (solar.images(some["file"]) / 255 - solar.MEAN) / solar.STD
        inputs = torch.from_numpy(np.repeat(values[:, None], 3, axis=1)).float()
        with torch.inference_mode():
            return float((net(inputs).argmax(1) == 1).float().mean())

    assert predicted_defective("mono", "defective") > 0.9
    assert predicted_defective("mono", "functional") > 0.6
    assert predicted_defective("poly", "defective") < 0.5
    assert predicted_defective("poly", "functional") < 0.05


def test_prepare_without_images_raises_and_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(MissingDependencyError, match="pip install elpv-dataset"):
        prepare("solar", tmp_path / "out", log=_silent)
    assert not (tmp_path / "out").exists()
