"""Texts without ids, paths and file names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from auditor.disclosure.texts import REMOVED

_SUFFIXES = (
    "png|jpe?g|tiff?|bmp|gif|webp|dcm|dicom|npy|npz|csv|tsv|txt|jsonl?|ya?ml|parquet|arrow|feather|xlsx?|"
    "tar|zip|gz|pt|pth|ckpt|bin|onnx|h5|keras|safetensors|py|html?|pdf|md|log"
)
_PATH = re.compile(
    r"(https?://\S+)|(?<![\w:/])(?:"
    r"(?:file:)?(?:[A-Za-z]:[\\/]|\\\\|~?/)[^\s\"'“”‘’,;()<>]*[^\s\"'“”‘’,;:.()<>]"
    r"|(?:[\w.@%+~-]+[\\/])+[\w@%+~-][\w.@%+~-]*\.\w{1,12}"
    r"|(?:[\w.@%+~-]+[\\/]){2,}[\w.@%+~-]*\w"
    rf"|[\w@%+~-][\w.@%+~-]*\.(?:{_SUFFIXES})"
    r")(?!\w)",
    re.IGNORECASE,
)
_FACTORY = re.compile(r"[^\W\d]\w*(?:\.\w+)*:[^\W\d]\w*(?:\.\w+)*")
_WORD = re.compile(r"[^\s\"'“”‘’()\[\],;=]+")
_LONGEST = 8
"""Words of an id at most."""
_CONTEXT = r"(?<=sample )|(?<=samples )|(?<=image )|(?<=row )|(?<=such as )|(?<=and )|(?<=[\"'“‘])"
"""Before an id that may also be a number or a short word."""


def without_paths(text: str) -> str:
    """A text without what looks like a path or the name of a file."""
    return _PATH.sub(lambda found: found.group(1) or REMOVED, text)


def factories(settings: Any) -> frozenset[str]:
    """The user's functions that settings name, such as ``net:build``, and the files of their modules."""
    if isinstance(settings, dict):
        settings = list(settings.values())
    if isinstance(settings, list | tuple):
        return frozenset[str]().union(*map(factories, settings))
    if isinstance(settings, str) and _FACTORY.fullmatch(settings):
        return frozenset({settings, f"{settings.partition(':')[0]}.py"})
    return frozenset()


def is_path(text: str) -> bool:
    """Whether a whole text looks like a path or the name of a file."""
    found = _PATH.fullmatch(text)
    return found is not None and found.group(1) is None


@dataclass
class KnownNames:
    """Finds the ids and paths of samples in texts.

    The texts are few and the samples many, so what the texts could name is collected first.

    Attributes:
        protected: names of classes, attributes and values, which stay even if a sample has one of them.
    """

    protected: frozenset[str]
    _possible: set[str] = field(default_factory=set)
    _found: dict[str, str] = field(default_factory=dict)

    def collect(self, texts: Iterable[str]) -> None:
        """Remembers what texts could name."""
        for text in texts:
            self._possible.update(_candidates(text))

    def add(self, name: str, shown: str) -> None:
        """Enters what stands for a name, if a text could name it."""
        if name in self._possible and name not in self.protected:
            self._found.setdefault(name, shown)

    def add_file(self, path: str, shown: str) -> None:
        """The same for a path, the name of its file, and that without its suffix."""
        file = PurePosixPath(path) if "\\" not in path else PureWindowsPath(path)
        for name in (path, file.name, file.stem):
            if name:
                self.add(name, shown)

    def replacer(self) -> Callable[[str], str]:
        """A function that puts in what stands for the names."""
        if not self._found:
            return _unchanged
        ordered = sorted(self._found, key=lambda one: (-len(one), one))
        distinct = [re.escape(one) for one in ordered if _is_distinct(one)]
        other = [re.escape(one) for one in ordered if not _is_distinct(one)]
        parts = [f"(?<!\\w)(?:{'|'.join(distinct)})(?!\\w)"] if distinct else []
        parts += (
            [f"(?:{_CONTEXT})(?:{'|'.join(other)})(?![\\w.]*\\w|\\s*%|\\s\\w+s\\b)"]
            if other
            else []
        )
        pattern = re.compile("|".join(parts))
        return lambda text: pattern.sub(lambda match: self._found[match.group()], text)


def _unchanged(text: str) -> str:
    return text


def _is_distinct(name: str) -> bool:
    """Whether a name is no number and no short word that a sentence may contain by chance."""
    return len(name) > 3 and re.search(r"[\d/\\_]", name) is not None and not _is_number(name)


def _is_number(name: str) -> bool:
    return re.fullmatch(r"[\d.,\s]+", name) is not None


def _candidates(text: str) -> Iterator[str]:
    spans = [match.span() for match in _WORD.finditer(text)]
    for k, (start, _) in enumerate(spans):
        for _, end in spans[k : k + _LONGEST]:
            words = text[start:end]
            yield words
            yield words.strip(".:…")
