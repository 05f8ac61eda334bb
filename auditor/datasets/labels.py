"""Class names, and the mapping from labels (names or indices) to classes. Nothing is guessed."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.errors import ConfigError, DataError
from auditor.phrasing import plural

_MOST_DERIVED = 100_000
"""Largest number of classes that are derived from labels: a label 20241231 is a date, not an index."""
_MOST_DIGITS = 18
"""Longer texts are names."""


def resolve_classes(
    config_classes: Sequence[str] | None,
    model_classes: Sequence[str] | None,
    data_classes: Sequence[str] | None,
    labels: pd.Series[Any],
) -> tuple[str, ...]:
    """Determines the class names: from the configuration, else the weights, else the data.

    If none of them has names and all labels are whole numbers, the names are "0", "1", … up to the
    largest label.

    Args:
        config_classes: ``model.classes`` of the configuration.
        model_classes: class names stored with the weights, or None.
        data_classes: class names of the data set, or None.
        labels: labels of the samples, index = sample id.

    Returns:
        K distinct names in index order.

    Raises:
        ConfigError: the configured list is empty, or contains an empty or repeated name.
        DataError: there are no class names and the labels are not whole numbers.
    """
    if config_classes is not None:
        names = tuple(config_classes)
        repeated = sorted(name for name, count in Counter(names).items() if count > 1)
        if not names or repeated or "" in names:
            problem = (
                f"{repeated[0]!r} is repeated" if repeated else "a name is empty, or the list is"
            )
            raise ConfigError(f"model.classes: expected distinct names in index order; {problem}")
        return names
    for known in (model_classes, data_classes):
        if known is not None:
            return _distinct(known)
    texts = [str(label) for label in pd.unique(labels.dropna())]
    codes = [_whole_number(text) for text in texts]
    if not codes or any(code is None for code in codes):
        shown = ", ".join(repr(text) for text in sorted(texts)[:10])
        raise DataError(
            "expected the class names in the order of the model's outputs; neither the weights nor "
            f"the data set contain them, and the labels are not indices ({shown}): set model.classes"
        )
    largest = max(code for code in codes if code is not None)
    if largest >= _MOST_DERIVED:
        raise DataError(
            f"label: expected indices below {_MOST_DERIVED:,}, because neither the weights nor the data "
            f"set name the classes; got {largest}: name the column of the labels in data.label, or set "
            "model.classes"
        )
    return tuple(str(code) for code in range(largest + 1))


def map_labels(labels: pd.Series[Any], classes: Sequence[str]) -> NDArray[np.int64]:
    """Maps labels to class indices.

    A label is matched with the class names: exactly, else ignoring case, surrounding blanks and how
    accents are encoded (macOS writes ö as two characters in file names) if only one class matches.
    Other whole numbers are indices, unless a class name is a whole number: then 1
    would be ambiguous, and only names are accepted (1.0 is the name 1).

    Args:
        labels: names or whole numbers, index = sample id.
        classes: K names in index order.

    Returns:
        (N,) int64 in 0…K-1.

    Raises:
        DataError: labels are missing or match no class; the message lists the first five.
    """
    missing = labels.isna()
    if missing.any():
        raise DataError(
            f"label: expected one for every sample; {int(missing.sum())} of {len(labels)} have none ("
            f"{_few(labels.index[missing.to_numpy()])}): add them, or remove those samples"
        )
    codes = label_codes(labels, classes)
    if (codes < 0).any():
        raise DataError(_unknown_labels(labels, classes, codes))
    return codes


def label_codes(labels: pd.Series[Any], classes: Sequence[str]) -> NDArray[np.int64]:
    """Class index of each label, as in ``map_labels``; -1 for those that are missing or no class.

    Args:
        labels: names or whole numbers.
        classes: K names in index order.

    Returns:
        (N,) int64 in -1…K-1.
    """
    exact = {name: code for code, name in enumerate(classes)}
    loose: dict[str, int | None] = {}
    for code, name in enumerate(classes):
        folded = _folded(name)
        loose[folded] = None if folded in loose else code
    numbered = _has_numbers(classes)

    def code_of(label: object) -> int:
        text = _as_text(label)
        code = exact.get(text)
        if code is None:
            code = loose.get(_folded(text))
        number = _whole_number(text) if code is None else None
        if number is not None:
            code = exact.get(str(number)) if numbered else number
        return code if code is not None and code < len(classes) else -1

    positions, found = pd.factorize(labels)
    # A missing label has the position -1.
    codes = np.array([*(code_of(label) for label in found), -1], np.int64)
    mapped: NDArray[np.int64] = codes[positions]
    return mapped


def _folded(text: str) -> str:
    """A text without what the comparison of labels ignores."""
    return unicodedata.normalize("NFC", text.strip().casefold())


def _has_numbers(classes: Sequence[str]) -> bool:
    """Whether a class name is a whole number, so that indices are not accepted."""
    return any(_whole_number(name) is not None for name in classes)


def _unknown_labels(
    labels: pd.Series[Any], classes: Sequence[str], codes: NDArray[np.int64]
) -> str:
    """Message about labels that match no class.

    Args:
        labels: all labels.
        classes: the class names.
        codes: class index of each label, -1 for none.
    """
    others = labels[codes < 0]
    positions, found = pd.factorize(others)
    counts = np.bincount(positions)
    examples = "; ".join(
        f"{_as_text(label)!r} ({plural(int(counts[at]), 'sample')}, first "
        f"{others.index[positions == at][0]})"
        for at, label in enumerate(found[:5])
    )
    names = ", ".join(repr(name) for name in classes[:10]) + (" …" if len(classes) > 10 else "")
    n_others = len(others.index.unique())  # a sample of a multi-label task has several entries
    have = "has another label" if n_others == 1 else "have other labels"
    index = "" if _has_numbers(classes) else f", or an index below {len(classes)}"
    more = " …" if len(found) > 5 else ""
    return (
        f"label: expected one of the {len(classes)} classes {names}{index}; "
        f"{n_others} of {plural(len(labels.index.unique()), 'sample')} {have}: "
        f"{examples}{more}: correct them, or set model.classes"
    )


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Appends the index to a repeated name: ImageNet has two classes called crane."""
    seen: set[str] = set()
    distinct = []
    for code, name in enumerate(names):
        distinct.append(f"{name} ({code})" if name in seen else name)
        seen.add(name)
    return tuple(distinct)


def _as_text(label: object) -> str:
    """A label as text; 1.0 is "1", because pandas stores integers with missing values as floats."""
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)


def _whole_number(text: str) -> int | None:
    """The number that a text consists of, else None; ``2.0`` counts as 2."""
    digits = text.strip().removesuffix(".0")
    whole = digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS
    return int(digits) if whole else None


def _few(samples: pd.Index) -> str:
    return ", ".join(str(sample) for sample in samples[:5]) + (" …" if len(samples) > 5 else "")
