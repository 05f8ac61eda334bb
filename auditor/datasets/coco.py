"""Annotations in the format of COCO: images or single objects, with boxes and masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from auditor.config import AttributeNames, ConfigPath, stated_types
from auditor.config.recognise import Given, Recognised
from auditor.datasets.coco_masks import mask_of
from auditor.datasets.column_roles import folder_of_images
from auditor.datasets.declared_root import URL, DeclaredRoot
from auditor.datasets.image_parts import ImageParts, part_with_margin
from auditor.datasets.image_paths import unusable_files
from auditor.datasets.images import FileImages
from auditor.datasets.tables import group_column, require_free_names, unique_ids
from auditor.errors import DataError
from auditor.imaging import Box
from auditor.phrasing import count, plural
from auditor.records import DataNote, Dataset
from auditor.records.json_texts import parse_json_text
from auditor.records.predictions import GROUP
from auditor.registry import Options, plugin

Entry = Mapping[str, Any]
_PARTS = ("images", "annotations", "categories")


@plugin("dataset", "coco")
class Coco(Options):
    """A JSON file in the format of COCO, with one sample per annotated object or per image."""

    accepts: ClassVar[str] = "annotations in the format of COCO"
    recognition_order: ClassVar[int] = 0

    path: ConfigPath
    """The annotation file, with `images`, `annotations` and `categories`."""
    root: ConfigPath | None = None
    """Folder to which `file_name` is relative, and which none of them may leave; null: the folder of the
    annotation file."""
    allow_outside: bool = False
    """Whether paths may lead out of `root`: absolute ones, `..`, and links. The report shows images that the
    file names; set this only for a file that you trust."""
    unit: Literal["object", "image"] = "object"
    """What a sample is: an annotated object, cut out with a margin, or a whole image."""
    margin: float = Field(0.1, ge=0, le=10)
    """Around an object, as a share of the longer side of its box."""
    label: Literal["only", "largest", "all"] = "only"
    """Label of an image with several objects: that of all of them, where they agree (others are left out);
    of the largest; or all of them, for a multi-label task."""
    attributes: AttributeNames = ()
    """Keys of the annotation or the image by which the audit slices, also those inside of `attributes`: a
    list, or a mapping to types."""
    group: str | None = None
    """Key of the image that says which samples belong together, such as the scene. Objects of one image
    always do, and that is what null means."""
    crowds: bool = False
    """Whether to keep annotations of crowds (`iscrowd: 1`), which are regions and no single objects."""

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """A JSON file with images, annotations and categories; the images may lie in a folder beside it."""
        if given.path.suffix.lower() != ".json" or not given.path.is_file():
            return None
        path = given.path.resolve()
        file = _read(path)
        options: dict[str, Any] = {"path": path}
        root = folder_of_images(
            pd.Series([str(one["file_name"]) for one in file.images.values()], dtype=object),
            path.parent,
        )
        options |= {} if root is None else {"root": root}
        found = f"{plural(len(file.objects), 'object')} in {plural(len(file.images), 'image')}"
        notes = ("each annotated object is a sample: set `unit: image` for whole images",)
        what = "annotations in the format of COCO"
        return Recognised(what, options, {"path": found}, notes, file.classes)

    def open(self) -> Dataset:
        """Reads the annotations without decoding any image.

        Raises:
            DataError: the file is missing, or has another format; or it contains no sample.
        """
        file = _read(self.path)
        require_free_names(self.attributes, self.path)
        objects = [one for one in file.objects if self.crowds or not one.entry.get("iscrowd")]
        n_crowds = len(file.objects) - len(objects)
        notes = list(file.notes)
        if n_crowds:
            notes.append(DataNote(f"{plural(n_crowds, 'annotation')} of crowds left out", n_crowds))
        made = self._objects(objects) if self.unit == "object" else self._images(file, objects)
        notes += made.notes
        if not made.rows:
            found = "".join(f"; {one.text}" for one in notes)
            raise DataError(f"{self.path}: expected at least one {self.unit}; there is none{found}")
        images = self._pixels(made)
        names = list(dict.fromkeys(str(row["path"]) for row in made.rows))
        folder = self.root or self.path.parent
        notes += unusable_files([folder / name for name in names], names, len(names))
        samples = pd.DataFrame(made.rows)
        samples[GROUP] = group_column(samples[GROUP])
        samples.index = pd.Index(unique_ids(made.names), name="sample")
        grouped = self.unit == "object" or self.group is not None
        return Dataset(
            samples=samples if grouped else samples.drop(columns=GROUP),
            images=images,
            attributes=tuple(self.attributes),
            adapter=self.plugin_name,
            classes=file.classes,
            group=(self.group or "image") if grouped else None,
            stated_types=stated_types(self.attributes),
            notes=tuple(notes),
        )

    def _pixels(self, made: _Samples) -> FileImages | ImageParts:
        root = DeclaredRoot(self.root or self.path.parent, self.path, self.allow_outside)
        names = [row["path"] for row in made.rows]
        root.require_inside(names, "path")
        files = FileImages.of(root.folder, names)
        if self.unit == "image":
            return files
        return ImageParts(
            files, np.array(made.sizes, np.int64), np.array(made.boxes, np.float64), self.margin
        )

    def _objects(self, objects: Sequence[_Object]) -> _Samples:
        made = _Samples()
        for one in objects:
            width, height = one.size
            part = part_with_margin(one.box, self.margin, width, height) if width else None
            row = self._row(one.image, one.entry, one.label)
            if part is not None:
                row["box"] = _inside(one.box, part)
                row["mask"] = mask_of(one.entry, one.size, part)
            made.add(f"{one.image['file_name']}#{one.entry['id']}", row, one.size, one.box)
        return made

    def _images(self, file: _File, objects: Sequence[_Object]) -> _Samples:
        by_image: dict[Any, list[_Object]] = {key: [] for key in file.images}
        for one in objects:
            by_image[one.image["id"]].append(one)
        made, n_mixed, n_empty = _Samples(), 0, 0
        for key, inside in by_image.items():
            image, names = file.images[key], list(dict.fromkeys(one.label for one in inside))
            if self.label != "all" and not names:
                n_empty += 1
            elif self.label == "only" and len(names) > 1:
                n_mixed += 1
            else:
                largest = max(inside, key=_Object.area, default=None)
                label = tuple(names) if self.label == "all" else largest and largest.label
                shown = [one for one in inside if label in (one.label, tuple(names))]
                row = self._row(image, {}, label)
                row["box"] = tuple(one.box for one in shown) or None
                masks = (mask_of(one.entry, one.size, None) for one in shown)
                row["mask"] = tuple(one for one in masks if one is not None) or None
                made.add(str(image["file_name"]), row, _size(image), (0.0, 0.0, 0.0, 0.0))
        if n_mixed:
            text = f"{plural(n_mixed, 'image')} with objects of several classes left out"
            made.notes.append(DataNote(f"{text} (data.label: largest would keep them)", n_mixed))
        if n_empty:
            made.notes.append(
                DataNote(f"{plural(n_empty, 'image')} without objects left out", n_empty)
            )
        return made

    def _row(self, image: Entry, annotation: Entry, label: object) -> dict[str, Any]:
        sources = (annotation, annotation.get("attributes"), image, image.get("attributes"))
        tables = [one for one in sources if isinstance(one, Mapping)]
        row: dict[str, Any] = {"path": _checked(str(image["file_name"]), self.path), "label": label}
        for name in self.attributes:
            row[name] = next((one[name] for one in tables if name in one), None)
        group = image["id"] if self.group is None else image.get(self.group)
        return row | {"box": None, "mask": None, GROUP: None if group is None else str(group)}


@dataclass(frozen=True)
class _Object:
    """An annotation with its image and the name of its category."""

    entry: Entry
    image: Entry
    label: str
    box: Box

    @property
    def size(self) -> tuple[int, int]:
        return _size(self.image)

    def area(self) -> float:
        x0, y0, x1, y1 = self.box
        stated = self.entry.get("area")
        return float(stated) if isinstance(stated, int | float) else (x1 - x0) * (y1 - y0)


@dataclass(frozen=True)
class _File:
    """Content of an annotation file."""

    images: Mapping[Any, Entry]
    objects: Sequence[_Object]
    classes: tuple[str, ...]
    notes: tuple[DataNote, ...]


class _Samples:
    """Rows of the samples while they are collected."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.sizes: list[tuple[int, int]] = []
        self.boxes: list[Box] = []
        self.notes: list[DataNote] = []

    def add(self, name: str, row: dict[str, Any], size: tuple[int, int], box: Box) -> None:
        self.names.append(name)
        self.rows.append(row)
        self.sizes.append(size)
        self.boxes.append(box)


