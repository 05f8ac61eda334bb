"""Shell completion of values; nothing heavy is imported, because the shell waits."""

from __future__ import annotations

from pathlib import Path


def formats(incomplete: str) -> list[str]:
    """Names of the built-in documents, also after a comma."""
    given, comma, last = incomplete.rpartition(",")
    files = (Path(__file__).parent / "report" / "renderers").glob("[a-z]*.py")
    names = sorted(path.stem.replace("_", "-") for path in files)
    return [f"{given}{comma}{name}" for name in names if name.startswith(last)]


def keys(incomplete: str) -> list[str]:
    """Keys of the configuration for ``--set``, section by section."""
    from pydantic import BaseModel

    from auditor.config import AuditConfig

    *parents, last = incomplete.split(".")
    model: type[BaseModel] = AuditConfig
    for parent in parents:
        field = model.model_fields.get(parent)
        inner = None if field is None else field.annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    found = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        is_section = isinstance(kind, type) and issubclass(kind, BaseModel)
        if name.startswith(last) and name != "options":
            found.append(".".join([*parents, name]) + ("." if is_section else "="))
    return found
