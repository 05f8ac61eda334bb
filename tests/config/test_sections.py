from __future__ import annotations

from pathlib import Path

import pytest
from builders.configurations import write_config

from auditor.config import AuditConfig, Preprocess, SliceSection
from auditor.errors import ConfigError


def test_load_relative_path_is_relative_to_the_file(tmp_path: Path) -> None:
    config = AuditConfig.load(write_config(tmp_path, {}))
    assert config.effective()["data"]["path"] == str(tmp_path / "test.csv")


def test_effective_has_the_shape_of_the_file_and_loads_again(tmp_path: Path) -> None:
    config = AuditConfig.load(write_config(tmp_path, {"checks": {"representation": False}}))
    again = AuditConfig.parse(config.effective())
    assert again.effective() == config.effective()
    assert again.checks["representation"] is False


def test_effective_path_below_working_directory_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = AuditConfig.load(write_config(tmp_path, {}))
    assert config.effective()["data"]["path"] == "test.csv"


def test_preprocess_single_mean_applies_to_three_channels() -> None:
    assert Preprocess(mean=(0.3,), std=(0.5,)).mean == (0.3, 0.3, 0.3)


def test_data_missing_values_are_texts() -> None:
    model = {"adapter": "python", "factory": "a:b", "classes": ["x"]}
    data = {"adapter": "manifest", "path": "t.csv", "missing": ["unknown", -1]}
    config = AuditConfig.parse({"name": "a", "model": model, "data": data})
    assert config.data.missing == ("unknown", "-1")
    with pytest.raises(ConfigError, match="missing: expected texts or numbers, not False"):
        AuditConfig.parse({"name": "a", "model": model, "data": data | {"missing": [False]}})


@pytest.mark.parametrize(("given", "most"), [(True, 2), (False, 1), (2, 2), (3, 3)])
def test_slices_intersections_are_of_so_many_attributes(given: bool | int, most: int) -> None:
    assert SliceSection.model_validate({"intersections": given}).most_crossed == most


def test_slices_intersections_of_four_attributes_raise(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="intersections"):
        AuditConfig.load(write_config(tmp_path, {"slices": {"intersections": 4}}))
