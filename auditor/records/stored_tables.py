"""Reading the Parquet files of a run, which may be damaged or of another program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from auditor.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def stored_schema(path: Path) -> pa.Schema:
    """Names and types of the columns.

    Raises:
        DataError: the file is no Parquet file, or is damaged.
    """
    with parquet_errors(path):
        return pq.read_schema(path)


def read_stored(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Some of the columns, in this order.

    Raises:
        DataError: the file is no Parquet file, is damaged, or lacks a column.
    """
    with parquet_errors(path):
        stored = pq.read_table(path, columns=list(columns))
        stored.validate(full=True)  # whether texts are UTF-8
        table: pd.DataFrame = stored.to_pandas()
    lacking = [name for name in columns if name not in table.columns]
    if lacking:
        raise DataError(
            f"{path}: expected the columns {', '.join(columns)}; it lacks {', '.join(lacking)}: restore "
            "the run from a backup"
        )
    return table


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """Turns what reading a file raises into a message that names the file.

    Raises:
        DataError: the file is no Parquet file, or is damaged.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: expected a file of a finished run; it is missing: copy the whole run folder again"
        ) from error
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the file system, not the content
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}: expected a Parquet file of a finished run; it can't be read: {reason}: restore the "
            "run from a backup"
        ) from error
