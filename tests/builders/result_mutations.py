"""Changes an ``audit.json`` at random, and has every reader of a run read what comes out.

Mutations that a run folder accepts are collected; the documents are rendered once for several of them.
If that raises anything but a usage error, they are rendered one by one to find which it was.

A long run over any finished run, which is copied and not changed::

    PYTHONPATH=tests python -m builders.result_mutations reports/example --number 3000 --seed 1
"""

from __future__ import annotations

import argparse
import copy
import functools
import io
import json
import math
import random
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from auditor import comparison, selftest, terminal, verification
from auditor.comparison import documents as comparison_documents
from auditor.comparison.view import build_view
from auditor.errors import UsageError
from auditor.manifest import read_manifest, write_manifest
from auditor.report import documents
from auditor.run_folder import RESULT, RunFolder

Place = tuple[str | int, ...]
FORMATS = ("csv", "html", "json", "junit", "markdown", "sarif")
"""All formats but PDF, which takes seconds; its template has a test of its own."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 7, 10**30, 0.5, -0.25, 1.5, 1e308, 1e-308),
    *(math.nan, math.inf, -math.inf, "", " ", "x", "0", "#1", "../x#0", "explanations#0", "\x00"),
    *("<script>alert(1)</script>", "{{ 7*7 }}", "\ud800", "y" * 5000, "[/bold]", "nan", "\u202e"),
    *(
        [],
        [[]],
        [None],
        {},
        {"a": {}},
        {"": None},
        [[[[[[[[1]]]]]]]],
        "explanations/maps-00000.parquet",
    ),
)
"""Takes the place of any part of a result."""


def places(node: Any, place: Place = ()) -> Iterator[Place]:
    """Where each part of a document is."""
    if place:
        yield place
    for key, inner in node.items() if isinstance(node, dict) else ():
        yield from places(inner, (*place, key))
    for key, inner in enumerate(node) if isinstance(node, list) else ():
        yield from places(inner, (*place, key))


def by_kind(raw: Any) -> list[list[Place]]:
    """The places, grouped by what they are: those that differ in positions alone are of one kind."""
    kinds: dict[Place, list[Place]] = {}
    for place in places(raw):
        kinds.setdefault(tuple("*" if isinstance(key, int) else key for key in place), []).append(
            place
        )
    return list(kinds.values())


def mutate(raw: Any, kinds: list[list[Place]], rng: random.Random) -> tuple[Any, str]:
    """One change at one place.

    Args:
        raw: a parsed result; left alone.
        kinds: its places by kind; every kind is equally probable.
        rng: draws the change.

    Returns:
        The changed result, and the change in words.
    """
    changed = copy.deepcopy(raw)
    place = rng.choice(rng.choice(kinds))
    parent = _at(changed, place[:-1])
    old = _at(changed, place)
    if parent is None or (old is None and not isinstance(parent, dict)):
        return changed, f"{place}: an earlier mutation removed it"
    what = rng.choice(("value", "value", "remove", "list", "number", "text", "elsewhere"))
    if what == "remove":
        parent.pop(place[-1], None) if isinstance(parent, dict) else parent.pop(place[-1])
        return changed, f"{place}: removed"
    new = _other(old, what, rng)
    if what == "elsewhere":
        new = copy.deepcopy(_at(raw, rng.choice(rng.choice(kinds))))
    parent[place[-1]] = new
    return changed, f"{place}: {str(old)[:40]!r} -> {str(new)[:60]!r}"


def _other(old: Any, what: str, rng: random.Random) -> Any:
    if what == "list" and isinstance(old, list) and old:
        return rng.choice(([*old, old[0]], old[:-1], old[::-1], old * 3, [*old, None]))
    if what == "number" and isinstance(old, int | float):
        return rng.choice((-old, old + 1, old * 1000, float(old), str(old), old / 3, 1 - old))
    if what == "text" and isinstance(old, str):
        return rng.choice((old + "x", old[:-1], old.upper(), old * 2, [old], {old: old}))
    return copy.deepcopy(rng.choice(VALUES))


def _at(root: Any, place: Place) -> Any:
    """The part at a place; None where it is gone."""
    node: Any = root
    for key in place:
        if isinstance(node, list) and isinstance(key, int) and key < len(node):  # noqa: SIM114 - for mypy
            node = node[key]
        elif isinstance(node, dict) and key in node:
            node = node[key]
        else:
            return None
    return node


def _is_filled(raw: Any, place: Place) -> bool:
    value = _at(raw, place)
    return isinstance(value, list) and bool(value)


def _type_at(raw: Any, place: Place) -> str | None:
    """The type of evidence at a place; None for everything else."""
    node = _at(raw, place)
    return node.get("type") if isinstance(node, dict) else None


@dataclass
class Outcome:
    """What became of the mutations.

    Attributes:
        n: how many there were.
        refused: how many were refused while the result was read, with one message each.
        messages: these messages.
        late: messages of usage errors that came only while documents were written.
        crashes: mutation and traceback of everything else.
    """

    n: int = 0
    refused: int = 0
    messages: list[tuple[str, str]] = field(default_factory=list)
    late: list[tuple[str, str]] = field(default_factory=list)
    crashes: list[tuple[str, str]] = field(default_factory=list)

    def summary(self) -> str:
        """The numbers in one line."""
        return (
            f"{self.n} mutations: {self.refused} refused when the result was read, {len(self.late)} usage "
            f"errors of later readers, {len(self.crashes)} crashes"
        )


@dataclass
class Mutations:
    """Random mutations of one run.

    Attributes:
        run: its folder, whose result is overwritten.
        other: an intact run of the same samples, to compare with.
        together: how many accepted mutations are rendered at once.
    """

    run: RunFolder
    other: RunFolder
    together: int = 8

    def __post_init__(self) -> None:
        self._raw = json.loads((self.run.path / RESULT).read_text("utf-8"))
        self._kinds = by_kind(self._raw)
        self._sink = Console(file=io.StringIO(), width=120)

    def run_all(
        self, n: int, seed: int, report: Callable[[Outcome], None] = lambda _: None
    ) -> Outcome:
        """Makes ``n`` mutations."""
        rng = random.Random(seed)
        outcome = Outcome()
        while outcome.n < n:
            self._round(rng, outcome, min(n, outcome.n + 400))
            report(outcome)
        return outcome

    def run_empty(self) -> Outcome:
        """Empties every list, one of each kind, together with others of its depth."""
        outcome = Outcome()
        kinds = [[place for place in kind if _is_filled(self._raw, place)] for kind in self._kinds]
        first = [kind[0] for kind in kinds if kind]
        by_type = {
            (_type_at(self._raw, place[:-1]), place[-1]): place for kind in kinds for place in kind
        }
        of_depth: dict[int, list[Place]] = {}
        for place in {*first, *by_type.values()}:
            outcome.n += 1
            changed = copy.deepcopy(self._raw)
            _at(changed, place[:-1])[place[-1]] = []
            message = self._attempt(changed, str(place), outcome, self.run.read_result)
            if message is None:
                of_depth.setdefault(len(place), []).append(place)
            outcome.refused += bool(message)
        for places_of_depth in of_depth.values():
            changed = copy.deepcopy(self._raw)
            for place in places_of_depth:
                _at(changed, place[:-1])[place[-1]] = []
            self._read_all(changed, str(places_of_depth), outcome)
        return outcome

    def _round(self, rng: random.Random, outcome: Outcome, most: int) -> None:
        kept: list[tuple[Any, str]] = []
        current = self._raw
        while len(kept) < self.together and outcome.n < most:
            outcome.n += 1
            changed, words = mutate(current, self._kinds, rng)
            message = self._attempt(changed, words, outcome, self.run.read_result)
            if message is None:
                current = changed
                kept.append((changed, words))
            elif message:
                outcome.refused += 1
                outcome.messages.append((words, message))
        if not kept:
            return
        before = len(outcome.crashes)
        words = "; ".join(one for _, one in kept)
        self._read_all(current, words, outcome)
        if len(outcome.crashes) > before:
            del outcome.crashes[before:]
            for changed, one in kept:  # each on top of those before it
                self._read_all(changed, one, outcome)
                if len(outcome.crashes) > before:
                    return
            raise AssertionError(words)

    def _read_all(self, changed: Any, words: str, outcome: Outcome) -> None:
        """Every reader of the run; a usage error of one does not keep the others from reading."""
        for reader in self.readers():
            message = self._attempt(changed, words, outcome, reader)
            if message:
                outcome.late.append((words, message))

    def _attempt(
        self, changed: Any, words: str, outcome: Outcome, read: Callable[[], object]
    ) -> str | None:
        """The message of a usage error; empty after a crash, None if nothing was raised."""
        text = json.dumps(changed, indent=1)
        (self.run.path / RESULT).write_text(text, encoding="utf-8")
        try:
            read()
        except UsageError as error:
            return str(error) or "(no message)"
        except Exception:  # noqa: BLE001 - that is what is looked for
            outcome.crashes.append((words, traceback.format_exc()))
            return ""
        return None

    def readers(self) -> tuple[Callable[[], object], ...]:
        """Prints, verifies, renders and compares the run, and simulates audits of it."""
        return (
            self._print,
            lambda: documents.configured(self.run),
            *(functools.partial(self._render, name) for name in FORMATS),
            lambda: _compare(self.run, self.other),
            lambda: _compare(self.other, self.run),
            lambda: selftest.of_run(self.run),
        )

    def _print(self) -> None:
        write_manifest(self.run.path)
        verification.verify(self.run.path)
        seal = read_manifest(self.run.path).seal
        terminal.print_result(self._sink, self.run.read_result(), self.run.path, seal)

    def _render(self, name: str) -> None:
        for document in self.run.path.glob("report*"):
            document.unlink()
        documents.write(self.run, [name])


def _compare(one: RunFolder, two: RunFolder) -> None:
    found = comparison.compare(one, two)
    view = build_view(found, one, two)
    comparison_documents.page(view)
    comparison_documents.page(view, "comparison/pdf.html")
    found.model_dump_json()
    comparison.summary(found)


def main() -> None:
    """Runs mutations of a run, and prints every crash once with its count."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--number", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--together", type=int, default=40)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for name in ("changed", "intact"):
            shutil.copytree(given.run, Path(place) / name)
        runs = [RunFolder.open(Path(place) / name) for name in ("changed", "intact")]
        found = Mutations(runs[0], runs[1], given.together).run_all(
            given.number,
            given.seed,
            lambda one: print(one.summary(), flush=True),  # noqa: T201
        )
    for crash, n in Counter(trace.splitlines()[-1] for _, trace in found.crashes).most_common():
        first = next(one for one in found.crashes if one[1].splitlines()[-1] == crash)
        print(f"{n} x {crash}\n{first[0]}\n{first[1]}")  # noqa: T201


if __name__ == "__main__":
    main()
