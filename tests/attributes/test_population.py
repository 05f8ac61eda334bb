from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from auditor.attributes.population import require_known_values
from auditor.attributes.typed_columns import type_attributes
from auditor.config import AuditConfig, DataSection, ModelSection, SliceSection
from auditor.errors import ConfigError
from auditor.records import Dataset, StatedType

TABLE = {"sex": ["female", "male"] * 40, "age": [str(20 + k) for k in range(80)]}


def require(
    population: dict[str, dict[str, float]],
    types: dict[str, StatedType] | None = None,
    reference: pd.DataFrame | None = None,
    weight: str | None = None,
    edges: dict[str, Any] | None = None,
) -> None:
    samples = pd.DataFrame({"path": "x", "label": "a", **TABLE})
    dataset = Dataset(
        samples, [], tuple(TABLE), "test", reference=reference, stated_types=types or {}
    )
    typed, specs = type_attributes(dataset, (), edges or {})
    config = AuditConfig(
        name="trial",
        model=ModelSection(adapter="test"),
        data=DataSection(adapter="test"),
        slices=SliceSection(edges=edges or {}),
        population=population,
    )
    require_known_values(config, replace(typed, weight=weight), specs)


def test_population_of_values_in_the_data_is_accepted() -> None:
    require({"sex": {"female": 0.5, "male": 0.5}})
    require({"sex": {"female": 0.5, "male": 0.4, "(missing)": 0.1}})
    require({"age": {"under 50": 0.5, "50 and over": 0.5}}, edges={"age": (50,)})


def test_population_of_a_band_without_samples_is_accepted() -> None:
    require({"age": {"under 18": 0.1, "18–49": 0.5, "50 and over": 0.4}}, edges={"age": (18, 50)})


def test_population_of_a_value_that_only_the_order_or_the_training_data_has_is_accepted() -> None:
    shares = {"sex": {"female": 0.5, "male": 0.4, "other": 0.1}}
    require(shares, types={"sex": ("female", "male", "other")})
    require(shares, reference=pd.DataFrame({"label": ["a"], "sex": ["other"], "age": ["3"]}))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"gender": {"female": 1}},
            "population: expected one of the attributes sex and age; got 'gender'",
        ),
        ({"sex": {"femal": 1}}, r"population\.sex: .*got 'femal': did you mean 'female'\?"),
        ({"sex": {"x": 1}}, r"population\.sex: .*got 'x': correct the spelling"),
        ({"age": {"under 50": 1}}, r"population\.age: expected stated bands"),
    ],
)
def test_population_of_something_unknown_raises(
    given: dict[str, dict[str, float]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        require(given)


def test_population_beside_weights_raises() -> None:
    with pytest.raises(ConfigError, match="either shares of the population or weights; got both"):
        require({"sex": {"female": 0.5, "male": 0.5}}, weight="w")
