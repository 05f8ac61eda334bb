"""The columns of ``predictions.parquet``, declared once for everyone who writes or reads it.

The file has one row per sample, in the order of the data set:

========================  ==========================================================================
``sample``                id, unique.
``path``                  where the image is, as shown in the report.
``label``                 class name; of a multi-label task, a JSON list of the labels.
``predicted``             the same, as predicted; null where the sample could not be evaluated.
``confidence``            probability of the predicted class, 0 to 1, of a multi-label task the product
                          over the labels; null in the same cases.
``loss``                  negative natural logarithm of the label's probability, of a multi-label task the
                          sum over the labels; null in the same cases.
``status``                ``ok``, or why the sample could not be evaluated.
``sha256``                fingerprint of the image's bytes; null where there is none.
``phash``                 perceptual fingerprint, see :func:`auditor.imaging.perceptual_hash.phash`.
``data.group``            cluster of the sample, such as its patient; null where it is unknown. Only
                          where the configuration names a group.
``data.weight``           weight of the sample in the target population, at least 0. Only where the
                          configuration names a column of weights.
``image.<name>``          property computed from the image, see `auditor.records.image_properties`.
``p:<class>``             probability of that class; all classes have one, or none has. Of a
                          multi-label task, each label has one.
every other column        attribute of the samples, under its own name.
========================  ==========================================================================

Runs of earlier versions may lack ``sha256``, ``phash`` and the properties.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from auditor.records import image_properties

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from auditor.records.decisions import DecisionRule

SAMPLE = "sample"
PATH = "path"
LABEL = "label"
PREDICTED = "predicted"
CONFIDENCE = "confidence"
LOSS = "loss"
STATUS = "status"
SHA256 = "sha256"
PHASH = "phash"
GROUP = "data.group"
WEIGHT = "data.weight"

FAILURE = "failure"
"""Whether a sample is misclassified. Not in the file: `stages.mine` adds it to the table in memory."""

IMAGE_SAMPLE = "data.sample"
"""Sample of a decision. Not in the file: of a multi-label task, the table in memory has one row per
decision, whose ``sample`` is the sample and the label."""

FEATURES = "data.features"
"""Spatial means and maxima of the target layer's maps, as bytes of float32."""

COPY = "data.copy"
"""The grey copy and the thumbnail of the image, as bytes; null where it can't be read."""

UNFINISHED = (FEATURES, COPY)
"""Columns that only the blocks of an unfinished run have; see `auditor.stages.kept_outputs`."""

OK = "ok"
"""The ``status`` of a sample that could be evaluated."""

NAN_OUTPUT = "nan-logits"
INFINITE_OUTPUT = "infinite-logits"
NETWORK_ERROR = "network-error"
"""The ``status`` of a sample for which the model raised an exception, although it ran on others."""
NOT_FINITE = (NAN_OUTPUT, INFINITE_OUTPUT)
"""Values of ``status`` of samples for which the model returned NaN or infinite outputs."""

IDENTITY = (SAMPLE, PATH)
"""Columns that say which sample it is."""
OUTCOME = (LABEL, PREDICTED, CONFIDENCE, LOSS)
"""Columns that say what the model made of it."""
EVALUATED = (*IDENTITY, *OUTCOME)
"""Columns that have a value in every row whose ``status`` is ``ok``."""
REQUIRED = (*EVALUATED, STATUS)
"""Columns that every ``predictions.parquet`` has."""
FINGERPRINTS = (SHA256, PHASH)
"""Columns that identify the image."""
FIXED = (*REQUIRED, *FINGERPRINTS)
"""Columns whose names do not depend on the data, in the order of the file."""

MOST_PROBABILITY_COLUMNS = 100
"""With more classes, only the probability of the predicted one is kept."""

_OWN = frozenset({*FIXED, GROUP, WEIGHT, FAILURE, IMAGE_SAMPLE, *UNFINISHED})
"""Names that no attribute can have."""
_PROPERTY = image_properties.PREFIX
_PROBABILITY = "p:"
_NUMBERS = frozenset({CONFIDENCE, LOSS})


