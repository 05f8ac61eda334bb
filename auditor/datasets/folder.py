"""A folder with one sub-folder per class."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pandas as pd

from auditor.config import AttributeTypes, ConfigPath, stated_types
from auditor.datasets.images import FileImages
from auditor.datasets.table_files import read_table
from auditor.datasets.tables import (
    as_text,
    group_column,
    parse_labels,
    require_columns,
    require_free_names,
    weight_column,
)
from auditor.errors import DataError
from auditor.records import Dataset
from auditor.records.predictions import GROUP, WEIGHT
from auditor.registry import Options, plugin

_SUFFIXES = frozenset(
    (
        *(".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"),
        *(".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
    )
)
_FILE = "file"
_NO_CLASSES = frozenset({"__MACOSX"})
"""Folders that archive tools leave behind."""


@plugin("dataset", "folder")
class Folder(Options):
    """A folder with one sub-folder per class, and attributes in an optional table."""

    path: ConfigPath
    """Folder whose sub-folders are the classes, searched recursively; hidden files are ignored."""
    attributes: ConfigPath | None = None
    """CSV or Parquet file with a column `file` (relative to the folder); its other columns are attributes."""
    group: str | None = None
    """Column of the table that says which images belong together, such as the patient: these are not
    independent. It is no attribute."""
    weight: str | None = None
    """Column of the table with the weight of each image in the target population. It is no attribute."""
    attribute_types: AttributeTypes = {}
    """Types of attributes, such as `{skin_type: ordinal, size: [small, large], age: numeric}`. A list of
    values is an order. Types that are not stated are guessed; `auditor check` prints them."""
    reference: ConfigPath | None = None
    """The training data: a folder of the same structure, or a table with `label` and the same attributes."""
    reference_attributes: ConfigPath | None = None
    """Attributes of the training data if it is a folder; a table as in `attributes`."""

    def open(self) -> Dataset:
        """Lists the images without decoding any.

        Raises:
            DataError: the folder or a table is missing or does not match, or there are no images.
        """
        classes, samples = _list_images(self.path)
        if samples.empty:
            raise DataError(
                f"{self.path}: expected images ({' '.join(sorted(_SUFFIXES))}) in its sub-folders; "
                "found none"
            )
        attributes = pd.DataFrame(index=samples.index)
        if self.attributes is not None:
            attributes = _read_attributes(self.attributes, samples.index)
        table = Path("data.attributes" if self.attributes is None else self.attributes)
        if self.group is not None:
            require_columns(attributes, {"group": self.group}, table)
            samples[GROUP] = group_column(attributes.pop(self.group))
        if self.weight is not None:
            require_columns(attributes, {"weight": self.weight}, table)
            samples[WEIGHT] = weight_column(attributes.pop(self.weight), f"{table}: data.weight")
        names = tuple(str(name) for name in attributes.columns)
        trained = self._reference_table(names)
        reference = None if trained is None else trained[["label"]].copy()
        if trained is not None and reference is not None and self.group in trained:
            reference[GROUP] = group_column(trained[self.group])
        for name in names:
            samples[name] = attributes[name]
            if trained is not None and reference is not None:
                reference[name] = trained[name]
        return Dataset(
            samples=samples,
            images=FileImages.of(self.path, samples["path"]),
            attributes=names,
            adapter=self.plugin_name,
            classes=classes,
            reference=reference,
            reference_images=self._reference_images(trained),
            group=self.group,
            stated_types=stated_types(self.attribute_types),
            weight=self.weight,
        )

    def _reference_images(self, trained: pd.DataFrame | None) -> FileImages | None:
        """Images of the training data, if it is a folder."""
        if trained is None or self.reference is None or self.reference.is_file():
            return None
        return FileImages.of(self.reference, trained["path"])

    def _reference_table(self, names: tuple[str, ...]) -> pd.DataFrame | None:
        if self.reference is None:
            return None
        if self.reference.is_file():
            table = read_table(self.reference)
            columns = {"reference": "label"} | {f"reference: {name}": name for name in names}
            require_columns(table, columns, self.reference)
            return table.assign(label=parse_labels(table["label"]))
        _, table = _list_images(self.reference)
        if not names:
            return table
        if self.reference_attributes is None:
            raise DataError(
                f"{self.reference}: expected the attributes {', '.join(names)} of the audited images; "
                "set data.reference_attributes to the table of the training data"
            )
        described = _read_attributes(self.reference_attributes, table.index)
        require_columns(
            described,
            {f"reference_attributes: {name}": name for name in names},
            self.reference_attributes,
        )
        return table.join(described)


def _list_images(root: Path) -> tuple[tuple[str, ...], pd.DataFrame]:
    """Class names, and a table with ``path`` and ``label`` of each image, sorted by path."""
    if not root.is_dir():
        raise DataError(f"{root}: expected a folder with one sub-folder per class; found none")
    classes = sorted(
        one.name
        for one in root.iterdir()
        if one.is_dir() and one.name[0] != "." and one.name not in _NO_CLASSES
    )
    if not classes:
        raise DataError(f"{root}: expected one sub-folder per class; it has no sub-folders")
    paths = [
        file.relative_to(root).as_posix()
        for name in classes
        for file in sorted((root / name).rglob("*"))
        if file.suffix.lower() in _SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(root).parts)
    ]
    labels = [path.split("/", 1)[0] for path in paths]
    index = pd.Index(paths, name="sample", dtype=object)
    samples = pd.DataFrame({"path": paths, "label": labels}, index=index, dtype="string")
    return tuple(classes), samples


def _read_attributes(path: Path, samples: pd.Index) -> pd.DataFrame:
    """Attribute columns of a table in the order of the samples; NA for samples without a row."""
    table = read_table(path)
    require_columns(table, {"attributes": _FILE}, path)
    names = [str(name) for name in table.columns if name != _FILE]
    require_free_names(names, path)
    files = as_text(table[_FILE]).fillna("")
    table.index = pd.Index([PurePosixPath(name.replace("\\", "/")).as_posix() for name in files])
    repeated = table.index[table.index.duplicated()]
    if len(repeated):
        raise DataError(f"{path}: expected one row per image; {repeated[0]!r} has several")
    if not table.index.isin(samples).any():
        raise DataError(
            f"{path}: expected paths such as {samples[0]!r} in column {_FILE!r}; none of the "
            f"{len(table)} rows matches an image"
            + (f", the first has {table.index[0]!r}" if len(table) else "")
        )
    return table[names].reindex(samples)
