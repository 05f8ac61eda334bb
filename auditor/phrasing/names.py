"""Names as text: slices, labels, lists of names, fields."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from auditor.phrasing.numbers import count
from auditor.phrasing.shown_names import attribute_name, class_name, condition, value_name
from auditor.records import MISSING, SliceKey, SliceRecord


def whom(key: SliceKey, noun: str = "samples") -> str:
    """A slice in a sentence: ``functional samples with cell_type = mono``."""
    what = f"{quoted(key.label)} {noun}" if key.label is not None else noun
    parts = [condition(name, value) for name, value in key.attributes.items()]
    return f"{what} with {' and '.join(parts)}" if parts else what


def slice_name(one: SliceKey | SliceRecord) -> str:
    """A slice in a table: ``cell mono, line A · functional``."""
    predicted = one.predicted if isinstance(one, SliceKey) else None
    attributes = ", ".join(
        f"{attribute_name(name)} {value_name(name, value)}"
        for name, value in one.attributes.items()
    )
    label = None if one.label is None else class_name(one.label)
    if label is not None and not attributes:
        label = f"label {label}"
    parts = (attributes, label, None if predicted is None else f"predicted {class_name(predicted)}")
    return " · ".join(part for part in parts if part) or "all samples"


def class_and_slice(class_name: str | None, key: SliceKey) -> str:
    """What a criterion is about, in a list: ``mono with site = A``; ``all samples``."""
    parts = [] if class_name is None else [quoted(class_name)]
    conditions = [condition(name, value) for name, value in key.attributes.items()]
    parts += [", ".join(conditions)] if conditions else []
    return " with ".join(parts) or "all samples"


def quoted(label: str) -> str:
    """A label in a sentence: in quotes unless it begins with a letter (``“9” samples``)."""
    shown = class_name(label)
    return shown if shown[:1].isalpha() else f"“{shown}”"


def members(label: str) -> str:
    """The samples of a label after a share: ``29 % of the 9s``, ``84 % of the functional samples``."""
    return f"{class_name(label)}s" if _is_symbol(label) else f"{quoted(label)} samples"


def members_of(key: SliceKey) -> str:
    """The samples of a slice after a share: ``the 9s with mark = present``."""
    who = whom(SliceKey(attributes=key.attributes))
    return who if key.label is None else f"{members(key.label)}{who.removeprefix('samples')}"


def predicted_as(label: str, predicted: str) -> str:
    """What happens to samples of a label: ``read as 8`` for characters, else ``predicted as mono``."""
    verb = "read" if _is_symbol(label) and _is_symbol(predicted) else "predicted"
    return f"{verb} as {class_name(predicted)}"


def _is_symbol(label: str) -> bool:
    """Whether a class is called by a number or a single capital letter."""
    shown = class_name(label)
    return shown.isdecimal() or (len(shown) == 1 and shown.isupper())


def several(names: Sequence[str], most: int = 3) -> str:
    """A list in a sentence: ``a, b and 4 more``."""
    shown = list(names[:most])
    if len(names) > most:
        return f"{', '.join(shown)} and {count(len(names) - most)} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def advice(key: SliceKey) -> str:
    """What to do about a slice that fails more often."""
    return (
        f"Compare the maps of these failures with those of correct {whom(SliceKey(label=key.label))} "
        "to see which parts of the image the model uses in each. Then train with more "
        f"{whom(key)}, as varied as the images in use, and audit again on the same samples."
    )


def field_name(name: str) -> str:
    """A key of a record as text: ``n_tests`` becomes ``tests``."""
    return name.removeprefix("n_").replace("_", " ")


def sentence_start(text: str) -> str:
    """A text with its first letter in upper case; the rest is left alone."""
    return text[:1].upper() + text[1:]


def reading_order(attributes: Mapping[str, str]) -> tuple[tuple[str, int, float, str], ...]:
    """Sort key of attribute values: bands by their numbers, then words, missing values last.

    A value that begins with a number counts as a band: ``under 18``, ``11-100``, ``>= 65``, ``20 mg``.
    """
    return tuple((name, *_value_order(value)) for name, value in attributes.items())


def leading_number(value: str) -> tuple[float, int] | None:
    """The number at the beginning of a value, and -1 or 1 if it is what lies below or above it.

    Returns:
        ``(18, -1)`` for ``under 18`` and ``<18``, ``(65, 1)`` for ``> 65``, ``(11, 0)`` for ``11-100``
        and ``11 mg``; None for words.
    """
    found = _LEADING_NUMBER.match(value)
    if found is None:
        return None
    side = -1 if found["below"] else 1 if found["above"] else 0
    return float(found["number"].replace("−", "-")), side


_LEADING_NUMBER = re.compile(
    r"\s*(?:(?P<below>under |below |up to |less than |<=?|≤)|(?P<above>over |above |more than |>=?|≥))?"
    r"\s*(?P<number>[-−+]?\d+(?:\.\d+)?(?:e[-+]\d+)?)",
    re.IGNORECASE,
)


def _value_order(value: str) -> tuple[int, float, str]:
    if value == MISSING:
        return 3, 0.0, value
    found = leading_number(value)
    if found is None:
        return 2, 0.0, value
    number, side = found
    return (0 if side < 0 else 1), number, value
