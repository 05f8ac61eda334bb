"""Every file below a folder: the images of the classes, and a note on everything else."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from auditor.datasets.image_paths import unusable_files
from auditor.errors import DataError
from auditor.phrasing import count, plural, several
from auditor.records import DataNote

SUFFIXES = frozenset(
    (
        *(".dcm", ".dicom"),
        *(".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"),
        *(".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
    )
)
"""Suffixes of images that Pillow decodes, and of DICOM."""
_OTHER_IMAGES = frozenset(
    (
        *(".heic", ".heif", ".hif", ".jxl", ".jxr", ".wdp", ".j2k", ".jpf", ".jpx", ".psd"),
        *(".svg", ".exr", ".hdr", ".raw", ".dng", ".cr2", ".cr3", ".nef"),
        *(".arw", ".orf", ".rw2", ".raf", ".mpo", ".ico", ".pcx", ".fits"),
    )
)
"""Suffixes of images that need not be decodable: they are samples, and those that can't be decoded are
listed as not evaluated."""
_SYSTEM = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir", "$RECYCLE.BIN"})
"""Files and folders that operating systems and archive tools leave behind."""


@dataclass(frozen=True)
class FolderListing:
    """The images in the class folders of a folder.

    Attributes:
        classes: names of the class folders, sorted.
        samples: ``path`` (relative, with ``/``) and ``label`` of each image, sorted by class and path.
        notes: what was left out, and what is unusual.
    """

    classes: tuple[str, ...]
    samples: pd.DataFrame
    notes: tuple[DataNote, ...]


def list_images(root: Path, known: Collection[Path | None] = ()) -> FolderListing:
    """Lists the images in the sub-folders of a folder. Links to folders are followed.

    Args:
        root: folder with one sub-folder per class.
        known: files with another purpose, such as the table of the attributes; no note names them.

    Raises:
        DataError: the folder is missing, can't be read, or has no sub-folders.
    """
    if not os.path.isdir(root):  # noqa: PTH112 - `Path.is_dir` raises for circular links
        what = "is no folder" if os.path.lexists(root) else "does not exist"
        raise DataError(
            f"{root}: expected a folder with one sub-folder per class; it {what}: correct the path"
        )
    found = _Found({_real(file) for file in known if file is not None})
    classes = sorted(_class_folders(root, found))
    if not classes:
        images = plural(found.counts["loose"], "image")
        more = (
            f"; {images} lie directly in it: move them to one folder per class, or list them in a table "
            "with `adapter: manifest`"
            if found.counts["loose"]
            else ""
        )
        raise DataError(f"{root}: expected one sub-folder per class; it has no sub-folders{more}")
    paths: list[str] = []
    for name in classes:
        paths += sorted(_files(root, name, found), key=lambda path: path.split("/"))
    labels = [path.split("/", 1)[0] for path in paths]
    index = pd.Index(paths, name="sample", dtype=object)
    samples = pd.DataFrame({"path": paths, "label": labels}, index=index, dtype="string")
    broken = unusable_files([root / path for path in found.broken], found.broken, len(paths))
    notes = (*found.notes(), *broken, *_unusual(paths))
    return FolderListing(tuple(classes), samples, notes)


_REASONS: dict[str, tuple[str, str]] = {
    "system": ("hidden file or folder was left out", "hidden files and folders were left out"),
    "loose": (
        "image lies directly in the folder, beside the class folders, and has no class",
        "images lie directly in the folder, beside the class folders, and have no class",
    ),
    "suffix": (
        "file is no image according to its suffix, and was left out",
        "files are no images according to their suffix, and were left out",
    ),
    "irregular": (
        "entry is neither a file nor a folder, and was left out",
        "entries are neither files nor folders, and were left out",
    ),
    "unreadable": (
        "folder could not be read, and nothing in it is evaluated",
        "folders could not be read, and nothing in them is evaluated",
    ),
    "repeated": (
        "link leads to a folder that contains it or was read already, and was left out",
        "links lead to folders that contain them or were read already, and were left out",
    ),
    "name": (
        "file or folder was left out, because its name is not UTF-8",
        "files and folders were left out, because their names are not UTF-8",
    ),
}
"""Why files and folders are left out, of one and of several."""


@dataclass
class _Found:
    """Counts what is left out while a folder is read, and lists the images that are broken links."""

    known: set[str]
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    suffixes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def leave_out(self, reason: str, path: str) -> None:
        self.counts[reason] += 1
        self.examples.setdefault(reason, path)

    def leave_out_file(self, path: str, suffix: str) -> None:
        self.leave_out("suffix", path)
        self.suffixes[suffix if _is_utf_8(suffix) and suffix else "no suffix"] += 1

    def notes(self) -> Iterator[DataNote]:
        for reason, texts in _REASONS.items():
            number = self.counts[reason]
            if not number:
                continue
            example = os.fsencode(self.examples[reason]).decode(errors="backslashreplace")
            text = f"{count(number)} {texts[number > 1]}"
            if reason == "suffix":
                text += f" ({_by_suffix(self.suffixes)})"
            yield DataNote(f"{text}, such as {example}", number)


def _by_suffix(suffixes: Counter[str]) -> str:
    return several([f"{suffix}: {count(number)}" for suffix, number in suffixes.most_common()], 6)


def _class_folders(root: Path, found: _Found) -> Iterator[str]:
    """Names of the class folders; other entries of the root are counted."""
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"{root}: expected a folder that can be read; {error.strerror}: change its rights"
        ) from error
    for entry in entries:
        suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122
        if _is_system(entry.name):
            found.leave_out("system", entry.name)
        elif _is_folder(entry):
            if not _is_utf_8(entry.name):
                raise DataError(
                    f"{root}: expected class folders with names in UTF-8; got {entry.name!r}: rename it"
                )
            yield entry.name
        elif _real(entry.path) in found.known:
            continue
        elif suffix in SUFFIXES or suffix in _OTHER_IMAGES:
            found.leave_out("loose", entry.name)
        else:
            found.leave_out_file(entry.name, suffix)


def _files(root: Path, name: str, found: _Found) -> Iterator[str]:
    """Paths of the images in one class folder, in no particular order.

    A folder is read once, and never one that contains the root, so that links can't lead in circles.
    """
    resolved = Path(_real(root))
    seen = {_identity(folder) for folder in (resolved, *resolved.parents)}
    pending = [name]
    while pending:
        folder = pending.pop()
        try:
            identity = _identity(root / folder)
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError:
            found.leave_out("unreadable", folder)
            continue
        if identity in seen:
            found.leave_out("repeated", folder)
            continue
        seen.add(identity)
        for entry in entries:
            path = f"{folder}/{entry.name}"
            if _is_system(entry.name):
                found.leave_out("system", path)
            elif not _is_utf_8(entry.name):
                found.leave_out("name", path)
            elif _is_folder(entry):
                pending.append(path)
            elif _is_image(entry, path, found):
                yield path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one; ``DirEntry.is_dir`` raises for circular links."""
    return os.path.isdir(entry)  # noqa: PTH112


