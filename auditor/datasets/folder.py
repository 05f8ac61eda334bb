"""A folder with one sub-folder per class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from auditor.config import AttributeTypes, ConfigPath, stated_types
from auditor.config.recognise import Given, Recognised
from auditor.datasets.column_roles import roles_of_columns, tables_in
from auditor.datasets.dicom_tags import DicomOptions, with_tags
from auditor.datasets.folder_listing import SUFFIXES, list_images
from auditor.datasets.images import FileImages
from auditor.datasets.joined_tables import file_column, imagefolder_metadata, join_attributes
from auditor.datasets.manifest import Manifest
from auditor.datasets.table_files import read_table
from auditor.datasets.tables import (
    group_column,
    parse_labels,
    require_columns,
    weight_column,
)
from auditor.errors import DataError
from auditor.records import DataNote, Dataset
from auditor.records.predictions import GROUP, WEIGHT, is_reserved
from auditor.registry import Options, plugin


@plugin("dataset", "folder")
class Folder(Options):
    """A folder with one sub-folder per class, and attributes in an optional table."""

    accepts: ClassVar[str] = "a folder with one sub-folder of images per class"
    recognition_order: ClassVar[int] = 1

    path: ConfigPath
    """Folder whose sub-folders are the classes, searched recursively; hidden files are ignored."""
    attributes: ConfigPath | None = None
    """CSV or Parquet file with a column `file` or `file_name` (relative to the folder); its other columns are
    attributes. Null: the file `metadata.csv` or `metadata.jsonl` of an `imagefolder` of Hugging Face, if
    there is one."""
    label: str | None = None
    """Column of that table with the labels, for images that are not sorted into folders of classes."""
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

    dicom: DicomOptions = DicomOptions()
    """For DICOM images: `window`, and the tags that are `attributes` or the `group`."""

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """A folder with images in sub-folders, and a table of attributes beside them."""
        if not given.path.is_dir():
            return None
        listing = list_images(given.path, tables := tables_in(given.path))
        if listing.samples.empty:
            return None
        classes = listing.classes
        options: dict[str, Any] = {"path": given.path.resolve()}
        comments = {"path": f"{len(listing.samples)} images of {len(classes)} classes"}
        notes = tuple(note.text for note in listing.notes)
        for path in tables:
            table = read_table(path)
            unfit = [str(name) for name in table if name != "file" and is_reserved(str(name))]
            if "file" not in table or unfit:
                why = (
                    f"a column {unfit[0]!r}, which no attribute can have"
                    if unfit
                    else "no column `file`"
                )
                fix = "rename the column, or audit the table itself"
                notes = (*notes, f"{path.name} is not used, because it has {why}: {fix}")
                continue
            found = roles_of_columns(table, own={"file"})
            options |= {"attributes": path.resolve(), **found.clusters_and_weights()}
            options |= {"attribute_types": dict(found.attributes)} if found.attributes else {}
            comments |= {f"attribute_types.{name}": why for name, why in found.reasons.items()}
            others = [
                f"column {name!r} is an attribute, too, but {why}: remove it from {path.name}"
                for name, why in found.unused.items()
            ]
            notes = (*notes, *others)
            break
        what = "a folder with one sub-folder per class"
        return Recognised(what, options, comments, notes, classes)

    def open(self) -> Dataset:
        """Lists the images without decoding any.

        Raises:
            DataError: the folder or a table is missing or does not match, or there are no images.
        """
        described = self.attributes or imagefolder_metadata(self.path)
        if self.label is not None:
            return self._labelled_by_table(described, self.label)
        listing = list_images(self.path, (described, self.reference, self.reference_attributes))
        samples, notes = listing.samples, listing.notes
        if samples.empty:
            found = "".join(f"; {note.text}" for note in notes if note.n_left_out)
            raise DataError(
                f"{self.path}: expected images ({' '.join(sorted(SUFFIXES))}) in its sub-folders; "
                f"found none{found}"
            )
        attributes = pd.DataFrame(index=samples.index)
        if described is not None:
            attributes, joined = join_attributes(described, self.path, samples.index)
            notes += joined
        table = Path("data.attributes" if described is None else described)
        if self.group is not None:
            require_columns(attributes, {"group": self.group}, table)
            samples[GROUP] = group_column(attributes.pop(self.group))
        if self.weight is not None:
            require_columns(attributes, {"weight": self.weight}, table)
            samples[WEIGHT] = weight_column(attributes.pop(self.weight), f"{table}: data.weight")
        names = tuple(str(name) for name in attributes.columns)
        trained, trained_notes = self._reference_table(names)
        reference = None if trained is None else trained[["label"]].copy()
        if trained is not None and reference is not None and self.group in trained:
            reference[GROUP] = group_column(trained[self.group])
        for name in names:
            samples[name] = attributes[name]
            if trained is not None and reference is not None:
                reference[name] = trained[name]
        images = FileImages.of(self.path, samples["path"], self.dicom.window)
        data = Dataset(
            samples=samples,
            images=images,
            attributes=names,
            adapter=self.plugin_name,
            classes=listing.classes,
            reference=reference,
            reference_images=self._reference_images(trained),
            group=self.group,
            stated_types=stated_types(self.attribute_types),
            weight=self.weight,
            notes=(
                *notes,
                *(replace(one, text=f"reference: {one.text}") for one in trained_notes),
            ),
        )
        return with_tags(data, images, self.dicom)

    def _labelled_by_table(self, path: Path | None, label: str) -> Dataset:
        """The images of a table with labels."""
        if path is None:
            raise DataError(
                f"{self.path}: data.label: expected a table with the labels; there is no `metadata.csv` or "
                "`metadata.jsonl` with a column `file_name`: set data.attributes to the table"
            )
        table = read_table(path)
        own = {file_column(table), label, self.group, self.weight}
        names = [str(name) for name in table.columns if name not in own]
        manifest = Manifest(
            path=path,
            root=self.path,
            image=file_column(table),
            label=label,
            attributes={name: self.attribute_types.get(name) for name in names},
            group=self.group,
            weight=self.weight,
            dicom=self.dicom,
        )
        return replace(manifest.open(), adapter=self.plugin_name)

    def _reference_images(self, trained: pd.DataFrame | None) -> FileImages | None:
        """Images of the training data, if it is a folder."""
        if trained is None or self.reference is None or self.reference.is_file():
            return None
        return FileImages.of(self.reference, trained["path"])

    def _reference_table(
        self, names: tuple[str, ...]
    ) -> tuple[pd.DataFrame | None, tuple[DataNote, ...]]:
        """Labels and attributes of the training data, and notes on what was left out."""
        if self.reference is None:
            return None, ()
        if self.reference.is_file():
            table = read_table(self.reference)
            columns = {"reference": "label"} | {f"reference: {name}": name for name in names}
            require_columns(table, columns, self.reference)
            return table.assign(label=parse_labels(table["label"])), ()
        listing = list_images(self.reference, (self.attributes, self.reference_attributes))
        table, notes = listing.samples, listing.notes
        if not names:
            return table, notes
        if self.reference_attributes is None:
            raise DataError(
                f"{self.reference}: expected the attributes {', '.join(names)} of the audited images; "
                "set data.reference_attributes to the table of the training data"
            )
        described, joined = join_attributes(self.reference_attributes, self.reference, table.index)
        require_columns(
            described,
            {f"reference_attributes: {name}": name for name in names},
            self.reference_attributes,
        )
        return table.join(described), (*notes, *joined)
