"""Paths in a configuration."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, PlainSerializer, ValidationInfo

from auditor.console import printable

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""A URL; as a path, it has one slash."""
_LONGEST_NAME = 255
"""Bytes of the name of a file on common file systems."""


def _relative_to_file(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base")
    if _URL.match(path.as_posix()):
        raise ValueError(
            "expected a path; URLs are not downloaded: download the files, and give their path"
        )
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        raise ValueError(f"expected names of at most {_LONGEST_NAME} bytes in a path")
    try:
        path = path.expanduser()
    except RuntimeError:
        text = f"the home folder of {path.parts[0]!r} is not known: write the path out"
        raise ValueError(text) from None
    return path if base is None or path.is_absolute() else (Path(base) / path).resolve()


def _relative_to_working_directory(path: Path) -> str:
    """Shorter and free of user names: a path below the working directory is stored relative to it."""
    here = Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return printable(shown.as_posix())


ConfigPath = Annotated[
    Path, AfterValidator(_relative_to_file), PlainSerializer(_relative_to_working_directory)
]
"""A path that is relative to the configuration file that contains it."""
