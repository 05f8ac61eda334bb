"""Names that the configuration gives to attributes and classes: checked before anything is predicted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from auditor.attributes.known_values import KnownValues
from auditor.config import AuditConfig
from auditor.errors import ConfigError
from auditor.phrasing import several
from auditor.records import MISSING
from auditor.records.display_names import require_distinct
from auditor.records.predictions import is_reserved


def require_stated_names(
    config: AuditConfig, attributes: Sequence[str], classes: Sequence[str]
) -> None:
    """Checks ``about.sensitive``, ``about.selected``, and the attributes in ``slices``.

    Args:
        config: the configuration.
        attributes: names of the attributes of the data.
        classes: names of the classes, or of the labels.

    Raises:
        ConfigError: an attribute or class is unknown; the message has the nearest known one.
    """
    section = config.slices
    for name in config.about.sensitive:
        _require(name, [*attributes, *section.computed], "about.sensitive", "attributes")
    stated: dict[str, Iterable[str]] = {
        "slices.edges": section.edges,
        "slices.reference": section.reference,
        "slices.roles": section.roles,
    }
    for place, names in stated.items():
        for name in names:
            _require(name, attributes, place, "attributes")
    if config.about.selected is not None:
        _require(config.about.selected, classes, "about.selected", "classes")


def require_display_names(
    config: AuditConfig, attributes: KnownValues, classes: Sequence[str]
) -> None:
    """Checks that ``display_names`` names what there is, and that nothing is shown under one name.

    Args:
        config: the configuration.
        attributes: the attributes of the data with their values.
        classes: names of the classes, or of the labels.

    Raises:
        ConfigError: a class, an attribute or a value is unknown, and the message has the nearest known
            one; or two of them would have the same name.
    """
    stated = config.display_names
    names = [*attributes.values, *config.slices.computed]
    groups: list[tuple[str, str, Mapping[str, str], Sequence[str]]] = [
        ("classes", "classes", stated.classes, classes),
        ("attributes", "attributes", stated.attributes, names),
    ]
    for name, values in stated.values.items():
        _require(name, list(attributes.values), "display_names.values", "attributes")
        found = [*attributes.values[name], MISSING]
        groups.append((f"values.{name}", f"values of {name}", values, found))
    for place, what, shown, known in groups:
        for name in shown:
            _require(name, known, f"display_names.{place}", what)
        try:
            require_distinct(shown, known)
        except ValueError as error:
            raise ConfigError(f"display_names.{place}: {error}") from error
    for name, text in stated.attributes.items():
        if is_reserved(text):
            raise ConfigError(
                f"display_names.attributes.{name}: expected a name that is no column of every report; "
                f"got {text!r}: choose another one"
            )


def _require(name: str, known: Sequence[str], place: str, what: str) -> None:
    if name in known:
        return
    if not known:
        raise ConfigError(
            f"{place}: got {name!r}; the data has no {what}: name them in data.attributes"
        )
    folded = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    hint = f"did you mean {folded[near[0]]!r}?" if near else "correct the spelling"
    raise ConfigError(
        f"{place}: expected one of the {what} {several(list(known), 10)}; got {name!r}: {hint}"
    )
