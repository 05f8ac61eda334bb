"""The source files of the user's code: what is loaded, and what it may import later."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from modulefinder import ModuleFinder
from pathlib import Path
from types import ModuleType

from auditor.manifest import sha256


def hashes_of_code(own: str, folder: Path | None) -> dict[str, str]:
    """SHA-256 of the source of each module of the user's code, by the module's name.

    These are the module of a factory, the loaded modules in its folder, and what all of them import
    from there, in a function too: it may be loaded only while images are predicted. Names that are
    put together while the program runs are not followed. Installed packages are left out; their
    versions say what they are.

    Args:
        own: name of the factory's module.
        folder: of the user's code; None if it is installed.
    """
    loaded = dict(_loaded(own, folder))
    found = {**_imported(loaded), **loaded}
    hashes = {}
    for name, source in sorted(found.items()):
        with suppress(FileNotFoundError):  # it was removed since
            hashes[name] = sha256(source)
    return hashes


def is_in(module: ModuleType, folder: Path) -> bool:
    """Whether a module lies in a folder: by its name there, which may be a link, or by its real place."""
    known = vars(module)  # not its attributes: some modules make up what they are asked for
    search = known.get("__path__")
    paths = [*(search if isinstance(search, Iterable) else ()), known.get("__file__")]
    return any(
        place(path).startswith(os.path.join(place(folder), ""))  # noqa: PTH118 - as a text
        for path in paths
        if isinstance(path, str)
        for place in (os.path.abspath, os.path.realpath)
    )


def _loaded(own: str, folder: Path | None) -> Iterator[tuple[str, Path]]:
    """Names and files of the loaded modules."""
    for name, module in list(sys.modules.items()):
        source = vars(module).get("__file__") if isinstance(module, ModuleType) else None
        if not isinstance(source, str) or not source.endswith(".py"):
            continue
        in_folder = folder is not None and is_in(module, folder)
        if name == own or (in_folder and not _is_installed(name, source)):
            yield name, Path(source)


def _imported(loaded: dict[str, Path]) -> dict[str, Path]:
    """Modules that lie where the loaded ones lie and are imported by them, without executing anything."""
    own = {name: file for name, file in loaded.items() if not _is_installed(name, str(file))}
    finder = ModuleFinder(path=sorted({str(_root(*one)) for one in own.items()}))
    for name in own:
        # What cannot be found or compiled cannot be followed; it may never be imported.
        with suppress(ImportError, SyntaxError, ValueError, OSError, RecursionError):
            finder.import_hook(name)
    files = {name: getattr(module, "__file__", None) for name, module in finder.modules.items()}
    return {
        name: Path(file)
        for name, file in files.items()
        if file is not None and file.endswith(".py") and not _is_installed(name, file)
    }


def _root(name: str, file: Path) -> Path:
    """The folder from which a module is imported: above its packages."""
    depth = name.count(".") + (file.name == "__init__.py")
    return file.absolute().parents[depth]


def _is_installed(name: str, source: str) -> bool:
    """Whether a module belongs to Python, to an installed package, or to the auditor itself."""
    places = {sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    installed = any(source.startswith(os.path.join(place, "")) for place in places)  # noqa: PTH118
    return installed or name.partition(".")[0] == __package__
