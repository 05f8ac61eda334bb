from __future__ import annotations

from pathlib import Path

import pytest
from builders.configurations import write_config

from auditor.config import AuditConfig
from auditor.errors import ConfigError


def test_load_population_has_text_keys(tmp_path: Path) -> None:
    path = write_config(tmp_path, {"population": {"grade": {1: 0.3, 2.0: 0.7}}})
    assert AuditConfig.load(path).population == {"grade": {"1": 0.3, "2": 0.7}}


def test_load_population_rounded_shares_are_accepted(tmp_path: Path) -> None:
    path = write_config(tmp_path, {"population": {"age": {"a": 0.33, "b": 0.33, "c": 0.33}}})
    assert sum(AuditConfig.load(path).population["age"].values()) == pytest.approx(0.99)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"sex": {"female": 0.5, "male": 0.4}},
            "sex: expected shares with the sum 1; the sum is 0.9",
        ),
        (
            {"sex": {"female": 1.2, "male": -0.2}},
            "sex: female: expected a share from 0 to 1, not 1.2",
        ),
        ({"sex": {"female": "half", "male": 0.5}}, "sex: female: expected a share from 0 to 1"),
        (
            {"sex": {"female": float("nan"), "male": 0.5}},
            "female: expected a share from 0 to 1, not nan",
        ),
        (
            {"old": {True: 0.5, False: 0.5}},
            "old: expected values as text or numbers, not (True|False): put it in",
        ),
        ({"sex": {}}, "sex: expected a share for each value"),
        ({"sex": 0.5}, "sex: expected a share for each value"),
        (0.5, "expected attributes with shares"),
    ],
)
def test_load_population_with_bad_shares_raises(
    tmp_path: Path, given: object, message: str
) -> None:
    with pytest.raises(ConfigError, match=f"population: .*{message}"):
        AuditConfig.load(write_config(tmp_path, {"population": given}))
