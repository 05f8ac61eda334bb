"""Searches, each target in a process of its own: guided by branches with atheris, or blind."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import random
import re
import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from fuzz import blind, corpus
from fuzz.target import Target
from fuzz.targets import INSTRUMENTED, load
from fuzz.watch import Watch

_HANG = 60
"""Seconds after which an input counts as a hang."""
_MEMORY = 4096
"""MB after which a process is ended."""
_ADDRESSES = 8 << 30
"""Bytes of address space: an input that asks for more gets a MemoryError, which is a find."""
_PROGRESS = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+)", re.MULTILINE)
"""Lines of libFuzzer, and of the blind search: inputs so far, branches or outcomes."""


@dataclass(frozen=True)
class Searched:
    """What one search did.

    Attributes:
        name: of the target.
        inputs: how many were read.
        seconds: processor time of the process, its start included.
        reached: branches at first and at the end; without guidance, kinds of outcomes.
        finds: what was found, one for each cause.
    """

    name: str
    inputs: int
    seconds: float
    reached: tuple[int, int]
    finds: tuple[str, ...]


def load_targets(names: Sequence[str], *, guided: bool) -> list[Target]:
    """The targets; if the search is guided, imported so that their branches are counted."""
    with _instrumented(names) if guided else contextlib.nullcontext():
        return [load(name) for name in names]


def search(target: Target, folder: Path, seconds: float, seed: int, *, guided: bool) -> Searched:
    """Searches for some time in a process of its own, and reads what it left."""
    for one in ("finds", "work", "corpus"):
        (folder / one).mkdir(parents=True, exist_ok=True)
    log, before = folder / "log.txt", _processor_time()
    child = os.fork()
    if child == 0:
        with log.open("wb") as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
        if guided:
            _guided(target, folder, [f"-max_total_time={round(seconds)}", f"-seed={seed}"])
        _blind(target, folder, seconds, seed)
    _, status = os.waitpid(child, 0)
    text = log.read_text(encoding="utf-8", errors="replace")
    finds = [json.loads(one.read_text())["where"] for one in (folder / "finds").glob("*.json")]
    if os.waitstatus_to_exitcode(status) != 0:
        finds.append(f"the process ended with {os.waitstatus_to_exitcode(status)}; see {log}")
    steps = [tuple(map(int, found.groups())) for found in _PROGRESS.finditer(text)] or [(0, 0)]
    return Searched(
        target.name,
        steps[-1][0],
        _processor_time() - before,
        (steps[0][1], steps[-1][1]),
        tuple(sorted(finds)),
    )


def _processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _blind(target: Target, folder: Path, seconds: float, seed: int) -> NoReturn:
    """Runs the search without feedback, and ends the process."""
    watch = Watch(target, target.open(folder / "work"), folder / "finds")
    known = (one.read_bytes() for one in sorted((folder / "corpus").iterdir()))
    pool = list(dict.fromkeys((*target.seeds(), *corpus.read(target.name), *known)))
    for step in blind.run(target, watch, pool, seconds, seed):
        print(f"#{step.inputs} BLIND cov: {step.outcomes}", flush=True)
    for data in pool:
        _keep(folder, data)
    os._exit(0)


def _keep(folder: Path, data: bytes) -> None:
    (folder / "corpus" / hashlib.sha256(data).hexdigest()).write_bytes(data)


def _guided(target: Target, folder: Path, limits: list[str]) -> None:
    """Runs libFuzzer, which ends the process."""
    import atheris

    with _instrumented([target.name]):  # what is imported on demand
        watch = Watch(target, target.open(folder / "work"), folder / "finds")
        for data in (*target.seeds(), *corpus.read(target.name)):
            watch.feed(data)
            _keep(folder, data)
    options = [
        *(f"-timeout={_HANG}", f"-rss_limit_mb={_MEMORY}", f"-max_len={target.longest}"),
        *("-print_final_stats=1", f"-artifact_prefix={folder}/finds/"),
    ]
    arguments = [sys.argv[0], *limits, *options, str(folder / "corpus")]

    def read(data: bytes) -> None:
        watch.feed(data)

    def mutate(data: bytes, _most: int, number: int) -> bytes:
        return blind.mutated(target, data, random.Random(number))

    if target.mutate is None:
        atheris.Setup(arguments, read)  # libFuzzer's own mutations of bytes
    else:
        atheris.Setup(arguments, read, custom_mutator=mutate)
    atheris.Fuzz()


@contextlib.contextmanager
def _instrumented(names: Sequence[str]) -> Iterator[None]:
    """Counts the branches of what is imported inside, as far as the targets ask for it."""
    import atheris

    wanted = sorted({one for name in names for one in INSTRUMENTED[name]})
    packages = {one.partition(".")[0] for one in wanted}
    # The option `include` knows only whole packages; most of ours says nothing about a reader.
    others = [
        module
        for package in sorted(packages)
        for module in _modules(package)
        if not any(f"{module}.".startswith(f"{one}.") for one in wanted)
    ]
    with (
        Path(os.devnull).open("w", encoding="utf-8") as sink,
        contextlib.redirect_stderr(sink),  # one line for each module
        atheris.instrument_imports(include=packages, exclude=others),
    ):
        yield


def _modules(package: str) -> Iterator[str]:
    """The names of all modules of a package, without importing any."""
    found = importlib.util.find_spec(package)
    for place in (found and found.submodule_search_locations) or ():
        for path in Path(place).rglob("*.py"):
            parts = path.relative_to(Path(place).parent).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
