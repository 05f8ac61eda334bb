"""The source files of the user's code: what is loaded, and what it may import later."""

from __future__ import annotations

import ast
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
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
    found = {name: file for name, file in loaded.items() if not _is_installed(name, str(file))}
    roots = sorted({_root(*one) for one in found.items()})
    new = [*found.items()]
    while new:
        name, file = new.pop()
        for imported in _imports(name, file):
            for source in _sources(imported, roots):
                if imported not in found and not _is_installed(imported, str(source)):
                    found[imported] = source
                    new.append((imported, source))
    return found


def _imports(name: str, file: Path) -> Iterator[str]:
    """Names of what a module may import, packages included; some are those of functions and classes."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return  # it can't be followed, and perhaps never imported
    package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            kept = len(package) + 1 - node.level if node.level else 0
            base = ".".join([*package[:kept], *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{one.name}" for one in node.names)]
        else:
            continue
        for one in filter(None, names):
            parts = one.strip(".").split(".")
            yield from (".".join(parts[: k + 1]) for k in range(len(parts)))


def _sources(name: str, roots: Sequence[Path]) -> Iterator[Path]:
    """The first file of a module below some folders, if there is any."""
    places = (root.joinpath(*name.split(".")) for root in roots)
    files = (one for at in places for one in (at / "__init__.py", at.with_name(f"{at.name}.py")))
    yield from islice((one for one in files if one.is_file()), 1)


def _root(name: str, file: Path) -> Path:
    """The folder from which a module is imported: above its packages."""
    depth = name.count(".") + (file.name == "__init__.py")
    parents = file.absolute().parents
    return parents[min(depth, len(parents) - 1)]


def _is_installed(name: str, source: str) -> bool:
    """Whether a module belongs to Python, to an installed package, or to the auditor itself."""
    places = {sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    installed = any(source.startswith(os.path.join(place, "")) for place in places)  # noqa: PTH118
    return installed or name.partition(".")[0] == __package__
