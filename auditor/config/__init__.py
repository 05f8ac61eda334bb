"""The configuration of an audit: sections with their defaults, loading, and the JSON Schema."""

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
    json_schema,
)

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
]