def _real(path: Path | str) -> str:
    """A path without links; ``Path.resolve`` raises for circular links."""
    return os.path.realpath(path)


def _identity(folder: Path) -> tuple[int, int]:
    """The same for all paths of a folder."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_image(entry: os.DirEntry[str], path: str, found: _Found) -> bool:
    """Whether an entry is an image; otherwise it is counted."""
    suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122
    is_broken = _is_broken_link(entry)
    if not os.path.isfile(entry) and not is_broken:  # noqa: PTH113
        found.leave_out("irregular", path)
        return False
    if suffix in SUFFIXES or suffix in _OTHER_IMAGES:
        found.broken += [path] * is_broken
        return True
    if _real(entry.path) not in found.known:
        found.leave_out_file(path, suffix)
    return False


def _is_broken_link(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a link to a file that does not exist: its image counts as missing."""
    return entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110


def _unusual(paths: list[str]) -> Iterator[DataNote]:
    """Notes on images that may not be decodable, and on nested folders."""
    others = [path for path in paths if not path.lower().endswith(tuple(SUFFIXES))]
    if others:
        kinds = Counter(os.path.splitext(path)[1].lower() for path in others)  # noqa: PTH122
        yield DataNote(
            f"{plural(len(others), 'image')} in a format that may not be decodable "
            f"({_by_suffix(kinds)}), such as "
            f"{others[0]}; those that can't be decoded are not evaluated: convert them to PNG or JPEG"
        )
    used = {path.split("/", 1)[0] for path in paths}
    nested = [path for path in paths if path.count("/") > 1]
    if nested:
        text = (
            f"{plural(len(nested), 'image')} in sub-folders of the class folders, such as {nested[0]}; "
            "the folder directly below the root is the class"
        )
        inner: dict[str, set[str]] = {}
        for path in nested:
            inner.setdefault(path.split("/", 1)[0], set()).add(path.split("/")[1])
        if (
            len(nested) == len(paths)
            and len(used) > 1
            and len(set(map(frozenset, inner.values()))) == 1
        ):
            text += (
                f". All of {several(sorted(used), 4)} have the same sub-folders: if these are the "
                f"classes, set data.path to one of the folders, such as {min(used)}"
            )
        yield DataNote(text)


def _is_system(name: str) -> bool:
    return name.startswith(".") or name in _SYSTEM


def _is_utf_8(name: str) -> bool:
    """Whether a name can be written in UTF-8; Python escapes the bytes of one that can't."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
