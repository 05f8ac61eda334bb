"""Classifiers from torchvision, with its own weights or with a file of your weights."""

from __future__ import annotations

import difflib
import http.client
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args
from urllib.parse import urlparse

from pydantic import Field, ValidationInfo, field_validator

from auditor.classifiers import Classifier
from auditor.classifiers.downloads import ALLOW
from auditor.classifiers.named_models import own_weights, require_weights
from auditor.config import ConfigPath, Preprocess
from auditor.config.recognise import Given, Recognised
from auditor.errors import ModelError
from auditor.registry import Options, plugin

if TYPE_CHECKING:
    from torch import nn

_INTERPOLATIONS = get_args(Preprocess.model_fields["interpolation"].annotation)


@plugin("classifier", "torchvision")
class TorchvisionClassifier(Options):
    """An image classifier from torchvision, with its own weights or with a file of your weights.

    torchvision's own weights come with their preprocessing and class names. Your own weights come
    with neither: set `preprocess` and `classes` in the configuration, or `classes` in the data.
    """

    accepts: ClassVar[str] = "the name of a classifier in torchvision, such as resnet50"
    recognition_order: ClassVar[int] = 1

    architecture: str
    """Name of a classifier in torchvision.models, such as resnet18."""
    weights: str | None = None
    """torchvision's own: DEFAULT, IMAGENET1K_V1 …"""
    checkpoint: ConfigPath | None = None
    """File of your own weights instead: safetensors or a state dict."""
    checkpoint_key: str | None = None
    """Entry of that file that contains the weights, if it has several."""
    num_classes: int | None = Field(None, ge=2, le=1_000_000)
    """Number of classes of your own weights; null: 1000, as in torchvision."""
    allow_download: bool = False
    """Whether weights that are not on this machine are downloaded; `--allow-download` sets it."""

    @field_validator("checkpoint", mode="after")
    @classmethod
    def _one_source(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("weights") is not None:
            raise ValueError("expected `weights` or `checkpoint`; got both")
        return value

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """A name of torchvision, with a file of weights or the name of torchvision's own."""
        from torchvision.models import get_model_weights

        if not given.text.isidentifier() or given.text not in cls.names():
            return None
        own = get_model_weights(given.text)
        require_weights(given, own.__members__)
        what = f"torchvision {given.text}"
        if given.weights in own.__members__:
            options = {"architecture": given.text, "weights": given.weights}
            return Recognised(what, options, own_classes=True)
        usual = preprocess_of(own.__members__["DEFAULT"].transforms())
        return own_weights(what, given, usual)

    @classmethod
    def names(cls) -> list[str]:
        """Names of torchvision's classifiers."""
        import torchvision
        from torchvision.models import list_models

        names: list[str] = list_models(module=torchvision.models)
        return names

    def load(self) -> Classifier:
        """Builds the network and loads its weights.

        Raises:
            ModelError: the architecture or the weights are unknown, the weights are neither on disk
                nor can be downloaded, or the checkpoint does not fit.
        """
        from auditor.classifiers.checkpoint import load_weights

        known = self.names()
        if self.architecture not in known:
            near = difflib.get_close_matches(self.architecture, known, n=3, cutoff=0.5)
            raise ModelError(
                f"model.architecture: expected a classifier from torchvision; got "
                f"{self.architecture!r}: {_hint(near, known)}"
            )
        if self.weights is not None:
            return self._pretrained(self.weights)
        module = self._untrained()
        source = "random weights, not trained"
        if self.checkpoint is not None:
            source = f"weights from {load_weights(module, self.checkpoint, self.checkpoint_key)}"
        return Classifier(
            module=module.eval(),
            adapter=self.plugin_name,
            description=f"torchvision {self.architecture}, {source}",
        )

    def _untrained(self) -> nn.Module:
        from torchvision.models import get_model

        options: dict[str, Any] = {}
        if self.num_classes is not None:
            options["num_classes"] = self.num_classes
        if self.architecture in {"googlenet", "inception_v3"}:
            # By default, these two warn and take minutes to draw their weights.
            options["init_weights"] = False
        module: nn.Module = get_model(self.architecture, weights=None, **options)
        return module

    def _pretrained(self, name: str) -> Classifier:
        from torchvision.models import get_model, get_model_weights

        from auditor.classifiers.weight_files import read_weights

        choices = get_model_weights(self.architecture)
        # __members__ also has aliases, such as DEFAULT.
        if name not in choices.__members__:
            raise ModelError(
                f"model.weights: expected one of {', '.join(choices.__members__)} for "
                f"{self.architecture}; got {name!r}"
            )
        weights = choices[name]
        classes = weights.meta["categories"]
        if classes is None:
            raise ModelError(
                f"model.weights: expected weights of a classifier; {weights.name} of "
                f"{self.architecture} has no head: choose another"
            )
        if self.num_classes not in {None, len(classes)}:
            raise ModelError(
                f"model.num_classes: expected {len(classes)}, as in {weights.name}; got "
                f"{self.num_classes}: omit it, or set `checkpoint` to your own weights"
            )
        path = _on_disk(weights, allow_download=self.allow_download)
        read_weights(path)  # torchvision would unpickle any content; this refuses code
        try:
            module = get_model(self.architecture, weights=weights)
        except RuntimeError as error:
            raise ModelError(
                f"expected {weights.name} of {self.architecture} in {path}; the file has other "
                "weights: delete it, so that it is downloaded again"
            ) from error
        return Classifier(
            module=module.eval(),
            adapter=self.plugin_name,
            description=f"torchvision {self.architecture}, weights {weights.name}",
            classes=tuple(classes),
            preprocess=preprocess_of(weights.transforms()),
        )


def _hint(near: list[str], known: list[str]) -> str:
    return f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(known)}"


def _on_disk(weights: Any, *, allow_download: bool) -> Path:
    """The file of torchvision's own weights in torch's cache; downloaded if it is missing."""
    import torch

    name = Path(urlparse(weights.url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.exists():
        return path
    if not allow_download:
        raise ModelError(
            f"expected torchvision's weights {weights.name} at {path}; the file is missing, and {ALLOW}"
        )
    # File names end with the first digits of their SHA-256, such as resnet18-f37072fd.pth.
    digits = Path(name).stem.rpartition("-")[2]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(weights.url, str(path), hash_prefix=digits, progress=False)
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        raise ModelError(
            f"expected torchvision's weights {weights.name} at {path}; the file is missing, and the "
            f"download failed ({error}): download {weights.url} on a machine with internet access, "
            "and copy it there"
        ) from error
    return path


def preprocess_of(transforms: Any) -> Preprocess | None:
    """Converts the preset for classification; None for any other transforms."""
    from torchvision.transforms._presets import ImageClassification

    if (
        not isinstance(transforms, ImageClassification)
        or transforms.interpolation.value not in _INTERPOLATIONS
    ):
        return None
    return Preprocess(
        resize=_size(transforms.resize_size),
        crop=_size(transforms.crop_size),
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        interpolation=transforms.interpolation.value,
    )


def _size(value: list[int]) -> int | tuple[int, int]:
    return value[0] if len(value) == 1 else (value[0], value[1])
