from __future__ import annotations

import inspect
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
from auditor.records import DataFaults
from auditor.registry import all_of


def auditor(*arguments: str | Path) -> Result:
    """Runs a command in this process, which saves importing torch again."""
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_version_is_printed() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", auditor("--version").stdout)


def test_list_contains_plugins_and_options() -> None:
    listed = auditor("list").stdout
    for name in ("manifest", "torchvision", "guided-grad-cam", "performance-gap", "max_gap", "pdf"):
        assert name in listed


def test_schema_contains_result_and_configuration() -> None:
    schemas = json.loads(auditor("schema").stdout)
    assert schemas["result"]["properties"]["findings"]
    described = schemas["result"]["$defs"]["DataFaults"]["description"]
    assert described == inspect.getdoc(DataFaults)
    assert schemas["config"]["properties"]["gate"]


def test_init_writes_a_configuration_and_never_overwrites_it(tmp_path: Path) -> None:
    assert auditor("init", tmp_path).exit_code == 0
    assert yaml.safe_load((tmp_path / "audit.yaml").read_text())["model"]["adapter"] == "python"
    again = auditor("init", tmp_path)
    assert again.exit_code == 2
    assert "not overwritten" in again.stderr


def test_check_prints_data_target_layer_and_estimate(planted_inputs: Path) -> None:
    done = auditor("check", planted_inputs)
    assert done.exit_code == 0, done.stderr
    for said in (
        "1,078 samples",
        "target layer",
        "is defined for this network",
        "correct",
        "estimate",
    ):
        assert said in done.stdout


def test_check_prints_the_group(planted_inputs: Path) -> None:
    changes = ("--set", "data.group=mark", "--set", "data.missing=[absent]")
    done = auditor("check", planted_inputs, *changes)
    assert done.exit_code == 0, done.stderr
    rows = pd.read_csv(planted_inputs.parent / "audited.csv")["mark"].value_counts()
    said = " ".join(done.stdout.split())
    assert f"group mark: 1 cluster, the largest with {rows['present']} samples" in said
    assert f"{rows['absent']} samples without, each its own" in said


def test_check_wrong_normalisation_gives_a_warning(planted_inputs: Path) -> None:
    done = auditor(
        "check", planted_inputs, "--set", "preprocess={resize: 32, mean: [1], std: [0.02]}"
    )
    assert done.exit_code == 0, done.stderr
    assert "warning:" in done.stdout


def test_explain_writes_a_sheet_of_each_image(planted_inputs: Path, tmp_path: Path) -> None:
    images = sorted((planted_inputs.parent / "images").iterdir())[:2]
    done = auditor("explain", planted_inputs, *images, "--target", "8", "--out", tmp_path / "maps")
    assert done.exit_code == 0, done.stderr
    sheets = sorted((tmp_path / "maps").iterdir())
    assert [sheet.name for sheet in sheets] == [f"{one.stem}-8.png" for one in images]
    with Image.open(sheets[0]) as sheet, Image.open(images[0]) as image:
        # 32 pixels become 12 × 32 = 384; the panels begin below a title and a line of text.
        top = 20 + 27 + 20 + 12
        panel = np.asarray(sheet.crop((20, top, 20 + 384, top + 384)))
        enlarged = np.asarray(image.convert("RGB").resize((384, 384), Image.Resampling.NEAREST))
        assert (panel == enlarged).all()
        assert sheet.width == 2 * 20 + 3 * 384 + 2 * 12
    assert "guided-grad-cam" in done.stdout
    for arguments, message in (
        ((images[0], "--target", "eleven"), "expected one of the classes 0, 1"),
        ((tmp_path / "nowhere.png",), "does not exist"),
    ):
        done = auditor("explain", planted_inputs, *arguments, "--out", tmp_path / "more")
        assert done.exit_code == 2
        assert message in done.stderr


@pytest.mark.slow
def test_run_blocked_gate_has_exit_code_one(planted_inputs: Path, tmp_path: Path) -> None:
    quick = [f"checks.{name}=false" for name in all_of("check") if name != "performance-gap"]
    quick += ["report.formats=[]", "explain.contrast=false", "explain.trust_samples=0"]
    quick += ["explain.units=0", "explain.mean_cells=0", "workers=0"]
    settings = [part for one in quick for part in ("--set", one)]
    command: list[str | Path] = ["run", planted_inputs, *settings, "--quiet", "--out"]
    done = auditor(*command, tmp_path / "run")
    assert done.exit_code == 1, done.stderr
    assert "mark" in done.stdout
    assert done.stderr == ""
    done = auditor(*command, tmp_path / "run", "--overwrite", "--set", "gate.severity=null")
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
    ("break_input", "message"),
    [
        (key("data", "lable", "x"), "did you mean 'label'"),
        (key("data", "path", "nowhere.csv"), "nowhere.csv"),
        (key("data", "label", "diagnosis"), "diagnosis"),
        (csv(lambda rows: rows.iloc[:0]), "expected one row per image; there are none"),
        (csv(lambda rows: rows.assign(label="eleven")), "eleven"),
        (weights(lambda state: {k: v for k, v in state.items() if k != "0.weight"}), "0.weight"),
        (key("model", "classes", ["a", "b"]), "'?0'?"),
        (key("model", "factory", "collections:OrderedDict"), "nn.Module"),
        (key("model", "factory", "auditor.demo.networks:solar_net"), "shape|missing|unexpected"),
        (key("model", "target_layer", "layer5"), "layer5"),
    ],
)
def test_run_usage_error_is_one_message_and_leaves_no_files(
    planted_inputs: Path, tmp_path: Path, break_input: Break, message: str
) -> None:
    config = yaml.safe_load(planted_inputs.read_text())
    for section, name in (("data", "path"), ("data", "reference"), ("model", "checkpoint")):
        config[section][name] = str(planted_inputs.parent / config[section][name])
    config["data"]["root"] = str(planted_inputs.parent)
    break_input(tmp_path, config)
    path = tmp_path / "audit.yaml"
    path.write_text(yaml.safe_dump(config))
    before = sorted(tmp_path.iterdir())
    done = auditor("run", path, "--out", tmp_path / "run", "--quiet")
    assert done.exit_code == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_interrupted_leaves_a_folder_marked_as_unfinished(
    number: signal.Signals, planted_inputs: Path, tmp_path: Path
) -> None:
    # Without workers: Python ignores an interrupt that arrives during a fork.
    command = [sys.executable, "-m", "auditor", "run", str(planted_inputs), "--set", "workers=0"]
    # Shells start background jobs with interrupts ignored. If this test run is one, its child must
    # not inherit that.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "run")],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    signal.signal(signal.SIGINT, handler)
    assert process.stderr is not None
    progress = next(line for line in process.stderr if line.startswith("explain"))
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    notice = tmp_path / "run.unfinished" / "UNFINISHED.txt"
    assert process.returncode == 130, progress + errors
    assert "unfinished" in errors
    assert "Traceback" not in errors
    assert notice.is_file()
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "run.lock").exists()
