"""What adapters have in common when they recognise a model that a user names."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from auditor.config import Preprocess
from auditor.config.recognise import WEIGHT_SUFFIXES, Given, Recognised
from auditor.errors import ConfigError
from auditor.records.json_texts import parse_json_text


def require_weights(given: Given, names: Collection[str]) -> None:
    """Checks that weights are given: a file that exists, or a name.

    Args:
        given: a known name of a model, and its weights.
        names: of the library's own weights.

    Raises:
        ConfigError: no weights are given, the file does not exist, or the name is unknown.
    """
    known = f"{', '.join(names)} (published weights)" if names else "nothing else"
    wanted = (
        f"--weights: expected a file of weights of {given.text} (safetensors or a state dict), or "
        f"{known}"
    )
    if given.weights is None:
        raise ConfigError(f"{wanted}; got none: add --weights")
    path = Path(given.weights)
    if given.weights_file is None and given.weights not in names:
        is_path = len(path.parts) > 1 or path.suffix.lower() in WEIGHT_SUFFIXES
        what = "is a folder" if path.is_dir() else "does not exist" if is_path else "is neither"
        raise ConfigError(f"{wanted}; {path} {what}: correct it")


def own_weights(what: str, given: Given, usual: Preprocess | None) -> Recognised:
    """A named model with a file of the user's weights; its classes are those of the data.

    Args:
        what: the model, in a few words.
        given: its name, and a file of weights.
        usual: the preprocessing of the published weights of this model.
    """
    options: dict[str, object] = {"architecture": given.text, "checkpoint": given.weights_file}
    if given.classes:
        options["num_classes"] = len(given.classes)
    preprocess = None if usual is None else usual.model_dump(mode="json", exclude_defaults=True)
    assumed = (
        f"preprocess: that of the published weights of {given.text}; correct it if yours differs"
    )
    return Recognised(
        f"{what} with your weights",
        options,
        notes=() if usual is None else (assumed,),
        preprocess=preprocess,
    )


def file_of(given: Given, suffixes: tuple[str, ...], what: str) -> Recognised | None:
    """A file that holds the network and its weights.

    Args:
        given: a path.
        suffixes: of the format.
        what: it is, in a few words.
    """
    if given.path.suffix.lower() not in suffixes or not given.path.is_file():
        return None
    require_no_weights(given, what)
    return Recognised(what, {"file": given.path.resolve()})


def require_no_weights(given: Given, what: str) -> None:
    """Refuses weights beside a model that has its own.

    Raises:
        ConfigError: weights are given.
    """
    if given.weights is not None:
        raise ConfigError(
            f"--weights: expected no weights, because {given.text} is {what} and has its own; got "
            f"{given.weights}: leave --weights out"
        )


def entries_of_config(folder: Path) -> dict[str, object]:
    """The entries of ``config.json`` in a folder; empty where there is none."""
    try:
        raw = parse_json_text((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}
