"""Reading a configuration: YAML, ``--set``, plug-in options, and one clear message per mistake.

A message names the key, what was expected and what was given; an unknown key gets the nearest known
one as a suggestion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from auditor import registry
from auditor.config.budget import KEY as BUDGET
from auditor.config.budget import CheckBudget
from auditor.config.messages import messages, shortened, unknown_key
from auditor.config.yaml_files import parse_yaml
from auditor.errors import ConfigError
from auditor.file_system import has_surrogates, read_lines, read_text
from auditor.registry import Kind, Options

_Model = TypeVar("_Model", bound=Options)
_MOST_FAULTS = 20
"""Faults that one message names."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML file safely.

    Raises:
        ConfigError: the file does not exist or is not a YAML mapping.
    """
    try:
        raw = parse_yaml(read_text(path))
    except OSError as error:
        raise ConfigError(
            f"expected a configuration file at {shortened(path, quoted=False)}; {error.strerror or error}: "
            "give the path of a YAML file, or write one with `auditor init`"
        ) from error
    except ValueError as error:  # no YAML, no text, or a path with a NUL character
        raise ConfigError(f"{path}: expected YAML; {error}") from error
    if not isinstance(raw, dict):
        raise ConfigError(
            f"{path}: expected a mapping such as `name: …`, `model: …`, `data: …`; got "
            f"{'an empty file' if raw is None else type(raw).__name__}"
        )
    return raw


def read_class_names(path: Path) -> tuple[str, ...]:
    """Reads a text file with one class name per line.

    Raises:
        ConfigError: the file does not exist or is no text.
    """
    try:
        return tuple(read_lines(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"model.classes: expected a list, or a text file with one class per line; {path}: {reason}"
        ) from error


def apply_override(raw: dict[str, Any], override: str) -> None:
    """Changes one key of a configuration in place.

    Args:
        raw: the mapping in the shape of the file.
        override: ``key.path=value`` with a value in YAML.

    Raises:
        ConfigError: the override has another form, or its path leads through a value.
    """
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set: expected key.path=value; got {shortened(override)}")
    if has_surrogates(key):  # a byte of the command line
        raise ConfigError(f"--set: expected a key in UTF-8; got {shortened(key)}")
    *parents, last = key.split(".")
    section = raw
    for parent in parents:
        inner = section.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"--set {shortened(override)}: expected {parent} to be a section; it is the value "
                f"{shortened(inner)}"
            )
        section = inner
    try:
        section[last] = parse_yaml(value)
    except ValueError as error:
        raise ConfigError(
            f"--set {shortened(override)}: expected a value in YAML; {error}"
        ) from error


def split_adapter_options(
    raw: Mapping[str, Any], key: str, kind: Kind, section: type[Options], base: Path | None
) -> dict[str, Any]:
    """Moves the adapter's own keys of a section below ``options`` and validates them.

    Args:
        raw: the configuration.
        key: key of the section.
        kind: kind of plug-in that ``adapter`` names.
        section: model of the section; its fields are shared by all adapters.
        base: folder to which paths are relative.
    """
    given = raw.get(key)
    if not isinstance(given, Mapping) or not isinstance(given.get("adapter"), str):
        return dict(raw)
    adapter = plugin_at(kind, given["adapter"], f"{key}.adapter")
    fields = set(section.model_fields) - {"options"}
    shared = fields | set(section.renamed)
    known = set(adapter.model_fields) | set(adapter.renamed)
    # Some adapters have to know a shared key, such as `allow_download`.
    own = {name: value for name, value in given.items() if name not in shared or name in known}
    for name in own:
        if name not in known:
            raise ConfigError(
                unknown_key(f"{key}.{name}", str(name), fields | set(adapter.model_fields))
            )
    options = validate(adapter, own, base, f"{key}.")
    common = {name: value for name, value in given.items() if name in shared}
    return {**raw, key: common | {"options": options}}


def parse_check_options(raw: Mapping[str, Any], base: Path | None) -> dict[str, Any]:
    """Validates the options of each check below ``checks``."""
    given = raw.get("checks")
    if not isinstance(given, Mapping):
        return dict(raw)
    checks: dict[str, Options | bool] = {}
    for name, value in given.items():
        check = CheckBudget if name == BUDGET else plugin_at("check", str(name), "checks")
        if value is False and name != BUDGET:
            checks[name] = False
        elif isinstance(value, check):  # from Python
            checks[name] = value
        elif value is None or value is True or isinstance(value, Mapping):
            options = value if isinstance(value, Mapping) else {}
            checks[name] = validate(check, options, base, f"checks.{name}.")
        else:
            known = ", ".join(check.model_fields) or "none"
            raise ConfigError(
                f"checks.{name}: expected options in braces ({known})"
                f"{', or false' if name != BUDGET else ''}; got {shortened(value)}"
            )
    return {**raw, "checks": checks}


def parse_renderer_options(raw: Mapping[str, Any], base: Path | None) -> dict[str, Any]:
    """Validates the options of each renderer below ``report.options``."""
    report = raw.get("report")
    if not isinstance(report, Mapping) or not isinstance(report.get("options"), Mapping):
        return dict(raw)
    options = {
        name: validate(
            plugin_at("renderer", str(name), "report.options"),
            value or {},
            base,
            f"report.options.{name}.",
        )
        for name, value in report["options"].items()
    }
    return {**raw, "report": {**report, "options": options}}


def validate(model: type[_Model], raw: object, base: Path | None, prefix: str = "") -> _Model:
    """Validates one section.

    Args:
        model: model of the section.
        raw: its keys and values.
        base: folder to which paths are relative; None keeps them relative.
        prefix: place of the section in the file, ending with a dot.

    Raises:
        ConfigError: one message for all mistakes.
    """
    for place, text in _not_unicode(raw, prefix.removesuffix(".")):
        raise ConfigError(
            f"{place}: expected text; {text!r} can't be written as UTF-8: correct its encoding"
        )
    try:
        return model.model_validate(raw, context={"base": base})
    except ValidationError as error:
        faults = messages(model, raw, error.errors(), prefix)
        shown = faults[:_MOST_FAULTS]
        if len(faults) > _MOST_FAULTS:
            shown.append(f"and {len(faults) - _MOST_FAULTS} more faults")
        raise ConfigError("; ".join(shown)) from None


def _not_unicode(raw: object, place: str) -> Iterator[tuple[str, str]]:
    """Texts with lone surrogates, which no document can hold, and their places."""
    if isinstance(raw, str) and has_surrogates(raw):
        yield place, raw
    elif isinstance(raw, Mapping):
        for key, value in raw.items():
            if isinstance(key, str) and has_surrogates(key):
                yield place, key
            yield from _not_unicode(value, f"{place}.{key}" if place else str(key))
    elif isinstance(raw, list | tuple):
        for position, value in enumerate(raw):
            yield from _not_unicode(value, f"{place}[{position}]")


def plugin_at(kind: Kind, name: str, place: str) -> type[Options]:
    """The plug-in of a name; an error says where in the configuration the name is.

    Raises:
        ConfigError: there is none.
    """
    try:
        return registry.get(kind, name)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None
