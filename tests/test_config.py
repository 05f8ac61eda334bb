from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from auditor import registry
from auditor.config import AuditConfig, Preprocess, json_schema
from auditor.errors import ConfigError

MINIMAL = {
    "name": "trial",
    "model": {"adapter": "python", "factory": "pkg.models:build", "classes": ["a", "b"]},
    "data": {"adapter": "manifest", "path": "test.csv", "image": "file", "label": "label"},
}


def write(folder: Path, changes: dict[str, object]) -> Path:
    path = folder / "audit.yaml"
    path.write_text(yaml.safe_dump(MINIMAL | changes), encoding="utf-8")
    return path


def test_paths_are_relative_to_the_configuration_file(tmp_path: Path) -> None:
    config = AuditConfig.load(write(tmp_path, {}))
    assert config.effective()["data"]["path"] == str(tmp_path / "test.csv")


def test_effective_configuration_has_the_shape_of_the_file_and_loads_again(tmp_path: Path) -> None:
    config = AuditConfig.load(write(tmp_path, {"checks": {"representation": False}}))
    again = AuditConfig.parse(config.effective())
    assert again.effective() == config.effective()
    assert again.checks["representation"] is False


def test_set_changes_one_key(tmp_path: Path) -> None:
    overrides = ["gate.severity=null", "slices.min_support=12", "preprocess={resize: 64, crop: 64}"]
    config = AuditConfig.load(write(tmp_path, {}), overrides)
    assert config.gate.severity is None
    assert config.slices.min_support == 12
    assert config.preprocess == Preprocess(resize=64, crop=64)


@pytest.mark.parametrize(
    ("changes", "overrides", "place", "mend"),
    [
        ({"sed": 1}, [], "sed: unknown key", "did you mean 'seed'?"),
        ({"slices": {"min_suport": 3}}, [], "slices.min_suport", "did you mean 'min_support'?"),
        ({"data": MINIMAL["data"] | {"lable": "x"}}, [], "data.lable", "did you mean 'label'?"),  # type: ignore[operator]
        ({"data": {"adapter": "manifesto"}}, [], "data.adapter", "did you mean 'manifest'?"),
        ({"checks": {"performance-gab": {}}}, [], "checks", "did you mean 'performance-gap'?"),
        (
            {"checks": {"performance-gap": {"max_gap": "x"}}},
            [],
            "checks.performance-gap.max_gap",
            "'x'",
        ),
        ({"checks": {"performance-gap": 3}}, [], "checks.performance-gap", "or false; got 3"),
        ({"judge": {"alpha": 2}}, [], "judge.alpha", "got 2"),
        ({"seed": -1}, [], "seed", "got -1"),
        ({"preprocess": {"std": [0.0]}}, [], "preprocess.std", "above 0"),
        ({"preprocess": {"mean": [0.0, 0.0]}}, [], "preprocess.mean", "1 or 3 numbers"),
        ({"report": {"formats": ["hmtl"]}}, [], "hmtl", "did you mean 'html'?"),
        ({"explain": {"explainer": "grad-camm"}}, [], "grad-camm", "did you mean 'grad-cam'?"),
        ({}, ["seed"], "--set", "expected key.path=value"),
        ({}, ["name.deep=1"], "--set", "no keys below it"),
    ],
)
def test_what_is_wrong_is_said_with_place_and_mend(
    tmp_path: Path, changes: dict[str, object], overrides: list[str], place: str, mend: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        AuditConfig.load(write(tmp_path, changes), overrides)
    message = str(caught.value)
    assert message.startswith((str(tmp_path / "audit.yaml"), "--set"))
    assert place in message
    assert mend in message


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "a: [", "!!python/object/apply:os.getcwd []"])
def test_what_is_no_mapping_in_safe_yaml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "audit.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="expected"):
        AuditConfig.load(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml.*auditor init"):
        AuditConfig.load(tmp_path / "nowhere.yaml")


def test_schema_names_every_plugin_and_its_options() -> None:
    text = json.dumps(json_schema())
    for kind in ("classifier", "dataset", "check"):
        for name, plugin in registry.all_of(kind).items():
            assert f'"{name}"' in text
            assert all(f'"{field}"' in text for field in plugin.model_fields)
