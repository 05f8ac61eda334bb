"""Searches without counting branches: several times as fast, and without atheris.

An input is kept to be mutated further when its outcome is new: accepted, or refused with another message.
"""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

from fuzz.byte_mutations import mutate_bytes
from fuzz.target import Mutator, Target
from fuzz.watch import Watch

RAW_SHARE = 0.15
"""Of mutations that change bytes, where a target has a mutator of its own."""
_HANG = 60
"""Seconds after which an input counts as a hang, and ends the process."""
_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|\d+|/\S+")
"""Parts of a message that differ between inputs of the same kind."""
_SHOWN = 60
_REPORTED = 1000


def mutated(target: Target, data: bytes, rng: random.Random) -> bytes:
    """One more input of a target; the same if the change makes it too long."""
    mutate: Mutator | None = target.mutate
    raw = mutate is None or rng.random() < RAW_SHARE
    changed = mutate_bytes(data, rng) if raw or mutate is None else mutate(data, rng)
    return changed if len(changed) <= target.longest else data


@dataclass(frozen=True)
class Step:
    """How far a search is.

    Attributes:
        inputs: that were read.
        outcomes: different ones.
    """

    inputs: int
    outcomes: int


def run(
    target: Target, watch: Watch, pool: list[bytes], seconds: float, seed: int
) -> Iterator[Step]:
    """Mutates inputs for some time.

    Args:
        target: whose inputs they are.
        watch: reads them.
        pool: inputs to start from; new ones are added.
        seconds: processor time.
        seed: of the mutations.

    Yields:
        How far it is: after the pool, now and then, and at the end.
    """
    rng = random.Random(seed)
    outcomes = {_kind(watch.feed(data)) for data in pool}
    n, end = len(pool), time.process_time() + seconds
    yield Step(n, len(outcomes))
    while time.process_time() < end:
        data = mutated(target, rng.choice(pool), rng)
        signal.alarm(_HANG)
        kind = _kind(watch.feed(data))
        signal.alarm(0)
        n += 1
        if kind not in outcomes:
            outcomes.add(kind)
            pool.append(data)
        if n % _REPORTED == 0:
            yield Step(n, len(outcomes))
    yield Step(n, len(outcomes))


def _kind(outcome: str) -> str:
    return _VARIABLE.sub("", outcome)[:_SHOWN]
