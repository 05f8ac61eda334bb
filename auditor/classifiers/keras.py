"""Classifiers from Keras 3, on its torch backend; requires the extra ``keras``."""

from __future__ import annotations

import os
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from auditor.classifiers import Classifier
from auditor.classifiers.downloads import required_library
from auditor.classifiers.named_models import file_of
from auditor.config import ConfigPath
from auditor.config.recognise import Given, Recognised
from auditor.errors import ModelError
from auditor.registry import Options, plugin

_BACKEND = "KERAS_BACKEND"
_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What Keras and its layers raise on files that are damaged, or say what no layer takes."""


@plugin("classifier", "keras")
class KerasClassifier(Options):
    """A model that Keras 3 saved as a `.keras` file, whatever its backend was.

    It is run on the torch backend, where a Keras model is a network of PyTorch. The file is read with
    Keras' safe mode: layers that contain Python code, such as `Lambda`, are refused. Keras stores neither
    the preprocessing nor class names.
    """

    accepts: ClassVar[str] = "a .keras file"
    recognition_order: ClassVar[int] = 0

    file: ConfigPath
    """File that `model.save('model.keras')` wrote."""

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """A file of this format."""
        return file_of(given, (".keras",), "a Keras model")

    def load(self) -> Classifier:
        """Reads the model.

        Raises:
            MissingDependencyError: Keras is not installed.
            ModelError: the file has another format, contains code, or Keras runs on another backend.
        """
        from auditor.autograd.keras_network import KerasNetwork, without_numpy_warning

        keras = keras_on_torch()
        self._require_format()
        try:
            with without_numpy_warning():
                model = keras.saving.load_model(self.file, compile=False, safe_mode=True)
        except _FAULTS as error:
            raise ModelError(f"model.file: {self.file}: {_reason(error)}") from error
        _require_one_image(model)
        return Classifier(
            module=KerasNetwork(model).eval(),
            adapter=self.plugin_name,
            description=f"Keras {type(model).__name__} {model.name}, {self.file.name}",
        )

    def _require_format(self) -> None:
        if not self.file.exists():
            raise ModelError(f"model.file: expected a .keras file; {self.file} does not exist")
        try:
            if self.file.is_file() and zipfile.is_zipfile(self.file):
                with zipfile.ZipFile(self.file) as archive:
                    if "model.weights.h5" in archive.namelist():
                        return
        except _FAULTS as error:
            raise ModelError(
                f"model.file: expected a .keras file; {self.file} is damaged ({error}): copy it again"
            ) from error
        kind = (
            "a folder, such as a SavedModel of TensorFlow"
            if self.file.is_dir()
            else "another format"
        )
        if self.file.is_file():
            with self.file.open("rb") as stream:
                head = stream.read(40)
            if head.startswith(b"\x89HDF"):
                kind = "an HDF5 file of earlier versions"
            if head.startswith(b"version https://git-lfs"):
                raise ModelError(
                    f"model.file: expected a .keras file; {self.file} is a Git LFS pointer: run "
                    "`git lfs pull`"
                )
            if head.startswith(b"PK") and not zipfile.is_zipfile(self.file):
                raise ModelError(
                    f"model.file: expected a .keras file; {self.file} is truncated: copy it again"
                )
        raise ModelError(
            f"model.file: expected a .keras file; {self.file} is {kind}: in a program that trusts it, load "
            "it and save it again with `model.save('model.keras')`"
        )


def _require_one_image(model: Any) -> None:
    """Checks that images are the only input.

    Raises:
        ModelError: they are not.
    """
    inputs = getattr(model, "inputs", None)
    if not inputs or (len(inputs) == 1 and len(inputs[0].shape) == 4):
        return
    shown = ", ".join(f"{one.name} of {len(one.shape)} axes" for one in inputs)
    raise ModelError(
        f"model.file: expected one input, images (N, H, W, C) or (N, C, H, W); the model has {shown}: save a "
        "model that takes only the images"
    )


def keras_on_torch() -> Any:
    """Keras, running on PyTorch.

    Raises:
        MissingDependencyError: it is not installed.
        ModelError: it was imported before, with another backend.
    """
    if "keras" not in sys.modules:
        with _backend("torch"):
            return required_library("keras", "keras")
    keras = required_library("keras", "keras")
    backend = keras.backend.backend()
    if backend != "torch":
        raise ModelError(
            f"model.adapter: expected Keras on its torch backend; this process has imported it with "
            f"{backend}, which can't be changed any more: set the environment variable {_BACKEND}=torch "
            "before Keras is imported, or run `auditor run` in a process of its own"
        )
    return keras


@contextmanager
def _backend(name: str) -> Iterator[None]:
    """Keras reads the variable when it is imported."""
    before = os.environ.get(_BACKEND)
    os.environ[_BACKEND] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ[_BACKEND]
        else:
            os.environ[_BACKEND] = before


def _reason(error: BaseException) -> str:
    text = str(error).strip()
    if "safe_mode" in text or "unsafe" in text or "Lambda" in text:
        return (
            "it contains a Lambda layer, which is Python code, and code in a model file is never run: "
            "replace the layer by layers of Keras, such as Rescaling, and save the model again"
        )
    if "custom" in text or "Could not locate class" in text:
        return (
            "it contains classes of your own: use the adapter `python` with a function that builds the model "
            f"and loads its weights ({text.partition(chr(10))[0][:160]})"
        )
    return f"expected a model that Keras can read; {text.partition(chr(10))[0][:200]}"
