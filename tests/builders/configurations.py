"""Small configuration files."""

from __future__ import annotations

from pathlib import Path

import yaml

MINIMAL = {
    "name": "trial",
    "model": {"adapter": "python", "factory": "pkg.models:build", "classes": ["a", "b"]},
    "data": {"adapter": "manifest", "path": "test.csv", "image": "file", "label": "label"},
}


def write_config(folder: Path, changes: dict[str, object]) -> Path:
    """Writes the minimal configuration with some sections changed."""
    path = folder / "audit.yaml"
    path.write_text(yaml.safe_dump(MINIMAL | changes), encoding="utf-8")
    return path
