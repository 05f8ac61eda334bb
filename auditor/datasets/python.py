"""Data sets from Python: any indexable data set that a callable returns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import PrivateAttr, ValidationInfo, field_validator, model_validator

from auditor.config import AttributeNames, ConfigPath, stated_types
from auditor.datasets.tables import group_column, require_free_names, weight_column
from auditor.datasets.user_labels import class_names, plain_label
from auditor.datasets.user_samples import UserImages, read_samples
from auditor.datasets.user_tables import attribute_table, require_unicode
from auditor.errors import ConfigError, DataError
from auditor.records import Dataset, DecodedImage
from auditor.records.decisions import TaskName
from auditor.records.predictions import GROUP, WEIGHT
from auditor.registry import Options, plugin
from auditor.user_code import UserFactory, is_callable_name


@plugin("dataset", "python")
class PythonData(Options):
    """The data set that a factory in your code returns, such as a `torch.utils.data.Dataset`.

    A sample is a tuple (image, label) or (image, label, attributes), or a mapping with the keys `image` and
    `label`. Images are PIL images, arrays or tensors before normalisation. The factory is your code and is
    executed.
    """

    factory: str
    """A callable as `package.module:name`."""
    path: ConfigPath | None = None
    """Folder of your code, first on the import path while the factory is imported and called; null: the
    folder of the configuration file, last on the import path."""
    arguments: dict[str, Any] = {}
    """Keyword arguments of the factory."""
    classes: tuple[str, ...] = ()
    """Class names in the order of the indices; empty: the attribute `classes` of the data set, if it has
    one."""
    several_labels: bool = False
    """Whether a label is a list of labels, or one 0 or 1 per class, for a multi-label task."""
    attributes: AttributeNames = ()
    """Attributes of the images, by which the audit slices: keys of the mapping that is the third element of
    a sample, or further keys of a sample that is a mapping. A list, or a mapping to types."""
    group: str | None = None
    """Key that says which images belong together, such as the patient: these are not independent."""
    weight: str | None = None
    """Key of the weight of each image in the target population."""

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

    def open(self) -> Dataset:
        """Calls the factory and reads every sample once.

        Raises:
            DataError: the factory can't be imported or raises, or what it returns is no data set of images
                with labels; or there are no samples.
        """
        require_free_names(self.attributes, "data.attributes")
        factory = UserFactory(
            "data", self.factory, self.arguments, self.path, self._beside, DataError
        )
        images = FactoryImages(factory)
        data = images.dataset
        classes = self._class_names(data)
        task: TaskName = "multi-label" if self.several_labels else "single-label"
        names = [*self.attributes, *filter(None, (self.group, self.weight))]
        labels, values = read_samples(
            data, lambda label, place: plain_label(label, place, task, classes), names, self.factory
        )
        if not labels:
            raise DataError(f"{self.factory}: expected at least one sample; there is none")
        for name in (one for one in names if one != self.weight):
            require_unicode(values[name], f"{self.factory}: {name!r}", "sample", 0)
        ids = pd.Index([f"{position:06d}" for position in range(len(labels))], name="sample")
        samples = pd.DataFrame({"path": ids}, index=ids)
        samples["label"] = pd.Series(labels, index=ids, dtype=object).infer_objects()
        table = attribute_table(
            pd.DataFrame({name: values[name] for name in self.attributes}, index=range(len(ids))),
            len(ids),
        )
        for name in self.attributes:
            samples[name] = table[name].infer_objects().to_numpy()
        if self.group:
            groups = group_column(pd.Series(values[self.group], name=self.group))
            samples[GROUP] = groups.to_numpy(dtype=object)
        if self.weight:
            weights = pd.Series(values[self.weight], name=self.weight)
            samples[WEIGHT] = weight_column(weights, "data.weight").to_numpy(dtype=np.float64)
        return Dataset(
            samples=samples,
            images=images,
            attributes=tuple(self.attributes),
            adapter=self.plugin_name,
            classes=classes or None,
            group=self.group,
            stated_types=stated_types(self.attributes),
            weight=self.weight,
            code=factory.code(),
        )

    def _class_names(self, data: object) -> tuple[str, ...]:
        """The stated class names, or those of the data set; empty if it has none."""
        own = getattr(data, "classes", None)
        if self.classes or own is None:
            return self.classes
        try:
            return class_names(own)
        except ConfigError as error:
            raise DataError(
                f"{self.factory}: its attribute `classes`: {error}; or set `data.classes`"
            ) from error


@dataclass(frozen=True)
class FactoryImages:
    """The images of a data set that a factory returns; a worker process that starts anew calls it again."""

    factory: UserFactory

    @cached_property
    def dataset(self) -> Any:
        """What the factory returns."""
        with self.factory.environment():
            made = self.factory.call()
        if isinstance(made, type) or not hasattr(made, "__getitem__"):
            fix = "return the data set itself"
            raise self.factory.unfit(made, "an indexable data set of pairs (image, label)", fix)
        return made

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> DecodedImage:
        return UserImages(self.dataset)[int(index)]

    def __getstate__(self) -> dict[str, UserFactory]:
        return {"factory": self.factory}
