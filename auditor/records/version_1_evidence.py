"""Evidence of schema version 1 as typed parts.

In version 1 the evidence of a claim was a dictionary whose keys each check chose. Keys that have a
typed part go there. Everything else becomes `Quantities` or `Table`, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Raw = dict[str, Any]

_UNITS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("error_rate", "rest_error_rate", "rate", "rest_rate", "base_rate", "share"),
            *("reference_share", "expected", "share_outside", "failures_with_value"),
            *("failures_with_others", "mended_when", "attention", "calibration_error"),
        ),
        "share",
    ),
    **dict.fromkeys(
        ("excess_gap", "overconfidence"),
        "points",
    ),
}
"""Units of numbers that have no part of their own; all others are counts or scores."""

_NAMES: Mapping[str, str] = {
    "mended_when": "failures corrected when the region is",
    "failures_with_value": "failures with content from the slice",
    "failures_with_others": "failures with content from the others",
    "n_failures_called": "failures with this prediction",
    "marked_by": "over-represented",
    "mirrors": "association with",
    "plan": "images to collect",
    "attention": "evidence in the region, group",
    "at_fault": "failures that may be the data's fault",
}
"""Texts of keys that are not English enough to be shown."""

_ELSEWHERE = "at other places of the same size"
_UNCHANGED = "between unchanged images"
_EFFECTS = (
    (
        "fall",
        "fall_elsewhere",
        "additional failures when the region is swapped between images of one label",
        _ELSEWHERE,
        "points",
    ),
    (
        "fall",
        "gap_of_unchanged_pictures",
        "additional failures with the style of images of the same label",
        _UNCHANGED,
        "points",
    ),
    (
        "fall_with_looks_of_other_labels",
        "gap_of_unchanged_pictures",
        "additional failures with the style of images of other labels",
        _UNCHANGED,
        "points",
    ),
    (
        "mended",
        "mended_elsewhere",
        "failures corrected when the region is masked",
        _ELSEWHERE,
        "share",
    ),
    (
        "turned",
        "turned_by_plain_pictures",
        "images of other labels flipped to {flipped_to} by the failures' content",
        "by the content of correctly classified images",
        "share",
    ),
)
"""Key of a measured effect, key of its control, name, what the control did, unit."""


def parts(evidence: Mapping[str, Any], key: Mapping[str, Any], held: Sequence[str]) -> list[Raw]:
    """The evidence of a claim as typed parts.

    Args:
        evidence: the untyped evidence.
        key: the claim's slice.
        held: sentences of the statement that describe what was held fixed.
    """
    left = dict(evidence)
    found = [
        *_slice_comparison(left),
        *_intersection(left),
        *_held_fixed(left, held),
        *_intervention(left),
        *_map_shift(left),
        *_image_difference(left),
        *_contingency(left, key),
        *_sample_groups(left),
    ]
    return [*found, *_general(left)]


def _slice_comparison(left: Raw) -> Iterator[Raw]:
    if _is_estimate(left.get("error_rate")):
        rate, detectable = left.pop("error_rate"), left.pop("detectable_gap", None)
        yield {
            "type": "slice-comparison",
            "error_rate": rate,
            "rest_error_rate": left.pop("rest_error_rate", None),
            "gap": left.pop("gap", None),
            "detectable_gap": detectable,
            "most_predicted": left.pop("mistaken_for", None),
        }


def _intersection(left: Raw) -> Iterator[Raw]:
    if {"against_each", "beyond_sum"} <= left.keys():
        yield {
            "type": "intersection-contrast",
            "against_each": left.pop("against_each"),
            "beyond_sum": left.pop("beyond_sum"),
        }


def _held_fixed(left: Raw, sentences: Sequence[str]) -> Iterator[Raw]:
    gaps, jointly = left.pop("held_fixed", None), left.pop("regression", None)
    if gaps:
        yield {
            "type": "held-fixed",
            "gaps": [
                {
                    **{name: one[name] for name in ("attribute", "gap", "p_value", "state")},
                    "effective_samples": one["worth"],
                }
                for one in gaps
            ],
            "jointly": jointly,
            "sentences": list(sentences),
        }


def _intervention(left: Raw) -> Iterator[Raw]:
    effects = [
        {
            "name": name.format(flipped_to=left.get("turned_to")),
            "value": left[measured],
            "control": left[control],
            "control_name": other,
            "unit": unit,
        }
        for measured, control, name, other, unit in _EFFECTS
        if {measured, control} <= left.keys()
    ]
    if not effects:
        return
    covered = "mended" in left
    for measured, control, *_ in _EFFECTS:
        left.pop(measured, None)
        left.pop(control, None)
    region = None
    if {"box", "outside_of_box"} <= left.keys():
        region = {
            "place": left.pop("place"),
            "box": [min(max(float(edge), 0.0), 1.0) for edge in left.pop("box")],
            "outside": left.pop("outside_of_box"),
        }
    changed = "cover-region" if covered else "swap-region"
    yield {
        "type": "intervention",
        "method": "transfer-style" if region is None else changed,
        "variant": left.pop("look", None) or left.pop("replaced", None),
        "region": region,
        "effects": effects,
        "flipped_to": left.pop("turned_to", None),
    }


def _map_shift(left: Raw) -> Iterator[Raw]:
    if {"mean_map", "mean_map_of_others", "difference"} <= left.keys():
        yield {
            "type": "map-shift",
            "place": left.pop("cluster_at", None) or left.pop("place", None),
            **{name: left.pop(name) for name in ("mean_map", "mean_map_of_others", "difference")},
        }


def _image_difference(left: Raw) -> Iterator[Raw]:
    if "brightness_difference" in left:
        yield {
            "type": "image-difference",
            "description": "difference in brightness",
            "brightness": left.pop("brightness_difference"),
        }


def _contingency(left: Raw, key: Mapping[str, Any]) -> Iterator[Raw]:
    counts = left.get("counts")
    attributes = list(key.get("attributes") or {})
    if isinstance(counts, dict) and {"labels", "values", "counts"} <= counts.keys() and attributes:
        yield {
            "type": "contingency",
            "source": left.pop("source", "audited"),
            "attribute": attributes[0],
            **left.pop("counts"),
        }


def _sample_groups(left: Raw) -> Iterator[Raw]:
    groups = left.get("groups")
    if groups and all(isinstance(one, list) for one in groups):
        yield {
            "type": "sample-groups",
            "title": "copies",
            "groups": [{"members": members} for members in left.pop("groups")],
        }


def _general(left: Mapping[str, Any]) -> Iterator[Raw]:
    """What no other part describes: numbers, then texts, then tables."""
    quantities: list[Raw] = []
    texts: list[list[str]] = []
    tables: list[Raw] = []
    for key, value in left.items():
        name, unit = _NAMES.get(key, key.replace("_", " ")), _UNITS.get(key)
        if value is None or _is_number(value) or _is_estimate(value):
            quantities.append(_quantity(name, value, unit))
        elif isinstance(value, dict) and all(
            _is_number(one) or _is_estimate(one) for one in value.values()
        ):
            quantities += [_quantity(f"{name} {each}", one, unit) for each, one in value.items()]
        elif key == "attention" and isinstance(value, list):
            quantities += [_quantity(f"{name} {k}", one, unit) for k, one in enumerate(value, 1)]
        elif isinstance(value, str | bool):
            texts.append([name, _text(value)])
        elif value:
            tables.append(_table(name, value))
    if quantities:
        yield {"type": "quantities", "items": quantities}
    if texts:
        yield {"type": "table", "title": "further details", "columns": ["", ""], "rows": texts}
    yield from tables


def _quantity(name: str, value: Any, unit: str | None) -> Raw:
    name = name.removeprefix("n ").replace("_", " ").replace("pictures", "images")
    whole = isinstance(value, int)
    return {"name": name, "value": value, "unit": unit or ("count" if whole else "score")}


def _table(title: str, value: Any) -> Raw:
    """A list or dictionary as a table; texts stand for cells that are neither text nor number."""
    columns: list[str] = [""]
    if isinstance(value, dict):
        columns, rows = ["", ""], [[key, one] for key, one in value.items()]
    elif all(isinstance(one, dict) for one in value):
        columns = list(dict.fromkeys(str(key) for one in value for key in one))
        rows = [[one.get(column) for column in columns] for one in value]
    elif all(isinstance(one, list) for one in value):
        rows = value
        columns = [""] * max(map(len, rows))
        rows = [[*one, *[None] * (len(columns) - len(one))] for one in rows]
    else:
        rows = [[one] for one in value]
    return {
        "type": "table",
        "title": title,
        "columns": [column.replace("_", " ") for column in columns],
        "rows": [[_cell(one) for one in row] for row in rows],
    }


def _cell(value: Any) -> Any:
    return value if value is None or _is_number(value) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items())
    return str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_estimate(value: Any) -> bool:
    return isinstance(value, dict) and {"value", "low", "high"} == value.keys()
