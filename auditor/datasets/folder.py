"""A folder with one sub-folder a class."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pandas as pd

from auditor.config import ConfigPath
from auditor.datasets.images import FileImages
from auditor.datasets.tables import (
    labels_of,
    read_table,
    require_columns,
    require_free_names,
    text,
    typed,
)
from auditor.errors import DataError
from auditor.records import Dataset
from auditor.registry import Options, plugin

_SUFFIXES = frozenset(
    (
        *(".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"),
        *(".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
    )
)
_FILE = "file"


@plugin("dataset", "folder")
class Folder(Options):
    """One sub-folder a class, attributes in an optional table."""

    path: ConfigPath
    """Folder whose sub-folders are the classes; images may lie deeper, hidden files are left out."""
    attributes: ConfigPath | None = None
    """CSV or Parquet with a column `file` (relative to the folder); all other columns describe it."""
    reference: ConfigPath | None = None
    """The training data: a folder of the same make, or a table with `label` and the same columns."""
    reference_attributes: ConfigPath | None = None
    """Attributes of the training data where it is a folder, as in `attributes`."""

    def open(self) -> Dataset:
        """Lists the images; none is decoded yet.

        Raises:
            DataError: the folder or a table is missing or does not fit, or there are no images.
        """
        classes, samples = _listed(self.path)
        if samples.empty:
            raise DataError(
                f"{self.path}: expected images ({' '.join(sorted(_SUFFIXES))}) in its sub-folders; "
                "there are none"
            )
        described = pd.DataFrame(index=samples.index)
        if self.attributes is not None:
            described = _described(self.attributes, samples.index)
        names = tuple(str(name) for name in described.columns)
        trained = self._reference(names)
        reference = None if trained is None else trained[["label"]].copy()
        for name in names:
            if trained is None or reference is None:
                (samples[name],) = typed(described[name])
            else:
                samples[name], reference[name] = typed(described[name], trained[name])
        return Dataset(
            samples=samples,
            images=FileImages.of(self.path, samples["path"]),
            attributes=names,
            adapter=self.plugin_name,
            classes=classes,
            reference=reference,
            reference_images=self._trained_on(trained),
        )

    def _trained_on(self, trained: pd.DataFrame | None) -> FileImages | None:
        """The training data's images, where it is a folder."""
        if trained is None or self.reference is None or self.reference.is_file():
            return None
        return FileImages.of(self.reference, trained["path"])

    def _reference(self, names: tuple[str, ...]) -> pd.DataFrame | None:
        if self.reference is None:
            return None
        if self.reference.is_file():
            table = read_table(self.reference)
            columns = {"reference": "label"} | {f"reference: {name}": name for name in names}
            require_columns(table, columns, self.reference)
            return table.assign(label=labels_of(table["label"]))
        _, table = _listed(self.reference)
        if not names:
            return table
        if self.reference_attributes is None:
            raise DataError(
                f"{self.reference}: the audited images have the attributes {', '.join(names)}; name "
                "the training data's table in data.reference_attributes"
            )
        described = _described(self.reference_attributes, table.index)
        require_columns(
            described,
            {f"reference_attributes: {name}": name for name in names},
            self.reference_attributes,
        )
        return table.join(described)


def _listed(root: Path) -> tuple[tuple[str, ...], pd.DataFrame]:
    """The class names, and ``path`` and ``label`` of every image in the order of their paths."""
    if not root.is_dir():
        raise DataError(f"{root}: expected a folder with one sub-folder a class; there is none")
    classes = sorted(one.name for one in root.iterdir() if one.is_dir() and one.name[0] != ".")
    if not classes:
        raise DataError(f"{root}: expected one sub-folder a class; it has no sub-folders")
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


def _described(path: Path, samples: pd.Index) -> pd.DataFrame:
    """The attribute columns of a table, in the order of the samples; NA for those it does not name."""
    table = read_table(path)
    require_columns(table, {"attributes": _FILE}, path)
    names = [str(name) for name in table.columns if name != _FILE]
    require_free_names(names, path)
    files = text(table[_FILE]).fillna("")
    table.index = pd.Index([PurePosixPath(name.replace("\\", "/")).as_posix() for name in files])
    twice = table.index[table.index.duplicated()]
    if len(twice):
        raise DataError(f"{path}: expected one row an image; {twice[0]!r} has more")
    if not table.index.isin(samples).any():
        raise DataError(
            f"{path}: expected paths such as {samples[0]!r} in column {_FILE!r}; none of its "
            f"{len(table)} rows names an image"
            + (f", the first has {table.index[0]!r}" if len(table) else "")
        )
    return table[names].reindex(samples)
