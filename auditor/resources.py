"""Locates the package's own files: templates and example configurations.

In a checkout they are top-level folders; in a wheel they are inside the package (see the ``sources``
mapping in ``pyproject.toml``). No other module needs to know the difference.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """Path of the folder ``templates`` or ``configs`` of this installation.

    Args:
        name: ``"templates"`` or ``"configs"``.

    Returns:
        An absolute path that exists.

    Raises:
        FileNotFoundError: this file is neither in an installed wheel nor in a checkout.
    """
    for candidate in (_PACKAGE / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(
        f"expected a folder {name!r} in {_PACKAGE} (wheel) or beside it (checkout); found neither: "
        "reinstall auditor"
    )
