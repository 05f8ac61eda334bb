"""Names that documents show instead of those of the data: of classes, attributes and values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from auditor.records.decisions import absent
from auditor.records.image_properties import in_words


def _text(raw: Any, what: str) -> str:
    # YAML reads yes, no, on, off and null as something other than text.
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise ValueError(  # noqa: TRY004 - pydantic reports ValueError
            f"expected {what} as text, not {raw!r}: put it in quotes"
        )
    text = " ".join(str(raw).split())
    if not text:
        raise ValueError(f"expected {what}; got an empty text")
    return text


def _names(raw: Any) -> dict[str, str]:
    """Display names by name, each used once."""
    if not isinstance(raw, Mapping):
        raise ValueError(  # noqa: TRY004 - pydantic reports ValueError
            "expected display names by name, such as {func: sound cell}"
        )
    names = {_text(key, "names"): _text(shown, "display names") for key, shown in raw.items()}
    require_distinct(names, names)
    return names


def _names_by_attribute(raw: Any) -> dict[str, dict[str, str]]:
    if not isinstance(raw, Mapping):
        raise ValueError(  # noqa: TRY004 - pydantic reports ValueError
            "expected display names by attribute, such as {cell_type: {mono: monocrystalline}}"
        )
    return {_text(key, "names"): _names(values) for key, values in raw.items()}


def require_distinct(names: Mapping[str, str], known: Iterable[str]) -> None:
    """Checks that no two names are shown alike.

    Args:
        names: display names by name.
        known: all names; those without a display name are shown as they are.

    Raises:
        ValueError: two of them would have the same name in a report.
    """
    shown: dict[str, str] = {}
    for name in known:
        text = names.get(name, name)
        if text in shown:
            raise ValueError(
                f"expected a different display name for each; {shown[text]!r} and {name!r} are both "
                f"shown as {text!r}"
            )
        shown[text] = name


class DisplayNames(BaseModel):
    """What documents call classes, attributes and values; ``audit.json`` keeps the names of the data."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    classes: Annotated[dict[str, str], BeforeValidator(_names)] = {}
    """Of classes or labels, such as `{func: sound cell}`."""
    attributes: Annotated[dict[str, str], BeforeValidator(_names)] = {}
    """Of attributes, such as `{cell_type: cell type}`."""
    values: Annotated[dict[str, dict[str, str]], BeforeValidator(_names_by_attribute)] = {}
    """Of the values of attributes, such as `{cell_type: {mono: monocrystalline}}`."""

    def __bool__(self) -> bool:
        return bool(self.classes or self.attributes or self.values)

    def of_class(self, name: str) -> str:
        """A class, a label, or the absence of a label."""
        if name in self.classes:
            return self.classes[name]
        negated = name.removeprefix(absent(""))
        if negated != name and negated in self.classes:
            return absent(self.classes[negated])
        return name

    def of_attribute(self, name: str) -> str:
        """An attribute, or a property that was computed from the images."""
        return self.attributes.get(name, in_words(name))

    def of_value(self, attribute: str, value: str) -> str:
        """A value of an attribute."""
        return self.values.get(attribute, {}).get(value, value)

    def of_slice(self, attributes: Mapping[str, str]) -> dict[str, str]:
        """Attributes with their values."""
        return {
            self.of_attribute(name): self.of_value(name, value)
            for name, value in attributes.items()
        }

    def values_of(self, attribute: str) -> Callable[[str], str]:
        """`of_value` of one attribute."""
        return lambda value: self.of_value(attribute, value)
