"""Which model was audited on which data, and everything needed to repeat the audit."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from auditor.records.base import Record
from auditor.records.display_names import DisplayNames

if TYPE_CHECKING:
    JsonObject = dict[str, Any]
else:
    JsonObject = dict[str, JsonValue]  # checked when it is read


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


class StatedAbout(BaseModel):
    """What documents read of the section ``about`` of the configuration."""

    model_config = ConfigDict(frozen=True, extra="allow")

    sensitive: tuple[str, ...] = ()
    selected: str | None = None
    version: JsonValue = None


class StatedReport(BaseModel):
    """What documents read of the section ``report`` of the configuration."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    formats: tuple[str, ...] = ()
    min_cell: int = Field(10, ge=1)
    min_failures: int = Field(1, ge=1)
    redact: dict[str, JsonValue] | None = None
    options: dict[str, dict[str, JsonValue]] = {}
    compliance: tuple[str, ...] | None = None


class StatedConfiguration(BaseModel):
    """What documents read of the configuration; the rest of it is shown as it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    about: StatedAbout = StatedAbout()
    report: StatedReport = StatedReport()
    checks: dict[str, JsonValue] = {}
    display_names: DisplayNames = DisplayNames()


class Provenance(Record):
    """Everything needed to repeat the audit."""

    model: ModelProvenance
    data: DataProvenance
    config: JsonObject
    """The configuration with all defaults, as it was given; of any version."""
    environment: dict[str, str]
    seed: int
    preprocess: JsonObject = {}
    seconds: dict[str, float] = {}
    """Wall time of each stage."""

    @cached_property
    def stated(self) -> StatedConfiguration:
        """What documents read of the configuration."""
        return StatedConfiguration.model_validate(self.config)
