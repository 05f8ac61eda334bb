'''Plug-ins by name: data sets, classifiers, explainers, checks and renderers.

A plug-in is one file with one class: a frozen pydantic model whose fields are its options in the
configuration file. A complete check, ``confident_failures.py``::

    """Confident failures: how often is the model wrong with high confidence?"""

    from scipy.stats import binomtest

    from auditor.checks import Check
    from auditor.records import (
        AuditData,
        Claim,
        Effect,
        Examination,
        Quantities,
        Quantity,
        Skipped,
        SliceKey,
    )
    from auditor.registry import plugin
    from auditor.statistics import wilson

    NAME = "confident-failures"


    @plugin("check", NAME)
    class ConfidentFailures(Check):
        """Is the share of failures with a high confidence too large?"""

        confidence: float = 0.9
        """Failures of at least this confidence are counted (0 to 1)."""
        max_share: float = 0.2
        """Largest acceptable share of the failures (0 to 1)."""

        def examine(self, audit: AuditData) -> Examination:
            """Tests whether the share of confident failures is above the limit."""
            failures = audit.predictions[audit.predictions["failure"]]
            if failures.empty:
                return Examination(skipped=(Skipped(check=NAME, reason="there are no failures"),))
            confident = failures[failures["confidence"] >= self.confidence]
            n, total = len(confident), len(failures)
            share = wilson([n], [total])[0]
            claim = Claim(
                check=NAME,
                kind=self.kind,
                title=f"{n} of {total} failures have a confidence of {self.confidence} or more",
                slice=SliceKey(),
                effect=Effect.measured("share of confident failures", share, "share"),
                limit=self.max_share,
                p_value=binomtest(n, total, self.max_share, alternative="greater").pvalue,
                support=total,
                samples=tuple(confident["sample"].astype(str)),
                statement=(f"At most {self.max_share} of the failures may be that confident.",),
                action="Calibrate the model, for example by temperature scaling.",
                limits="Confidence alone does not show why these samples are misclassified.",
                evidence=(Quantities(items=(Quantity(name="failures", value=total, unit="count"),)),),
            )
            return Examination((claim,))

A check returns every hypothesis that it tested, because the correction for multiple testing covers all
of them. Class variables of a check say what the rest of the package has to know about it; see
``auditor.checks.Check``:

- ``kind``: what its claims are about: the model's outcomes, the data, attribution maps, or robustness;
- ``weight``: its weight in the correction for multiple testing;
- ``needs``: what it can't do without (model, maps, images, reference data), so that the self-test knows
  where it applies;
- ``compares_attributes``: whether it compares values of annotated attributes and nothing else, so that it
  is listed as not tested where the data has none;
- ``fault_labels``: names for failures that may be caused by faulty data, if the check finds any.

Built-in plug-ins are found by their file name: the check ``performance-gap`` is in
``auditor/checks/performance_gap.py``. There is no list to edit. Other distributions register theirs
through entry points, for example in ``pyproject.toml``::

    [project.entry-points."auditor.checks"]
    confident-failures = "confident_failures"

The groups are ``auditor.datasets``, ``auditor.classifiers``, ``auditor.explainers``,
``auditor.checks`` and ``auditor.report``. What a plug-in of each kind has to implement is a class in
the package of that kind: ``DatasetAdapter``, ``ClassifierAdapter``, ``Explainer``, ``Check`` and
``Renderer``.
'''

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator, model_validator

from auditor.errors import ConfigError

Kind = Literal["dataset", "classifier", "explainer", "check", "renderer"]

PACKAGES: dict[Kind, str] = {
    "dataset": "auditor.datasets",
    "classifier": "auditor.classifiers",
    "explainer": "auditor.explainers",
    "check": "auditor.checks",
    "renderer": "auditor.report.renderers",
}
"""The package that contains the built-in plug-ins of each kind."""

GROUPS: dict[Kind, str] = PACKAGES | {"renderer": "auditor.report"}
"""The entry-point group of each kind, for other distributions."""


LARGEST = 2**32 - 1
"""The largest integer of a configuration: libraries fail at larger ones, each in its own way."""


def _kinds(annotation: object) -> set[object]:
    """The types of a union; of any other annotation, itself."""
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) not in {Union, UnionType}:
        return {annotation}
    return set().union(*map(_kinds, get_args(annotation)))


class Options(BaseModel):
    """Options from the configuration file: a frozen model that refuses unknown keys, NaN and infinity."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    plugin_name: ClassVar[str] = ""
    renamed: ClassVar[Mapping[str, str]] = {}
    """Former names of fields → current names; former names still work, with a warning."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and info.field_name is not None:
            kinds = _kinds(cls.model_fields[info.field_name].annotation)
            if kinds & {int, float} and bool not in kinds:
                raise ValueError("expected a number, not true or false")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _no_huge_integer(cls, value: Any) -> Any:
        numbers = value if isinstance(value, tuple) else (value,)
        for number in numbers:
            if isinstance(number, int) and abs(number) > LARGEST:
                raise ValueError(f"expected a number of at most {LARGEST:,}")
        return value

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
    """Registers the decorated options model.

    Args:
        kind: kind of plug-in.
        name: its name in the configuration. The file of a built-in plug-in has the same name, with
            ``_`` instead of ``-``.

    Returns:
        A decorator that sets ``plugin_name`` and returns the class.

    Raises:
        ConfigError: another class is already registered under that name.
    """

    def register(cls: _P) -> _P:
        known = _registered[kind].setdefault(name, cls)
        if known is not cls:
            raise ConfigError(
                f"expected a new name for the {kind} {_origin(cls)}; {name!r} is already the name of "
                f"{_origin(known)}: rename one of them, or uninstall its distribution"
            )
        cls.plugin_name = name
        return cls

    return register


def get(kind: Kind, name: str) -> type[Options]:
    """Looks up one plug-in; a built-in one is found without importing the others.

    Raises:
        ConfigError: there is no plug-in of that name; the message lists the available ones.
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
    """All plug-ins of a kind by name, in alphabetical order; imports all of their modules."""
    _load_all(kind)
    return dict(sorted(_registered[kind].items()))


def from_entry_points(kind: Kind) -> dict[str, type[Options]]:
    """The plug-ins of other distributions by name; the built-in ones are not imported.

    Raises:
        ConfigError: an entry point can't be imported.
    """
    for entry_point in entry_points(group=GROUPS[kind]):
        _load(entry_point)
    own = f"{PACKAGES[kind]}."
    found = _registered[kind].items()
    return {name: one for name, one in found if not one.__module__.startswith(own)}


def _load_all(kind: Kind) -> None:
    package = importlib.import_module(PACKAGES[kind])
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{PACKAGES[kind]}.{module.name}")
    from_entry_points(kind)


def _load(entry_point: EntryPoint) -> None:
    try:
        entry_point.load()
    except (ImportError, AttributeError) as error:
        distribution = entry_point.dist.name if entry_point.dist else "an unknown distribution"
        raise ConfigError(
            f"expected a module at the entry point {entry_point.group}: {entry_point.value} of "
            f"{distribution}; {error}: update or uninstall that distribution"
        ) from error


def _origin(cls: type[Options]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
