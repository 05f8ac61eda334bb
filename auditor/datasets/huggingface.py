"""Data sets of Hugging Face's library ``datasets``, from disk; requires the extra ``huggingface``."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from auditor.config import AttributeNames, ConfigPath, stated_types
from auditor.config.recognise import Given, Recognised
from auditor.datasets.column_roles import roles_of_columns
from auditor.datasets.declared_root import DeclaredRoot
from auditor.datasets.folder_listing import SUFFIXES
from auditor.datasets.label_sets import split_labels
from auditor.datasets.object_cells import BoxFormat, read_boxes
from auditor.datasets.tables import (
    group_column,
    parse_labels,
    require_columns,
    require_free_names,
    weight_column,
)
from auditor.errors import ConfigError, DataError, MissingDependencyError, UnreadableImageError
from auditor.imaging import decode_image, open_image
from auditor.records import DataNote, DecodedImage
from auditor.records import Dataset as AuditedData
from auditor.records.predictions import GROUP, WEIGHT
from auditor.registry import Options, plugin


@plugin("dataset", "huggingface")
class HuggingFaceData(Options):
    """A data set that `save_to_disk` wrote, a folder of Parquet files, or an `imagefolder`."""

    accepts: ClassVar[str] = "a data set of Hugging Face's library, or Parquet files with images"
    recognition_order: ClassVar[int] = 0

    path: ConfigPath
    """The folder; nothing is downloaded."""
    split: str | None = None
    """Name of the split, such as `test`; null if there is only one."""
    image: str = "image"
    """Column with the images."""
    label: str = "label"
    """Column with the labels: class labels, names or indices; lists of them for a multi-label task."""
    attributes: AttributeNames = ()
    """Columns with attributes of the images, by which the audit slices: a list, or a mapping to types."""
    group: str | None = None
    """Column that says which images belong together, such as the patient: these are not independent."""
    weight: str | None = None
    """Column with the weight of each image in the target population."""
    box: str | None = None
    """Column with the boxes of objects in pixels, or as shares of width and height."""
    box_format: BoxFormat = "xywh"
    """What the four numbers of a box are: `xywh`, as usual on the Hub, `xyxy`, or `cxcywh`."""

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """A folder that `save_to_disk` wrote, or with Parquet files and no image files."""
        path = given.path
        if not path.is_dir() or not _is_stored_data(path):
            return None
        path = path.resolve()
        library = _library()
        with _quiet(library):
            stored = cls(path=path)._load(library)  # noqa: SLF001 - of this class
            splits = list(stored) if isinstance(stored, library.DatasetDict) else []
            split = next((one for one in ("test", "validation") if one in splits), None)
            split = split or (splits[0] if splits else None)
            rows = stored if split is None else stored[split]
            images = [k for k, one in rows.features.items() if isinstance(one, library.Image)]
            if not images:
                return None
            table = rows.remove_columns(images).to_pandas()
        named = [name for name in table if _class_names(rows.features[name])]
        found = roles_of_columns(table.drop(columns=named))
        label = "label" if "label" in named else next(iter(named), found.label)
        if label is None:
            raise ConfigError(
                f"--data: {path}: expected a column of class labels; the columns are "
                f"{', '.join(rows.column_names)}: set `data.label` in a configuration file"
            )
        attributes = {name: "categorical" for name in named if name != label}
        attributes |= {name: one for name, one in found.attributes.items() if name != label}
        options: dict[str, Any] = {"path": path} | ({"split": split} if split else {})
        options |= {"image": images[0], "label": label, **found.clusters_and_weights()}
        options |= {"attributes": attributes} if attributes else {}
        comments = {"path": f"{len(rows)} rows"} | (
            {"split": f"of {', '.join(splits)}"} if split else {}
        )
        classes = _class_names(rows.features[label]) or ()
        return Recognised("a data set of Hugging Face's library", options, comments, (), classes)

    def open(self) -> AuditedData:
        """Reads labels and attributes without decoding any image.

        Raises:
            MissingDependencyError: the library is not installed.
            DataError: the folder holds no data set, the split or a column is missing, or there are no rows.
        """
        if not self.path.is_dir():
            raise DataError(
                f"data.path: expected a folder on disk; {self.path} is none, and nothing is downloaded: "
                "fetch a data set of the Hub once with `datasets.load_dataset(name).save_to_disk(folder)`"
            )
        library = _library()
        with _quiet(library):
            rows = self._rows(library)
            names = [
                self.label,
                *self.attributes,
                *filter(None, (self.group, self.weight, self.box)),
            ]
            require_columns(
                pd.DataFrame(columns=rows.column_names),
                {"image": self.image, "label": self.label}
                | {f"attributes: {name}": name for name in self.attributes}
                | {option: getattr(self, option) for option in ("group", "weight", "box")
                   if getattr(self, option)},
                self.path,
            )  # fmt: skip
            require_free_names(self.attributes, self.path)
            cells = rows.select_columns(list(dict.fromkeys(names)))[:]
            # Class labels stay integers where one is missing.
            table = pd.DataFrame(
                {
                    name: pd.Series(
                        column, dtype=object if _class_names(rows.features[name]) else None
                    )
                    for name, column in cells.items()
                }
            )
            features = rows.features
            images = StoredImages(self._undecoded(library, rows), self.image, self.path)
        if table.empty:
            raise DataError(f"{self.path}: expected one row per image; there are none")
        return self._data_set(table, features, images)

    def _data_set(self, table: pd.DataFrame, features: Any, images: StoredImages) -> AuditedData:
        classes = _class_names(features[self.label])
        labels = table[self.label].map(lambda cell: _named(cell, classes))
        several = labels.map(lambda cell: isinstance(cell, list)).any()
        width = len(str(len(table)))
        places = [f"{self.split or 'row'}/{row:0{width}d}" for row in range(len(table))]
        samples = pd.DataFrame({"path": places})
        samples["label"] = split_labels(labels, ",") if several else parse_labels(labels)
        for name in self.attributes:
            named = _class_names(features[name])
            samples[name] = table[name].map(lambda cell, named=named: _named(cell, named))
        if self.group:
            samples[GROUP] = group_column(table[self.group])
        if self.weight:
            samples[WEIGHT] = weight_column(table[self.weight], f"{self.path}: data.weight")
        relative, notes = False, tuple[DataNote, ...]()
        if self.box:
            samples["box"], relative, notes = read_boxes(
                table[self.box], self.box_format, self.path
            )
        samples.index = pd.Index(places, name="sample")
        return AuditedData(
            samples=samples,
            images=images,
            attributes=tuple(self.attributes),
            adapter=self.plugin_name,
            classes=classes,
            group=self.group,
            stated_types=stated_types(self.attributes),
            weight=self.weight,
            notes=notes,
            relative_boxes=relative,
        )

    def _rows(self, library: Any) -> Any:
        """The rows of the split."""
        try:
            found = self._load(library)
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            library.exceptions.DatasetsError,
        ) as error:
            raise DataError(
                f"{self.path}: expected a data set that `save_to_disk` wrote, Parquet files, or a folder of "
                f"images; {' '.join(str(error).split())[:300]}"
            ) from error
        if not isinstance(found, library.DatasetDict):
            return found
        known = list(found)
        if self.split is None and len(known) == 1:
            return found[known[0]]
        if self.split not in found:
            got = "none is set" if self.split is None else f"got {self.split!r}"
            raise DataError(f"{self.path}: data.split: expected one of {', '.join(known)}; {got}")
        return found[self.split]

    def _load(self, library: Any) -> Any:
        if (self.path / "dataset_dict.json").is_file() or (self.path / "state.json").is_file():
            return library.load_from_disk(str(self.path))
        parquet = sorted(self.path.rglob("*.parquet"))
        if not parquet:
            return library.load_dataset("imagefolder", data_dir=str(self.path))
        files: dict[str, list[str]] = {}
        for path in parquet:
            # As on the Hub: data/train-00000-of-00002.parquet, or train/0000.parquet.
            inside = path.relative_to(self.path)
            name = (
                inside.parts[-2]
                if inside.stem[:1].isdigit() and len(inside.parts) > 1
                else inside.stem
            )
            files.setdefault(name.split("-")[0], []).append(str(path))
        return library.load_dataset("parquet", data_files=files)

    def _undecoded(self, library: Any, rows: Any) -> Any:
        """The images as the bytes of their files, which are decoded by this package."""
        feature = rows.features[self.image]
        if not isinstance(feature, library.Image):
            raise DataError(
                f"{self.path}: data.image: expected a column of images; {self.image!r} has the type "
                f"{type(feature).__name__}: cast it with `datasets.Image()` and save the data set again"
            )
        return rows.select_columns([self.image]).cast_column(
            self.image, library.Image(decode=False)
        )


@dataclass(frozen=True)
class StoredImages:
    """Images in the rows of a data set.

    Attributes:
        rows: of ``datasets``, whose column of images is not decoded.
        column: name of that column.
        root: folder to which paths of images are relative.
    """

    rows: Any
    column: str
    root: Path

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> DecodedImage:
        """Decodes the image of a row.

        Raises:
            UnreadableImageError: it is missing or can't be decoded.
        """
        cell = self.rows[int(index)][self.column]
        if not cell or not (cell.get("bytes") or cell.get("path")):
            raise UnreadableImageError("missing", "the row has no image")
        data: bytes | None = cell.get("bytes")
        if not data:
            return open_image(self._inside(str(cell["path"])))
        return DecodedImage(decode_image(data), hashlib.sha256(data).hexdigest())

    def _inside(self, name: str) -> Path:
        """The path of an image; a row may not name a file elsewhere."""
        root = DeclaredRoot(self.root, self.root)
        if root.leaves(name):
            raise UnreadableImageError(
                "unreadable", f"{name}: outside of the folder of the data set"
            )
        return root.path(name)


def _is_stored_data(folder: Path) -> bool:
    """Whether a folder holds a data set in Arrow or Parquet files, and no image files."""
    if any((folder / name).is_file() for name in ("dataset_dict.json", "state.json")):
        return True
    suffixes = {path.suffix.lower() for path in folder.rglob("*")}
    return ".parquet" in suffixes and not suffixes & SUFFIXES


def _library() -> Any:
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise MissingDependencyError(
            "data.adapter: the library datasets is not installed: `pip install "
            "'classifier-auditor[huggingface]'`"
        ) from error


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Without the library's own progress bars, which would garble ours."""
    shown = library.is_progress_bar_enabled()
    library.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            library.enable_progress_bars()


def _class_names(feature: Any) -> tuple[str, ...] | None:
    """Names of the classes of a column of class labels, or of lists of them."""
    inner = getattr(feature, "feature", feature)
    names = getattr(inner, "names", None)
    return None if names is None else tuple(map(str, names))


def _named(cell: Any, classes: tuple[str, ...] | None) -> Any:
    """A class label as its name; -1, which means unknown, as None."""
    if isinstance(cell, list):
        return [_named(one, classes) for one in cell]
    if classes is None or not isinstance(cell, int):
        return cell
    return classes[cell] if 0 <= cell < len(classes) else None
