"""Two audits that many tests share: one with a planted shortcut, and its unbiased twin."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.browser_visits import browser  # noqa: F401 - a fixture for every folder
from builders.table_evidence import make_evidence  # noqa: F401 - a fixture for every folder
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


@pytest.fixture(scope="session")
def example_v1() -> Path:
    """A run folder of schema version 1, without its documents: the digits demo."""
    return Path(__file__).parent / "data" / "example_v1"


def silent(_line: str) -> None:
    pass


@pytest.fixture(scope="session")
def planted_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configuration of the digits example, with its data and freshly trained weights."""
    return digits.prepare(tmp_path_factory.mktemp("planted"), log=silent)


@pytest.fixture(scope="session")
def planted_run(planted_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The audit of a network trained on digits in which the mark occurs with the eights."""
    return run(AuditConfig.load(planted_inputs), tmp_path_factory.mktemp("runs") / "planted")


@pytest.fixture(scope="session")
def clean_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The audit of the twin, trained on digits in which mark and class are independent."""
    inputs = digits.prepare(tmp_path_factory.mktemp("clean"), planted=False, log=silent)
    config = AuditConfig.load(inputs, ["report.formats=[]"])
    return run(config, tmp_path_factory.mktemp("runs") / "clean")
