"""Published results of a model: what its checkpoint or model card says."""

from __future__ import annotations

from pydantic import field_validator

from auditor.registry import Options


class ExpectedSection(Options):
    """What is published of the model; a loss against it is a finding."""

    accuracy: float | None = None
    """Published accuracy on such data (a share, 0 to 1), such as 0.918 of the model card; null: none."""

    @field_validator("accuracy", mode="after")
    @classmethod
    def _share(cls, value: float | None) -> float | None:
        if value is not None and not 0 < value <= 1:
            share = f", such as {value / 100:g} for {value:g} %" if 1 < value <= 100 else ""
            raise ValueError(f"expected a share above 0 and up to 1{share}")
        return value
