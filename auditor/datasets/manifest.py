"""A table with one row per image."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from auditor.config import AttributeNames, ConfigPath, stated_types
from auditor.datasets.images import FileImages
from auditor.datasets.label_sets import labels_of_columns, split_labels
from auditor.datasets.table_files import read_table
from auditor.datasets.tables import (
    as_text,
    first_few,
    group_column,
    parse_labels,
    require_columns,
    require_free_names,
    require_plain_cells,
    unique_ids,
    weight_column,
)
from auditor.errors import DataError
from auditor.imaging import Box
from auditor.records import Dataset
from auditor.records.predictions import GROUP, WEIGHT
from auditor.registry import Options, plugin

_URL = re.compile(r"^\s*(?:[A-Za-z][A-Za-z0-9+.-]+://|data:[a-z]+/)")


@plugin("dataset", "manifest")
class Manifest(Options):
    """A CSV or Parquet file with one row per image: path, label and attributes."""

    path: ConfigPath
    """The table: `.csv`, `.tsv` or `.parquet`."""
    root: ConfigPath | None = None
    """Folder to which image paths are relative; null: the folder of the table."""
    image: str = "file"
    """Column with the paths of the images; backslashes separate folders, as on Windows. URLs are not
    downloaded."""
    label: str = "label"
    """Column with the labels, as class names or indices."""
    separator: str | None = Field(None, min_length=1)
    """Separator of several labels in one cell, such as `|`, for multi-label data; empty cells have none."""
    labels: tuple[str, ...] = ()
    """One column of 0 and 1 per label, instead of `label`, for multi-label data."""
    attributes: AttributeNames = ()
    """Columns with attributes of the images, by which the audit slices: a list, or a mapping to types,
    `{site: categorical, skin_type: ordinal, size: [small, large], age: numeric}`. A list of values is
    an order. Types that are not stated are guessed; `auditor check` prints them."""
    group: str | None = None
    """Column that says which images belong together, such as the patient: these are not independent."""
    weight: str | None = None
    """Column with the weight of each image in the target population, such as a sampling weight. The
    accuracy for this population is reported beside the raw one; tests stay unweighted."""
    box: str | None = None
    """Column with the bounding box of the object as `x0,y0,x1,y1` in pixels of the upright image."""
    mask: str | None = None
    """Column with the paths of masks in which the object is white."""
    reference: ConfigPath | None = None
    """Table of the training data with the same label and attribute columns. If it also has the image
    column, its images are searched for copies of the audited ones."""

    def open(self) -> Dataset:
        """Reads the table without decoding any image.

        Raises:
            DataError: a table or column is missing, a cell is invalid, or there are no rows.
        """
        table = read_table(self.path)
        described = {f"attributes: {name}": name for name in self.attributes}
        described |= self._label_columns()
        own = {"image": self.image, **described}
        own |= {"group": self.group} if self.group else {}
        own |= {"weight": self.weight} if self.weight else {}
        own |= {"box": self.box} if self.box else {}
        own |= {"mask": self.mask} if self.mask else {}
        require_columns(table, own, self.path)
        require_free_names(self.attributes, self.path)
        if table.empty:
            raise DataError(f"{self.path}: expected one row per image; there are none")
        trained = self._trained(described)

        paths = self._paths(table)
        root = self.root or self.path.parent
        samples = pd.DataFrame({"path": paths, "label": self._labels(table, self.path)})
        for name in self.attributes:
            require_plain_cells(table[name], f"attributes: {name}", self.path)
            samples[name] = table[name]
        if self.group:
            samples[GROUP] = group_column(table[self.group])
        if self.weight:
            samples[WEIGHT] = weight_column(table[self.weight], f"{self.path}: data.weight")
        if self.box:
            samples["box"] = self._boxes(table)
        if self.mask:
            samples["mask"] = [
                pd.NA if pd.isna(cell) or not cell.strip() else str(root / cell)
                for cell in as_text(table[self.mask])
            ]
        samples.index = pd.Index(unique_ids(paths), name="sample")
        return Dataset(
            samples=samples,
            images=FileImages.of(root, paths),
            attributes=tuple(self.attributes),
            adapter=self.plugin_name,
            classes=self.labels or None,
            reference=None if trained is None else self._reference(trained),
            reference_images=self._reference_images(trained),
            group=self.group,
            stated_types=stated_types(self.attributes),
            weight=self.weight,
        )

    def _trained(self, columns: dict[str, str]) -> pd.DataFrame | None:
        """The table of the training data, if there is one."""
        if self.reference is None:
            return None
        trained = read_table(self.reference)
        require_columns(trained, columns, self.reference)
        return trained

    def _reference(self, trained: pd.DataFrame) -> pd.DataFrame:
        """Labels, attributes and clusters of the training data."""
        reference = pd.DataFrame({"label": self._labels(trained, self.reference or self.path)})
        if self.group in trained:
            reference[GROUP] = group_column(trained[self.group])
        for name in self.attributes:
            reference[name] = trained[name]
        return reference

    def _label_columns(self) -> dict[str, str]:
        """The columns with labels by the option that names them."""
        if not self.labels:
            return {"label": self.label}
        return {f"labels: {name}": name for name in self.labels}

    def _labels(self, table: pd.DataFrame, path: Path) -> pd.Series[Any]:
        """The label of each row; a tuple of labels for multi-label data."""
        if self.labels:
            return labels_of_columns(table, self.labels, f"{path}: data.labels")
        column = table[self.label]
        lists = column.map(lambda cell: isinstance(cell, list | tuple | np.ndarray))
        if not lists.any():
            require_plain_cells(column, "label", path)
        if self.separator is not None:
            return split_labels(column, self.separator)
        return split_labels(column, ",") if lists.any() else parse_labels(column)

    def _reference_images(self, trained: pd.DataFrame | None) -> FileImages | None:
        """Images of the training data, if its table has the image column."""
        if trained is None or self.reference is None or self.image not in trained:
            return None
        # Images are optional here: a row without a path is a missing image, not an error.
        paths = as_text(trained[self.image]).fillna("")
        return FileImages.of(self.root or self.reference.parent, paths)

    def _paths(self, table: pd.DataFrame) -> list[str]:
        require_plain_cells(table[self.image], "image", self.path)
        paths = as_text(table[self.image])
        blank = paths.isna() | (paths.str.strip() == "")
        if blank.any():
            raise DataError(
                f"{self.path}: data.image: expected a path in every cell of {self.image!r}; missing in "
                f"{first_few(table, blank, lambda _: '')}"
            )
        unusable = paths.str.contains(_URL) | paths.str.contains("\0", regex=False)
        if unusable.any():
            raise DataError(
                f"{self.path}: data.image: expected paths of files in {self.image!r}; URLs are not "
                "downloaded, and no path holds a NUL; got "
                f"{first_few(table, unusable, lambda row: f' ({str(row[self.image])[:80]!r})')}: download "
                "the images, and give their paths"
            )
        root = self.root or self.path.parent
        return [_plain_path(path, root) for path in paths]

    def _boxes(self, table: pd.DataFrame) -> pd.Series[Any]:
        boxes: list[Box | None] = []
        bad = pd.Series(data=False, index=table.index)
        for position, cell in enumerate(table[str(self.box)]):
            try:
                boxes.append(_box(cell))
            except (TypeError, ValueError):
                boxes.append(None)
                bad.iloc[position] = True
        if bad.any():
            raise DataError(
                f"{self.path}: data.box: expected x0,y0,x1,y1 with x0 < x1 and y0 < y1, or an empty cell; "
                "got something else in "
                + first_few(table, bad, lambda row: f" ({row[self.box]!r})")
            )
        return pd.Series(boxes, index=table.index, dtype=object)


def _box(cell: object) -> Box | None:
    """The four numbers in a cell; None if it is empty. Raises ValueError or TypeError otherwise."""
    if cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell)):
        return None
    parts: list[Any]
    if isinstance(cell, str):
        numbers = cell.strip(" ()[]").replace(";", ",")
        parts = numbers.split(",") if numbers else []
    elif isinstance(cell, list | tuple | np.ndarray):
        parts = list(cell)
    else:
        raise TypeError(f"not a box: {cell!r}")
    if not parts:
        return None
    x0, y0, x1, y1 = (float(part) for part in parts)
    if not (x0 < x1 and y0 < y1 and np.isfinite([x0, y0, x1, y1]).all()):
        raise ValueError(f"not a box: {cell!r}")
    return (x0, y0, x1, y1)


def _plain_path(path: str, root: Path) -> str:
    """A path with slashes; a backslash is a separator unless a file has one in its name."""
    if "\\" in path and not (root / path).exists():
        path = path.replace("\\", "/")
    return Path(path).as_posix()
