"""Reads ``audit.json`` of schema version 1 as if it were of the present one."""

from __future__ import annotations

from typing import Any


def upgrade(raw: dict[str, Any]) -> dict[str, Any]:
    """Converts the parsed ``audit.json`` of a version 1 run.

    Args:
        raw: as read from the file.

    Returns:
        The same result in the present schema; ``raw`` is left alone.
    """
    provenance = dict(raw.get("provenance") or {})
    config = dict(provenance.get("config") or {})
    config["checks"] = {name: _options(one) for name, one in (config.get("checks") or {}).items()}
    explanations = dict(raw.get("explanations") or {})
    explanations["units"] = [
        {("images" if name == "pictures" else name): value for name, value in unit.items()}
        for unit in explanations.get("units", ())
    ]
    return raw | {
        "provenance": provenance | {"config": config},
        "explanations": explanations,
    }


def _options(options: Any) -> Any:
    """Options of a check under their present names."""
    if not isinstance(options, dict):
        return options
    return {name.replace("_pictures", "_images"): value for name, value in options.items()}
