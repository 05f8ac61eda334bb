"""``auditor.audit`` takes every option of the configuration, with the same names and defaults."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from builders.python_audits import prepare, refused
from pydantic_core import PydanticUndefined

import auditor
from auditor.checks.performance_gap import PerformanceGap
from auditor.config import (
    AuditConfig,
    DataSection,
    ExplainSection,
    ModelSection,
    ReportSection,
)
from auditor.config.criteria import Criterion

ELSEWHERE = {"options", "data", "allow_download"}
"""Fields that mean nothing for a model and data in memory."""
FROM_PYTHON = {"dataset", "attributes", "groups", "weights", "attribute_types", "reference"} | {
    *("reference_images", "out", "overwrite", "resume", "progress")
}
"""Arguments that stand for an adapter's options, or for options of the command line."""
SECTIONS: dict[str, dict[str, Any]] = {
    "slices": {"min_support": 50, "quantiles": 3},
    "metrics": {"primary": ("accuracy", "balanced-accuracy")},
    "explain": {"explainer": "hirescam", "trust_samples": 7},
    "judge": {"alpha": 0.01},
    "gate": {"severity": None, "min_samples": 3},
    "plan": {"power": 0.9, "assume": {"recall": 0.95}},
    "report": {"formats": ("json",), "compliance": ("eu-ai-act",)},
    "about": {"purpose": "sorts animals"},
    "display_names": {"classes": {"cat": "Cat"}},
}


def options_of_the_configuration() -> dict[str, Any]:
    """Every option and its default; adapters and their own options stand for the two arguments."""
    fields = {
        **AuditConfig.model_fields,
        **{name: field for name, field in ModelSection.model_fields.items() if name != "adapter"},
        **{name: field for name, field in DataSection.model_fields.items() if name != "adapter"},
    }
    return {name: field.default for name, field in fields.items() if name not in ELSEWHERE}


def test_audit_takes_exactly_the_options_of_the_configuration() -> None:
    taken = set(inspect.signature(auditor.audit).parameters)
    assert set(options_of_the_configuration()) == taken - FROM_PYTHON


def test_audit_has_the_defaults_of_the_configuration() -> None:
    taken = inspect.signature(auditor.audit).parameters
    for name, default in options_of_the_configuration().items():
        # None stands for the defaults of a section.
        if taken[name].default not in (None, inspect.Parameter.empty):
            expected = "audit" if default is PydanticUndefined else default
            assert taken[name].default == expected, name


@pytest.mark.parametrize("name", SECTIONS)
def test_audit_section_as_a_mapping_reaches_the_configuration(name: str) -> None:
    section = getattr(prepare(**{name: SECTIONS[name]}).config, name)
    given = {key: getattr(section, key) for key in SECTIONS[name]}
    assert given == SECTIONS[name]


def test_audit_options_without_a_section_reach_the_configuration() -> None:
    config = prepare(
        batch_size=8, workers=0, device="cpu", precision="amp", missing=["unknown", -1]
    ).config
    assert (config.batch_size, config.workers, config.device) == (8, 0, "cpu")
    assert config.precision == "amp"
    assert config.data.missing == ("unknown", "-1")


def test_audit_sections_as_models_reach_the_configuration() -> None:
    config = prepare(
        explain=ExplainSection(units=0),
        report=ReportSection(formats=()),
        checks={"performance-gap": PerformanceGap(max_gap=0.02)},
        criteria=[Criterion(metric="recall", class_name="cat", at_least=0.9)],
    ).config
    assert config.explain.units == 0
    assert config.report.formats == ()
    assert config.checks["performance-gap"] == PerformanceGap(max_gap=0.02)
    assert config.criteria[0].class_name == "cat"


def test_audit_checks_and_criteria_are_those_of_the_file() -> None:
    sections = {
        "checks": {"performance-gap": {"max_gap": 0.03}, "leakage": False},
        "criteria": [{"metric": "recall", "class": "cat", "at_least": 0.9, "name": "cats"}],
        "gate": {"blocking": ["cats"]},
    }
    prepared = prepare(**sections)
    file = AuditConfig.parse(
        {
            "name": "audit",
            "model": {"adapter": "torchvision", "architecture": "resnet18"},
            "data": {"adapter": "folder", "path": "images"},
            **sections,
        }
    )
    assert prepared.config.checks == file.checks
    assert prepared.config.criteria == file.criteria
    assert "leakage" not in prepared.checks
    assert [one.check for one in prepared.switched_off] == ["leakage"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"explain": {"explaner": "cam"}},
            "explain.explaner: unknown key; did you mean 'explainer'?",
        ),
        ({"explain": {"explainer": "gradcam"}}, "explain.explainer: expected one of"),
        ({"checks": {"performance_gap": {}}}, "did you mean 'performance-gap'?"),
        ({"checks": {"performance-gap": {"max_gap": "big"}}}, "checks.performance-gap.max_gap: "),
        (
            {"checks": {"performance-gap": 3}},
            "checks.performance-gap: expected options in braces (max_gap, ",
        ),
        ({"criteria": [{"metric": "recall", "class": "cow", "at_least": 0.9}]}, "'cow'"),
        ({"gate": {"blocking": ["cats"]}}, "gate.blocking: expected names of configured criteria"),
        ({"report": {"formats": ["docx"]}}, "report.formats: expected one of"),
        (
            {"report": {"options": {"pdf": {"failure": 3}}}},
            "report.options.pdf.failure: unknown key",
        ),
        ({"slices": {"min_support": 1}}, "slices.min_support: "),
        ({"device": "gpu"}, "device: "),
        ({"batch_size": 0}, "batch_size: "),
        ({"progress": "yes"}, "progress: expected True, False or None; got 'yes'"),
    ],
)
def test_audit_with_a_wrong_option_names_its_place(options: dict[str, Any], message: str) -> None:
    assert message in refused(**options)
