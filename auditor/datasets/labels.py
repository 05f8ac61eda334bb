"""Class names, and the mapping from labels (names or indices) to classes. Nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.errors import ConfigError, DataError


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
        repeated = sorted({name for name in names if names.count(name) > 1})
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
    return tuple(str(code) for code in range(max(code for code in codes if code is not None) + 1))


def map_labels(labels: pd.Series[Any], classes: Sequence[str]) -> NDArray[np.int64]:
    """Maps labels to class indices.

    A label is matched with the class names: exactly, else ignoring case and surrounding blanks if only
    one class matches. Other whole numbers are indices, unless a class name is a whole number: then 1
    would be ambiguous, and only names are accepted.

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
    exact = {name: code for code, name in enumerate(classes)}
    loose: dict[str, int | None] = {}
    for code, name in enumerate(classes):
        folded = name.strip().casefold()
        loose[folded] = None if folded in loose else code
    numbered = any(_whole_number(name) is not None for name in classes)

    def code_of(label: object) -> int:
        text = _as_text(label)
        code = exact.get(text)
        if code is None:
            code = loose.get(text.strip().casefold())
        if code is None and not numbered:
            code = _whole_number(text)
        return code if code is not None and code < len(classes) else -1

    positions, found = pd.factorize(labels)
    codes = np.array([code_of(label) for label in found], np.int64)
    if (codes < 0).any():
        raise DataError(_unknown_labels(labels, classes, codes, numbered=numbered))
    mapped: NDArray[np.int64] = codes[positions]
    return mapped


def _unknown_labels(
    labels: pd.Series[Any], classes: Sequence[str], codes: NDArray[np.int64], *, numbered: bool
) -> str:
    """Message about labels that match no class.

    Args:
        labels: all labels.
        classes: the class names.
        codes: class index of each distinct label in order of appearance, -1 for none.
        numbered: whether a class name is a whole number, so that indices are not accepted.
    """
    positions, found = pd.factorize(labels)
    counts = np.bincount(positions, minlength=len(found))
    unknown = np.flatnonzero(codes < 0)
    examples = "; ".join(
        f"{_as_text(found[at])!r} ({counts[at]} samples, first {labels.index[positions == at][0]})"
        for at in unknown[:5]
    )
    names = ", ".join(repr(name) for name in classes[:10]) + (" …" if len(classes) > 10 else "")
    index = "" if numbered else f", or an index below {len(classes)}"
    more = " …" if len(unknown) > 5 else ""
    return (
        f"label: expected one of the {len(classes)} classes {names}{index}; "
        f"{int(counts[unknown].sum())} of {len(labels)} samples have other labels: "
        f"{examples}{more}: correct them, or set model.classes"
    )


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Appends the index to a repeated name: ImageNet has two classes called crane."""
    return tuple(
        name if name not in names[:code] else f"{name} ({code})" for code, name in enumerate(names)
    )


def _as_text(label: object) -> str:
    """A label as text; 1.0 is "1", because pandas stores integers with missing values as floats."""
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)


def _whole_number(text: str) -> int | None:
    """The number that a text consists of, else None; ``2.0`` counts as 2."""
    digits = text.strip().removesuffix(".0")
    return int(digits) if digits.isascii() and digits.isdecimal() else None


def _few(samples: pd.Index) -> str:
    return ", ".join(str(sample) for sample in samples[:5]) + (" …" if len(samples) > 5 else "")
