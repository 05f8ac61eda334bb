"""``audit.json`` of a redacted copy."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from auditor.disclosure.cells import LABEL, PREDICTED
from auditor.disclosure.result import Disclosed
from auditor.disclosure.texts import REMOVED
from auditor.records import AuditResult, RedactionRecord
from auditor.redaction.records import Renaming, renamed

ONLY_ADAPTER = ("model", "data")
"""Sections of the configuration that say where files are; of them only the adapter stays."""
_FILES_OF_REPORT = ("templates", "previous")


def redacted_result(found: Disclosed, names: Renaming, record: RedactionRecord) -> AuditResult:
    """A result without ids, paths and small cells of sensitive attributes.

    Args:
        found: the part of the result that documents may show.
        names: what stands for ids and sentences.
        record: what was taken out.
    """
    result = found.result
    shown: AuditResult = renamed(result, names)
    provenance = shown.provenance
    environment = dict(provenance.environment)
    if not names.keeps_paths and "platform" in environment:
        environment["platform"] = environment["platform"].partition("-")[0]
    hidden = {
        value
        for cell in found.wording.withheld
        if len(cell) == 1
        for name, value in cell
        if name not in {LABEL, PREDICTED}
    }
    hidden |= {
        found.wording.names.of_value(name, one) for name in found.sensitive for one in hidden
    }
    model = provenance.model
    if not names.keeps_paths:
        # It names the user's modules, functions and files, and their arguments.
        model = model.model_copy(update={"description": ""})
    changed = provenance.model_copy(
        update={
            "model": model,
            "config": _config(provenance.config, names, hidden),
            "environment": environment,
            "preprocess": _strings(dict(provenance.preprocess), names.text, ()),
        }
    )
    explanations = shown.explanations
    if record.images != "keep":
        # They compare maps with edges, which show faces.
        explanations = explanations.model_copy(update={"panels": []})
    return shown.model_copy(
        update={"provenance": changed, "redaction": record, "explanations": explanations}
    )


def _config(config: dict[str, Any], names: Renaming, hidden: Collection[str]) -> dict[str, Any]:
    """The configuration without paths and without values that are withheld."""
    shown = dict(config)
    if not names.keeps_paths:
        for section in ONLY_ADAPTER:
            given = config.get(section)
            if isinstance(given, dict):
                shown[section] = {"adapter": given.get("adapter"), "options": REMOVED}
        report = config.get("report")
        if isinstance(report, dict):
            shown["report"] = report | dict.fromkeys(set(report) & set(_FILES_OF_REPORT))
    changed: dict[str, Any] = _strings(shown, names.text, hidden)
    return changed


def _strings(value: Any, text: Callable[[str], str], hidden: Collection[str]) -> Any:
    """A value of JSON with other strings, and without those that are hidden."""
    if isinstance(value, str):
        return REMOVED if value in hidden else text(value)
    if isinstance(value, list | tuple):
        return [_strings(one, text, hidden) for one in value if _is_shown(one, hidden)]
    if isinstance(value, dict):
        return {
            text(key): _strings(one, text, hidden)
            for key, one in value.items()
            if _is_shown(key, hidden)
        }
    return value


def _is_shown(value: Any, hidden: Collection[str]) -> bool:
    return not isinstance(value, str) or value not in hidden
