"""The process of an audit that is killed.

It is forked from a server that has imported this module, and with it everything that an audit needs: starting
one takes no seconds then.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

import matplotlib.pyplot as plt  # noqa: F401 - see above
import sklearn.ensemble as _sklearn  # noqa: F401
import sympy as _sympy  # type: ignore[import-untyped]  # noqa: F401

from auditor import blocks, cli, registry, runner  # noqa: F401

_OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}
"""Audit events of Python; the first argument is the path."""

for _kind in registry.PACKAGES:
    registry.all_of(_kind)


def start(arguments: list[str], out: Path, sizes: tuple[int, int], kill_at: int = 0) -> BaseProcess:
    """Starts ``auditor`` with some arguments.

    Args:
        arguments: of the command line.
        out: the run folder; what is printed goes to ``<out>.txt``.
        sizes: samples in a block of predictions, and of explanations.
        kill_at: number of the operation on files of the run at which the process is killed; 0: none.

    Returns:
        The process. After it has ended by itself, ``<out>.operations`` contains the number of operations.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_audit, args=(arguments, str(out), sizes, kill_at))
    process.start()
    return process


def _audit(arguments: list[str], out: str, sizes: tuple[int, int], kill_at: int) -> None:
    multiprocessing.set_start_method("fork", force=True)  # of the processes that decode images
    printed = os.open(f"{out}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    blocks.PREDICTED_SAMPLES, blocks.EXPLAINED_SAMPLES = sizes
    operations = 0

    def count(event: str, found: tuple[object, ...]) -> None:
        nonlocal operations
        if event in _OPERATIONS and isinstance(found[0], str | os.PathLike):
            operations += str(found[0]).startswith((f"{out}/", f"{out}."))
            if kill_at and operations == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    sys.argv = ["auditor", *arguments]
    try:
        cli.main()
    finally:
        sys.stdout.flush()
        with contextlib.suppress(OSError):
            Path(f"{out}.operations").write_text(str(operations), encoding="utf-8")
