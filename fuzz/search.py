"""Searches with atheris, each target in a process of its own."""

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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzz import corpus
from fuzz.byte_mutations import mutate_bytes
from fuzz.target import Mutator, Target
from fuzz.targets import INSTRUMENTED, load
from fuzz.watch import Watch

_RAW_SHARE = 0.15
"""Of mutations that change bytes, where a target has a mutator of its own."""
_HANG = 60
"""Seconds after which an input counts as a hang."""
_MEMORY = 4096
"""MB after which a process is ended."""
_PROGRESS = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Searched:
    """What one search did.

    Attributes:
        name: of the target.
        inputs: how many were read.
        seconds: processor time of the process, its start included.
        branches: that the seeds reached, and that were reached at the end.
        finds: what was found, one for each cause.
    """

    name: str
    inputs: int
    seconds: float
    branches: tuple[int, int]
    finds: tuple[str, ...]


def load_instrumented(names: Sequence[str]) -> list[Target]:
    """The targets, imported so that their branches are counted."""
    with _instrumented(names):
        return [load(name) for name in names]


def search(target: Target, folder: Path, seconds: float, seed: int) -> Searched:
    """Searches for some time in a process of its own, and reads what it left."""
    for one in ("finds", "work", "corpus"):
        (folder / one).mkdir(parents=True, exist_ok=True)
    log, before = folder / "log.txt", _processor_time()
    child = os.fork()
    if child == 0:
        with log.open("wb") as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
        _run(target, folder, [f"-max_total_time={round(seconds)}", f"-seed={seed}"])
    _, status = os.waitpid(child, 0)
    text = log.read_text(encoding="utf-8", errors="replace")
    steps = [tuple(map(int, found.groups())) for found in _PROGRESS.finditer(text)]
    finds = [json.loads(one.read_text())["where"] for one in (folder / "finds").glob("*.json")]
    if os.waitstatus_to_exitcode(status) != 0:
        finds.append(f"the process ended with {os.waitstatus_to_exitcode(status)}; see {log}")
    first, last = (steps[0], steps[-1]) if steps else ((0, 0, 0), (0, 0, 0))
    return Searched(
        target.name,
        last[0],
        _processor_time() - before,
        (first[1], last[1]),
        tuple(sorted(finds)),
    )


def _processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(target: Target, folder: Path, limits: list[str]) -> None:
    """Runs libFuzzer, which ends the process."""
    import atheris

    with _instrumented([target.name]):  # what is imported on demand
        watch = Watch(target, target.open(folder / "work"), folder / "finds")
        for data in (*target.seeds(), *corpus.read(target.name)):
            watch.feed(data)
            (folder / "corpus" / hashlib.sha256(data).hexdigest()).write_bytes(data)
    options = [
        *(f"-timeout={_HANG}", f"-rss_limit_mb={_MEMORY}", f"-max_len={target.longest}"),
        *("-print_final_stats=1", f"-artifact_prefix={folder}/finds/"),
    ]
    arguments = [sys.argv[0], *limits, *options, str(folder / "corpus")]
    if target.mutate is None:
        atheris.Setup(arguments, watch.feed)
    else:
        atheris.Setup(arguments, watch.feed, custom_mutator=_mutator(target.mutate))
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


def _mutator(mutate: Mutator) -> Callable[[bytes, int, int], bytes]:
    """A mutator in the form of libFuzzer."""

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        raw = rng.random() < _RAW_SHARE
        changed = mutate_bytes(data, rng) if raw else mutate(data, rng)
        return changed if len(changed) <= most else data

    return mutated
