"""A configuration of what ``--model``, ``--weights`` and ``--data`` name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from auditor.config.recognise import Given, Recognised, recognise
from auditor.errors import ConfigError
from auditor.phrasing import several

IMAGENET = {
    "resize": 256,
    "crop": 224,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}
"""The most frequent preprocessing, for a configuration that a person corrects."""
_SHOWN = 6


@dataclass(frozen=True)
class Section:
    """A section of the configuration: its adapter, and what it recognised."""

    adapter: str
    found: Recognised


@dataclass(frozen=True)
class RecognisedParts:
    """What was recognised; a part that was not named is None.

    Attributes:
        name: of the audit.
        model: the model.
        data: the data.
    """

    name: str
    model: Section | None
    data: Section | None

    @property
    def notes(self) -> Iterator[str]:
        """What a person should know or check."""
        for part in (self.data, self.model):
            yield from () if part is None else part.found.notes
        if classes := self.own_classes:
            yield (
                f"classes: {len(classes)}, in alphabetical order as most training code reads folders: "
                f"{several(list(classes), _SHOWN)}; correct `model.classes` if the model was trained with "
                "another order"
            )

    @property
    def to_check(self) -> Iterator[str]:
        """The notes on a file that a person corrects, in which the preprocessing may be a guess."""
        yield from self.notes
        if self.guesses_preprocess:
            yield (
                "preprocess: a guess, the usual one for photographs; correct it to what the model was "
                "trained with"
            )

    @property
    def guesses_preprocess(self) -> bool:
        """Whether nothing says how an image becomes the model's input."""
        return self.model is None or not (
            self.model.found.own_classes or self.model.found.preprocess is not None
        )

    @property
    def own_classes(self) -> tuple[str, ...]:
        """The classes of the data, where the model has no names of its own."""
        if self.data is None or self.model is None or self.model.found.own_classes:
            return ()
        return self.data.found.classes

    def raw(self) -> dict[str, Any]:
        """The configuration in the shape of the file, with absolute paths."""
        made: dict[str, Any] = {"name": self.name}
        for key, part in (("model", self.model), ("data", self.data)):
            if part is not None:
                made[key] = {"adapter": part.adapter, **_plain(part.found.options)}
        if self.own_classes:
            made["model"]["classes"] = list(self.own_classes)
        if self.model is not None and self.model.found.preprocess is not None:
            made["preprocess"] = dict(self.model.found.preprocess)
        return made


def recognise_parts(model: str | None, weights: str | None, data: Path | None) -> RecognisedParts:
    """Recognises what a user names.

    Args:
        model: a name, a path or ``module:factory``; None leaves it out.
        weights: of the model.
        data: a folder or a table; None leaves it out.

    Raises:
        ConfigError: something is not recognised, or weights are given without a model.
        DataError: a table can't be read.
    """
    if weights is not None and model is None:
        raise ConfigError(
            "--weights: expected the architecture of these weights as well: add --model, such as resnet50"
        )
    data_part = None if data is None else Section(*recognise("dataset", "--data", Given(str(data))))
    model_part = None
    if model is not None:
        classes = () if data_part is None else data_part.found.classes
        model_part = Section(*recognise("classifier", "--model", Given(model, weights, classes)))
    name = " on ".join(_short(str(one)) for one in (model, data) if one is not None)
    return RecognisedParts(name, model_part, data_part)


def require_trust(parts: RecognisedParts, changes: Sequence[str]) -> None:
    """Checks that a program is run only where the user names its adapter: loading it can run any code.

    Args:
        parts: what was recognised.
        changes: the user's overrides of single keys.

    Raises:
        ConfigError: the model is a program, and no override names its adapter.
    """
    model = parts.model
    if model is None or not model.found.is_program:
        return
    change = f"model.adapter={model.adapter}"
    if change not in changes:
        raise ConfigError(
            f"--model: expected weights or a model in a format without code; got {model.found.what}, which "
            f"can run any code when it is loaded: if you trust the file, add --set {change}, or write a "
            "configuration with `auditor init`"
        )


def require_preprocess(raw: Mapping[str, Any], parts: RecognisedParts) -> None:
    """Checks that an audit without a file knows how images become the model's input.

    Raises:
        ConfigError: neither the model nor an override says so.
    """
    brings_its_own = parts.model is not None and parts.model.found.own_classes
    if not brings_its_own and raw.get("preprocess") is None:
        raise ConfigError(
            "preprocess: expected how images become the model's input, which nothing here says: add what the "
            "model was trained with, such as --set 'preprocess={resize: 256, crop: 224, mean: [0.485, 0.456, "
            "0.406], std: [0.229, 0.224, 0.225]}', or write a configuration with `auditor init`"
        )


def with_relative_paths(found: Recognised, folder: Path) -> Recognised:
    """Paths below a folder as relative ones."""

    def relative(value: Any) -> Any:
        if isinstance(value, Path) and value.is_relative_to(folder):
            return value.relative_to(folder)
        return value

    return replace(found, options={key: relative(one) for key, one in found.options.items()})


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: str(one) if isinstance(one, Path) else one for key, one in options.items()}


def _short(text: str) -> str:
    """The last part of a path, or a name as it is."""
    return Path(text).resolve().name if Path(text).exists() else text