def _read(path: Path) -> _File:
    try:
        raw = parse_json_text(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: expected a JSON file in the format of COCO; {error}: correct data.path"
        ) from error
    parts = raw if isinstance(raw, dict) else {}
    missing = [name for name in _PARTS if not _is_list_of_objects(parts.get(name))]
    if missing:
        raise DataError(
            f"{path}: expected lists of objects named images, annotations and categories; missing or of "
            f"another form: {', '.join(missing)}: is this a file of COCO instances?"
        )
    categories = _by_id(parts["categories"], path, "categories", "name")
    images = _by_id(parts["images"], path, "images", "file_name")
    classes = tuple(str(categories[key]["name"]) for key in sorted(categories, key=_order))
    objects = list(_objects(parts["annotations"], images, categories))
    n_lost = len(parts["annotations"]) - len(objects)
    notes = [
        DataNote(
            f"{count(n_lost)} annotation{'s' if n_lost > 1 else ''} left out: without a box of positive "
            "size, or with an image or category that the file does not have",
            n_lost,
        )
    ]
    return _File(images, objects, classes, tuple(notes) if n_lost else ())


def _order(key: object) -> tuple[int, float, str]:
    """Order of ids: numbers first."""
    return (0, float(key), "") if isinstance(key, int | float) else (1, 0.0, str(key))


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _by_id(entries: Sequence[Entry], path: Path, name: str, needed: str) -> dict[Any, Entry]:
    found: dict[Any, Entry] = {}
    for place, one in enumerate(entries):
        key = one.get("id")
        if not isinstance(key, int | str) or not isinstance(one.get(needed), str):
            raise DataError(
                f"{path}: {name}[{place}]: expected an `id` and a text `{needed}`; got {str(one)[:120]}"
            )
        if key in found:
            raise DataError(f"{path}: {name}: expected each id once; {key!r} occurs twice")
        found[key] = one
    return found


