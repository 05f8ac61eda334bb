from pathlib import Path

import pytest

from auditor.config import AuditConfig, ThresholdRule
from auditor.errors import ConfigError

CONFIG = """
name: patients
task: binary
decision: {{positive: ill, threshold: {threshold}}}
model: {{adapter: python, factory: "net:build", classes: [well, ill]}}
data: {{adapter: manifest, path: table.csv}}
"""


def load(folder: Path, threshold: str, overrides: tuple[str, ...] = ()) -> AuditConfig:
    path = folder / "audit.yaml"
    path.write_text(CONFIG.format(threshold=threshold), encoding="utf-8")
    return AuditConfig.load(path, list(overrides))


def test_threshold_rule_is_read_from_the_file_and_from_an_override(tmp_path: Path) -> None:
    config = load(tmp_path, "{rule: youden, data: {split: val}}")
    assert config.decision.threshold == ThresholdRule(rule="youden", data={"split": "val"})
    override = "decision.threshold={rule: f1, data: reference}"
    assert load(tmp_path, "0.5", (override,)).decision.threshold == ThresholdRule(rule="f1")


@pytest.mark.parametrize("threshold", ["0", "1", "x", "{rule: sensitivity}", "{rule: best}"])
def test_threshold_that_is_none_is_refused_with_its_place(tmp_path: Path, threshold: str) -> None:
    with pytest.raises(ConfigError, match=r"decision\.threshold"):
        load(tmp_path, threshold)
