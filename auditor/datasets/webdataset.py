"""Tar shards in the format of WebDataset, read in place."""

from __future__ import annotations

import glob
import hashlib
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.config import AttributeNames, ConfigPath, stated_types
from auditor.config.recognise import Given, Recognised
from auditor.datasets.label_sets import split_labels
from auditor.datasets.tables import group_column, parse_labels, require_free_names, unique_ids
from auditor.errors import DataError, UnreadableImageError
from auditor.imaging import decode_image
from auditor.phrasing import plural
from auditor.records import DataNote, Dataset, DecodedImage
from auditor.records.json_texts import parse_json_text
from auditor.records.predictions import GROUP
from auditor.registry import Options, plugin

_IMAGES = ("jpg", "jpeg", "png", "webp", "ppm", "bmp", "tif", "tiff", "gif", "jp2", "avif")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
"""First bytes of compressed files: gzip, bzip2, xz and zstandard."""
_LARGEST_TEXT = 1 << 20
"""Bytes of a label or of metadata that are read."""
_LARGEST_IMAGE = 1 << 30
"""Bytes of an image that are read."""


@plugin("dataset", "webdataset")
class WebDataset(Options):
    """Tar files whose members `key.jpg`, `key.cls`, `key.json` make one sample; nothing is unpacked."""

    accepts: ClassVar[str] = "tar shards"
    recognition_order: ClassVar[int] = 0

    path: ConfigPath
    """A tar file, or a pattern such as `shards/test-*.tar`."""
    image: str | None = None
    """Extension of the images, such as `jpg` or `left.png`; null: the first that is an image format."""
    label: str = "cls"
    """Extension of the labels: a file with an index or a name, or a key in JSON, such as `json:finding`."""
    attributes: AttributeNames = ()
    """Keys of the JSON file by which the audit slices; dots lead into it, as in `patient.sex`."""
    group: str | None = None
    """Key of the JSON file that says which samples belong together, such as `patient.id`."""

    @classmethod
    def recognise(cls, given: Given) -> Recognised | None:
        """A tar file, a pattern of tar files, or a folder with tar files."""
        path = given.path
        if path.is_dir():
            if not any(path.glob("*.tar")):
                return None
            path /= "*.tar"
        elif path.suffix != ".tar":
            return None
        path = path.absolute()
        for label in ("cls", "json:label", "json:class", "txt"):
            options: dict[str, Any] = {"path": path, "label": label}
            try:
                data = cls(**options).open()
            except DataError:
                if label == "txt":
                    raise
                continue
            break
        n = plural(len(data.samples), "sample")
        notes = tuple(note.text for note in data.notes)
        return Recognised("tar shards", options, {"path": n}, notes)

    def open(self) -> Dataset:
        """Lists the members of the shards without decoding any image.

        Raises:
            DataError: there is no shard, or no sample in them, or no label is found.
        """
        require_free_names(self.attributes, self.path)
        shards = self._shards()
        listed = _Listing()
        for number, path in enumerate(shards):
            listed.read(number, path)
        rows = [self._row(name, one, shards) for name, one in listed.samples.items()]
        found = [row for row in rows if row is not None]
        notes = list(listed.notes)
        if len(found) < len(rows):
            n_lost = len(rows) - len(found)
            notes.append(DataNote(f"{plural(n_lost, 'key')} without an image left out", n_lost))
        if not found:
            more = "".join(f"; {note.text}" for note in notes)
            raise DataError(
                f"{self.path}: expected members such as 000.jpg and 000.{self.label}; found no image{more}"
            )
        return self._data_set(pd.DataFrame(found), shards, tuple(notes))

    def _data_set(
        self, table: pd.DataFrame, shards: list[Path], notes: tuple[DataNote, ...]
    ) -> Dataset:
        if table["label"].isna().all():
            raise DataError(
                f"{self.path}: data.label: expected members with the extension {self.label!r}; no sample has "
                "one: name the extension, or a key of the JSON file as in `json:label`"
            )
        several = table["label"].map(lambda cell: isinstance(cell, list)).any()
        labels = table["label"]
        samples = table[["path", *self.attributes]].copy()
        samples.insert(1, "label", split_labels(labels, ",") if several else parse_labels(labels))
        if self.group:
            samples[GROUP] = group_column(table[GROUP])
        samples.index = pd.Index(unique_ids(list(table["path"])), name="sample")
        places = np.stack(table["place"].tolist())
        return Dataset(
            samples=samples,
            images=TarImages(tuple(map(str, shards)), places),
            attributes=tuple(self.attributes),
            adapter=self.plugin_name,
            group=self.group,
            stated_types=stated_types(self.attributes),
            notes=notes,
        )

    def _shards(self) -> list[Path]:
        pattern = str(self.path)
        found = [pattern] if self.path.is_file() else glob.glob(pattern)  # noqa: PTH207 - absolute
        paths = [Path(one) for one in found]
        files = sorted(one for one in paths if one.is_file())
        if not files:
            raise DataError(
                f"{self.path}: expected a tar file, or a pattern such as test-*.tar; it matches no file. "
                "Patterns such as {000..009} and addresses are not read"
            )
        return files

    def _row(
        self, name: str, members: Mapping[str, _Member], shards: list[Path]
    ) -> dict[str, Any] | None:
        image = self._image(members)
        if image is None:
            return None
        texts = _Texts(members, shards)
        extension, _, key = self.label.partition(":")
        label = texts.json(extension, key) if key else texts.label(extension)
        row: dict[str, Any] = {"path": name, "label": label, "place": np.array(image.place)}
        for attribute in self.attributes:
            row[attribute] = texts.json("json", attribute)
        if self.group:
            row[GROUP] = texts.json("json", self.group)
        return row

    def _image(self, members: Mapping[str, _Member]) -> _Member | None:
        if self.image is not None:
            return members.get(self.image.lower())
        return next((members[one] for one in members if one.rsplit(".", 1)[-1] in _IMAGES), None)


