"""Labels and class names of the caller: in any unambiguous form, as plain text and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.errors import ConfigError, DataError
from auditor.file_system import has_surrogates
from auditor.records.decisions import TaskName


def class_names(classes: object) -> tuple[str, ...]:
    """Class names in the order of the outputs, as text.

    Args:
        classes: names, or whole numbers or booleans, which become text.

    Raises:
        ConfigError: it has no order, or contains something else.
    """
    wanted = "classes: expected the class names in the order of the model's outputs"
    if isinstance(classes, Mapping):
        raise ConfigError(
            f"{wanted}; got {type(classes).__name__}: pass a list, such as "
            "`sorted(class_to_idx, key=class_to_idx.get)` or `[id2label[k] for k in range(n)]`"
        )
    if isinstance(classes, AbstractSet):
        raise ConfigError(f"{wanted}; got a {type(classes).__name__}, without order: pass a list")
    if isinstance(classes, str | bytes) or not isinstance(classes, Iterable):
        raise ConfigError(f"{wanted}; got {classes!r}: pass a list, such as `['cat', 'dog']`")
    names = [_scalar(name) for name in classes]
    for name in names:
        if not isinstance(name, str | int):
            raise ConfigError(
                f"{wanted}, as text or whole numbers; got {name!r} ({type(name).__name__}): convert "
                "the names with `str`"
            )
    texts = tuple(str(name) for name in names)
    bad = [text for text in texts if has_surrogates(text)]
    if bad:
        raise ConfigError(f"{wanted}; {bad[0]!r} can't be written as UTF-8: correct its encoding")
    return texts


def plain_label(label: Any, place: str, task: TaskName, classes: Sequence[str]) -> Any:
    """The label of one sample as text, number or list of them.

    Args:
        label: a class name or index, as a number, array or tensor without dimensions or of one
            element; a boolean, which is the index 0 or 1 unless classes are called true and false; or a
            one-hot vector of K entries. Of a multi-label task: a list, tuple, set, array or tensor of
            names or indices, or an array of L zeros and ones.
        place: of the label, for the message.
        task: of the audit.
        classes: the names of the K classes or L labels.

    Raises:
        DataError: it is something else.
    """
    label = _scalar(label)
    if hasattr(label, "__array__"):
        label = _array(label, place, task)
    if task == "multi-label":
        return _several(label, place, classes)
    if isinstance(label, np.ndarray | list | tuple):
        label = _one_of_vector(label, place, classes)
    if isinstance(label, bool) and not {"true", "false"} & {name.casefold() for name in classes}:
        return int(label)
    return label if isinstance(label, list) else _checked(label, place, task)


def require_unambiguous(labels: Iterable[Any], classes: Sequence[str]) -> None:
    """Checks that whole numbers are not the index of one class and the name of another one.

    Args:
        labels: of all samples, from `plain_label`.
        classes: the names of the classes or labels.

    Raises:
        DataError: all of them can be read both as indices and as names, with different results.
    """
    numbers = {
        item
        for label in labels
        for item in (label if isinstance(label, list) else [label])
        if isinstance(item, int) and not isinstance(item, bool)
    }
    positions = {name: position for position, name in enumerate(classes)}
    readings = {
        number: positions.get(str(number)) for number in numbers if 0 <= number < len(classes)
    }
    if len(readings) < len(numbers) or None in readings.values():
        return  # only one reading fits all labels
    differing = sorted(number for number, position in readings.items() if position != number)
    if differing:
        first = differing[0]
        raise DataError(
            f"label: expected names as text, because the classes are called by numbers; {first} is both the "
            f"index of class {classes[first]!r} and the name of the class with index {readings[first]}: pass "
            "`classes[label]` if the labels are indices, or `str(label)` if they are names"
        )


def _scalar(value: Any) -> Any:
    """The value of an array or tensor without dimensions, as torch data sets return it."""
    if isinstance(value, np.generic):
        return value.item()
    is_scalar = getattr(value, "shape", None) == () and hasattr(value, "item")
    return value.item() if is_scalar else value


def _array(label: Any, place: str, task: TaskName) -> NDArray[Any]:
    detached = label.detach().cpu() if hasattr(label, "detach") else label
    values = np.asarray(detached)
    if values.ndim != 1:
        raise DataError(
            f"{place}: {_wanted(task)}; got an array of the shape {values.shape}: {_fix(task)}"
        )
    return values


def _one_of_vector(label: Any, place: str, classes: Sequence[str]) -> Any:
    """The class of a one-hot vector, or of a vector of one element.

    A list of several names or indices stays as it is: it is reported together with the others.
    """
    items = [_scalar(item) for item in label]
    if len(items) == 1:
        return items[0]
    numbers = all(isinstance(item, bool | int | float) for item in items)
    if numbers and len(items) == len(classes) and sorted(items) == [0] * (len(items) - 1) + [1]:
        return classes[int(np.argmax(items))]  # an index may look like the name of another class
    if not numbers and isinstance(label, list | tuple):
        return items
    shown = ", ".join(str(item) for item in items[:6]) + (" …" if len(items) > 6 else "")
    raise DataError(
        f"{place}: {_wanted('single-label')}; got {len(items)} values ({shown}) for {len(classes)} "
        "classes: pass the index, such as `int(label.argmax())`, or set task='multi-label'"
    )


def _several(label: Any, place: str, classes: Sequence[str]) -> Any:
    """The labels of one sample of a multi-label task."""
    if isinstance(label, np.ndarray):
        if label.dtype.kind in "bf" and len(label) != len(classes):
            raise DataError(
                f"{place}: expected one column for each of the {len(classes)} labels; got "
                f"{len(label)} values of {label.dtype}: {_fix('multi-label')}"
            )
        return label
    if isinstance(label, list | tuple | AbstractSet):
        return [_checked(_scalar(item), place, "multi-label") for item in label]
    return _checked(label, place, "multi-label")


def _checked(label: Any, place: str, task: TaskName) -> Any:
    if isinstance(label, str) and has_surrogates(label):
        raise DataError(
            f"{place}: label: expected text; {label!r} can't be written as UTF-8: correct its encoding"
        )
    if label is None or label is pd.NA or isinstance(label, str | int | float):
        return label
    raise DataError(f"{place}: {_wanted(task)}; got {type(label).__name__}: {_fix(task)}")


def _wanted(task: TaskName) -> str:
    if task == "multi-label":
        return "label: expected a list of names or indices, or an array of zeros and ones"
    return "label: expected a class name, an index, or a one-hot vector"


def _fix(task: TaskName) -> str:
    if task == "multi-label":
        return "pass the names of the labels that the image has, such as `['cat', 'dog']`"
    return "pass the name of its class, or its index in `classes`"
