"""Classifiers from Python: any PyTorch network that a callable returns."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import PrivateAttr, ValidationInfo, field_validator, model_validator

from auditor.classifiers import Classifier
from auditor.config import ConfigPath
from auditor.config.recognise import Given, Recognised
from auditor.errors import ConfigError, ModelError
from auditor.registry import Options, plugin
from auditor.user_code import UserFactory, is_callable_name


@plugin("classifier", "python")
class PythonClassifier(Options):
    """The nn.Module that a factory in your code returns, optionally with a file of weights.

    The network takes float32 images (N, 3, H, W) and returns logits (N, K), alone or in a dict, tuple or
    dataclass. A Keras 3 model on its torch backend is an nn.Module, too, and gets (N, H, W, 3). The
    factory is your code and is executed; a checkpoint is only read as tensors.
    """

    accepts: ClassVar[str] = "a callable as module:factory"
    recognition_order: ClassVar[int] = 0

    factory: str
    """A callable as `package.module:name`; the name may contain dots, as in `mod:Net.from_name`."""
    path: ConfigPath | None = None
    """Folder of your code, first on the import path while the factory is imported and called; null: the
    folder of the configuration file, last on the import path."""
    arguments: dict[str, Any] = {}
    """Keyword arguments of the factory."""
    checkpoint: ConfigPath | None = None
    """File of weights: safetensors or a state dict; null if the factory loads them itself."""
    checkpoint_key: str | None = None
    """Entry of that file that contains the weights, if it has several."""

    _beside: Path | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _remember_folder(self, info: ValidationInfo) -> Self:
        base = (info.context or {}).get("base")
        self._beside = None if base is None else Path(base)
        return self

    @field_validator("factory", mode="after")
    @classmethod
    def _module_and_name(cls, value: str) -> str:
        if not is_callable_name(value):
            raise ValueError("expected `package.module:callable`")
        return value

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """A callable, whose module lies in the current folder or is installed."""
        if not is_callable_name(given.text):
            return None
        options: dict[str, Any] = {"factory": given.text}
        top = given.text.partition(":")[0].partition(".")[0]
        if Path(f"{top}.py").is_file() or Path(top).is_dir():
            options["path"] = Path.cwd()
        if given.weights is not None:
            if given.weights_file is None:
                raise ConfigError(
                    f"--weights: expected a file of weights; {given.weights} is no file: correct the path, "
                    "or leave it out if the factory loads them"
                )
            options["checkpoint"] = given.weights_file
        return Recognised("a factory in your code", options)

    def load(self) -> Classifier:
        """Imports and calls the factory, then loads the checkpoint.

        Raises:
            ModelError: the factory can't be imported, raises, or does not return an nn.Module; or
                the checkpoint does not fit.
        """
        from torch import nn

        from auditor.autograd.keras_network import wrapped_keras
        from auditor.classifiers.checkpoint import load_weights

        factory = UserFactory(
            "model", self.factory, self.arguments, self.path, self._beside, ModelError
        )
        with factory.environment():
            module = factory.call()
        if not isinstance(module, nn.Module):
            raise factory.unfit(module, "a torch.nn.Module", "return the network itself")
        source = "weights from the factory"
        if self.checkpoint is not None:
            source = f"weights from {load_weights(module, self.checkpoint, self.checkpoint_key)}"
        return Classifier(
            module=wrapped_keras(module.cpu().float().eval()),
            adapter=self.plugin_name,
            description=f"{type(module).__name__} of {self.factory}{factory.shown_arguments()}, {source}",
            code=factory.code(),
        )
