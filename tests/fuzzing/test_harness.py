"""The harness itself: it notices what it is there for, and keeps what it should."""

from __future__ import annotations

import random
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditor.errors import DataError
from fuzz import ROOT, blind, corpus, runs
from fuzz.edits import MARKERS, apply
from fuzz.target import BrokenPromiseError, Reader, Target
from fuzz.watch import Watch


def _read(data: bytes) -> None:
    if data.startswith(b"usage"):
        raise DataError("expected something else")
    if data.startswith(b"crash"):
        raise KeyError(data)
    if data.startswith(b"slow"):
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass


def _seeds() -> Iterator[bytes]:
    yield b"fine"


def _open(_folder: Path) -> Reader:
    return _read


TARGET = Target("x", "text", _open, _seeds, longest=8, seconds=0.1, megabytes=60)


@pytest.mark.parametrize(("data", "kind"), [(b"crash 1", "exception"), (b"slow", "slow")])
def test_input_that_is_not_survived_is_a_find(data: bytes, kind: str, tmp_path: Path) -> None:
    watch = Watch(TARGET, _read, tmp_path)
    watch.feed(data)
    assert kind in [one.kind for one in watch.finds.values()]
    assert [one.read_bytes() for one in tmp_path.glob("*.input")].count(data) == len(watch.finds)


def test_input_that_takes_much_memory_is_a_find() -> None:
    # Only the peak of a process is known, which this one may have reached before. A process that it starts
    # inherits the peak; one that a shell starts does not.
    code = """
from pathlib import Path
from fuzz.target import Target
from fuzz.watch import Watch
read = lambda data: b"x" * 200_000_000 if data == b"large" else None
watch = Watch(Target("x", "text", lambda _: read, list, longest=8, seconds=9, megabytes=60), read)
watch.feed(b"fine")
print([one.kind for one in watch.finds.values()])
watch.feed(b"large")
print([one.kind for one in watch.finds.values()])
"""
    command = f"{shlex.quote(sys.executable)} -; true"
    done = subprocess.run(
        ["sh", "-c", command], check=False, input=code, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.splitlines() == ["[]", "['memory']"], done.stderr


def test_finds_of_one_cause_are_one_find_with_the_shortest_input() -> None:
    watch = Watch(TARGET, _read)
    for data in (b"crash 12", b"crash 1", b"crash 123"):
        watch.feed(data)
    (find,) = watch.finds.values()
    assert find.data == b"crash 1"


def test_usage_error_is_no_find() -> None:
    watch = Watch(TARGET, _read)
    assert watch.feed(b"usage") == "DataError expected something else"
    assert watch.feed(b"fine") == "accepted"
    assert not watch.finds
    assert watch.n_accepted == 1


def test_blind_search_finds_an_exception_near_a_seed() -> None:
    watch = Watch(TARGET, _read)
    for _ in blind.run(TARGET, watch, [b"brash", b"fine"], 30, seed=1):  # one bit from "crash"
        if watch.finds:
            break
    assert any("KeyError" in one for one in watch.finds)


def test_mutated_input_is_no_longer_than_allowed() -> None:
    rng = random.Random(0)
    for _ in range(500):
        assert len(blind.mutated(TARGET, b"12345678", rng)) <= 8


def test_edits_that_do_not_fit_are_left_out() -> None:
    base = {"a": [1, 2], "b": {"c": "x"}}
    edits = [
        [["a", 0], "set", 5],
        [["a", 9], "set", 5],
        [["b", "c"], "repeat", None],
        [["b", "d"], "copy", ["a"]],
        [["a", 1], "remove", None],
        ["nonsense"],
        [["b", 0], "set", 1],
    ]
    assert apply(base, edits) == {"a": [5], "b": {"c": "xx", "d": [1, 2]}}
    assert base == {"a": [1, 2], "b": {"c": "x"}}


@pytest.mark.parametrize(
    "page",
    [
        "<p><fuzz-marker></p>",
        '<p title="" onfuzz="1">',
        "<a href=' javascript:fuzz'>",
        "<script>x</script><fuzz-marker>",
    ],
)
def test_marker_in_a_page_is_noticed(page: str) -> None:
    with pytest.raises(BrokenPromiseError):
        runs.require_no_markers(page)


@pytest.mark.parametrize("marker", MARKERS)
def test_escaped_marker_in_a_page_is_accepted(marker: str) -> None:
    escaped = marker.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&#34;")
    runs.require_no_markers(f'<p title="{escaped}">{escaped}</p><a href="#{escaped}">x</a>')


def test_corpus_keeps_the_smallest_inputs_within_its_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path / "kept")
    found = tmp_path / "found"
    found.mkdir()
    rng = random.Random(3)
    inputs = {rng.randbytes(size) for size in range(10, 400)}
    for number, data in enumerate(inputs):
        (found / str(number)).write_bytes(data)
    kept = corpus.write("x", found, [min(inputs, key=len)], 500)
    path = tmp_path / "kept" / "x.zip"
    first = path.read_bytes()
    assert 10 < kept < len(inputs)
    assert len(first) < 20_000
    assert corpus.read("x") == sorted(inputs, key=len)[1 : kept + 1]
    corpus.write("x", found, [min(inputs, key=len)], 500)
    assert path.read_bytes() == first
    assert corpus.read("none") == []
    assert corpus.write("few", found, [], 3) == len(corpus.read("few")) == 3
