"""What libraries of named models have in common when a name and weights are given."""

from __future__ import annotations

from pathlib import Path

from auditor.config import Preprocess
from auditor.config.recognise import Given, Recognised
from auditor.errors import ConfigError


def require_weights(given: Given, names: str) -> None:
    """Checks that weights are given: a file that exists, or a name.

    Args:
        given: a known name of a model, and its weights.
        names: which names are possible, for the message.

    Raises:
        ConfigError: no weights are given, or the file does not exist.
    """
    if given.weights is None:
        raise ConfigError(
            f"--weights: expected the weights of {given.text}; none are given: pass the file of your weights "
            f"(safetensors or a state dict), or {names}"
        )
    path = Path(given.weights)
    is_path = len(path.parts) > 1 or path.suffix.lower() in {
        *(".pt", ".pth", ".bin", ".safetensors", ".ckpt", ".tar"),
    }
    if is_path and given.weights_file is None:
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ConfigError(f"--weights: expected a file; {path} {what}: correct the path")


def own_weights(what: str, given: Given, usual: Preprocess | None) -> Recognised:
    """A named model with a file of the user's weights; its classes are those of the data.

    Args:
        what: the model, in a few words.
        given: name and weights.
        usual: the preprocessing of the library's weights of this model.
    """
    if given.weights_file is None:
        raise ConfigError(
            f"--weights: expected a file, or the name of weights of {what}; got {given.weights!r}: correct it"
        )
    options: dict[str, object] = {"architecture": given.text, "checkpoint": given.weights_file}
    if given.classes:
        options["num_classes"] = len(given.classes)
    preprocess = None if usual is None else usual.model_dump(mode="json", exclude_defaults=True)
    return Recognised(
        f"{what} with your weights",
        options,
        notes=(
            f"preprocess: that of the published weights of {given.text}; correct it if yours differs",
        )
        if usual is not None
        else (),
        preprocess=preprocess,
    )
