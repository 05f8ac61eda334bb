"""Reads ``audit.json``: every part is checked here once, and nowhere after."""

from __future__ import annotations

import json

from pydantic import ValidationError

from auditor.errors import DataError
from auditor.records import consistency, version_1
from auditor.records.expectations import sentence
from auditor.records.json_limits import JsonFaultError, parse_json
from auditor.records.result import SCHEMA_VERSION, AuditResult
from auditor.records.version_1_shape import Version1Result

_SHOWN = 80
"""Characters of a value in a message."""


def parse_result(text: str, source: str) -> AuditResult:
    """Parses and checks a result.

    Args:
        text: content of ``audit.json``, of any schema version.
        source: the file's name, for messages.

    Raises:
        DataError: it is no result, or its parts contradict each other; names the place in the document.
    """
    try:
        raw = parse_json(text)
    except JsonFaultError as error:
        raise _error(source, "", str(error)) from None
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version not in (1, SCHEMA_VERSION) or isinstance(version, bool):
        raise DataError(
            f"{source}: expected schema_version {SCHEMA_VERSION}; got {repr(version)[:_SHOWN]}: use the "
            "version of auditor that wrote it"
        )
    try:
        if version == 1:
            Version1Result.model_validate(raw)
            text = json.dumps(version_1.upgrade(raw))
        del raw  # of many failures, it is as large as the result
        # Strict, as a text such as "nan" would otherwise become a number; lists become tuples only in JSON.
        result = AuditResult.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        got = "" if first["type"] == "missing" else f"; got {str(first['input'])[:_SHOWN]!r}"
        raise _error(source, place, f"{sentence(first)}{got}") from None
    for place, fault in consistency.faults(result):
        raise _error(source, place, fault)
    return result


def _error(source: str, place: str, text: str) -> DataError:
    where = f"{source}: {place}" if place else source
    return DataError(
        f"{where}: {' '.join(text.split())}: the file was changed or damaged after the audit; check the run "
        "with `auditor verify`, and restore the file from a backup"
    )
