"""Predict: every sample once through the network, results streamed to whole Parquet shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import nn

from auditor.config import Preprocess
from auditor.errors import ModelError
from auditor.input_pipeline import Batch, Measured, batches, normalised
from auditor.records import Dataset, image_properties
from auditor.records.predictions import OK, PATH, arrow_schema, property_column
from auditor.run_folder import ShardWriter

SHARD_ROWS = 2048
"""Samples in one shard: what is lost at most when a run breaks off."""

MOST_PROBABILITY_COLUMNS = 100
"""With more classes, only the probability of the predicted one is kept."""


def predict(
    dataset: Dataset,
    codes: NDArray[np.int64],
    module: nn.Module,
    classes: Sequence[str],
    preprocess: Preprocess,
    *,
    device: torch.device,
    batch_size: int,
    workers: int | None,
    shards: ShardWriter,
    advance: Callable[[int], None],
) -> None:
    """Asks the network about every sample and writes what it says.

    One row a sample, in the data set's order, with the columns of `records.predictions`; the
    probabilities of all classes where there are at most 100. A sample whose image can't be read,
    or whose logits are not finite, keeps its row: ``status`` says why, and ``predicted``,
    ``confidence`` and ``loss`` are null. Memory does not grow with the number of samples.

    Args:
        dataset: N samples.
        codes: (N,) labels as class indices.
        module: float32 (B, 3, H, W) → logits (B, K), in evaluation mode; is moved to ``device``.
        classes: K names in index order.
        preprocess: how images become inputs.
        device: where the network runs.
        batch_size: images in one forward pass; halved where memory does not suffice.
        workers: processes that decode; None chooses by the machine, 0 uses none.
        shards: receives the rows, ``SHARD_ROWS`` at a time.
        advance: is told the number of samples done after each batch.

    Raises:
        DataError: images come out of the preprocessing in different sizes.
        ModelError: the network raises, or its output is not (B, K), or a single image does not
            fit in memory.
    """
    asked = _Asked(module.to(device), preprocess, device, len(classes), batch_size)
    table = _PredictionRows(dataset, codes, tuple(classes))
    waiting: list[pa.Table] = []
    n_waiting = 0
    rows = np.arange(len(dataset), dtype=np.int64)
    for batch in batches(
        dataset,
        rows,
        preprocess,
        batch_size=batch_size,
        workers=workers,
        pinned=device.type == "cuda",
        measured=True,
    ):
        logits = asked.logits(batch.images)
        waiting.append(table.of(batch, logits))
        n_waiting += len(batch.rows)
        while n_waiting >= SHARD_ROWS:
            joined = pa.concat_tables(waiting)
            shards.write(joined.slice(0, SHARD_ROWS).combine_chunks())
            waiting = [joined.slice(SHARD_ROWS).combine_chunks()]
            n_waiting -= SHARD_ROWS
        advance(len(batch.rows))
    if n_waiting:
        shards.write(pa.concat_tables(waiting).combine_chunks())


@dataclass
class _Asked:
    """The network, and how many images it can take at once."""

    module: nn.Module
    preprocess: Preprocess
    device: torch.device
    n_classes: int
    limit: int

    def logits(self, images: torch.Tensor) -> NDArray[np.float64]:
        """Logits (n, K) of uint8 images (n, 3, H, W), in as many passes as memory demands."""
        parts = [np.empty((0, self.n_classes))]
        done = 0
        while done < len(images):
            chunk = images[done : done + self.limit]
            part = self._pass(chunk)
            if part is None:
                self.limit = max(len(chunk) // 2, 1)
                continue
            parts.append(part)
            done += len(chunk)
        return np.concatenate(parts)

    def _pass(self, images: torch.Tensor) -> NDArray[np.float64] | None:
        """One forward pass; None where memory does not suffice for so many images."""
        shape = tuple(images.shape)
        try:
            with torch.inference_mode():
                output = self.module(normalised(images, self.preprocess, self.device))
        except Exception as error:  # the network is the caller's code and may raise anything
            if _out_of_memory(error):
                if len(images) > 1:
                    if self.device.type == "cuda":
                        torch.cuda.empty_cache()
                    return None
                raise ModelError(
                    f"model: one image of shape {shape} does not fit in the memory of "
                    f"{self.device}: set a smaller preprocess.resize and crop, or another device"
                ) from error
            raise ModelError(
                f"model: {type(self.module).__name__} raised {type(error).__name__} on an input of "
                f"shape {shape}, float32: {error}: check preprocess.resize and preprocess.crop"
            ) from error
        return self._checked(output, shape)

    def _checked(self, output: object, shape: tuple[int, ...]) -> NDArray[np.float64]:
        wanted = f"expected logits of shape ({shape[0]}, {self.n_classes}), one a class"
        if not isinstance(output, torch.Tensor):
            raise ModelError(
                f"model: {wanted}; the network returned {type(output).__name__}: wrap it in a "
                "module whose forward returns the logits alone"
            )
        if output.ndim != 2 or len(output) != shape[0]:
            raise ModelError(
                f"model: {wanted}; got {tuple(output.shape)} for an input of shape {shape}: the "
                "network must pool its maps and return one row an image"
            )
        if output.shape[1] != self.n_classes:
            raise ModelError(
                f"model: {wanted}; got {output.shape[1]} columns: name all {output.shape[1]} classes "
                "of the network in model.classes, in the order of its outputs"
            )
        if output.is_complex():
            raise ModelError(f"model: {wanted}; got {output.dtype}: return real numbers")
        logits: NDArray[np.float64] = output.float().cpu().numpy().astype(np.float64)
        return logits


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU's and Apple's allocators raise a plain RuntimeError.
    said = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in said or "can't allocate memory" in said
    )


class _PredictionRows:
    """Turns batches into rows of one schema."""

    def __init__(
        self, dataset: Dataset, codes: NDArray[np.int64], classes: tuple[str, ...]
    ) -> None:
        self._dataset = dataset
        self._codes = codes
        self._names = pa.array(classes, pa.string())
        self._kept = classes if len(classes) <= MOST_PROBABILITY_COLUMNS else ()
        self._schema = arrow_schema(
            self._kept, {name: _type(dataset, name) for name in dataset.attributes}
        )

    def of(self, batch: Batch, logits: NDArray[np.float64]) -> pa.Table:
        """The rows of one batch; ``logits`` are those of its readable images."""
        readable = np.array([status == OK for status in batch.status])
        status = np.array(batch.status, dtype=object)
        status[readable] = _states(logits)
        usable = status == OK
        share = np.full((len(status), logits.shape[1]), -np.inf)
        share[usable] = _log_softmax(logits[usable[readable]])
        share[~usable] = 0.0  # masked below
        best = share.argmax(axis=1)
        labels = self._codes[batch.rows]
        at = np.arange(len(status))
        samples = self._dataset.samples.iloc[batch.rows]
        return pa.Table.from_arrays(
            [
                pa.array(samples.index.astype(str), pa.string()),
                pa.array(samples[PATH], pa.string(), from_pandas=True),
                self._names.take(pa.array(labels)),
                self._names.take(pa.array(best, mask=~usable)),
                pa.array(np.exp(share[at, best]), mask=~usable),
                pa.array(0.0 - share[at, labels], mask=~usable),
                pa.array(status, pa.string()),
                pa.array(batch.sha256, pa.string()),
                *self._measured(batch.measured),
                *self._probabilities(share, usable),
                *self._attributes(batch.rows),
            ],
            schema=self._schema,
        )

    def _measured(self, found: Sequence[Measured | None]) -> Iterator[pa.Array]:
        """The perceptual fingerprints of a batch, then its properties."""
        yield pa.array([None if one is None else one[1] for one in found], pa.string())
        for place, name in enumerate(image_properties.NAMES):
            kind = self._schema.field(property_column(name)).type
            yield pa.array([None if one is None else one[0][place] for one in found], kind)

    def _probabilities(
        self, share: NDArray[np.float64], usable: NDArray[np.bool_]
    ) -> Iterator[pa.Array]:
        columns = np.exp(share.T).astype(np.float32)
        return (pa.array(columns[code], mask=~usable) for code in range(len(self._kept)))

    def _attributes(self, rows: NDArray[np.int64]) -> Iterator[pa.Array]:
        for name in self._dataset.attributes:
            kind = self._schema.field(name).type
            cells = self._dataset.samples[name].iloc[rows]
            if pa.types.is_string(kind):
                cells = cells.astype(object).map(str, na_action="ignore")
            yield pa.array(cells, kind, from_pandas=True)


def _type(dataset: Dataset, attribute: str) -> pa.DataType:
    """Numbers keep their type in the shards, everything else is text."""
    kind = pa.array(dataset.samples[attribute].iloc[:0], from_pandas=True).type
    return kind if pa.types.is_integer(kind) or pa.types.is_floating(kind) else pa.string()


def _states(logits: NDArray[np.float64]) -> list[str]:
    """``ok`` for each row of logits, or what is wrong with it."""
    nan, infinite = np.isnan(logits).any(axis=1), np.isinf(logits).any(axis=1)
    words = np.select([nan, infinite], ["nan-logits", "infinite-logits"], OK)
    return [str(word) for word in words]


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithms of the softmax, row by row, shifted so that nothing overflows."""
    shifted = logits - logits.max(axis=1, keepdims=True, initial=-np.inf)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