@dataclass(frozen=True)
class _Member:
    """Where the bytes of a member are: the number of its shard, its offset, its size."""

    place: tuple[int, int, int]


@dataclass
class _Listing:
    """The members of shards by sample."""

    samples: dict[str, dict[str, _Member]] = field(default_factory=dict)
    notes: list[DataNote] = field(default_factory=list)

    def read(self, number: int, path: Path) -> None:
        """Adds the members of a shard; one that ends early keeps those before."""
        try:
            size = path.stat().st_size
            # Names that are no UTF-8 keep their bytes as escapes, such as `caf\xe9.jpg`.
            with tarfile.open(path, "r:", errors="backslashreplace") as archive:
                for member in archive:
                    if not member.isreg() or member.name.rpartition("/")[2].startswith("."):
                        continue
                    self._add(number, path, member)
                    if member.offset_data + member.size > size:
                        raise tarfile.ReadError("unexpected end of data")
        except (tarfile.TarError, OSError, EOFError) as error:
            if _starts_with(path, _COMPRESSED):
                raise DataError(
                    f"{path}: expected an uncompressed tar file; it is compressed: unpack it first"
                ) from error
            self.notes.append(
                DataNote(
                    f"{path.name} is cut off or no tar file ({error}); what follows is not read"
                )
            )

    def _add(self, number: int, path: Path, member: tarfile.TarInfo) -> None:
        folder, slash, name = member.name.rpartition("/")
        key, _, extension = name.partition(".")
        sample = f"{path.name}/{folder}{slash}{key}"
        place = (number, member.offset_data, member.size)
        self.samples.setdefault(sample, {})[extension.lower()] = _Member(place)


@dataclass(frozen=True)
class _Texts:
    """The small members of a sample."""

    members: Mapping[str, _Member]
    shards: list[Path]

    def label(self, extension: str) -> object:
        """A class index or name; the lines of a member in JSON; None where there is none."""
        text = self._text(extension)
        if text is None:
            return None
        if extension.endswith("json"):
            return _parsed(text)
        stripped = text.strip()
        # By WebDataset's convention, a member `cls` holds the index of the class.
        is_index = extension == "cls" and stripped.isdecimal() and len(stripped) < 10
        return int(stripped) if is_index else stripped or None

    def json(self, extension: str, key: str) -> object:
        """The value of a key; None where there is none."""
        text = self._text(extension)
        value = None if text is None else _parsed(text)
        return reduce(
            lambda part, one: part.get(one) if isinstance(part, dict) else None,
            key.split("."),
            value,
        )

    def _text(self, extension: str) -> str | None:
        member = self.members.get(extension)
        if member is None or member.place[2] > _LARGEST_TEXT:
            return None
        return _bytes(self.shards, member.place).decode("utf-8-sig", "replace")


@dataclass(frozen=True)
class TarImages:
    """Images inside of tar files.

    Attributes:
        shards: paths of the files.
        places: (n, 3) number of the shard, offset and size of each image's bytes, int64.
    """

    shards: tuple[str, ...]
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> DecodedImage:
        """Decodes the image at a position.

        Raises:
            UnreadableImageError: it can't be read or decoded.
        """
        number, offset, size = self.places[index].tolist()
        if size > _LARGEST_IMAGE:
            raise UnreadableImageError("too-large", f"{size} bytes")
        try:
            data = _bytes(self.shards, (number, offset, size))
        except OSError as error:
            raise UnreadableImageError("unreadable", str(error)) from error
        return DecodedImage(decode_image(data), hashlib.sha256(data).hexdigest())


def _bytes(shards: Any, place: tuple[int, int, int]) -> bytes:
    number, offset, size = place
    with open(os.fspath(shards[number]), "rb") as stream:  # noqa: PTH123 - paths as texts in workers
        stream.seek(offset)
        return stream.read(size)


def _parsed(text: str) -> object:
    try:
        return parse_json_text(text)
    except ValueError:
        return None


def _starts_with(path: Path, signatures: tuple[bytes, ...]) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(6).startswith(signatures)
    except OSError:
        return False
