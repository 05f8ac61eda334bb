from __future__ import annotations

from pathlib import Path

import pytest
from builders.configurations import MINIMAL, write_config

from auditor import registry
from auditor.config import AuditConfig, Preprocess
from auditor.errors import ConfigError


def test_set_override_changes_one_key(tmp_path: Path) -> None:
    overrides = ["gate.severity=null", "slices.min_support=12", "preprocess={resize: 64, crop: 64}"]
    config = AuditConfig.load(write_config(tmp_path, {}), overrides)
    assert config.gate.severity is None
    assert config.slices.min_support == 12
    assert config.preprocess == Preprocess(resize=64, crop=64)


@pytest.mark.parametrize(
    ("changes", "overrides", "place", "hint"),
    [
        ({"sed": 1}, [], "sed: unknown key", "did you mean 'seed'?"),
        ({"slices": {"min_suport": 3}}, [], "slices.min_suport", "did you mean 'min_support'?"),
        ({"data": MINIMAL["data"] | {"lable": "x"}}, [], "data.lable", "did you mean 'label'?"),  # type: ignore[operator]
        ({"data": MINIMAL["data"] | {"options": {}}}, [], "data.options", "unknown key"),  # type: ignore[operator]
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
        ({}, ["name.deep=1"], "--set", "expected name to be a section"),
    ],
)
def test_load_mistake_gives_one_message_with_place_and_hint(
    tmp_path: Path, changes: dict[str, object], overrides: list[str], place: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        AuditConfig.load(write_config(tmp_path, changes), overrides)
    message = str(caught.value)
    assert message.startswith((str(tmp_path / "audit.yaml"), "--set"))
    assert place in message
    assert hint in message


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "a: [", "!!python/object/apply:os.getcwd []"])
def test_load_other_than_safe_yaml_mapping_raises(tmp_path: Path, text: str) -> None:
    path = tmp_path / "audit.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="expected"):
        AuditConfig.load(path)


def test_load_missing_file_raises_with_hint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml.*auditor init"):
        AuditConfig.load(tmp_path / "nowhere.yaml")


def test_load_former_name_of_an_adapter_option_is_accepted_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = registry.get("dataset", "manifest")
    monkeypatch.setattr(manifest, "renamed", {"picture": "image"})
    data = {"adapter": "manifest", "path": "test.csv", "picture": "photo", "label": "label"}
    path = write_config(tmp_path, {"data": data})
    with pytest.warns(DeprecationWarning, match="option picture is now called image"):
        config = AuditConfig.load(path)
    assert config.effective()["data"]["image"] == "photo"
