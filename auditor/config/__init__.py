"""The configuration of an audit: its sections, how it is read, and its JSON Schema."""

from auditor.config.schema import json_schema
from auditor.config.sections import (
    AboutSection,
    AuditConfig,
    ConfigPath,
    DataSection,
    ExplainSection,
    GateSection,
    JudgeSection,
    ModelSection,
    Preprocess,
    ReportSection,
    SliceSection,
)
from auditor.config.starter import write_starter

__all__ = [
    "AboutSection",
    "AuditConfig",
    "ConfigPath",
    "DataSection",
    "ExplainSection",
    "GateSection",
    "JudgeSection",
    "ModelSection",
    "Preprocess",
    "ReportSection",
    "SliceSection",
    "json_schema",
    "write_starter",
]
