"""Where the package's own files lie: templates and ready configurations.

In the repository they are top-level folders; in a wheel they lie inside the package (see the
``sources`` mapping in ``pyproject.toml``). This is the only place that knows.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder ``templates`` or ``configs`` of this installation.

    Args:
        name: ``"templates"`` or ``"configs"``.

    Returns:
        An absolute path that exists.

    Raises:
        FileNotFoundError: neither a wheel nor a checkout lies around this file.
    """
    for candidate in (_PACKAGE / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(
        f"expected a folder {name!r} in {_PACKAGE} (wheel) or beside it (checkout); found neither: "
        "reinstall auditor"
    )
