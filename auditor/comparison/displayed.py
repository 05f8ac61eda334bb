"""A comparison with the display names of its runs; ``comparison.json`` keeps the names of the data."""

from __future__ import annotations

from collections.abc import Mapping

from auditor.comparison.records import ClassChange, Comparison, FlippedPrediction
from auditor.records import SliceKey
from auditor.records.display_names import DisplayNames


def joint_names(before: DisplayNames, after: DisplayNames) -> DisplayNames:
    """The display names of two runs; where they differ, those of the later run.

    Args:
        before: of the earlier run.
        after: of the later run.
    """
    attributes = dict.fromkeys([*before.values, *after.values])
    return DisplayNames(
        classes=_joint(before.classes, after.classes),
        attributes=_joint(before.attributes, after.attributes),
        values={
            name: _joint(before.values.get(name, {}), after.values.get(name, {}))
            for name in attributes
        },
    )


def _joint(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Both, or only the later names where two things would be shown alike."""
    joint = {**before, **after}
    return joint if len(set(joint.values())) == len(joint) else dict(after)


def with_display_names(comparison: Comparison) -> Comparison:
    """A comparison as people read it.

    Args:
        comparison: of two runs.

    Returns:
        The same numbers with display names; it has no names that are left to be replaced.
    """
    names = comparison.display_names
    if not names:
        return comparison
    return comparison.model_copy(
        update={
            "display_names": DisplayNames(),
            "slices": [
                one.model_copy(update={"slice": _slice(one.slice, names)})
                for one in comparison.slices
            ],
            "classes": [_class(one, names) for one in comparison.classes],
            "findings": [
                one.model_copy(update={"slice": _slice(one.slice, names)})
                for one in comparison.findings
            ],
            "broken": [_prediction(one, names) for one in comparison.broken],
            "fixed": [_prediction(one, names) for one in comparison.fixed],
        }
    )


def _slice(key: SliceKey, names: DisplayNames) -> SliceKey:
    label, predicted = (
        None if one is None else names.of_class(one) for one in (key.label, key.predicted)
    )
    return SliceKey(attributes=names.of_slice(key.attributes), label=label, predicted=predicted)


def _class(one: ClassChange, names: DisplayNames) -> ClassChange:
    return one.model_copy(update={"name": names.of_class(one.name)})


def _prediction(one: FlippedPrediction, names: DisplayNames) -> FlippedPrediction:
    classes = {
        field: names.of_class(getattr(one, field))
        for field in ("label", "predicted_before", "predicted_after")
    }
    return one.model_copy(update={**classes, "attributes": names.of_slice(one.attributes)})
