"""Code of the user that an audit executes: a factory, named in the configuration."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CoroutineType, ModuleType
from typing import Any

from auditor.errors import DataError, ModelError
from auditor.traceback_file import one_line, place_of
from auditor.user_sources import hashes_of_code, is_in


@dataclass(frozen=True)
class UserFactory:
    """A callable in the user's code.

    Attributes:
        section: of the configuration that names it, ``model`` or ``data``, for messages.
        name: as ``package.module:callable``.
        arguments: keyword arguments of the call.
        folder: of the user's code, first on the import path; None: not stated.
        beside: folder of the configuration file, last on the import path if no folder is stated.
        error: what is raised where it can't be imported or called.
    """

    section: str
    name: str
    arguments: Mapping[str, Any]
    folder: Path | None
    beside: Path | None
    error: type[DataError | ModelError]

    @contextmanager
    def environment(self) -> Iterator[None]:
        """The import path of the code; what it changes in the process is undone."""
        with _kept_defaults(), self._importable():
            yield

    def shown_arguments(self) -> str:
        """The arguments in parentheses; empty if there are none."""
        shown = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"({shown})" if shown else ""

    def call(self) -> object:
        """Imports and calls the factory, inside of `environment`.

        Raises:
            ModelError, DataError: as ``error`` says: it can't be imported, or raises.
        """
        factory = self._find()
        try:
            made = factory(**self.arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the user's code may raise anything
            raise self.error(
                f"{self.section}.factory: {self.name}{self.shown_arguments() or '()'} raised "
                f"{_described(error)}"
            ) from error
        return made

    def code(self) -> dict[str, str]:
        """SHA-256 of each module of the user's code, by name; see `hashes_of_code`."""
        return hashes_of_code(self.name.partition(":")[0], self.folder or self.beside)

    def unfit(self, made: object, wanted: str, fix: str) -> DataError | ModelError:
        """The error for a factory that returned something else than what was wanted."""
        if isinstance(made, CoroutineType):
            made.close()  # Python warns of one that never ran
        kind = f"the class {made.__name__}" if isinstance(made, type) else type(made).__name__
        return self.error(
            f"{self.section}.factory: expected {self.name} to return {wanted}; got {kind}: {fix}"
        )

    def _find(self) -> Callable[..., object]:
        name, _, inside = self.name.partition(":")
        module = self._import(name)
        found: Any = module
        for part in inside.split("."):
            if not hasattr(found, part):
                known = [item for item in dir(found) if not item.startswith("_")]
                near = difflib.get_close_matches(part, known, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known[:10])}"
                raise self.error(
                    f"{self.section}.factory: expected {part!r} in {name}; there is none: {hint}"
                )
            found = getattr(found, part)
        if not callable(found):
            raise self.error(
                f"{self.section}.factory: expected a callable at {self.name}; got {type(found).__name__}"
            )
        called: Callable[..., object] = found
        return called

    def _import(self, name: str) -> ModuleType:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                folder = self.folder or self.beside
                where = "" if folder is None else f" in {folder} or"
                raise self.error(
                    f"{self.section}.factory: expected a module {name!r}{where} in this environment; "
                    f"there is no {error.name!r}: install it, or set `{self.section}.path` to its folder"
                ) from error
            raise self.error(
                f"{self.section}.factory: {name} imports {error.name!r}, which is not installed: install it "
                "in the environment of the auditor"
            ) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the user's code may raise anything
            raise self.error(
                f"{self.section}.factory: importing {name} raised {_described(error)}"
            ) from error
        if self.folder is not None and not is_in(module, self.folder):
            raise self.error(
                f"{self.section}.factory: expected module {name!r} from {self.folder}; Python has imported a "
                f"module of that name from {module.__spec__ and module.__spec__.origin}: rename yours"
            )
        return module

    @contextmanager
    def _importable(self) -> Iterator[None]:
        """Extends the import path inside the ``with``.

        The stated folder comes first. The folder of the configuration file comes last, so that files in it
        never replace installed modules.
        """
        if self.folder is not None and not self.folder.is_dir():
            raise self.error(
                f"{self.section}.path: expected a folder of Python code; {self.folder} is not a folder"
            )
        added = self.folder or self.beside
        if added is None or (self.folder is None and str(added) in sys.path):
            yield
            return
        sys.path.insert(0 if self.folder is not None else len(sys.path), str(added))
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.path.remove(str(added))


def is_callable_name(text: str) -> bool:
    """Whether a text has the form ``package.module:callable``."""
    module, _, name = text.partition(":")
    return all(part.isidentifier() for one in (module, name) for part in one.split("."))


@contextmanager
def _kept_defaults() -> Iterator[None]:
    """Undoes changes that the user's code makes to the process: the working folder, and torch's defaults."""
    import torch

    folder, dtype, gradients = (
        os.open(".", os.O_RDONLY),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
    )
    try:
        yield
    finally:
        os.fchdir(folder)
        os.close(folder)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)


def _described(error: BaseException) -> str:
    """What the user's code raised, where, and a fix if it tried to end the program."""
    text = f"{type(error).__name__}{place_of(error)}: {one_line(error)}"
    if isinstance(error, SystemExit):
        text += (
            ": code that ends the program, such as `sys.exit()` or a parser of arguments, belongs below "
            "`if __name__ == '__main__':`"
        )
    return text
