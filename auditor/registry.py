"""Plug-ins by name: datasets, classifiers, explainers, checks, renderers.

A plug-in is one file with one frozen pydantic model, whose fields are its options in the
configuration file::

    @plugin("check", "performance-gap")
    class PerformanceGap(Options):
        '''Is the error rate of a slice higher than of the rest, class by class?'''

        max_gap: float = 0.05
        '''Largest gap in error rate that is acceptable (a share, 0 to 1).'''

Nobody edits a list: the file ``performance_gap.py`` in the room ``auditor.checks`` is found by its
name. Other distributions add theirs through the entry-point groups ``auditor.datasets``,
``auditor.classifiers``, ``auditor.explainers``, ``auditor.checks`` and ``auditor.report``.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator

from auditor.errors import ConfigError

Kind = Literal["dataset", "classifier", "explainer", "check", "renderer"]

PACKAGES: dict[Kind, str] = {
    "dataset": "auditor.datasets",
    "classifier": "auditor.classifiers",
    "explainer": "auditor.explainers",
    "check": "auditor.checks",
    "renderer": "auditor.report.renderers",
}
"""The package in which each kind of plug-in lives; with ``GROUPS``, also its entry-point group."""

GROUPS: dict[Kind, str] = PACKAGES | {"renderer": "auditor.report"}
"""The entry-point group of each kind of plug-in, for other distributions."""


class Options(BaseModel):
    """Settings that come from the configuration file: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    plugin_name: ClassVar[str] = ""
    renamed: ClassVar[Mapping[str, str]] = {}
    """Former names of fields and what they are called now; the former ones are still accepted."""

    @model_validator(mode="before")
    @classmethod
    def _accept_former_names(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        former = [name for name in cls.renamed if name in raw and name not in cls.model_fields]
        for name in former:
            new = cls.renamed[name]
            if new in raw:
                raise ValueError(f"expected either {new} or its former name {name}; got both")
            warnings.warn(
                f"the option {name} is now called {new}", DeprecationWarning, stacklevel=2
            )
        return {cls.renamed.get(name, name) if name in former else name: raw[name] for name in raw}


_P = TypeVar("_P", bound=type[Options])
_registered: dict[Kind, dict[str, type[Options]]] = {kind: {} for kind in PACKAGES}


def plugin(kind: Kind, name: str) -> Callable[[_P], _P]:
    """Registers the decorated options model under ``name``.

    Args:
        kind: what it is.
        name: how the configuration calls it; with ``-`` replaced by ``_`` also its file's name.

    Returns:
        A decorator that returns the class unchanged but for its ``plugin_name``.
    """

    def register(cls: _P) -> _P:
        cls.plugin_name = name
        _registered[kind][name] = cls
        return cls

    return register


def get(kind: Kind, name: str) -> type[Options]:
    """The plug-in of that kind and name; only its own file is imported.

    Raises:
        ConfigError: there is none of that name; the message lists those that there are.
    """
    if name not in _registered[kind]:
        module = f"{PACKAGES[kind]}.{name.replace('-', '_')}"
        if name.replace("-", "_").isidentifier() and importlib.util.find_spec(module) is not None:
            importlib.import_module(module)
    if name not in _registered[kind]:
        _load_all(kind)
    try:
        return _registered[kind][name]
    except KeyError:
        known = sorted(_registered[kind])
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"expected one of the {kind} plug-ins {', '.join(known)}; got {name!r}{hint}"
        ) from None


def all_of(kind: Kind) -> dict[str, type[Options]]:
    """Every plug-in of a kind by name, in alphabetical order; imports the whole room."""
    _load_all(kind)
    return dict(sorted(_registered[kind].items()))


def _load_all(kind: Kind) -> None:
    room = importlib.import_module(PACKAGES[kind])
    for module in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"{PACKAGES[kind]}.{module.name}")
    for entry_point in entry_points(group=GROUPS[kind]):
        entry_point.load()
