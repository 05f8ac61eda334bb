"""Orders of the same class names that contradict each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from auditor.errors import ConfigError, DataError

_SHOWN = 10


def require_one_order(
    config_classes: Sequence[str] | None,
    model_classes: Sequence[str] | None,
    data_classes: Sequence[str] | None,
    labels: pd.Series[Any],
) -> None:
    """Checks that the same names are not stated in two orders where the order decides.

    The order of the outputs is stated by the configuration or by the weights. The data set has an order,
    too; it matters only if its labels are indices.

    Args:
        config_classes: ``model.classes`` of the configuration, or None.
        model_classes: class names stored with the weights, or None.
        data_classes: class names of the data set, or None.
        labels: labels of the samples.

    Raises:
        ConfigError: configuration and weights differ; the message shows both side by side.
        DataError: model and data differ, and the labels are indices.
    """
    if _contradict(config_classes, model_classes):
        raise ConfigError(
            "model.classes: expected the order that is stored with the weights; "
            f"{_side_by_side(config_classes, model_classes, 'model.classes', 'weights')}: leave "
            "model.classes out, or correct it"
        )
    stated = config_classes if config_classes is not None else model_classes
    if _contradict(stated, data_classes) and _are_indices(labels, data_classes):
        raise DataError(
            "label: expected one order of the classes, because the labels are indices; "
            f"{_side_by_side(stated, data_classes, 'model', 'data')}: use the names as labels"
        )


def _contradict(one: Sequence[str] | None, other: Sequence[str] | None) -> bool:
    """Whether both have the same names in different orders."""
    return (
        one is not None
        and other is not None
        and tuple(one) != tuple(other)
        and sorted(one) == sorted(other)
    )


def _are_indices(labels: pd.Series[Any], names: Sequence[str] | None) -> bool:
    texts = {str(label) for label in labels.dropna()} - set(names or ())
    return bool(texts) and all(text.isdecimal() for text in texts)


def _side_by_side(
    one: Sequence[str] | None, other: Sequence[str] | None, first: str, second: str
) -> str:
    pairs = [
        f"{k}: {a} | {b}"
        for k, (a, b) in enumerate(zip(one or (), other or (), strict=True))
        if a != b
    ]
    more = f" and {len(pairs) - _SHOWN} more" if pairs[_SHOWN:] else ""
    return f"they differ (index: {first} | {second}): {', '.join(pairs[:_SHOWN])}{more}"
