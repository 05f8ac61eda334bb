"""The types of the attributes of a finished run."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from auditor.records import AttributeSpec, AuditResult
from auditor.records.predictions import attribute_columns


def types_of_run(result: AuditResult, predictions: Path) -> dict[str, AttributeSpec]:
    """The type of each attribute of a run.

    Args:
        result: the run's ``audit.json``.
        predictions: the run's ``predictions.parquet``.

    Returns:
        The recorded types by name, in the order of the file. Earlier versions recorded no types and
        cut all numbers into bands, so numbers are numeric.
    """
    recorded = {one.name: one for one in result.attributes}
    schema = pq.read_schema(predictions)
    types: dict[str, AttributeSpec] = {}
    for name in attribute_columns(schema.names):
        dtype = schema.field(name).type
        numeric = pa.types.is_integer(dtype) or pa.types.is_floating(dtype)
        earlier = AttributeSpec(
            name=name, type="numeric" if numeric else "categorical", guessed=True
        )
        types[name] = recorded.get(name, earlier)
    return types
