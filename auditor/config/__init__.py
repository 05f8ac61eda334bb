"""The configuration of an audit: its sections, how it is read, and its JSON Schema."""

from auditor.config.attribute_types import AttributeNames, AttributeTypes, stated_types
from auditor.config.decision import DecisionSection, OutputKind, ThresholdRule
from auditor.config.devices import Device
from auditor.config.expected import ExpectedSection
from auditor.config.metrics import MetricsSection
from auditor.config.paths import ConfigPath
from auditor.config.plan import PlanSection
from auditor.config.population import population_shares
from auditor.config.preprocess import Channels, Preprocess
from auditor.config.redact import RedactSection
from auditor.config.schema import json_schema
from auditor.config.sections import (
    AboutSection,
    Arithmetic,
    AuditConfig,
    DataSection,
    ExplainSection,
    GateSection,
    JudgeSection,
    ModelSection,
    ReportSection,
    SliceSection,
)
from auditor.config.starter import write_starter

__all__ = [
    "AboutSection",
    "Arithmetic",
    "AttributeNames",
    "AttributeTypes",
    "AuditConfig",
    "Channels",
    "ConfigPath",
    "DataSection",
    "DecisionSection",
    "Device",
    "ExpectedSection",
    "ExplainSection",
    "GateSection",
    "JudgeSection",
    "MetricsSection",
    "ModelSection",
    "OutputKind",
    "PlanSection",
    "Preprocess",
    "RedactSection",
    "ReportSection",
    "SliceSection",
    "ThresholdRule",
    "json_schema",
    "population_shares",
    "stated_types",
    "write_starter",
]
