"""Names that the configuration gives to attributes and classes: checked before anything is predicted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from auditor.config import AuditConfig
from auditor.errors import ConfigError
from auditor.phrasing import several


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
