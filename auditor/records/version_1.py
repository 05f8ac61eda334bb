"""Reads ``audit.json`` of schema version 1 as if it were of the present version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from auditor.records.version_1_evidence import parts

Raw = dict[str, Any]

_CLAIM = frozenset(
    {
        *("check", "title", "severity", "verdict", "slice", "effect", "limit", "p_value"),
        *("q_value", "support", "statement", "action", "limits"),
    }
)
"""Keys of a further claim that were not its evidence."""

_KINDS: Mapping[str, str] = {
    **dict.fromkeys(
        ("duplicates", "label-association", "label-errors", "leakage", "representation"), "data"
    ),
    **dict.fromkeys(
        ("attention-outside", "attention-shift", "hidden-slices", "map-clusters"), "map"
    ),
    **dict.fromkeys(("appearance-reliance", "failure-regions", "region-reliance"), "robustness"),
}
"""Kinds of the claims of the checks that existed then; those of all others are about outcomes."""

_EFFECT_UNITS: Mapping[str, str] = {
    "over-confidence": "points",
    "shortfall against an equal share": "points",
    "share in the audited data minus that in the training data": "points",
    "share of the evidence that moves": "points",
    "failures mended, less those mended by covering other places": "points",
    "Cramér's V": "score",
}

_FAULT_LABELS: Mapping[str, Mapping[str, str]] = {
    "label-errors": {"many": "suspected label errors", "one": "label doubtful"},
    "duplicates": {
        "many": "copies with different labels",
        "one": "a copy has another label",
    },
    "leakage": {"many": "labels that differ in training", "one": "another label in training"},
}

_OPTIONS: Mapping[str, str] = {
    "max_pictures": "max_images",
    "min_fall": "min_drop",
    "min_mended": "min_corrected",
    "min_turned": "min_flipped",
    "search_pictures": "search_images",
    "test_pictures": "test_images",
}
"""Options of checks that have other names now."""


def upgrade(raw: Raw) -> Raw:
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
    explanations["units"] = [_renamed(unit) for unit in explanations.get("units", ())]
    max_gap = _max_gap(config, raw.get("findings", ()))
    return raw | {
        "schema_version": 2,
        "provenance": provenance | {"config": config},
        "explanations": explanations,
        "findings": [_finding(one, max_gap) for one in raw.get("findings", ())],
        "data_faults": _data_faults(raw.get("data_faults")),
        "tests": _tests(raw.get("tests") or {}),
        "max_gap": max_gap,
    }


def _options(options: Any) -> Any:
    """Options of a check under their present names."""
    if not isinstance(options, dict):
        return options
    return {_OPTIONS.get(name, name): value for name, value in options.items()}


def _renamed(unit: Mapping[str, Any]) -> Raw:
    return {("images" if name == "pictures" else name): value for name, value in unit.items()}


def _finding(raw: Mapping[str, Any], max_gap: float | None) -> Raw:
    evidence = dict(raw.get("evidence") or {})
    pieces = evidence.pop("pieces", [])
    limit = evidence.pop("limit", None)
    if limit is None and raw.get("check") == "performance-gap":
        limit = max_gap
    own = _own_statement(str(raw.get("statement", "")), [str(one["title"]) for one in pieces])
    claim = _claim({**raw, "statement": own, "limit": limit}, evidence)
    return claim | {
        "id": raw.get("id"),
        "samples": raw.get("samples", []),
        "supporting": [
            _claim(one, {key: one[key] for key in one if key not in _CLAIM}) for one in pieces
        ],
    }


def _own_statement(statement: str, titles: Iterable[str]) -> str:
    """A statement without the titles of further claims, which were appended to it."""
    starts = [statement.find(f" {title}.") for title in titles if title]
    return statement[: min((start for start in starts if start > 0), default=len(statement))]


def _claim(raw: Mapping[str, Any], evidence: Mapping[str, Any]) -> Raw:
    sentences = _sentences(str(raw.get("statement", "")))
    held = [one for one in sentences if evidence.get("held_fixed") and _is_held_fixed(one)]
    check, effect = str(raw.get("check", "")), raw.get("effect")
    return {
        "check": check,
        "kind": _KINDS.get(check, "outcome"),
        "title": raw.get("title", ""),
        "severity": raw.get("severity", "note"),
        "verdict": raw.get("verdict", "observed"),
        "slice": raw.get("slice") or {},
        "effect": None if effect is None else effect | {"unit": _unit(effect["name"])},
        "limit": raw.get("limit"),
        "p_value": raw.get("p_value"),
        "q_value": raw.get("q_value"),
        "support": raw.get("support", 0),
        "statement": [one for one in sentences if one not in held],
        "action": raw.get("action", ""),
        "limits": raw.get("limits", ""),
        "evidence": parts(evidence, raw.get("slice") or {}, held),
    }


def _sentences(text: str) -> list[str]:
    return [one for one in re.split(r"(?<=[.!?])\s+(?=[A-ZÄÖÜ„“])", text.strip()) if one]


def _is_held_fixed(sentence: str) -> bool:
    return " held fixed" in sentence or sentence.startswith("A regression on all attributes")


def _unit(name: str) -> str:
    """Unit of an effect: version 1 had none, but the checks' names show it."""
    if name in _EFFECT_UNITS:
        return _EFFECT_UNITS[name]
    if "gap" in name or name.startswith("fall of"):
        return "points"
    return "share" if any(word in name for word in ("share", "rate", "recall")) else "score"


def _max_gap(config: Mapping[str, Any], findings: Iterable[Mapping[str, Any]]) -> float | None:
    """Largest acceptable gap: from the configuration, or from a claim that was held against it."""
    options = config["checks"].get("performance-gap")
    stated = options.get("max_gap") if isinstance(options, dict) else None
    if isinstance(stated, int | float):
        return float(stated)
    limits = (limit for finding in findings for limit in _gap_limits(finding))
    return next((float(one) for one in limits if isinstance(one, int | float)), None)


def _gap_limits(finding: Mapping[str, Any]) -> Iterator[Any]:
    evidence = finding.get("evidence") or {}
    if finding.get("check") == "performance-gap":
        yield evidence.get("limit")
    for one in evidence.get("pieces", ()):
        if one.get("check") == "performance-gap":
            yield one.get("limit")


def _data_faults(raw: Mapping[str, Any] | None) -> Raw | None:
    if raw is None:
        return None
    labels = {check: _FAULT_LABELS[check] for check in raw["by_check"] if check in _FAULT_LABELS}
    return {**raw, "labels": labels}


def _tests(raw: Mapping[str, Any]) -> Raw | None:
    """The account of the tests; the earliest runs did not record the number of causes."""
    return {"n_causes": None, **raw} if raw else None
