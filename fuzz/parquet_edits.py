"""Changed Parquet files: edits to the columns of a table, or bytes of the file itself.

An edit is ``[column, what, value]``: ``[“label”, "values", [1, 2]]`` replaces the cells, "type" casts them,
"remove", "twice" and "cut" change the table, and "cell" replaces a cell.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fuzz.edits import MARKERS, parse_edits

_INVALID_TEXT = b"\xff\xfe"
_CELLS: tuple[Any, ...] = (
    *(None, "", "x", "\0", "a/1.png", "../x", 0, -1, 1.5, "nan", True, [], ["x"], {"a": 1}),
    *("{}", "[]", '["a"]', "1,2,3,4", "[[1,2,3,4]]", "9" * 400, 2**63 - 1, 1e308, *MARKERS),
)
_TYPES: Mapping[str, Callable[[], pa.DataType]] = {
    "string": pa.string,
    "large_string": pa.large_string,
    "binary": pa.binary,
    "int8": pa.int8,
    "int64": pa.int64,
    "uint64": pa.uint64,
    "float16": pa.float16,
    "float64": pa.float64,
    "bool": pa.bool_,
    "null": pa.null,
    "date": pa.date32,
    "time": lambda: pa.time64("ns"),
    "timestamp": lambda: pa.timestamp("ns", "UTC"),
    "duration": lambda: pa.duration("s"),
    "decimal": lambda: pa.decimal128(38, 10),
    "list": lambda: pa.list_(pa.float64()),
    "struct": lambda: pa.struct([("a", pa.string())]),
    "map": lambda: pa.map_(pa.string(), pa.int64()),
    "dictionary": lambda: pa.dictionary(pa.int8(), pa.string()),
}
_OPERATIONS = (
    "cell",
    "cell",
    "cell",
    "values",
    "type",
    "type",
    "remove",
    "twice",
    "cut",
    "invalid",
    "repeat",
)


def mutate(data: bytes, rng: random.Random, columns: tuple[str, ...], head: int = 0) -> bytes:
    """A list of edits with one more or fewer, behind ``head`` bytes that are kept."""
    edits = parse_edits(data[head:]) or []
    if edits and rng.random() < 0.3:
        edits.pop(rng.randrange(len(edits)))
    else:
        edits += list(_some(rng, columns))
    return data[:head] + json.dumps(edits[-12:]).encode("utf-8", "surrogatepass")


def _some(rng: random.Random, columns: tuple[str, ...]) -> Iterator[list[Any]]:
    for _ in range(rng.choice((1, 1, 2, 3))):
        what = rng.choice(_OPERATIONS)
        value: Any = rng.choice(_CELLS)
        if what == "type":
            value = rng.choice(list(_TYPES))
        elif what == "values":
            value = [rng.choice(_CELLS) for _ in range(3)]
        elif what in {"cut", "repeat"}:
            value = rng.randrange(4)
        yield [rng.choice(columns), what, value]


def changed_file(base: pa.Table, data: bytes) -> bytes:
    """A file of the table after the edits that an input lists; other inputs are the file itself."""
    edits = parse_edits(data)
    if edits is None:
        return data
    table = base
    for edit in edits:
        if (
            isinstance(edit, list)
            and len(edit) == 3
            and all(isinstance(one, str) for one in edit[:2])
        ):
            try:
                table = _changed(table, *edit)
            except (pa.ArrowException, TypeError, ValueError, OverflowError, KeyError):
                continue
    stream = io.BytesIO()
    try:
        pq.write_table(table, stream)
    except (pa.ArrowException, ValueError, OverflowError):  # a type that Parquet has not
        return b"PAR1"
    return stream.getvalue()


def _changed(table: pa.Table, name: str, what: str, value: Any) -> pa.Table:
    if what == "cut":
        return table.slice(0, int(value))
    if what == "repeat":
        return pa.concat_tables([table] * (int(value) % 4))
    place = table.column_names.index(name) if name in table.column_names else -1
    if what == "twice" and place >= 0:
        return table.append_column(name, table.column(place))
    if what == "remove":
        return table.drop_columns([name])
    column = _column(table, place, what, value)
    return table.append_column(name, column) if place < 0 else table.set_column(place, name, column)


def _column(table: pa.Table, place: int, what: str, value: Any) -> pa.Array:
    n = len(table)
    old = table.column(place).to_pylist() if place >= 0 else [None] * n
    if what == "type":
        kind = _TYPES[value]()
        try:
            return table.column(place).cast(kind) if place >= 0 else pa.nulls(n, kind)
        except pa.ArrowException:
            return pa.nulls(n, kind)
    if what == "invalid":
        offsets = np.arange(n + 1, dtype=np.int32).tobytes()
        texts = [None, pa.py_buffer(offsets), pa.py_buffer(_INVALID_TEXT * n)]
        return pa.Array.from_buffers(pa.string(), n, texts)
    if what == "values" and isinstance(value, list) and value:
        cells = [value[k % len(value)] for k in range(n)]
    else:
        cells = [value, *old[1:]]
    try:
        return pa.array(cells)
    except (pa.ArrowException, TypeError, OverflowError):  # cells of several types
        return pa.array([value] * n)
