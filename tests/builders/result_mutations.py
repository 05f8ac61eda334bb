"""Changes an ``audit.json`` at random, and has every reader of a run read what comes out.

Mutations that a run folder accepts are collected; the documents are rendered once for several of them.
If that raises anything but a usage error, they are rendered one by one to find which it was.
"""

from __future__ import annotations

import copy
import json
import math
import random
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from auditor import comparison, terminal, verification
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


def _at(node: Any, place: Place) -> Any:
    """The part at a place; None where it is gone."""
    for key in place:
        if (isinstance(node, dict) and key in node) or (
            isinstance(node, list) and isinstance(key, int) and key < len(node)
        ):
            node = node[key]
        else:
            return None
    return node


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
        self._sink = Console(file=(self.run.path.parent / "terminal.txt").open("w"), width=120)

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
        message = self._attempt(current, words, outcome, self.read_everything)
        if message:
            outcome.late.append((words, message))
        if len(outcome.crashes) > before:
            del outcome.crashes[before:]
            for changed, one in kept:  # each on top of those before it
                self._attempt(changed, one, outcome, self.read_everything)
                if len(outcome.crashes) > before:
                    return
            raise AssertionError(words)

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

    def read_everything(self) -> None:
        """Prints, verifies, renders and compares the run."""
        for document in self.run.path.glob("report*"):
            document.unlink()
        write_manifest(self.run.path)
        verification.verify(self.run.path)
        terminal.print_result(
            self._sink, self.run.read_result(), self.run.path, read_manifest(self.run.path).seal
        )
        documents.configured(self.run)
        documents.write(self.run, FORMATS)
        for one, two in ((self.run, self.other), (self.other, self.run)):
            found = comparison.compare(one, two)
            view = build_view(found, one, two)
            comparison_documents.page(view)
            comparison_documents.page(view, "comparison/pdf.html")
            found.model_dump_json()
            comparison.summary(found)