def property_column(name: str) -> str:
    """Name of a property's column, such as ``image.brightness``."""
    return _PROPERTY + name


def property_name(column: str) -> str:
    """Name of the property in a column, such as ``brightness``: undoes `property_column`."""
    return column.removeprefix(_PROPERTY)


def probability_column(name: str) -> str:
    """Name of the column with a class's probability, such as ``p:cat``."""
    return _PROBABILITY + name


def is_reserved(column: str) -> bool:
    """Whether an attribute can't have this name, because an audit names a column of its own so."""
    return column in _OWN or column.startswith((_PROPERTY, _PROBABILITY))


def reserved_names() -> str:
    """The names that no attribute can have, for a message."""
    return f"{', '.join(sorted(_OWN))}, {_PROPERTY}… and {_PROBABILITY}…"


def attribute_columns(columns: Iterable[str]) -> tuple[str, ...]:
    """Names of the attributes among the columns of a file, in their order."""
    return tuple(name for name in columns if not is_reserved(name))


def sample_columns(columns: Collection[str]) -> list[str]:
    """Names of the columns to read where no property and no probability is needed.

    Args:
        columns: names of all columns of the file.

    Returns:
        Those of `FIXED` and ``data.group`` that the file has, then its attributes.
    """
    return [*(name for name in (*FIXED, GROUP) if name in columns), *attribute_columns(columns)]


def usable_rows(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which samples could be evaluated.

    Args:
        table: n rows with the column ``status``.

    Returns:
        (n,) bool.
    """
    return np.asarray(table[STATUS] == OK, dtype=np.bool_)


def codes(column: pd.Series) -> NDArray[np.int64]:
    """A categorical column as indices of its categories.

    Args:
        column: n values; a missing value becomes -1.

    Returns:
        (n,) int64.
    """
    return np.asarray(column.cat.codes, dtype=np.int64)


def as_classes(column: pd.Series[str], names: Sequence[str]) -> pd.Categorical[str]:
    """A column of class names as a categorical.

    Args:
        column: n class names; one that is missing or unknown becomes missing.
        names: all of them, in index order.
    """
    import pandas as pd

    # Only the distinct texts are looked up, not a million cells.
    place, distinct = pd.factorize(column)
    categories = pd.Index(list(names))
    code = np.append(categories.get_indexer(distinct), -1)[place]
    found: pd.Categorical[str] = pd.Categorical.from_codes(code, categories=categories)
    return found


def class_texts(columns: NDArray[np.int64], rule: DecisionRule) -> list[str]:
    """Labels or predictions as text.

    Args:
        columns: (n, D) columns of the classes.
        rule: of the task.

    Returns:
        n class names, or for a multi-label task n JSON lists of the labels that are present.
    """
    if rule.task != "multi-label":
        return [rule.classes[column] for column in columns[:, 0]]
    labels = np.array(rule.labels, dtype=object)
    return [json.dumps(list(labels[row]), ensure_ascii=False) for row in columns == rule.positives]


def arrow_schema(
    classes: Iterable[str],
    attributes: Mapping[str, pa.DataType],
    *,
    grouped: bool = False,
    weighted: bool = False,
) -> pa.Schema:
    """The columns of a file with their types.

    Args:
        classes: names of the classes whose probabilities are kept, in index order.
        attributes: names of the attributes and the types of their values.
        grouped: whether there is a column with the cluster of each sample.
        weighted: whether there is a column with the weight of each sample.
    """
    return pa.schema(
        [
            *((name, pa.float64() if name in _NUMBERS else pa.string()) for name in FIXED),
            *((property_column(name), _property_type(name)) for name in image_properties.NAMES),
            *((probability_column(name), pa.float32()) for name in classes),
            *([(GROUP, pa.string())] if grouped else []),
            *([(WEIGHT, pa.float64())] if weighted else []),
            *attributes.items(),
        ]
    )


def _property_type(name: str) -> pa.DataType:
    return pa.string() if name in image_properties.WORDS else pa.float32()
