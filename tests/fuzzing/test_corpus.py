"""Every input that fuzzing kept, and every seed, is read again: nothing but a usage error comes out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from fuzz import corpus
from fuzz.targets import NAMES, load
from fuzz.watch import Watch


@contextmanager
def _restored_modules() -> Iterator[None]:
    """Undoes what targets replace in the program to watch it, for the tests that follow."""
    before = {
        name: dict(vars(module))
        for name, module in sys.modules.items()
        if name.partition(".")[0] == "auditor"
    }
    try:
        yield
    finally:
        for name, known in before.items():
            vars(sys.modules[name]).update(known)


@pytest.mark.parametrize("name", NAMES)
def test_kept_input_is_survived(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # a target lowers it
    target = load(name)
    with _restored_modules():
        watch = Watch(target, target.open(tmp_path))
        for data in (*target.seeds(), *corpus.read(name)):
            watch.feed(data)
    assert not watch.finds, "\n".join(one.details for one in watch.finds.values())
    assert watch.n_accepted, "no input of the target is accepted, so little of the reader is tried"
