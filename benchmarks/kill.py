"""Kills audits at random moments, resumes them, and compares the results with that of an undisturbed run.

    python -m benchmarks.kill [--times 20] [--seed 0]

Every audit is a process of its own, ended with SIGKILL: half of them at a random time, half at a random
operation on the files of the run, the last renaming included. Every third one is killed again while it is
resumed. A loss is a result that differs in anything but times, or an audit that can't be resumed.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from auditor.demo.networks import digits_net
from benchmarks.killed_process import start

SAMPLES = 200
BLOCKS = (32, 16)
"""Samples in a block of predictions and of explanations, small enough that there are several."""
TIMES = (("run", "id"), ("run", "created_at"), ("provenance", "seconds"))
"""What may differ in ``audit.json``."""
FINISHED = (0, 1, 4)
"""Exit codes of audits that are finished."""


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody killed.

    Attributes:
        folder: of the run.
        seconds: how long it took from the moment at which its folder appeared.
        operations: on its files.
    """

    folder: Path
    seconds: float
    operations: int


@dataclass(frozen=True)
class Killed:
    """An audit that was killed, and resumed.

    Attributes:
        moment: when it was killed, in words.
        differences: between its result and that of the undisturbed run.
    """

    moment: str
    differences: tuple[str, ...]


def main() -> None:
    """Prints one line for each audit, and a row for the table of faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found = []
        for one in killed_audits(Path(place), options.times, options.seed):
            print(f"killed {one.moment}: {'; '.join(one.differences) or 'equal'}", flush=True)
            found.append(one)
    losses = sum(bool(one.differences) for one in found)
    print(f"\n| kill -9 at a random moment, then --resume | {len(found)} | {losses} |")


def killed_audits(folder: Path, times: int, seed: int = 0) -> Iterator[Killed]:
    """Kills and resumes audits, and compares them.

    Args:
        folder: an empty one.
        times: number of audits to kill.
        seed: of the moments.
    """
    config = write_inputs(folder)
    undisturbed = run_undisturbed(config, folder / "undisturbed")
    draw = random.Random(seed)
    for number in range(times):
        out = folder / f"killed-{number}"
        moment = killed_run(config, out, undisturbed, draw, by_time=number % 2 == 0)
        if number % 3 == 2 and not (out / "audit.json").exists():
            moment += f", then {killed_run(config, out, undisturbed, draw, by_time=False)}"
        done = _start(config, out)
        done.join(600)
        if done.exitcode not in FINISHED:
            yield Killed(moment, (f"exit code {done.exitcode}: {_printed(out)}",))
            continue
        yield Killed(moment, tuple(differences(undisturbed.folder, out)))


def write_inputs(folder: Path) -> Path:
    """Images, weights, and the configuration that is returned."""
    torch.manual_seed(0)
    draw = np.random.default_rng(0)
    rows = ["file,label,site"]
    (folder / "images").mkdir()
    for k in range(SAMPLES):
        pixels = draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{k:03d}.png")
        rows.append(f"images/{k:03d}.png,{k % 3},{'north' if k % 2 else 'south'}")
    (folder / "images" / "007.png").write_bytes(b"no image")
    (folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    save_file(digits_net(3).state_dict(), folder / "weights.safetensors")
    config: dict[str, Any] = {
        "name": "killed",
        "model": {
            "adapter": "python",
            "factory": "auditor.demo.networks:digits_net",
            "arguments": {"num_classes": 3},
            "checkpoint": "weights.safetensors",
            "classes": ["0", "1", "2"],
        },
        "data": {
            "adapter": "manifest",
            "path": "labels.csv",
            "attributes": ["site"],
        },
        "preprocess": {"mean": [0.5], "std": [0.25]},
        "explain": {"trust_samples": 2},
        "report": {"formats": ["html", "json"]},
        "device": "cpu",
        "workers": 1,
        "batch_size": 10,
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    return path


def run_undisturbed(config: Path, out: Path) -> Undisturbed:
    """Runs an audit to its end."""
    process = _start(config, out)
    begin = _wait_for_folder(process, out)
    process.join(600)
    seconds = time.monotonic() - begin
    if process.exitcode not in FINISHED:
        raise RuntimeError(f"exit code {process.exitcode}: {_printed(out)}")
    operations = int(Path(f"{out}.operations").read_text(encoding="utf-8"))
    return Undisturbed(out, seconds, operations)


def killed_run(
    config: Path, out: Path, undisturbed: Undisturbed, draw: random.Random, *, by_time: bool
) -> str:
    """Starts or resumes an audit, kills it at a random moment, and says when that was."""
    if not by_time:
        operation = draw.randint(1, undisturbed.operations)
        _start(config, out, kill_at=operation).join(600)
        return f"at operation {operation} of {undisturbed.operations}"
    seconds = draw.uniform(0, undisturbed.seconds)
    process = _start(config, out)
    _wait_for_folder(process, out)
    process.join(seconds)
    process.kill()
    process.join(600)
    return f"after {seconds:.2f} of {undisturbed.seconds:.2f} s"


def differences(expected: Path, found: Path) -> Iterator[str]:
    """How the results of two runs differ, times aside."""
    results = [without_times(folder) for folder in (expected, found)]
    if json.dumps(results[0]) != json.dumps(results[1]):
        keys = [key for key in results[0] if results[0][key] != results[1].get(key)]
        yield f"audit.json differs in {', '.join(keys) or 'the order of its keys'}"
    names = [
        {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        for folder in (expected, found)
    ]
    if names[0] != names[1]:
        yield f"files: {', '.join(sorted(names[0] ^ names[1]))}"
    for name in sorted(names[0] & names[1]):
        is_table = name.endswith(".parquet")
        if is_table and (expected / name).read_bytes() != (found / name).read_bytes():
            yield f"{name} differs"
    printed = {f"{found.name}.txt", f"{found.name}.operations"}
    left = sorted({path.name for path in found.parent.glob(f"{found.name}.*")} - printed)
    if left:
        yield f"left behind: {', '.join(left)}"


def without_times(folder: Path) -> dict[str, Any]:
    """Content of ``audit.json`` without what may differ."""
    result: dict[str, Any] = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    for section, key in TIMES:
        del result[section][key]
    return result


def _start(config: Path, out: Path, *, kill_at: int = 0) -> BaseProcess:
    """Starts an audit that resumes what it finds."""
    command = ["run", str(config), "--out", str(out), "--resume", "--quiet"]
    return start(command, out, BLOCKS, kill_at)


def _wait_for_folder(process: BaseProcess, out: Path) -> float:
    """Waits until the folder of a run appears, or its process ends; returns the time."""
    while process.is_alive() and not out.with_name(f"{out.name}.unfinished").exists():
        time.sleep(0.005)
    return time.monotonic()


def _printed(out: Path) -> str:
    return Path(f"{out}.txt").read_text(encoding="utf-8").strip()


if __name__ == "__main__":
    main()
