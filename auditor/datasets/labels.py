"""Labels in words or indices, mapped to classes by name. Nothing is guessed."""

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
    """The class names in index order: the configuration's, else the weights', else the data's.

    Where nobody names them and all labels are whole numbers, the names are "0", "1", … up to the
    largest label.

    Args:
        config_classes: ``model.classes`` of the configuration.
        model_classes: what the weights carry.
        data_classes: what the data set carries.
        labels: the samples' labels, index = sample id.

    Returns:
        K distinct names.

    Raises:
        ConfigError: the configuration names none, one twice, or an empty one.
        DataError: nobody names the classes and the labels are words.
    """
    if config_classes is not None:
        names = tuple(config_classes)
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names or twice or "" in names:
            wrong = (
                f"{twice[0]!r} comes twice" if twice else "there is an empty name or none at all"
            )
            raise ConfigError(f"model.classes: expected distinct names in index order; {wrong}")
        return names
    for known in (model_classes, data_classes):
        if known is not None:
            return _distinct(known)
    words = [str(word) for word in pd.unique(labels.dropna())]
    codes = [_whole(word) for word in words]
    if not codes or any(code is None for code in codes):
        shown = ", ".join(repr(word) for word in sorted(words)[:10])
        raise DataError(
            "expected the class names in the order of the model's outputs; neither the weights nor "
            f"the data set carry them, and the labels are words ({shown}): set model.classes"
        )
    return tuple(str(code) for code in range(max(code for code in codes if code is not None) + 1))


def map_labels(labels: pd.Series[Any], classes: Sequence[str]) -> NDArray[np.int64]:
    """Maps labels to class indices.

    A label that is a class name means that class; failing that, one that differs from a single
    class name in case and outer blanks only. Whole numbers count as indices, unless a class has a
    whole number for its name: then 1 could mean two things, and only names count.

    Args:
        labels: words or whole numbers, index = sample id.
        classes: K names in index order.

    Returns:
        (N,) int64 in 0…K-1.

    Raises:
        DataError: labels are missing or map to no class; lists the first five.
    """
    missing = labels.isna()
    if missing.any():
        raise DataError(
            f"label: expected one for every sample; {int(missing.sum())} of {len(labels)} have none: "
            f"{_few(labels.index[missing.to_numpy()])}: add them, or leave those rows out"
        )
    exact = {name: code for code, name in enumerate(classes)}
    loose: dict[str, int | None] = {}
    for code, name in enumerate(classes):
        folded = name.strip().casefold()
        loose[folded] = None if folded in loose else code
    numbered = any(_whole(name) is not None for name in classes)

    def code_of(label: object) -> int:
        word = _word(label)
        code = exact.get(word)
        if code is None:
            code = loose.get(word.strip().casefold())
        if code is None and not numbered:
            code = _whole(word)
        return code if code is not None and code < len(classes) else -1

    positions, found = pd.factorize(labels)
    codes = np.array([code_of(label) for label in found], np.int64)
    if (codes < 0).any():
        counts = np.bincount(positions, minlength=len(found))
        strangers = [at for at in range(len(found)) if codes[at] < 0]
        shown = "; ".join(
            f"{_word(found[at])!r} ({counts[at]} samples, first {labels.index[positions == at][0]})"
            for at in strangers[:5]
        )
        names = ", ".join(repr(name) for name in classes[:10])
        raise DataError(
            f"label: expected one of the {len(classes)} classes {names}"
            f"{' …' if len(classes) > 10 else ''}"
            f"{'' if numbered else f', or an index below {len(classes)}'}; "
            f"{int(counts[strangers].sum())} of {len(labels)} samples have others: {shown}"
            f"{' …' if len(strangers) > 5 else ''}: correct them, or set model.classes"
        )
    mapped: NDArray[np.int64] = codes[positions]
    return mapped


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names as they are; one that comes again gets its index, as ImageNet has two cranes."""
    return tuple(
        name if name not in names[:code] else f"{name} ({code})" for code, name in enumerate(names)
    )


def _word(label: object) -> str:
    """A label as text; 1.0, which a missing neighbour made of 1, is "1"."""
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)


def _whole(word: str) -> int | None:
    """The number that a word of digits is; ``2.0`` counts as 2."""
    digits = word.strip().removesuffix(".0")
    return int(digits) if digits.isascii() and digits.isdecimal() else None


def _few(samples: pd.Index) -> str:
    return ", ".join(str(sample) for sample in samples[:5]) + (" …" if len(samples) > 5 else "")
