"""The folder below which the images and masks of a table have to lie.

A table may come from a stranger, and the images that it names are shown in the report. Its paths may not lead
out of the folder that the configuration declares, unless the configuration allows it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from auditor.datasets.tables import first_few
from auditor.errors import DataError

URL = re.compile(r"^\s*(?:[A-Za-z][A-Za-z0-9+.-]+:/|data:[a-z]+/)")
"""``https://…``, ``file:/…`` and the like; nothing is downloaded."""
_WINDOWS_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True)
class DeclaredRoot:
    """The folder to which the paths of a table are relative.

    Attributes:
        folder: that folder.
        table: the table, for messages.
        anywhere: whether its paths may lead out of the folder (`data.allow_outside`).
    """

    folder: Path
    table: Path
    anywhere: bool = False

    def path(self, name: str) -> Path:
        """The path of a file; Windows separators become ``/`` unless a file has the name as it is."""
        path = self.folder / name
        if "\\" in name and (_is_on_a_server(name) or not path.exists()):
            return self.folder / name.replace("\\", "/")
        return path

    def require_inside(self, names: Sequence[str], option: str) -> None:
        """Checks that no path leads out of the folder: absolute, with ``..``, or through a link.

        Args:
            names: one path per row, as the table has them; empty ones are ignored.
            option: that names their column, for the message.

        Raises:
            DataError: one does.
        """
        if self.anywhere:
            return
        real = os.path.realpath(self.folder)
        parents: dict[str, str] = {}
        bad = pd.Series([bool(name) and self._leaves(name, real, parents) for name in names])
        if bad.any():
            cells = pd.DataFrame({"cell": [name[:200] for name in names]})
            raise DataError(
                f"{self.table}: data.{option}: expected paths of files in {self.folder}; others lead out of "
                f"it in {first_few(cells, bad, lambda row: f' ({row.cell!r})')}: set data.root to the folder "
                "that contains all of them, or data.allow_outside: true if you trust the table"
            )

    def leaves(self, name: str) -> bool:
        """Whether the path of one file leads out of the folder."""
        return not self.anywhere and self._leaves(name, os.path.realpath(self.folder), {})

    def _leaves(self, name: str, real: str, parents: dict[str, str]) -> bool:
        """Whether a path leads out of the folder.

        Args:
            name: the path, as the table has it.
            real: the folder without links.
            parents: folders without links, for folders that were met before.
        """
        path = os.fspath(self.path(name))
        below = _is_below(os.path.normpath(path), os.path.normpath(self.folder))
        if _is_on_a_server(name) and not below:
            return True  # without asking the server
        if os.sep == "/" and _WINDOWS_DRIVE.match(name) and not os.path.exists(path):  # noqa: PTH110
            return True
        folder, last = os.path.split(path)
        if folder not in parents:
            parents[folder] = os.path.realpath(folder)
        found = os.path.join(parents[folder], last)  # noqa: PTH118 - `Path` is slow for a million rows
        if last in {"", ".", ".."} or os.path.islink(found):  # noqa: PTH114
            found = os.path.realpath(found)
        return not _is_below(found, real)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_on_a_server(name: str) -> bool:
    r"""Whether a path starts like ``\\server\share``."""
    return name[:2].replace("\\", "/") == "//"
