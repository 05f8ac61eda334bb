from __future__ import annotations

import pytest
from builders.synthetic_run import Plan, build_run

from auditor.run_folder import RunFolder

HOSTILE = "<script>alert(1)</script>\"'&\n\u202eقط🦊" + "x" * 300


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of 640 drawn images."""
    return build_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with names that try to break out of a document."""
    return build_run(
        tmp_path_factory.mktemp("runs") / "hostile",
        Plan(
            samples=220,
            side=32,
            name=HOSTILE,
            classes=(HOSTILE, '=cmd|"/c calc"!A1'),
            attributes=("</style><b>", "javascript:alert(1)"),
            levels=((HOSTILE + "1", "</script>"), ("{{ 7*7 }}", "-1+1", "@x")),
            guided=False,
        ),
    )
