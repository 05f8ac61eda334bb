"""A table with one row an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from auditor.config import ConfigPath
from auditor.datasets.images import FileImages
from auditor.datasets.tables import (
    first_few,
    labels_of,
    read_table,
    require_columns,
    require_free_names,
    text,
    typed,
    unique_ids,
)
from auditor.errors import DataError
from auditor.imaging import Box
from auditor.records import Dataset
from auditor.registry import Options, plugin


@plugin("dataset", "manifest")
class Manifest(Options):
    """A CSV or Parquet file: one row an image, with its label and attributes."""

    path: ConfigPath
    """The table: `.csv`, `.tsv` or `.parquet`."""
    root: ConfigPath | None = None
    """Folder that the images' paths start from; null: the table's own."""
    image: str = "file"
    """Column with the images' paths."""
    label: str = "label"
    """Column with the classes, in words or as indices."""
    attributes: tuple[str, ...] = ()
    """Columns that describe the images; the audit slices by them."""
    box: str | None = None
    """Column with the object's box as `x0,y0,x1,y1` in pixels of the upright image."""
    mask: str | None = None
    """Column with the paths of masks that are white where the object is."""
    reference: ConfigPath | None = None
    """Table of the training data with the same label and attribute columns. Where it names the images
    as well, they are searched for those of the audited data."""

    def open(self) -> Dataset:
        """Reads the table; no image is decoded yet.

        Raises:
            DataError: a table or column is missing, a cell can't be read, or there are no rows.
        """
        table = read_table(self.path)
        described = {f"attributes: {name}": name for name in self.attributes}
        own = {"image": self.image, "label": self.label, **described}
        own |= {"box": self.box} if self.box else {}
        own |= {"mask": self.mask} if self.mask else {}
        require_columns(table, own, self.path)
        require_free_names(self.attributes, self.path)
        if table.empty:
            raise DataError(f"{self.path}: expected one row an image; there are none")
        trained = None
        if self.reference is not None:
            trained = read_table(self.reference)
            require_columns(trained, {"label": self.label, **described}, self.reference)

        paths = self._paths(table)
        root = self.root or self.path.parent
        samples = pd.DataFrame({"path": paths, "label": labels_of(table[self.label])})
        reference = (
            None if trained is None else pd.DataFrame({"label": labels_of(trained[self.label])})
        )
        for name in self.attributes:
            if trained is None or reference is None:
                (samples[name],) = typed(table[name])
            else:
                samples[name], reference[name] = typed(table[name], trained[name])
        if self.box:
            samples["box"] = self._boxes(table)
        if self.mask:
            samples["mask"] = [
                pd.NA if pd.isna(cell) or not cell.strip() else str(root / cell)
                for cell in text(table[self.mask])
            ]
        samples.index = pd.Index(unique_ids(paths), name="sample")
        return Dataset(
            samples=samples,
            images=FileImages.of(root, paths),
            attributes=self.attributes,
            adapter=self.plugin_name,
            reference=reference,
            reference_images=self._trained_on(trained),
        )

    def _trained_on(self, trained: pd.DataFrame | None) -> FileImages | None:
        """The training data's images, where its table names them."""
        if trained is None or self.reference is None or self.image not in trained:
            return None
        # A row without a path is a missing image, not an error: images are optional here.
        paths = text(trained[self.image]).fillna("")
        return FileImages.of(self.root or self.reference.parent, paths)

    def _paths(self, table: pd.DataFrame) -> list[str]:
        words = text(table[self.image])
        blank = words.isna() | (words.str.strip() == "")
        if blank.any():
            raise DataError(
                f"{self.path}: data.image: expected a path in every cell of {self.image!r}; none in "
                f"{first_few(table, blank, lambda _: '')}"
            )
        return [Path(word).as_posix() for word in words]

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
                f"{self.path}: data.box: expected x0,y0,x1,y1 with x0 < x1 and y0 < y1, or nothing; "
                "found otherwise in " + first_few(table, bad, lambda row: f" ({row[self.box]!r})")
            )
        return pd.Series(boxes, index=table.index, dtype=object)


def _box(cell: object) -> Box | None:
    """The four numbers of a cell, None where it is empty; ValueError or TypeError: it is no box."""
    if cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell)):
        return None
    parts: list[Any]
    if isinstance(cell, str):
        words = cell.strip(" ()[]").replace(";", ",")
        parts = words.split(",") if words else []
    elif isinstance(cell, list | tuple | np.ndarray):
        parts = list(cell)
    else:
        raise TypeError(f"no box: {cell!r}")
    if not parts:
        return None
    x0, y0, x1, y1 = (float(part) for part in parts)
    if not (x0 < x1 and y0 < y1 and np.isfinite([x0, y0, x1, y1]).all()):
        raise ValueError(f"no box: {cell!r}")
    return (x0, y0, x1, y1)
