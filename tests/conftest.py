"""Two audits that many tests share: one with a planted shortcut, and its unbiased twin."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.browser_visits import browser  # noqa: F401 - a fixture for every folder
from builders.table_evidence import make_evidence  # noqa: F401 - a fixture for every folder
from filelock import FileLock
from hypothesis import settings

from auditor.config import AuditConfig
from auditor.demo import digits
from auditor.run_folder import RunFolder
from auditor.runner import run

# No test may depend on how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Names cases by bytes and sets after their argument.

    Every worker must collect the same names, but compressed bytes hold the time, and the text of a set
    depends on the hash seed.
    """
    return argname if isinstance(val, bytes | bytearray | set | frozenset) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the files that have slow tests, so that no worker process waits for one in the end."""
    slow = {one.path for one in items if one.get_closest_marker("slow")}
    items.sort(key=lambda one: one.path not in slow)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Every test begins with the same random state, whichever tests ran before in this process."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the state that libraries use
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def example_v1() -> Path:
    """A run folder of schema version 1, without its documents: the digits demo."""
    return Path(__file__).parent / "data" / "example_v1"


def silent(_line: str) -> None:
    pass


MadeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> MadeOnce:
    """Makes a folder that all worker processes of pytest share; the first that needs it makes it."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if hasattr(request.config, "workerinput") else own

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.wait"):
            if not done.exists():
                fill(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def planted_inputs(made_once: MadeOnce) -> Path:
    """Configuration of the digits example, with its data and freshly trained weights."""
    return made_once("planted", lambda folder: digits.prepare(folder, log=silent)) / "audit.yaml"


@pytest.fixture(scope="session")
def planted_run(planted_inputs: Path, made_once: MadeOnce) -> RunFolder:
    """The audit of a network trained on digits in which the mark occurs with the eights."""
    config = AuditConfig.load(planted_inputs)
    return RunFolder.open(made_once("planted-run", lambda folder: run(config, folder)))


@pytest.fixture(scope="session")
def clean_run(made_once: MadeOnce) -> RunFolder:
    """The audit of the twin, trained on digits in which mark and class are independent."""

    def audit(folder: Path) -> None:
        inputs = digits.prepare(folder.with_name("clean"), planted=False, log=silent)
        run(AuditConfig.load(inputs, ["report.formats=[]"]), folder)

    return RunFolder.open(made_once("clean-run", audit))
