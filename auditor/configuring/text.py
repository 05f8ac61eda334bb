"""Configurations as commented YAML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from auditor import resources
from auditor.configuring.recognised import IMAGENET, RecognisedParts, Section, with_relative_paths
from auditor.errors import OutputExistsError
from auditor.file_system import require_writable

_WRITTEN = "# Written by `auditor run --model … --data …`."
_FILE = "audit.yaml"


def write_recognised(parts: RecognisedParts, folder: Path) -> Path:
    """Writes a commented configuration of what was recognised; the rest is that of ``auditor init``.

    Args:
        parts: what was recognised; a section that was not is that of the starter, to be filled in.
        folder: where to write it; created if necessary.

    Returns:
        The path of the file.

    Raises:
        OutputExistsError: the folder already contains a configuration of that name.
        FileSystemError: the folder can't be created or written.
    """
    path = folder / _FILE
    if path.exists():
        raise OutputExistsError(
            f"{path}: already exists and is not overwritten: choose another folder, or remove it"
        )
    require_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(_commented(parts, folder.resolve()), encoding="utf-8")
    return path


def write_used(raw: Mapping[str, Any], notes: Iterable[str], path: Path) -> None:
    """Writes the configuration of a run that was started without a file.

    Args:
        raw: the configuration in the shape of the file.
        notes: what a person should know, as comments.
        path: the file; one that an earlier run wrote is replaced.

    Raises:
        OutputExistsError: the file is another one.
        FileSystemError: it can't be written.
    """
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(
        _WRITTEN
    ):
        raise OutputExistsError(
            f"{path}: expected a new file for the configuration of the run, or that of an earlier run; it is "
            "another file, which is not overwritten: choose another folder with --out, or remove it"
        )
    require_writable(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    comments = [f"# `auditor run {path.name}` repeats the audit.", *(f"# {one}" for one in notes)]
    body = yaml.safe_dump(dict(raw), sort_keys=False, allow_unicode=True, width=100)
    path.write_text("\n".join([_WRITTEN, *comments, "", body]), encoding="utf-8")


def _commented(parts: RecognisedParts, folder: Path) -> str:
    starter = (resources.folder("configs") / "starter.yaml").read_text(encoding="utf-8")
    model = _starter_block(starter, "model:")
    data = _starter_block(starter, "data:")
    if parts.model is not None:
        model = "\n".join(_section("model", parts.model, folder, parts.own_classes))
    if parts.data is not None:
        data = "\n".join(_section("data", parts.data, folder, ()))
    notes = [f"# - {one}" for one in parts.to_check]
    head = [
        "# An audit of an image classifier, from what `auditor init` recognised.",
        "# Paths are relative to this file.",
        f"# `auditor check {_FILE}` is a dry run; `auditor run {_FILE}` runs the audit.",
        "# `auditor list` lists all adapters, explainers and checks with their options.",
        *(["#", "# Please check:", *notes] if notes else []),
        "",
        f"name: {_flow(parts.name)}",
    ]
    rest = starter[starter.index("\nslices:") :].strip("\n")
    blocks = ["\n".join(head), model, data, "\n".join(_preprocess(parts)), rest]
    return "\n\n".join(block.strip("\n") for block in blocks if block) + "\n"


def _starter_block(starter: str, key: str) -> str:
    """A section of the starter, up to the next empty line."""
    return starter[starter.index(f"\n{key}") :].strip("\n").partition("\n\n")[0]


def _section(key: str, part: Section, folder: Path, classes: tuple[str, ...]) -> Iterator[str]:
    found = with_relative_paths(part.found, folder)
    yield f"{key}:"
    yield f"  adapter: {part.adapter}  # {found.what}"
    for name, value in found.options.items():
        remark = _remark(found.comments.get(name))
        if isinstance(value, Mapping) and value:
            yield f"  {name}:{remark}"
            for inner, one in value.items():
                yield f"    {_flow(inner)}: {_flow(one)}{_remark(found.comments.get(f'{name}.{inner}'))}"
        else:
            yield f"  {name}: {_flow(value)}{remark}"
    if key == "model":
        if classes:
            yield f"  classes: {_flow(list(classes))}  # in index order"
        yield "  target_layer: null  # null: the last layer with a spatial map; named in the report"


def _preprocess(parts: RecognisedParts) -> Iterator[str]:
    """How images become the model's input; a guess where nothing says so."""
    if parts.model is not None and parts.model.found.own_classes:
        yield "# How an image becomes the network's input comes with the weights."
        return
    known = None if parts.model is None else parts.model.found.preprocess
    yield "# How an image becomes the network's input: resize, crop, divide by 255, normalise."
    if parts.guesses_preprocess:
        yield "# This is a guess: correct it to what the model was trained with."
    yield f"preprocess: {_flow(dict(IMAGENET if known is None else known))}"


def _remark(text: str | None) -> str:
    return "" if not text else f"  # {' '.join(text.split())}"


def _flow(value: Any) -> str:
    """A value on one line."""
    plain = str(value) if isinstance(value, Path) else value
    text = yaml.safe_dump(
        plain, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**9
    )
    return text.removesuffix("\n").removesuffix("\n...").strip()
