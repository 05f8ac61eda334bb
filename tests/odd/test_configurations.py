"""Configurations with mistakes that are found before anything is predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders.configurations import write_config

from auditor.attributes.stated_names import require_stated_names
from auditor.config import AuditConfig
from auditor.errors import ConfigError


def _require(folder: Path, changes: dict[str, Any], attributes: tuple[str, ...]) -> None:
    config = AuditConfig.load(write_config(folder, changes))
    require_stated_names(config, attributes, ("hired", "rejected"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"about": {"sensitive": ["Sex "]}},
            "about.sensitive: expected one of the attributes sex, age, image",
        ),
        ({"about": {"sensitive": ["sexx"]}}, "got 'sexx': did you mean 'sex'?"),
        ({"about": {"sensitive": ["image.brightnes"]}}, "did you mean 'image.brightness'?"),
        ({"about": {"selected": "Hired"}}, "about.selected: expected one of the classes hired and"),
        ({"about": {"selected": "Hired"}}, "got 'Hired': did you mean 'hired'?"),
        ({"about": {"selected": "zzz"}}, "got 'zzz': correct the spelling"),
        ({"slices": {"edges": {"agge": [18]}}}, "slices.edges: expected one of the attributes"),
        ({"slices": {"reference": {"AGE": "1"}}}, "slices.reference: expected one of the"),
        ({"slices": {"roles": {"seks": "mediator"}}}, "slices.roles: expected one of the"),
    ],
)
def test_unknown_name_is_refused_with_the_nearest_one(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        _require(tmp_path, changes, ("sex", "age"))
    assert message in str(caught.value)


def test_name_of_an_attribute_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"slices\.roles: .* the data has no attributes"):
        _require(tmp_path, {"slices": {"roles": {"sex": "mediator"}}}, ())


def test_known_names_are_accepted(tmp_path: Path) -> None:
    about = {"sensitive": ["sex", "image.brightness"], "selected": "hired"}
    slices = {"edges": {"age": [18]}, "reference": {"sex": "f"}, "roles": {"age": "mediator"}}
    _require(tmp_path, {"about": about, "slices": slices}, ("sex", "age"))
