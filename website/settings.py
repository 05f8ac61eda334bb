"""The page of all settings of a configuration."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from auditor.config import AuditConfig
from auditor.plugin_descriptions import of_class
from auditor.registry import Options
from website.markdown import GENERATED, cell, inline, options_table, paragraphs

_INTRODUCTION = """
Every key of a configuration file except the options of adapters and checks, which have pages of their
own. The arguments of `auditor.audit` have the same names. `auditor schema` prints the same as a JSON
Schema, for editors.
"""


def page(config: type[Options] = AuditConfig) -> str:
    """Table of every key of a configuration with its default and meaning."""
    lines = [
        "# All settings",
        "",
        GENERATED,
        "",
        inline(_INTRODUCTION),
        "",
        "## Top level",
        "",
        "| key | default | meaning |",
        "|---|---|---|",
    ]
    sections = {}
    for name, field in config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Options):
            sections[name] = section
        elif name == "preprocess":
            sections[name] = _inner(field)
        else:
            default = "required" if field.is_required() else f"`{_shown(field)}`"
            lines.append(f"| `{name}` | {default} | {cell(field.description or '')} |")
    for name, section in sections.items():
        lines += ["", f"## `{name}`", "", *_apart(section)]
        options = [
            replace(one, default="{}") if _is_section(section, one.name) else one
            for one in of_class(name, section).options
            if not _is_adapted(section, one.name)
        ]
        lines += options_table(options)
    return "\n".join(lines) + "\n"


def _apart(section: type[Options]) -> list[str]:
    lines: list[str] = []
    for one in paragraphs(section.__doc__ or ""):
        lines += [one, ""]
    return lines[:-1]


def _inner(field: FieldInfo) -> type[Options]:
    """The model of a section that may be absent."""
    annotation = field.annotation
    models = [one for one in getattr(annotation, "__args__", ()) if isinstance(one, type)]
    return next(one for one in models if issubclass(one, Options))


def _shown(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "{}"
    return "null" if value is None else str(value).replace("()", "[]")


def _is_section(section: type[Options], name: str) -> bool:
    return isinstance(section.model_fields[name].default, BaseModel)


def _is_adapted(section: type[Options], name: str) -> bool:
    """Whether a field is filled by the adapter's own keys, which stand beside the others in the file."""
    return name == "options" and _is_section(section, name)
