"""The one Jinja environment of all templates, with its filters."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from auditor import phrasing, resources
from auditor.errors import ConfigError
from auditor.phrasing import glossary
from auditor.phrasing.maps import guided_rule_text
from auditor.records import SEVERITIES, Estimate, Unit
from auditor.report import alt_texts
from auditor.report.image_data import REGION_CARDS
from auditor.report.view.findings import SUPPORTING_SHOWN
from auditor.report.view.gate_power import probability

_DIRECTION_CONTROLS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")
"""Characters that change the text direction: in a name, they would reverse the text around it."""
_CONTROL_CHARACTERS = tuple(map(chr, _DIRECTION_CONTROLS))
_BREAKABLE = re.compile(r"(?<=\d) (?=%|\d{3}(?!\d))")
_SAFE: dict[tuple[type, str], bool] = {}
"""Whether templates may read an attribute, by class and name."""
_GROUPS_SHOWN = 4
"""Groups of copies that a PDF shows of each kind."""
_REASONS_SHOWN = 4
"""Reasons against passing that the first page lists."""


def environment(own: Path | None = None) -> Environment:
    """Templates with autoescape on; an undefined name is an error.

    The environment of the built-in templates is shared, and must not be changed: compiling its templates
    takes as long as filling them in.

    Args:
        own: folder whose templates take precedence, see `new_environment`.

    Raises:
        ConfigError: there is no such folder.
    """
    return _built_in() if own is None else new_environment(own)


@cache
def _built_in() -> Environment:
    return new_environment(None)


def new_environment(own: Path | None) -> Environment:
    """An environment that the caller may change.

    Args:
        own: folder whose templates take precedence over those of this package: a file of the same
            name replaces ours, and may extend it as ``auditor/html/report.html``. They run in Jinja's
            sandbox: they read what they are given, and reach neither Python's internals nor files.

    Raises:
        ConfigError: there is no such folder.
    """
    package = FileSystemLoader(resources.folder("templates"))
    loader: BaseLoader = package
    if own is not None:
        if not own.is_dir():
            raise ConfigError(
                f"report.templates: expected a folder of templates at {own}; there is none: "
                "create it, or leave the key out to use the built-in templates"
            )
        loader = ChoiceLoader([FileSystemLoader(own), package, PrefixLoader({"auditor": package})])
    made = _Sandbox(
        loader=loader,
        autoescape=True,
        finalize=without_direction_controls,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": _typeset(phrasing.percent),
        "change": phrasing.change,
        "points": phrasing.points,
        "interval": _typeset(_interval),
        "amount": _typeset(phrasing.amount),
        "size": _typeset(phrasing.size),
        "effect": _typeset(phrasing.effect),
        "p": phrasing.p_value,
        "guided_rule": guided_rule_text,
        "probability": _typeset(probability),
        "count": _typeset(phrasing.count),
        "plural": _typeset(phrasing.plural),
        "date": phrasing.date,
        "slice_name": phrasing.slice_name,
        "sentence_start": phrasing.sentence_start,
        "typeset": typeset,
        "first_sentence": _first_sentence,
        "image_alt": alt_texts.image_alt,
        "cam_alt": alt_texts.cam_alt,
        "detail_alt": alt_texts.detail_alt,
        "mean_alt": alt_texts.mean_alt,
        "unit_alt": alt_texts.unit_alt,
        "member_alt": alt_texts.member_alt,
        "region_alt": alt_texts.region_alt,
        "sheet_alt": alt_texts.sheet_alt,
    }
    made.globals |= {
        "glossary": glossary,
        "supporting_shown": SUPPORTING_SHOWN,
        "region_cards": REGION_CARDS,
        "groups_shown": _GROUPS_SHOWN,
        "reasons_shown": _REASONS_SHOWN,
        "severities": tuple(reversed(SEVERITIES)),
        "source": lambda name: Markup(loader.get_source(made, name)[0]),  # noqa: S704 - own files
    }
    return made


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which asks once for each attribute of a class whether it is safe to read."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may read an attribute: that depends on the class and the name only."""
        key = type(obj), attr
        if key not in _SAFE:
            _SAFE[key] = super().is_safe_attribute(obj, attr, value)
        return _SAFE[key]


def without_direction_controls(value: object) -> object:
    """A text without characters that change the direction of what follows them."""
    if not isinstance(value, str) or value.isascii():
        return value
    # The search is a hundred times as fast as translate(), and whole sections with images come by here.
    if not any(one in value for one in _CONTROL_CHARACTERS):
        return value
    # translate() of a Markup keeps it a Markup: what was escaped stays escaped.
    return value.translate(_DIRECTION_CONTROLS)


def typeset(text: str) -> str:
    """A text in which percentages, thousands, ``site = A`` and ``n = 12`` do not break across lines."""
    return _BREAKABLE.sub("\u202f", text).replace(" = ", "\u00a0=\u00a0")


def _typeset(function: Callable[..., str]) -> Callable[..., str]:
    def typeset_result(*args: Any) -> str:
        return typeset(function(*args))

    return typeset_result


def _interval(estimate: Estimate, unit: Unit = "share") -> str:
    return phrasing.limits(estimate, unit)


def _first_sentence(text: str) -> str:
    """A text up to the end of its first sentence."""
    return re.split(r"(?<=[.!?])\s+(?=[A-ZÄÖÜ„“])", text.strip())[0]
