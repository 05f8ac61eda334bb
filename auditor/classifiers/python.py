"""Classifiers from Python: any PyTorch network that a callable returns."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CoroutineType, ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import PrivateAttr, ValidationInfo, field_validator, model_validator

from auditor.classifiers import Classifier
from auditor.config import ConfigPath
from auditor.config.recognise import Given, Recognised
from auditor.errors import ConfigError, ModelError
from auditor.registry import Options, plugin
from auditor.traceback_file import one_line, place_of

if TYPE_CHECKING:
    from torch import nn


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
        if not _is_callable_name(value):
            raise ValueError("expected `package.module:callable`")
        return value

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """A callable, whose module lies in the current folder or is installed."""
        if not _is_callable_name(given.text):
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
        from auditor.autograd.keras_network import wrapped_keras
        from auditor.classifiers.checkpoint import load_weights

        with _kept_defaults(), _importable(self.path, self._beside):
            module = self._call(self._find_factory())
        source = "weights from the factory"
        if self.checkpoint is not None:
            source = f"weights from {load_weights(module, self.checkpoint, self.checkpoint_key)}"
        return Classifier(
            module=wrapped_keras(module.cpu().float().eval()),
            adapter=self.plugin_name,
            description=f"{type(module).__name__} of {self.factory}{self._shown_arguments()}, {source}",
        )

    def _shown_arguments(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"({shown})" if shown else ""

    def _find_factory(self) -> Callable[..., object]:
        name, _, inside = self.factory.partition(":")
        module = self._import(name)
        found: Any = module
        for part in inside.split("."):
            if not hasattr(found, part):
                known = [item for item in dir(found) if not item.startswith("_")]
                near = difflib.get_close_matches(part, known, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known[:10])}"
                raise ModelError(
                    f"model.factory: expected {part!r} in {name}; there is none: {hint}"
                )
            found = getattr(found, part)
        if not callable(found):
            raise ModelError(
                f"model.factory: expected a callable at {self.factory}; got {type(found).__name__}"
            )
        called: Callable[..., object] = found
        return called

    def _import(self, name: str) -> ModuleType:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                folder = self.path or self._beside
                where = "" if folder is None else f" in {folder} or"
                raise ModelError(
                    f"model.factory: expected a module {name!r}{where} in this environment; there is no "
                    f"{error.name!r}: install it, or set `model.path` to its folder"
                ) from error
            raise ModelError(
                f"model.factory: {name} imports {error.name!r}, which is not installed: install it "
                "in the environment of the auditor"
            ) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the user's code may raise anything
            raise ModelError(
                f"model.factory: importing {name} raised {_described(error)}"
            ) from error
        if self.path is not None and not _is_in(module, self.path):
            raise ModelError(
                f"model.factory: expected module {name!r} from {self.path}; Python has imported a "
                f"module of that name from {module.__spec__ and module.__spec__.origin}: rename yours"
            )
        return module

    def _call(self, factory: Callable[..., object]) -> nn.Module:
        from torch import nn

        try:
            module = factory(**self.arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the user's code may raise anything
            raise ModelError(
                f"model.factory: {self.factory}{self._shown_arguments() or '()'} raised "
                f"{_described(error)}"
            ) from error
        if isinstance(module, nn.Module):
            return module
        if isinstance(module, CoroutineType):
            module.close()  # Python warns of one that never ran
        kind = f"the class {module.__name__}" if isinstance(module, type) else type(module).__name__
        raise ModelError(
            f"model.factory: expected {self.factory} to return a torch.nn.Module; got {kind}: return the "
            "network itself"
        )


def _is_callable_name(text: str) -> bool:
    """Whether a text has the form ``package.module:callable``."""
    module, _, name = text.partition(":")
    return all(part.isidentifier() for one in (module, name) for part in one.split("."))


@contextmanager
def _kept_defaults() -> Iterator[None]:
    """Undoes changes that the user's code makes to the process: the working folder, and torch's defaults."""
    import torch

    folder, dtype, gradients = (
        os.open(".", os.O_RDONLY),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
    )
    try:
        yield
    finally:
        os.fchdir(folder)
        os.close(folder)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)


def _described(error: BaseException) -> str:
    """What the user's code raised, where, and a fix if it tried to end the program."""
    text = f"{type(error).__name__}{place_of(error)}: {one_line(error)}"
    if isinstance(error, SystemExit):
        text += (
            ": code that ends the program, such as `sys.exit()` or a parser of arguments, belongs below "
            "`if __name__ == '__main__':`"
        )
    return text


@contextmanager
def _importable(folder: Path | None, beside: Path | None) -> Iterator[None]:
    """Extends the import path inside the ``with``.

    Args:
        folder: of the user's code, as stated: it comes first.
        beside: folder of the configuration file, used if none is stated: it comes last, so that files
            in it never replace installed modules.
    """
    if folder is not None and not folder.is_dir():
        raise ModelError(f"model.path: expected a folder of Python code; {folder} is not a folder")
    added = folder or beside
    if added is None or (folder is None and str(added) in sys.path):
        yield
        return
    sys.path.insert(0 if folder is not None else len(sys.path), str(added))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(added))


def _is_in(module: ModuleType, folder: Path) -> bool:
    """Whether a module lies in a folder: by its name there, which may be a link, or by its real place."""
    paths = [*getattr(module, "__path__", ()), getattr(module, "__file__", None)]
    return any(
        place(path).startswith(os.path.join(place(folder), ""))  # noqa: PTH118 - as a text
        for path in paths
        if path
        for place in (os.path.abspath, os.path.realpath)
    )
