"""What the columns of a table probably are: paths, labels, attributes, boxes, masks, clusters, weights.

A guess for a configuration that a person reads before it is used.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from auditor.attributes.cells import read_cells
from auditor.attributes.guess import guess_type
from auditor.attributes.identifiers import cluster_hint
from auditor.datasets.folder_listing import SUFFIXES
from auditor.datasets.tables import as_text
from auditor.errors import ConfigError
from auditor.phrasing import plural, several
from auditor.records.predictions import is_reserved

_TABLES = (".csv", ".tsv", ".parquet", ".pq", ".csv.gz", ".tsv.gz")
_IMAGE_NAMES = (
    *("file", "path", "image", "filename", "file_name", "filepath", "file_path", "image_path"),
    *("img", "img_path", "image_file", "image_name", "image_id", "picture"),
)
_LABEL_NAMES = (
    *("label", "class", "target", "category", "diagnosis", "dx", "class_name", "label_name"),
    *("y", "species", "ground_truth", "truth", "labels"),
)
_WEIGHT_NAMES = ("weight", "sample_weight", "sampling_weight", "weights")
_MASK = re.compile("mask|segmentation", re.IGNORECASE)
_NUMBER = r"-?\d+(?:\.\d+)?"
_BOX = re.compile(rf"[\[(]*\s*{_NUMBER}(?:[\s,;]+{_NUMBER}){{3}}\s*[\])]*.*", re.DOTALL)
_MOST_VALUES = 50
"""A text with more values than this is no attribute: slices would be too small."""
_TRIED = 20


@dataclass(frozen=True)
class ColumnRoles:
    """The columns of a table by their probable role; None where none has it.

    Attributes:
        image: paths of the images.
        label: labels.
        group: clusters of samples that belong together.
        weight: weights in the target population.
        box: bounding boxes.
        mask: paths of masks.
        attributes: the types of attributes by name.
        reasons: why they have these types.
        unused: why the other columns are none of these.
        classes: the different labels, sorted; empty if they are numbers.
    """

    image: str | None
    label: str | None
    group: str | None
    weight: str | None
    box: str | None
    mask: str | None
    attributes: Mapping[str, str]
    reasons: Mapping[str, str]
    unused: Mapping[str, str]
    classes: tuple[str, ...]

    def require(self, role: Literal["image", "label"], path: Path) -> str:
        """The column with a role.

        Raises:
            ConfigError: no column looks like it.
        """
        found = self.image if role == "image" else self.label
        if found is None:
            names = [*self.attributes, *self.unused]
            wanted = "paths of images" if role == "image" else "labels"
            raise ConfigError(
                f"--data: {path}: expected a column with {wanted}, such as {role!r}; none of "
                f"{several(names, 12)} looks like it: name it `{'file' if role == 'image' else 'label'}`, or "
                f"set `data.{role}` in a configuration file, which `auditor init` writes"
            )
        return found

    def clusters_and_weights(self) -> dict[str, str]:
        """The options `group` and `weight`, where a column has the role."""
        return {name: one for name in ("group", "weight") if (one := getattr(self, name))}

    def notes(self) -> Iterator[str]:
        """Sentences on the columns that are not used."""
        for name, why in self.unused.items():
            yield f"column {name!r} is not used: {why}"


def roles_of_columns(table: pd.DataFrame, own: Collection[str] = ()) -> ColumnRoles:
    """Guesses the roles of columns by their names and cells.

    Args:
        table: one row per image, as `read_table` returns it.
        own: names of columns with paths, whatever their cells.
    """
    text = {str(name): as_text(table[name]).fillna("") for name in table.columns}
    with_paths = [name for name, cells in text.items() if name in own or _are_paths(cells)]
    mask = next((name for name in with_paths if _MASK.search(name)), None)
    images = [name for name in with_paths if name != mask]
    image = _by_name(images, _IMAGE_NAMES) or next(iter(images), None)
    rest = [name for name in text if name not in {image, mask}]
    box = next((name for name in rest if _are_boxes(text[name])), None)
    label = _by_name([name for name in rest if name != box], _LABEL_NAMES)
    rest = [name for name in rest if name not in {box, label}]
    weight = _by_name(rest, _WEIGHT_NAMES)
    sizes = {name: text[name].replace("", pd.NA).value_counts().tolist() for name in rest}
    hinted = (name for name in rest if name != weight and sizes[name])
    group = next((one for one in hinted if cluster_hint(one, sizes[one], is_text=False)), None)
    types: dict[str, tuple[str, str]] = {}
    unused: dict[str, str] = {}
    for name in rest:
        if name not in {weight, group}:
            why = _why_no_attribute(name, table[name])
            if why:
                unused[name] = why
            else:
                types[name] = guess_type(read_cells(table[name]))
    return ColumnRoles(
        image=image,
        label=label,
        group=group,
        weight=weight,
        box=box,
        mask=mask,
        attributes={name: kind for name, (kind, _) in types.items()},
        reasons={name: why for name, (_, why) in types.items()},
        unused=unused,
        classes=() if label is None else _classes(table[label]),
    )


def is_table(path: Path) -> bool:
    """Whether a path is a file with the suffix of a table."""
    return path.name.lower().endswith(_TABLES) and path.is_file()


def tables_in(folder: Path) -> list[Path]:
    """The tables directly in a folder, sorted."""
    return sorted(path for path in folder.iterdir() if is_table(path))


def folder_of_images(paths: pd.Series[Any], beside: Path) -> Path | None:
    """The folder to which paths are relative, if it is not that of the table but directly below it."""
    tried = [Path(str(one).replace("\\", "/")) for one in paths.dropna().head(_TRIED)]
    if any((beside / one).is_file() for one in tried):
        return None
    folders = sorted(one for one in beside.iterdir() if one.is_dir())
    return next(
        (folder for folder in folders if any((folder / one).is_file() for one in tried)), None
    )


def _by_name(columns: Collection[str], names: Collection[str]) -> str | None:
    """The column whose name comes first among some names; case and separators do not matter."""
    plain = {re.sub(r"[\s.-]+", "_", name.strip().lower()): name for name in reversed([*columns])}
    return next((plain[name] for name in names if name in plain), None)


def _are_paths(cells: pd.Series[Any]) -> bool:
    """Whether most cells end like the names of image files."""
    known = cells[cells != ""].head(1000).str.lower()
    suffixes = (*SUFFIXES, ".dcm", ".dicom")
    return len(known) > 0 and bool(known.str.endswith(suffixes).mean() > 0.5)


def _are_boxes(cells: pd.Series[Any]) -> bool:
    """Whether most cells hold four numbers."""
    known = cells[cells != ""].head(1000)
    return len(known) > 0 and bool(known.map(lambda one: bool(_BOX.fullmatch(one))).mean() > 0.5)


def _why_no_attribute(name: str, column: pd.Series[Any]) -> str:
    """Why a column is no attribute; empty if it may be one."""
    if not name.strip() or name.startswith("Unnamed:"):
        return "it has no name"
    if is_reserved(name):
        return "an audit has a column of this name"
    cells = read_cells(column)
    n_values, n = len(cells.counts), sum(cells.counts.values())
    if n_values < 2:
        return "it has no two different values"
    if cells.numbers is None and (n_values > _MOST_VALUES or 2 * n_values > n):
        return f"it has {plural(n_values, 'different text')} in {plural(n, 'row')}"
    return ""


def _classes(labels: pd.Series[Any]) -> tuple[str, ...]:
    cells = read_cells(labels)
    return () if cells.numbers is not None else tuple(sorted(cells.counts))
