"""Classification data sets of torchvision that are already on disk."""

from __future__ import annotations

import difflib
import hashlib
import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from auditor.config import ConfigPath
from auditor.errors import DataError
from auditor.imaging import translate_decoding_errors, upright_rgb
from auditor.records import Dataset, DecodedImage
from auditor.registry import Options, plugin

_TARGETS = ("targets", "labels", "_labels", "_samples", "samples")
"""Attributes in which torchvision's classes store labels; the last two hold pairs (path, label)."""


@plugin("dataset", "torchvision")
class Torchvision(Options):
    """Any classification data set of torchvision that is already on disk."""

    dataset: str
    """Name of its class in `torchvision.datasets`, such as `FashionMNIST`."""
    root: ConfigPath
    """Folder in which it is stored; nothing is downloaded."""
    train: bool = False
    """Whether to audit the training part, for data sets with the argument `train`."""
    split: str | None = None
    """The part to audit, for data sets with the argument `split`."""

    def open(self) -> Dataset:
        """Opens the data set without decoding any image.

        Raises:
            DataError: the data set does not exist, is not on disk, or is not for classification.
        """
        data = self._open_stored()
        codes = self._codes(data)
        if not len(codes):
            raise DataError(f"{self.dataset} in {self.root}: expected images; found none")
        names = tuple(_name(name) for name in getattr(data, "classes", None) or ())
        part = self.split or ("train" if self.train else "test")
        ids = [f"{self.dataset}/{part}/{position:06d}" for position in range(len(codes))]
        return Dataset(
            samples=pd.DataFrame(
                {"path": ids, "label": _labels(codes, names)}, index=pd.Index(ids, name="sample")
            ),
            images=_Images(data),
            attributes=(),
            adapter=self.plugin_name,
            classes=names or None,
        )

    def _open_stored(self) -> Any:
        from torchvision import datasets

        classes: dict[str, Any] = {
            name: cls
            for name in datasets.__all__
            if inspect.isclass(cls := getattr(datasets, name))
            and issubclass(cls, datasets.VisionDataset)
        }
        chosen = classes.get(self.dataset)
        if chosen is None:
            near = difflib.get_close_matches(self.dataset, sorted(classes), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(classes))}"
            raise DataError(f"data.dataset: torchvision has no {self.dataset!r}; {hint}")
        return self._construct(chosen)

    def _construct(self, chosen: Any) -> Any:
        accepted = inspect.signature(chosen).parameters
        options: dict[str, Any] = {}
        if "download" in accepted:
            options["download"] = False
        if "train" in accepted:
            options["train"] = self.train
        if "split" in accepted:
            if self.split is None:
                raise DataError(
                    f"data.split: expected the part of {self.dataset} to audit, such as `split: test`"
                )
            options["split"] = self.split
        elif self.split is not None:
            raise DataError(
                f"data.split: {self.dataset} takes no split"
                + ("; set data.train to true or false instead" if "train" in accepted else "")
            )
        try:
            return chosen(str(self.root), **options)
        except (RuntimeError, OSError, ValueError, TypeError) as error:
            raise DataError(
                f"{self.dataset} in {self.root}: torchvision can't open it: {error}; store it there "
                "first, because auditor downloads nothing"
            ) from error

    def _codes(self, data: Any) -> NDArray[np.int64]:
        for name in _TARGETS:
            values = getattr(data, name, None)
            if values is None:
                continue
            if name.endswith("samples"):
                values = [pair[-1] for pair in values]
            codes = np.asarray(values)
            if codes.ndim == 1 and codes.dtype.kind in "iu" and len(codes) == len(data):
                return codes.astype(np.int64)
        raise DataError(
            f"{self.dataset}: expected one class index per image; torchvision stores none: "
            "write a table of its images and use `adapter: manifest`"
        )


@dataclass(frozen=True)
class _Images:
    """The images of an opened torchvision data set."""

    data: Any

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> DecodedImage:
        with translate_decoding_errors():
            image: Image.Image = self.data[index][0]
        image = upright_rgb(image)
        return DecodedImage(image, hashlib.sha256(image.tobytes()).hexdigest())


def _labels(codes: NDArray[np.int64], names: tuple[str, ...]) -> NDArray[np.int64] | list[str]:
    """Indices, or names where an index could be the name of another class, as in ``0, 1, 10, 2``."""
    order = {str(position): position for position in range(len(names))}
    ambiguous = any(order.get(name, position) != position for position, name in enumerate(names))
    if ambiguous and codes.min() >= 0 and codes.max() < len(names):
        return [names[code] for code in codes]
    return codes


def _name(name: object) -> str:
    """A class name; of the synonyms that ImageNet lists, the first is the usual one."""
    return str(name[0]) if isinstance(name, tuple) else str(name)
