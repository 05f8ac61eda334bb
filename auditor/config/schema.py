"""The JSON Schema of the configuration file."""

from __future__ import annotations

from typing import Any

from auditor import registry
from auditor.config.budget import KEY, CheckBudget
from auditor.config.sections import AuditConfig
from auditor.registry import Kind

_ADAPTERS: tuple[tuple[str, Kind], ...] = (
    ("ModelSection", "classifier"),
    ("DataSection", "dataset"),
)


def json_schema() -> dict[str, Any]:
    """JSON Schema of the configuration file, with the options of every installed plug-in."""
    schema = AuditConfig.model_json_schema()
    definitions = schema["$defs"]
    for section, kind in _ADAPTERS:
        shared = dict(definitions[section]["properties"])
        del shared["options"]
        adapters = []
        for name, own in _plugin_schemas(kind, definitions).items():
            own["properties"] = shared | own.get("properties", {}) | {"adapter": {"const": name}}
            own["required"] = ["adapter", *own.get("required", [])]
            adapters.append(own)
        definitions[section] = {"oneOf": adapters}
    schema["properties"]["checks"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            KEY: CheckBudget.model_json_schema(),
            **{
                name: {"anyOf": [own, {"const": False}]}
                for name, own in _plugin_schemas("check", definitions).items()
            },
        },
    }
    return schema


def _plugin_schemas(kind: Kind, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of each plug-in of a kind by name; moves their definitions to the common ones."""
    schemas = {name: plugin.model_json_schema() for name, plugin in registry.all_of(kind).items()}
    for schema in schemas.values():
        definitions |= schema.pop("$defs", {})
    return schemas
