"""Classifiers from timm (PyTorch image models); requires the extra ``timm``."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, get_args
from urllib.parse import urlparse

from pydantic import Field, ValidationInfo, field_validator, model_validator

from auditor.classifiers import Classifier
from auditor.classifiers.downloads import (
    ALLOW,
    hub_folder,
    hub_offline,
    required_library,
)
from auditor.classifiers.named_models import (
    entries_of_config,
    own_weights,
    require_no_weights,
    require_weights,
)
from auditor.classifiers.weight_files import require_intact
from auditor.config import ConfigPath, Preprocess
from auditor.config.recognise import Given, Recognised
from auditor.errors import ModelError
from auditor.registry import Options, plugin

_HUB = "hf-hub:"
_INTERPOLATIONS = get_args(Preprocess.model_fields["interpolation"].annotation)


@plugin("classifier", "timm")
class TimmClassifier(Options):
    """An image classifier from timm, pretrained or with a file of your weights.

    Pretrained weights come with their preprocessing, but often without class names (timm guesses them
    from the number of classes): set `classes`, or use those of the data. Your own weights come with
    neither, unless `timm.models.save_for_hf` stored them in a folder.
    """

    accepts: ClassVar[str] = "the name of a model in timm, such as convnext_tiny"
    recognition_order: ClassVar[int] = 2

    architecture: str | None = None
    """Name of a model in timm, such as resnet50 or resnet50.a1_in1k, or hf-hub:owner/name."""
    folder: ConfigPath | None = None
    """Instead: folder that `timm.models.save_for_hf` wrote, with config.json and model.safetensors."""
    pretrained: bool = False
    """Whether to load timm's own weights."""
    checkpoint: ConfigPath | None = None
    """File of your own weights instead: safetensors or a state dict."""
    checkpoint_key: str | None = None
    """Entry of that file that contains the weights, if it has several."""
    num_classes: int | None = Field(None, ge=2, le=1_000_000)
    """Number of classes of your own weights; null: that of the model."""
    allow_download: bool = False
    """Whether weights that are not on this machine are downloaded; `--allow-download` sets it."""

    @field_validator("checkpoint", mode="after")
    @classmethod
    def _one_source(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("pretrained"):
            raise ValueError("expected `pretrained: true` or `checkpoint`; got both")
        return value

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if (self.architecture is None) == (self.folder is None):
            raise ValueError("expected either `architecture` or `folder`")
        return self

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """A name of timm, with a file of weights or ``pretrained``."""
        if given.path.is_dir() and "architecture" in entries_of_config(given.path):
            require_no_weights(given, "a model of timm")
            return Recognised("a model of timm", {"folder": given.path.resolve()}, own_classes=True)
        if given.text.startswith(_HUB):
            require_no_weights(given, "a model of the Hub")
            return Recognised(
                "timm", {"architecture": given.text, "pretrained": True}, own_classes=True
            )
        name, _, tag = given.text.partition(".")
        if not name.isidentifier() or importlib.util.find_spec("timm") is None:
            return None
        timm = required_library("timm", "timm")
        if not timm.is_model(name) or (tag and given.text not in timm.list_pretrained(f"{name}.*")):
            return None
        require_weights(given, ("pretrained",))
        what = f"timm {given.text}"
        if given.weights == "pretrained":
            options = {"architecture": given.text, "pretrained": True}
            return Recognised(what, options, own_classes=True)
        published = timm.get_pretrained_cfg(given.text)
        config = timm.data.resolve_data_config({}, pretrained_cfg=published.to_dict())
        return own_weights(what, given, preprocess_of(config)[0])

    @classmethod
    def names(cls) -> list[str]:
        """Names of timm's models."""
        if importlib.util.find_spec("timm") is None:
            return []
        names: list[str] = importlib.import_module("timm").list_models()
        return names

    def load(self) -> Classifier:
        """Builds the network and loads its weights.

        Raises:
            MissingDependencyError: timm is not installed.
            ModelError: the architecture is unknown, its pretrained weights are not on disk and can't or
                may not be downloaded, or the checkpoint does not fit.
        """
        from auditor.classifiers.checkpoint import load_weights

        timm = required_library("timm", "timm")
        if self.folder is not None:
            return self._from_folder(timm, self.folder, self.folder.name)
        assert self.architecture is not None
        if self.architecture.startswith(_HUB):
            name, _, revision = self.architecture.removeprefix(_HUB).partition("@")
            place = hub_folder(
                name, revision or None, "model.architecture", allow_download=self.allow_download
            )
            return self._from_folder(timm, place, f"{name} at commit {place.name[:12]}")
        self._require_known(timm, self.architecture)
        if self.pretrained:
            return self._pretrained(timm, self.architecture)
        options = {} if self.num_classes is None else {"num_classes": self.num_classes}
        module = timm.create_model(self.architecture, pretrained=False, **options)
        source = "random weights, not trained"
        if self.checkpoint is not None:
            source = f"weights from {load_weights(module, self.checkpoint, self.checkpoint_key)}"
        return Classifier(
            module=module.eval(),
            adapter=self.plugin_name,
            description=f"timm {self.architecture}, {source}",
        )

    def _from_folder(self, timm: Any, folder: Path, source: str) -> Classifier:
        """A model with its own configuration and weights."""
        if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
            raise ModelError(
                f"expected a model of timm in {folder}, with config.json and model.safetensors, as "
                "`timm.models.save_for_hf(model, folder, safe_serialization=True)` writes it; they are not "
                "there"
            )
        for weights in sorted(folder.glob("*.safetensors")):
            require_intact(weights)
        try:
            module = timm.create_model(f"local-dir:{folder}", pretrained=True)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            first = str(error).strip().partition("\n")[0]
            raise ModelError(f"expected a model of timm in {folder}; {first}") from error
        return self._described(
            timm, module, f"timm {module.pretrained_cfg['architecture']}, {source}"
        )

    def _described(self, timm: Any, module: Any, description: str) -> Classifier:
        preprocess, note = preprocess_of(timm.data.resolve_model_data_config(module))
        names = module.pretrained_cfg.get("label_names")
        return Classifier(
            module=module.float().eval(),
            adapter=self.plugin_name,
            description=description + note,
            classes=tuple(names) if names else None,
            preprocess=preprocess,
        )

    def _require_known(self, timm: Any, architecture: str) -> None:
        name, _, tag = architecture.partition(".")
        if not timm.is_model(name):
            known = timm.list_models()
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "see `timm.list_models()`"
            raise ModelError(
                f"model.architecture: expected one of timm's {len(known)} models; got "
                f"{architecture!r}: {hint}"
            )
        with_weights = timm.list_pretrained(f"{name}.*")
        if tag and architecture not in with_weights:
            raise ModelError(
                f"model.architecture: expected one of {', '.join(with_weights) or name}; got "
                f"{architecture!r}"
            )
        if self.pretrained and not with_weights:
            raise ModelError(
                f"model.pretrained: timm has no weights for {architecture}: set `checkpoint` to "
                "your own"
            )

    def _pretrained(self, timm: Any, architecture: str) -> Classifier:
        config = timm.get_pretrained_cfg(architecture)
        if not config.num_classes:
            raise ModelError(
                f"model.pretrained: expected weights of a classifier; those of {architecture} "
                "have no head: choose another, or your own `checkpoint`"
            )
        if self.num_classes not in {None, config.num_classes}:
            raise ModelError(
                f"model.num_classes: expected {config.num_classes}, as in the pretrained weights; got "
                f"{self.num_classes}, which would leave the last layer untrained: omit it, or set "
                "`checkpoint` to your own weights"
            )
        if self.allow_download and config.hf_hub_id:
            hub_folder(config.hf_hub_id, None, "model.architecture", allow_download=True)
        elif not config.hf_hub_id and config.url and not self.allow_download:
            _require_file(config.url, architecture)
        try:
            with hub_offline():
                module = timm.create_model(architecture, pretrained=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise ModelError(_not_on_disk(architecture)) from error
        tag = config.tag and f".{config.tag}"
        return self._described(timm, module, f"timm {config.architecture}{tag}, pretrained")


def _require_file(url: str, architecture: str) -> None:
    """Whether a file of weights has been downloaded before."""
    import torch

    if not (Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name).exists():
        raise ModelError(_not_on_disk(architecture))


def _not_on_disk(architecture: str) -> str:
    return (
        f"expected timm's weights of {architecture} in its cache on disk; they are not there, and {ALLOW}, "
        "or set `checkpoint` to the file"
    )


def preprocess_of(config: Mapping[str, Any]) -> tuple[Preprocess | None, str]:
    """Converts the evaluation transforms of timm.

    Args:
        config: what ``timm.data.resolve_model_data_config`` returns: ``input_size``, ``crop_pct``,
            ``crop_mode``, ``interpolation``, ``mean`` and ``std``.

    Returns:
        The preprocessing and an empty note; or None and a note why the configuration must state it.
    """
    _, height, width = config["input_size"]
    mode, interpolation = config["crop_mode"], config["interpolation"]
    resized = math.floor(height / config["crop_pct"]), math.floor(width / config["crop_pct"])
    resize: int | tuple[int, int]
    if interpolation not in _INTERPOLATIONS:
        return None, f" (set `preprocess`: its interpolation {interpolation!r} is not supported)"
    if mode == "squash":  # both sides are fixed
        resize = resized
    elif mode == "center" and height == width:  # the shorter side is fixed
        resize = resized[0]
    else:
        return None, (
            f" (set `preprocess`: its crop mode {mode!r} to {height}×{width} is not supported)"
        )
    return (
        Preprocess(
            resize=resize,
            crop=height if height == width else (height, width),
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            interpolation=interpolation,
        ),
        "",
    )
