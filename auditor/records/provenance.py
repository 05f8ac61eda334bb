"""Which model was audited on which data, and everything needed to repeat the audit."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from auditor.records.base import Record


class RunInfo(Record):
    """Which audit this is."""

    id: str
    name: str
    created_at: datetime
    auditor_version: str
    status: Literal["complete"]


class ModelProvenance(Record):
    """Which classifier was audited."""

    adapter: str
    sha256: str
    """SHA-256 over the names, shapes and bytes of all weights."""
    target_layer: str | None
    target_layer_reason: str = ""
    output: str = ""
    """What the network returns, in words."""
    n_parameters: int | None = None
    description: str = ""


class DataProvenance(Record):
    """Which data it was audited on."""

    adapter: str
    sha256: str
    """SHA-256 over the sample ids, labels, attributes and image contents."""
    n_samples: int
    n_reference: int | None = None


class Provenance(Record):
    """Everything needed to repeat the audit."""

    model: ModelProvenance
    data: DataProvenance
    config: dict[str, Any]
    environment: dict[str, str]
    seed: int
    preprocess: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    """Wall time of each stage."""
