"""The parts of a version 1 result that its conversion takes apart, with their types.

Everything else passes the conversion as it is and is checked in the present schema.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

from auditor.records.base import Estimate, Severity


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class _Effect(_Part):
    name: str


class _Slice(_Part):
    attributes: dict[str, str] = {}


class _HeldFixed(_Part):
    attribute: str
    gap: Estimate | None
    p_value: float | None
    state: str
    worth: float


class _Evidence(_Part):
    held_fixed: list[_HeldFixed] | None = None
    box: tuple[float, float, float, float] | None = None
    counts: JsonValue = None


class _Claim(_Part):
    title: str = ""
    check: str = ""
    statement: str = ""
    effect: _Effect | None = None
    slice: _Slice | None = None


class _FindingEvidence(_Evidence):
    pieces: list[_PieceEvidence] = []


class _PieceEvidence(_Claim, _Evidence):
    """A further claim, whose evidence stands beside its fields."""

    title: str


class _Finding(_Claim):
    id: str
    title: str
    severity: Severity
    evidence: _FindingEvidence | None = None
    samples: list[str] = []


class _Configuration(_Part):
    checks: dict[str, JsonValue] | None = None


class _Provenance(_Part):
    config: _Configuration | None = None


class _Explanations(_Part):
    units: list[dict[str, JsonValue]] = []


class _DataFaults(_Part):
    by_check: dict[str, int]


class _Summary(_Part):
    n_evaluated: int


class Version1Result(_Part):
    """A result of schema version 1, as far as its conversion relies on it."""

    provenance: _Provenance
    explanations: _Explanations
    findings: list[_Finding] = []
    data_faults: _DataFaults | None = None
    tests: dict[str, JsonValue] | None = None
    summary: _Summary
    gate: Severity | None = None


_FindingEvidence.model_rebuild()
Version1Result.model_rebuild()