def _objects(
    annotations: Sequence[Entry], images: Mapping[Any, Entry], categories: Mapping[Any, Entry]
) -> Iterator[_Object]:
    """The annotations that can be used."""
    for place, one in enumerate(annotations):
        image_id, category_id = one.get("image_id"), one.get("category_id")
        known = isinstance(image_id, int | str) and isinstance(category_id, int | str)
        image = images.get(image_id) if known else None
        category = categories.get(category_id) if known else None
        box = _box(one.get("bbox"))
        if image is not None and category is not None and box is not None:
            yield _Object({"id": place, **one}, image, str(category["name"]), box)


def _box(value: object) -> Box | None:
    """``[x, y, width, height]`` as edges."""
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(isinstance(one, int | float) and np.isfinite(one) for one in value):
        return None
    x, y, width, height = map(float, value)
    return (x, y, x + width, y + height) if width > 0 and height > 0 else None


def _inside(box: Box, part: tuple[int, int, int, int]) -> Box:
    """A box in the pixels of a part of the image."""
    left, top, _, _ = part
    return (box[0] - left, box[1] - top, box[2] - left, box[3] - top)


def _size(image: Entry) -> tuple[int, int]:
    """Annotated width and height; 0 where they are not stated."""
    width, height = image.get("width"), image.get("height")
    stated = isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0
    return (width, height) if stated else (0, 0)  # type: ignore[return-value]


def _checked(name: str, path: Path) -> str:
    """The path of an image with ``/``.

    Raises:
        DataError: it is a URL.
    """
    if "\0" in name or URL.match(name):
        raise DataError(
            f"{path}: expected paths of files as file_name; URLs are not downloaded; got {name[:200]!r}: "
            "download the images, and give their paths"
        )
    return name.replace("\\", "/")
