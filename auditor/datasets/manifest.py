"""A table with one row per image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from auditor.attributes.identifiers import cluster_hint
from auditor.config import AttributeNames, ConfigPath, stated_types
from auditor.config.recognise import Given, Recognised
from auditor.datasets.column_roles import folder_of_images, is_table, roles_of_columns
from auditor.datasets.declared_root import DeclaredRoot
from auditor.datasets.dicom_tags import DicomOptions, with_tags
from auditor.datasets.image_paths import image_paths
from auditor.datasets.images import FileImages
from auditor.datasets.label_sets import labels_of_columns, split_labels
from auditor.datasets.object_cells import BoxFormat, merge_objects, read_boxes, read_masks
from auditor.datasets.table_files import read_table
from auditor.datasets.tables import (
    as_text,
    group_column,
    parse_labels,
    require_columns,
    require_free_names,
    require_plain_cells,
    rows_where,
    unique_ids,
    weight_column,
    with_decimal_points,
)
from auditor.errors import DataError
from auditor.records import DataNote, Dataset
from auditor.records.predictions import GROUP, WEIGHT
from auditor.registry import Options, plugin


@plugin("dataset", "manifest")
class Manifest(Options):
    """A CSV or Parquet file with one row per image: path, label and attributes."""

    accepts: ClassVar[str] = "a table of images as CSV, TSV or Parquet"
    recognition_order: ClassVar[int] = 1

    path: ConfigPath
    """The table: `.csv`, `.tsv` or `.parquet`."""
    root: ConfigPath | None = None
    """Folder to which the paths of images and masks are relative, and which none of them may leave; null: the
    folder of the table."""
    allow_outside: bool = False
    """Whether paths may lead out of `root`: absolute ones, `..`, and links. The report shows images that the
    table names; set this only for a table that you trust."""
    image: str = "file"
    """Column with the paths of the images; backslashes separate folders, as on Windows. URLs are not
    downloaded."""
    label: str = "label"
    """Column with the labels, as class names or indices."""
    where: dict[str, str | int | float | bool | list[str | int | float | bool]] = {}
    """Which rows to audit: a value, or a list of values, per column, as in `{split: test}`."""
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
    """Column with the bounding box of the object as `x0,y0,x1,y1` in pixels of the upright image, or as
    shares of its width and height; several boxes as `[[x0,y0,x1,y1], …]`, or one row per box."""
    box_format: BoxFormat = "xyxy"
    """What the four numbers of a box are: the edges, `xywh` (left, top, width, height), or `cxcywh`
    (centre, width, height)."""
    mask: str | None = None
    """Column with the paths of masks in which the object is not black; several paths as a list or
    separated by semicolons."""
    reference: ConfigPath | None = None
    """Table of the training data with the same label and attribute columns. If it also has the image
    column, its images are searched for copies of the audited ones."""

    dicom: DicomOptions = DicomOptions()
    """For DICOM images: `window`, and the tags that are `attributes` or the `group`."""

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """A table with paths of images and labels; the roles of its columns are guessed."""
        if not is_table(given.path):
            return None
        table = read_table(given.path)
        found = roles_of_columns(table)
        image, label = found.require("image", given.path), found.require("label", given.path)
        options: dict[str, Any] = {"path": given.path.resolve()}
        root = folder_of_images(as_text(table[image]), given.path.resolve().parent)
        options |= {} if root is None else {"root": root}
        options |= {"image": image, "label": label, **found.clusters_and_weights()}
        options |= {name: one for name in ("box", "mask") if (one := getattr(found, name))}
        options |= {"attributes": dict(found.attributes)} if found.attributes else {}
        comments = {"path": f"{len(table)} rows"}
        comments |= {f"attributes.{name}": why for name, why in found.reasons.items()}
        return Recognised(
            "a table with one row per image", options, comments, tuple(found.notes()), found.classes
        )

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
        table = rows_where(table, self.where, self.path)
        trained = self._trained(described)
        objects = [name for name in (self.box, self.mask) if name]
        table, merged = merge_objects(
            table, self.image, objects, [name for name in own.values() if name not in objects]
        )
        root = DeclaredRoot(self.root or self.path.parent, self.path, self.allow_outside)
        paths, found = image_paths(table[self.image], root)
        samples = pd.DataFrame({"path": paths, "label": self._labels(table, self.path)})
        for name in self.attributes:
            require_plain_cells(table[name], f"attributes: {name}", self.path)
            samples[name] = with_decimal_points(table[name])
        if self.group:
            samples[GROUP] = group_column(table[self.group])
        if self.weight:
            samples[WEIGHT] = weight_column(table[self.weight], f"{self.path}: data.weight")
        relative, notes = self._locate(samples, table, root)
        samples.index = pd.Index(unique_ids(paths), name="sample")
        images = FileImages.of(root.folder, paths, self.dicom.window)
        data = Dataset(
            samples=samples,
            images=images,
            attributes=tuple(self.attributes),
            adapter=self.plugin_name,
            classes=self.labels or None,
            reference=None if trained is None else self._reference(trained),
            reference_images=self._reference_images(trained),
            group=self.group,
            stated_types=stated_types(self.attributes),
            weight=self.weight,
            notes=(*merged, *found, *notes, *self._unused_clusters(table)),
            relative_boxes=relative,
        )
        return with_tags(data, images, self.dicom)

    def _locate(
        self, samples: pd.DataFrame, table: pd.DataFrame, root: DeclaredRoot
    ) -> tuple[bool, tuple[DataNote, ...]]:
        """Adds boxes and masks to the samples; whether the boxes are shares, and notes."""
        relative, notes = False, tuple[DataNote, ...]()
        if self.box:
            samples["box"], relative, notes = read_boxes(
                table[self.box], self.box_format, self.path
            )
        if self.mask:
            samples["mask"] = read_masks(table[self.mask], root)
        return relative, notes

    def _unused_clusters(self, table: pd.DataFrame) -> Iterator[DataNote]:
        """Notes on columns that no option names, but that look like identifiers of clusters."""
        used = {
            self.image,
            self.label,
            *self.where,
            *self.labels,
            *self.attributes,
            self.box,
            self.mask,
        }
        for name in map(str, table.columns):
            if self.group is None and name not in used:
                sizes = as_text(table[name]).replace("", pd.NA).value_counts().tolist()
                hint = cluster_hint(name, sizes, is_text=False)
                if hint is not None:
                    yield hint

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
            reference[name] = with_decimal_points(trained[name])
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
        # Not of a categorical column: its ``map`` can give categories, which `any` refuses.
        lists = column.astype(object).map(lambda cell: isinstance(cell, list | tuple | np.ndarray))
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
        folder = self.root or self.reference.parent
        root = DeclaredRoot(folder, self.reference, self.allow_outside)
        root.require_inside([*paths], "reference")
        return FileImages.of(folder, paths)
