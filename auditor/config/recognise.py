"""Which adapter reads what a user has: ``--model`` and ``--data`` instead of a configuration file.

A plug-in that recognises something has the class method ``recognise`` and two class variables; see
`Recogniser`. There is no list of formats to edit.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, cast, runtime_checkable

from auditor import registry
from auditor.errors import ConfigError

WEIGHT_SUFFIXES = frozenset({".pt", ".pth", ".bin", ".safetensors", ".ckpt", ".tar"})
"""Suffixes of files that usually hold weights without a network."""


@dataclass(frozen=True)
class Given:
    """What the user named.

    Attributes:
        text: a name, or the path of a file or folder.
        weights: of a model: the path of a file, or a name; None where nothing was named.
        classes: of a model: the class names that the data has, in its order; empty if unknown.
    """

    text: str
    weights: str | None = None
    classes: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The text as a path."""
        return Path(self.text)

    @property
    def weights_file(self) -> Path | None:
        """The file of weights; None if they are a name."""
        if self.weights is None or not Path(self.weights).is_file():
            return None
        return Path(self.weights).resolve()


@dataclass(frozen=True)
class Recognised:
    """What an adapter makes of it.

    Attributes:
        what: what it is, in a few words.
        options: keys of the section and their values; paths are absolute `Path` objects.
        comments: remarks on keys, by key; those of an inner key by ``key.inner``.
        notes: sentences on what was found, assumed or left out.
        classes: of data: class names in their order; empty if it has none.
        own_classes: of a model: whether it brings its class names and its preprocessing.
        is_program: of a model: whether loading it runs what its file contains.
        preprocess: of a model without its own: what its weights were probably trained with; None: unknown.
    """

    what: str
    options: Mapping[str, Any]
    comments: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    own_classes: bool = False
    is_program: bool = False
    preprocess: Mapping[str, Any] | None = None


@runtime_checkable
class Recogniser(Protocol):
    """What a plug-in class has that recognises what a user names.

    Attributes:
        accepts: what it recognises, for the message when nothing does.
        recognition_order: of several that recognise it, the lowest is taken: 0 for contents and suffixes,
            more for names, which several libraries have.
    """

    accepts: ClassVar[str]
    recognition_order: ClassVar[int]

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """The options for what the user named; None if another adapter has to read it.

        Raises:
            ConfigError: it is recognised, but something is missing or contradicts it.
        """
        ...


@runtime_checkable
class KnowsNames(Protocol):
    """A recogniser of names that can list them, so that a misspelled one gets a suggestion."""

    @classmethod
    def names(cls) -> Sequence[str]:
        """The names that it recognises; empty where its library is not installed."""
        ...


def recognise(
    kind: Literal["classifier", "dataset"], option: str, given: Given
) -> tuple[str, Recognised]:
    """Finds the adapter for what the user named.

    Args:
        kind: of plug-in.
        option: the user's option, for messages.
        given: what it names.

    Returns:
        The name of the adapter, and what it recognised.

    Raises:
        ConfigError: no adapter recognises it.
    """
    adapters = {
        name: cast("Recogniser", one)
        for name, one in registry.all_of(kind).items()
        if isinstance(one, Recogniser)
    }
    for name, adapter in sorted(adapters.items(), key=lambda one: one[1].recognition_order):
        recognised = adapter.recognise(given)
        if recognised is not None:
            return name, recognised
    known = "; ".join(f"{one.accepts} ({name})" for name, one in adapters.items())
    fix = "correct it, or describe it in a configuration file, which `auditor init` writes"
    if kind == "dataset" and not given.path.exists():
        raise ConfigError(
            f"{option}: expected {known}; {given.text} does not exist: correct the path"
        )
    if kind == "classifier" and given.path.suffix.lower() in WEIGHT_SUFFIXES:
        fix = f"name the architecture with {option}, and pass weights with --weights"
    elif near := _similar(given.text, adapters.values()):
        fix = f"did you mean {' or '.join(near)}?"
    raise ConfigError(
        f"{option}: expected {known}; got {given.text!r}, which is none of these: {fix}"
    )


def _similar(text: str, adapters: Iterable[Recogniser]) -> list[str]:
    """Names of models or data sets that look like a text."""
    known: set[str] = set()
    for one in adapters:
        if isinstance(one, KnowsNames):
            known.update(one.names())
    return difflib.get_close_matches(text, sorted(known), n=3, cutoff=0.7)
