"""The command line as a person meets it: exit codes, one message, nothing half-written."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from auditor.cli import app


def auditor(*words: str | Path) -> Result:
    """Runs a command in this process: what a person would see, without importing torch again."""
    return CliRunner().invoke(app, [str(word) for word in words])


def test_version_list_schema_and_init(tmp_path: Path) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", auditor("--version").stdout)
    listed = auditor("list").stdout
    for name in ("manifest", "torchvision", "guided-grad-cam", "performance-gap", "max_gap", "pdf"):
        assert name in listed
    schemas = json.loads(auditor("schema").stdout)
    assert schemas["result"]["properties"]["findings"]
    assert "not the model's" in schemas["result"]["$defs"]["DataFaults"]["description"]
    assert schemas["config"]["properties"]["gate"]
    assert auditor("init", tmp_path).exit_code == 0
    assert yaml.safe_load((tmp_path / "audit.yaml").read_text())["model"]["adapter"] == "python"
    again = auditor("init", tmp_path)
    assert again.exit_code == 2
    assert "left as it is" in again.stderr


def test_check_says_what_it_met(planted_inputs: Path) -> None:
    done = auditor("check", planted_inputs)
    assert done.exit_code == 0, done.stderr
    for said in ("1,078 samples", "target layer", "valid", "correct", "estimate"):
        assert said in done.stdout


def test_check_says_when_another_normalisation_does_better(planted_inputs: Path) -> None:
    done = auditor(
        "check", planted_inputs, "--set", "preprocess={resize: 32, mean: [3], std: [0.02]}"
    )
    assert done.exit_code == 0, done.stderr
    assert "look:" in done.stdout


def test_explain_draws_a_sheet_of_each_image(planted_inputs: Path, tmp_path: Path) -> None:
    images = sorted((planted_inputs.parent / "images").iterdir())[:2]
    done = auditor("explain", planted_inputs, *images, "--target", "8", "--out", tmp_path / "maps")
    assert done.exit_code == 0, done.stderr
    sheets = sorted((tmp_path / "maps").iterdir())
    assert [sheet.name for sheet in sheets] == [f"{one.stem}-8.png" for one in images]
    with Image.open(sheets[0]) as sheet, Image.open(images[0]) as image:
        assert sheet.height == image.height == 32
        panel = np.asarray(sheet.crop((0, 0, 32, 32)))
        assert (panel == np.asarray(image.convert("RGB"))).all()
        assert sheet.width > 3 * 32
    assert "guided-grad-cam" in done.stdout
    for words, said in (
        ((images[0], "--target", "eleven"), "expected one of the classes 0, 1"),
        ((tmp_path / "nowhere.png",), "missing"),
    ):
        done = auditor("explain", planted_inputs, *words, "--out", tmp_path / "more")
        assert done.exit_code == 2
        assert said in done.stderr


def test_a_failing_gate_is_exit_code_one(planted_inputs: Path, tmp_path: Path) -> None:
    words = ("run", planted_inputs, "--set", "report.formats=[]", "--quiet", "--out")
    done = auditor(*words, tmp_path / "run")
    assert done.exit_code == 1, done.stderr
    assert "mark" in done.stdout
    assert done.stderr == ""
    done = auditor(*words, tmp_path / "run", "--overwrite", "--set", "gate.severity=null")
    assert done.exit_code == 0, done.stderr
    rendered = auditor("render", tmp_path / "run", "--format", "html")
    assert rendered.exit_code == 0, rendered.stderr
    assert (tmp_path / "run" / "report.html").is_file()


Break = Callable[[Path, dict[str, dict[str, object]]], None]


def csv(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Break:
    def apply(folder: Path, config: dict[str, dict[str, object]]) -> None:
        change(pd.read_csv(config["data"]["path"])).to_csv(folder / "broken.csv", index=False)  # type: ignore[call-overload]
        config["data"]["path"] = str(folder / "broken.csv")

    return apply


def key(section: str, name: str, value: object) -> Break:
    def apply(folder: Path, config: dict[str, dict[str, object]]) -> None:
        config[section][name] = value

    return apply


def weights(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Break:
    def apply(folder: Path, config: dict[str, dict[str, object]]) -> None:
        save_file(
            change(load_file(str(config["model"]["checkpoint"]))), folder / "broken.safetensors"
        )
        config["model"]["checkpoint"] = str(folder / "broken.safetensors")

    return apply


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (key("data", "lable", "x"), "did you mean 'label'"),
        (key("data", "path", "nowhere.csv"), "nowhere.csv"),
        (key("data", "label", "diagnosis"), "diagnosis"),
        (csv(lambda rows: rows.iloc[:0]), "expected one row an image; there are none"),
        (csv(lambda rows: rows.assign(label="eleven")), "eleven"),
        (weights(lambda state: {k: v for k, v in state.items() if k != "0.weight"}), "0.weight"),
        (key("model", "classes", ["a", "b"]), "'?0'?"),
        (key("model", "factory", "collections:OrderedDict"), "nn.Module"),
        (key("model", "factory", "auditor.demo.networks:solar_net"), "shape|missing|unexpected"),
        (key("model", "target_layer", "layer5"), "layer5"),
    ],
)
def test_the_callers_mistake_is_one_message(
    planted_inputs: Path, tmp_path: Path, broken: Break, said: str
) -> None:
    config = yaml.safe_load(planted_inputs.read_text())
    for section, name in (("data", "path"), ("data", "reference"), ("model", "checkpoint")):
        config[section][name] = str(planted_inputs.parent / config[section][name])
    config["data"]["root"] = str(planted_inputs.parent)
    broken(tmp_path, config)
    path = tmp_path / "audit.yaml"
    path.write_text(yaml.safe_dump(config))
    before = sorted(tmp_path.iterdir())
    done = auditor("run", path, "--out", tmp_path / "run", "--quiet")
    assert done.exit_code == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert re.search(said, done.stderr), done.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_control_c_leaves_a_folder_that_says_it_is_unfinished(
    planted_inputs: Path, tmp_path: Path
) -> None:
    # Without workers: Python drops an interrupt that falls into a fork, and a person presses again.
    words = [sys.executable, "-m", "auditor", "run", str(planted_inputs), "--set", "workers=0"]
    # Shells start background jobs deaf to interrupts, and a test run may be one: what it starts is not.
    as_it_was = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*words, "--out", str(tmp_path / "run")],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    signal.signal(signal.SIGINT, as_it_was)
    assert process.stderr is not None
    under_way = next(line for line in process.stderr if line.startswith("explain"))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    notice = tmp_path / "run.unfinished" / "UNFINISHED.txt"
    assert process.returncode == 130, under_way + said
    assert "unfinished" in said
    assert "Traceback" not in said
    assert notice.is_file()
    assert not (tmp_path / "run").exists()
