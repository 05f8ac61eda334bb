"""Which samples of two runs are the same, and can be compared one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor.attributes.types_of_run import types_of_run
from auditor.comparison.records import Pairing
from auditor.config import JudgeSection, SliceSection, loading
from auditor.errors import ConfigError, DataError
from auditor.records import AuditResult, SliceKey
from auditor.records.decision_table import read_decisions
from auditor.records.prediction_file import require_predictions
from auditor.records.predictions import (
    LABEL,
    PREDICTED,
    SAMPLE,
    SHA256,
    attribute_columns,
    codes,
    usable_rows,
)
from auditor.run_folder import PREDICTIONS, RunFolder
from auditor.stages.slicing import slice_samples

_NAMED = 5
"""Classes that a message names at most."""


@dataclass(frozen=True)
class RunData:
    """One finished run.

    Attributes:
        run: its folder.
        result: its ``audit.json``.
        table: every decision by sample id, as `read_decisions` returns them.
        attributes: names of the attribute columns.
    """

    run: RunFolder
    result: AuditResult
    table: pd.DataFrame
    attributes: tuple[str, ...]

    @classmethod
    def read(cls, run: RunFolder) -> RunData:
        """Reads a run.

        Raises:
            DataError: result or predictions are missing, unreadable, or hold a sample twice.
        """
        result = run.read_result()
        path = run.path / PREDICTIONS
        require_predictions(path, result)
        classes = [one.name for one in result.classes]
        table = read_decisions(path, result.decision, classes)
        names = pq.read_schema(path).names
        return cls(run, result, table.set_index(SAMPLE, drop=False), attribute_columns(names))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in index order."""
        return tuple(one.name for one in self.result.classes)

    @property
    def slicing(self) -> tuple[SliceSection, JudgeSection]:
        """How this run formed its slices, and its false discovery rate.

        Raises:
            DataError: its configuration cannot be read.
        """
        config = self.result.provenance.config
        place = f"{self.run.path}: audit.json: provenance.config"
        try:
            return (
                loading.validate(SliceSection, config.get("slices", {}), None, f"{place}.slices."),
                loading.validate(JudgeSection, config.get("judge", {}), None, f"{place}.judge."),
            )
        except ConfigError as error:
            raise DataError(str(error)) from error


@dataclass(frozen=True)
class PairedSlice:
    """A slice of the paired samples.

    Attributes:
        key: its name in the earlier run.
        rows: positions among the pairs, int64.
    """

    key: SliceKey
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """The samples that both runs evaluated, with the same label and image.

    Attributes:
        before: their rows in the earlier run, in its order.
        after: their rows in the later run, in the same order.
        slices: every label, then every slice of the earlier run.
        account: how many samples were compared, and why others were omitted.
    """

    before: pd.DataFrame
    after: pd.DataFrame
    slices: tuple[PairedSlice, ...]
    account: Pairing

    @property
    def failed(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(n,) bool before and after: whether the sample is misclassified."""
        one, two = (
            (side[LABEL] != side[PREDICTED]).to_numpy(dtype=bool)
            for side in (self.before, self.after)
        )
        return one, two


def pair(before: RunData, after: RunData) -> Pairs:
    """Finds the samples of two runs that are the same.

    Args:
        before: the earlier run, whose slices are used.
        after: the later run.

    Returns:
        The pairs, in the order of the earlier run.

    Raises:
        DataError: the runs have different classes, or no sample in common.
    """
    _same_classes(before, after)
    shared = before.table.index[before.table.index.isin(after.table.index)]
    one, two = before.table.loc[shared], after.table.loc[shared]
    label = (one[LABEL].astype(str) != two[LABEL].astype(str)).to_numpy(dtype=bool)
    compared = SHA256 in one and SHA256 in two
    image = np.zeros(len(shared), dtype=bool)
    if compared:
        known = (one[SHA256].notna() & two[SHA256].notna()).to_numpy(dtype=bool)
        image = known & (one[SHA256] != two[SHA256]).to_numpy(dtype=bool) & ~label
    same = ~(label | image)
    usable = [usable_rows(side) for side in (one, two)]
    kept = same & usable[0] & usable[1]
    if not kept.any():
        raise DataError(
            f"{before.run.path} and {after.run.path}: expected audits of the same samples; of "
            f"{len(before.table)} and {len(after.table)} samples, {len(shared)} have the same id, and "
            "none of these has the same image and label and a prediction in both: audit the new model "
            "on the data of the old one"
        )
    attributes = [name for name in before.attributes if name in after.attributes]
    changed = np.zeros(int(kept.sum()), dtype=bool)
    for name in attributes:
        changed |= _texts(one.loc[kept, name]) != _texts(two.loc[kept, name])
    pairs_before, pairs_after = one.loc[kept], two.loc[kept]
    return Pairs(
        before=pairs_before,
        after=pairs_after,
        slices=_slices(before, pairs_before),
        account=Pairing(
            n_paired=int(kept.sum()),
            only_before=len(before.table) - len(shared),
            only_after=len(after.table) - len(shared),
            other_label=int(label.sum()),
            other_image=int(image.sum()),
            unusable_before=int((same & ~usable[0] & usable[1]).sum()),
            unusable_after=int((same & usable[0] & ~usable[1]).sum()),
            other_attributes=int(changed.sum()),
            images_compared=compared,
        ),
    )


def _same_classes(before: RunData, after: RunData) -> None:
    one, two = before.classes, after.classes
    if set(one) == set(two):
        return
    gone = [name for name in one if name not in two]
    new = [name for name in two if name not in one]
    differences = [
        f"{what}: {', '.join(names[:_NAMED])}" + (" …" if len(names) > _NAMED else "")
        for what, names in (("only before", gone), ("only after", new))
        if names
    ]
    raise DataError(
        f"{before.run.path} and {after.run.path}: expected the same classes in both runs; "
        f"{'; '.join(differences)}: compare models with the same classes"
    )


def _texts(column: pd.Series) -> NDArray[np.object_]:
    """Values as text, so that 1 and 1.0 of two files count as the same; missing ones as empty."""
    numbers = pd.to_numeric(column, errors="coerce")
    texts = column.astype(object).where(column.notna(), "").astype(str)
    return np.asarray(texts.where(numbers.isna(), numbers.astype(str)), dtype=object)


def _slices(source: RunData, pairs: pd.DataFrame) -> tuple[PairedSlice, ...]:
    """The earlier run's own slices, formed again from all its samples; of each, the paired ones."""
    classes = source.classes
    usable = source.table[usable_rows(source.table)].reset_index(drop=True)
    for column in (LABEL, PREDICTED):
        usable[column] = pd.Categorical(usable[column].astype(str), categories=list(classes))
    section, _ = source.slicing
    types = types_of_run(source.result, source.run.path / PREDICTIONS)
    found = slice_samples(usable, None, classes, source.attributes, section, types=types)
    place = pd.Series(np.arange(len(pairs)), index=pairs.index).reindex(usable[SAMPLE])
    position = place.fillna(-1).to_numpy(dtype=np.int64)
    label = codes(usable[LABEL])
    keys = [(SliceKey(label=name), np.flatnonzero(label == k)) for k, name in enumerate(classes)]
    keys += [(one.key, one.rows) for one in found.slices]
    slices = (PairedSlice(key, position[rows][position[rows] >= 0]) for key, rows in keys)
    return tuple(one for one in slices if len(one.rows))
