"""Resuming after the model's code changed, memory ran out, or a worker died, with real networks and files."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from builders.sharded_audits import content, write_audit

from auditor import blocks, runner
from auditor.config import AuditConfig
from auditor.errors import AuditAbortedError, OutputExistsError, UsageError
from auditor.progress import Advance, Silent
from auditor.run_folder import RunFolder

_NETWORK = """
from pathlib import Path

import torch
from torch import nn

FAULT = Path(__file__).with_name("fault")


class Network(nn.Sequential):
    def forward(self, images):
        # The file names what is raised, for batches of more images than it says.
        kind, most = FAULT.read_text().split() if FAULT.exists() else ("", 0)
        if kind and len(images) > int(most):
            raise {"device": torch.OutOfMemoryError, "host": MemoryError}[kind]("out of memory")
        return super().forward(images) * (1 + 1e-3 * len(images))  # rounding that can be seen


def build():
    torch.manual_seed(1)
    return Network(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2)
    )
"""

_DATA = """
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np

DEADLY = Path(__file__).with_name("deadly")


class Images:
    classes = ("a", "b")

    def __len__(self):
        return 19

    def __getitem__(self, index):
        if index == 13 and multiprocessing.parent_process() is not None and DEADLY.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return np.random.default_rng(index).integers(0, 256, (12, 12, 3), dtype=np.uint8), index % 2


def build():
    return Images()
"""


class Watching(Silent):
    """Does something after some predicted samples, each once, and keeps the messages."""

    def __init__(self, actions: Mapping[int, Callable[[], object]] | None = None) -> None:
        self.messages: list[str] = []
        self._actions = dict(actions or {})

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        del total
        done = 0

        def advance(pieces: int) -> None:
            nonlocal done
            done += pieces
            for after in sorted(self._actions):
                if name == "predict" and done >= after:
                    self._actions.pop(after)()

        yield advance

    def message(self, text: str) -> None:
        self.messages.append(text)


def _interrupt() -> None:
    raise KeyboardInterrupt


_NUMBERS = itertools.count()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An audit of 19 images, in blocks of 8 and batches of 4, of a network of its own."""
    monkeypatch.setattr(blocks, "PREDICTED_SAMPLES", 8)
    monkeypatch.setattr(blocks, "EXPLAINED_SAMPLES", 8)
    name = f"faulty_network_{next(_NUMBERS)}"  # modules are loaded once
    model = {"adapter": "python", "factory": f"{name}:build", "classes": ["a", "b"]}
    path = write_audit(tmp_path / "audit", model=model)
    (path.parent / f"{name}.py").write_text(_NETWORK, encoding="utf-8")
    rows = (path.parent / "test.csv").read_text(encoding="utf-8").splitlines()
    (path.parent / "test.csv").write_text("\n".join(rows[:20]), encoding="utf-8")
    return path


def _run(
    config: Path,
    name: str,
    progress: Watching,
    *changes: str,
    overwrite: bool = False,
    resume: bool = False,
) -> RunFolder:
    settings, out = AuditConfig.load(config, changes), config.parent / name
    return runner.run(settings, out, overwrite=overwrite, resume=resume, progress=progress)


def _interrupted(config: Path, name: str, *changes: str) -> Path:
    """The unfinished folder of an audit that was interrupted after two blocks."""
    with pytest.raises(KeyboardInterrupt):
        _run(config, name, Watching({16: _interrupt}), *changes)
    return config.parent / f"{name}.unfinished"


def test_resume_after_the_code_of_the_model_changed_names_the_module(config: Path) -> None:
    _interrupted(config, "run")
    [network] = config.parent.glob("faulty_network_*.py")
    network.write_text(_NETWORK.replace("1e-3", "2e-3"), encoding="utf-8")
    with pytest.raises(UsageError, match=rf"changed since: the code of {network.stem} \(SHA-256"):
        _run(config, "run", Watching(), resume=True)


def test_batches_that_were_halved_do_not_change_what_is_resumed(config: Path) -> None:
    # Batches of four do not fit while the second block is computed. The last block has three images: they
    # are tried as one batch, whether the block before it was computed in the same process or not.
    fault = config.parent / "fault"

    def begin() -> None:
        fault.write_text("device 3")

    undisturbed = _run(config, "undisturbed", Watching({8: begin, 16: fault.unlink}))
    with pytest.raises(KeyboardInterrupt):
        _run(config, "run", Watching({8: begin, 15: fault.unlink, 16: _interrupt}))
    progress = Watching()
    resumed = _run(config, "run", progress, resume=True)
    assert "resumed; 16 of 19 samples are predicted" in progress.messages[-1]
    assert content(resumed.path) == content(undisturbed.path)


@pytest.mark.parametrize("kind", ["device", "host"])
def test_audit_that_ran_out_of_memory_is_resumed(config: Path, kind: str) -> None:
    undisturbed = _run(config, "undisturbed", Watching())
    fault = config.parent / "fault"
    fails = Watching({8: lambda: fault.write_text(f"{kind} 0")})
    with pytest.raises(
        AuditAbortedError, match=r"does not fit into the memory.*--resume continues"
    ):
        _run(config, "run", fails)
    fault.unlink()
    progress = Watching()
    resumed = _run(config, "run", progress, resume=True)
    assert "resumed; 8 of 19 samples are predicted" in progress.messages[-1]
    assert content(resumed.path) == content(undisturbed.path)


def test_audit_whose_worker_died_is_resumed(config: Path) -> None:
    name = f"deadly_data_{next(_NUMBERS)}"
    (config.parent / f"{name}.py").write_text(_DATA, encoding="utf-8")
    data = {"adapter": "python", "factory": f"{name}:build"}
    changes = [f"data={json.dumps(data)}", "workers=1"]
    undisturbed = _run(config, "undisturbed", Watching(), *changes)
    (config.parent / "deadly").touch()
    _interrupted(config, "run", *changes)
    resumed = _run(config, "run", Watching(), *changes, resume=True)
    assert content(resumed.path) == content(undisturbed.path)


def test_document_of_an_earlier_attempt_is_removed(config: Path) -> None:
    unfinished = _interrupted(config, "run")
    # As if the audit had been killed when it had written these.
    (unfinished / "model_card.md").write_text("of the earlier attempt", encoding="utf-8")
    (unfinished / "tables").mkdir()
    (unfinished / "tables" / "failures.csv").write_text("likewise", encoding="utf-8")
    run = _run(config, "run", Watching(), 'report.formats=["json"]', resume=True)
    assert (run.path / "report.json").exists()
    assert not (run.path / "model_card.md").exists()
    assert not (run.path / "tables" / "failures.csv").exists()


def test_refusals_name_the_options_that_go_on(config: Path) -> None:
    finished = _run(config, "run", Watching())
    with pytest.raises(
        UsageError, match=r"seed: 0 → 1: .* again with --overwrite instead of --resume"
    ):
        _run(config, "run", Watching(), "seed=1", resume=True)
    with pytest.raises(KeyboardInterrupt):
        _run(config, "run", Watching({16: _interrupt}), "seed=1", overwrite=True)
    with pytest.raises(OutputExistsError, match=r"run\.unfinished, .* use --resume --overwrite"):
        _run(config, "run", Watching(), "seed=1", resume=True)
    replaced = _run(config, "run", Watching(), "seed=1", overwrite=True, resume=True)
    assert replaced.path == finished.path
    result = json.loads((replaced.path / "audit.json").read_text(encoding="utf-8"))
    assert result["provenance"]["config"]["seed"] == 1
