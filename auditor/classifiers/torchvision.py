"""Classifiers of torchvision, with its own weights or with a file of yours."""

from __future__ import annotations

import difflib
import http.client
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlparse

from pydantic import Field, ValidationInfo, field_validator

from auditor.classifiers import Classifier
from auditor.config import ConfigPath, Preprocess
from auditor.errors import ModelError
from auditor.registry import Options, plugin

if TYPE_CHECKING:
    from torch import nn

_INTERPOLATIONS = get_args(Preprocess.model_fields["interpolation"].annotation)


@plugin("classifier", "torchvision")
class TorchvisionClassifier(Options):
    """An image classifier of torchvision, with its own weights or with a file of yours.

    torchvision's own weights carry their preprocessing and class names. A file of yours carries
    neither: `preprocess` and `classes` then stand in the configuration, or in the data.
    """

    architecture: str
    """Name of a classifier in torchvision.models, such as resnet18."""
    weights: str | None = None
    """torchvision's own: DEFAULT, IMAGENET1K_V1 …; from its cache on disk, else downloaded into it."""
    checkpoint: ConfigPath | None = None
    """File of your own weights instead: safetensors, or a state dict."""
    checkpoint_key: str | None = None
    """Entry of that file that holds the weights, where it holds several."""
    num_classes: int | None = Field(None, ge=2)
    """Number of classes of your own weights; null: torchvision's 1000."""

    @field_validator("checkpoint", mode="after")
    @classmethod
    def _one_source(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("weights") is not None:
            raise ValueError("expected `weights` or `checkpoint`; there are both")
        return value

    def load(self) -> Classifier:
        """Builds the network and loads its weights.

        Raises:
            ModelError: unknown architecture or weights, weights that are neither on disk nor to be
                had from the network, or a checkpoint that does not fit.
        """
        import torchvision
        from torchvision.models import list_models

        from auditor.classifiers.checkpoint import load_weights

        known = list_models(module=torchvision.models)
        if self.architecture not in known:
            near = difflib.get_close_matches(self.architecture, known, n=3, cutoff=0.5)
            raise ModelError(
                f"model.architecture: expected a classifier of torchvision; got "
                f"{self.architecture!r}: {_hint(near, known)}"
            )
        if self.weights is not None:
            return self._with_own_weights(self.weights)
        module = self._bare()
        source = "random weights: never trained"
        if self.checkpoint is not None:
            source = f"weights from {load_weights(module, self.checkpoint, self.checkpoint_key)}"
        return Classifier(
            module=module.eval(),
            adapter=self.plugin_name,
            description=f"torchvision {self.architecture}, {source}",
        )

    def _bare(self) -> nn.Module:
        from torchvision.models import get_model

        options: dict[str, Any] = {}
        if self.num_classes is not None:
            options["num_classes"] = self.num_classes
        if self.architecture in {"googlenet", "inception_v3"}:
            # Unless told, these two warn and draw their weights for minutes.
            options["init_weights"] = False
        module: nn.Module = get_model(self.architecture, weights=None, **options)
        return module

    def _with_own_weights(self, name: str) -> Classifier:
        from torchvision.models import get_model, get_model_weights

        from auditor.classifiers.weight_files import read_weights

        choices = get_model_weights(self.architecture)
        # The enumeration does not list aliases such as DEFAULT, but knows them by name.
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
                f"{self.architecture} holds features only: take another"
            )
        if self.num_classes not in {None, len(classes)}:
            raise ModelError(
                f"model.num_classes: expected {len(classes)}, as {weights.name} has; got "
                f"{self.num_classes}: leave it out, or give your own weights as `checkpoint`"
            )
        path = _on_disk(weights)
        read_weights(path)  # torchvision would unpickle whatever stands there; this refuses it
        try:
            module = get_model(self.architecture, weights=weights)
        except RuntimeError as error:
            raise ModelError(
                f"expected {weights.name} of {self.architecture} in {path}; other weights stand "
                "there: delete the file, so that it is fetched again"
            ) from error
        return Classifier(
            module=module.eval(),
            adapter=self.plugin_name,
            description=f"torchvision {self.architecture}, weights {weights.name}",
            classes=tuple(classes),
            preprocess=_preprocess(weights.transforms()),
        )


def _hint(near: list[str], known: list[str]) -> str:
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"


def _on_disk(weights: Any) -> Path:
    """The file of torchvision's own weights in torch's cache; fetched if it is not there."""
    import torch

    name = Path(urlparse(weights.url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.exists():
        return path
    # File names end in the first digits of their SHA-256, such as resnet18-f37072fd.pth.
    digits = Path(name).stem.rpartition("-")[2]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(weights.url, str(path), hash_prefix=digits, progress=False)
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        raise ModelError(
            f"expected torchvision's weights {weights.name} at {path}; they are not there, and the "
            f"download failed ({error}): fetch {weights.url} on a machine with network and put it "
            "there"
        ) from error
    return path


def _preprocess(transforms: Any) -> Preprocess | None:
    """The preset for classification in our words; None for any other transforms."""
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
