"""The same class names in two orders are refused where the order decides."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest

from auditor.datasets.class_orders import require_one_order
from auditor.errors import ConfigError, DataError

NAMES = ["cat", "dog", "fox"]
TURNED = ["cat", "fox", "dog"]


def labels(*values: Any) -> pd.Series[Any]:
    return pd.Series(values, dtype=object)


def test_configuration_against_the_weights_is_shown_side_by_side() -> None:
    message = "they differ (index: model.classes | weights): 1: dog | fox, 2: fox | dog: leave model.classes"
    with pytest.raises(ConfigError, match=re.escape(message)):
        require_one_order(NAMES, TURNED, None, labels("cat"))


@pytest.mark.parametrize("config", [None, NAMES], ids=["weights", "configuration"])
def test_data_with_indices_against_the_model_is_shown_side_by_side(
    config: list[str] | None,
) -> None:
    message = "they differ (index: model | data): 1: dog | fox, 2: fox | dog: use the names"
    with pytest.raises(DataError, match=re.escape(message)):
        require_one_order(config, NAMES, TURNED, labels(0, 1, 2))


@pytest.mark.parametrize(
    ("config", "model", "data", "given"),
    [
        (None, NAMES, TURNED, ["cat", "dog"]),
        (None, NAMES, NAMES, [0, 1]),
        (["a", "b", "c"], NAMES, None, ["a"]),
        (NAMES, None, None, [0]),
    ],
    ids=["labels are names", "same order", "other names", "one source"],
)
def test_orders_that_do_not_contradict_are_accepted(
    config: list[str] | None, model: list[str] | None, data: list[str] | None, given: list[Any]
) -> None:
    require_one_order(config, model, data, labels(*given))
