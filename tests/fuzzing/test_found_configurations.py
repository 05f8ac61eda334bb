"""Configurations that fuzzing found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auditor.classifiers.named_models import entries_of_config
from auditor.config import AuditConfig
from auditor.config.loading import apply_override
from auditor.config.yaml_files import parse_yaml
from auditor.errors import ConfigError


@pytest.mark.parametrize("key", ["na\udce7me", "data.attributes.\udcff", "\ud800.x"])
def test_override_with_a_key_that_is_no_utf_8_is_refused(key: str) -> None:
    raw: dict[str, Any] = {}
    with pytest.raises(ConfigError, match="expected a key in UTF-8"):
        apply_override(raw, f"{key}=1")
    assert not raw


@pytest.mark.parametrize(
    "text",
    ["1" + ":1" * 300_000, "9" * 200_000, "0x" + "f" * 200_000, "x" * 200_000, "1:1" * 50_000],
)
def test_scalar_of_extreme_length_is_refused_before_it_is_converted(text: str) -> None:
    with pytest.raises(ValueError, match="expected at most 100000"):
        parse_yaml(f"seed: {text}")


def test_message_about_very_many_faults_names_the_first_ones(tmp_path: Path) -> None:
    path = tmp_path / "audit.yaml"
    path.write_text("slices: {edges: {age: [" + ", ".join(["x"] * 1000) + "]}}\n")
    with pytest.raises(ConfigError, match=r"and 98. more faults$") as caught:
        AuditConfig.load(path)
    assert len(str(caught.value)) < 5000


def test_folder_of_a_model_with_a_nested_configuration_is_read_as_without(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"a": ' + "[" * 100_000)
    assert entries_of_config(tmp_path) == {}
