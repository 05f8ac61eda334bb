"""Which samples of two runs are the same, and can be compared one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor.attributes.types_of_run import types_of_run
from auditor.comparison.records import Pairing
from auditor.config import GateSection, JudgeSection, SliceSection, loading
from auditor.errors import ConfigError, DataError
from auditor.records import AuditResult, SliceKey
from auditor.records.decision_table import read_decisions
from auditor.records.prediction_file import require_predictions
from auditor.records.predictions import (
    LABEL,
    PREDICTED,
    SAMPLE,
    SHA256,
    as_classes,
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
    def settings(self) -> tuple[SliceSection, JudgeSection, GateSection]:
        """How this run formed its slices, its false discovery rate, and its gate.

        Raises:
            DataError: its configuration cannot be read.
        """
        config = self.result.provenance.config
        place = f"{self.run.path}: audit.json: provenance.config"
        try:
            return (
                loading.validate(SliceSection, config.get("slices", {}), None, f"{place}.slices."),
                loading.validate(JudgeSection, config.get("judge", {}), None, f"{place}.judge."),
                loading.validate(GateSection, config.get("gate", {}), None, f"{place}.gate."),
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
    one, two = _shared(before.table, after.table)
    label = (one[LABEL].astype(str) != two[LABEL].astype(str)).to_numpy(dtype=bool)
    compared = SHA256 in one and SHA256 in two
    image = np.zeros(len(one), dtype=bool)
    if compared:
        known = (one[SHA256].notna() & two[SHA256].notna()).to_numpy(dtype=bool)
        image = known & (one[SHA256] != two[SHA256]).to_numpy(dtype=bool) & ~label
    same = ~(label | image)
    usable = [usable_rows(side) for side in (one, two)]
    kept = same & usable[0] & usable[1]
    if not kept.any():
        raise DataError(_nothing_paired(before, after, len(one), label, image))
    attributes = [name for name in before.attributes if name in after.attributes]
    changed = np.zeros(int(kept.sum()), dtype=bool)
    for name in attributes:
        changed |= _texts(one.loc[kept, name]) != _texts(two.loc[kept, name])
    pairs_before, pairs_after = _chosen(one, kept), _chosen(two, kept)
    return Pairs(
        before=pairs_before,
        after=pairs_after,
        slices=_slices(before, pairs_before),
        account=Pairing(
            n_paired=int(kept.sum()),
            only_before=len(before.table) - len(one),
            only_after=len(after.table) - len(one),
            other_label=int(label.sum()),
            other_image=int(image.sum()),
            unusable_before=int((same & ~usable[0] & usable[1]).sum()),
            unusable_after=int((same & usable[0] & ~usable[1]).sum()),
            other_attributes=int(changed.sum()),
            images_compared=compared,
            n_before=int(usable_rows(before.table).sum()),
        ),
    )


def _shared(before: pd.DataFrame, after: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The samples of both runs, in the order of the earlier one."""
    if before.index.equals(
        after.index
    ):  # as a rule; tables of a million samples are not copied then
        return before, after
    shared = before.index[before.index.isin(after.index)]
    return before.loc[shared], after.loc[shared]


def _chosen(table: pd.DataFrame, rows: NDArray[np.bool_]) -> pd.DataFrame:
    return table if rows.all() else table.loc[rows]


def _nothing_paired(
    before: RunData,
    after: RunData,
    n_shared: int,
    label: NDArray[np.bool_],
    image: NDArray[np.bool_],
) -> str:
    """Why no sample can be compared: the most frequent reason."""
    n_before, n_after = len(before.table), len(after.table)
    n_label, n_image = int(label.sum()), int(image.sum())
    reasons = {
        f"{n_label} have another label": n_label,
        f"{n_image} have another image (by its SHA-256)": n_image,
        "the others have no prediction in one of the audits": n_shared - n_label - n_image,
    }
    reason = f"{n_shared} of {n_before} and {n_after} samples have the same id"
    if n_shared == 0 and (before.result.redaction or after.result.redaction):
        return (
            f"{before.run.path} and {after.run.path}: expected samples with the same ids; there are none, "
            "because a redacted copy has pseudonyms: compare two runs, or two copies that were written with "
            "the same --key"
        )
    if n_shared:
        reason += f"; of these, {max(reasons, key=lambda text: reasons[text])}"
    return (
        f"{before.run.path} and {after.run.path}: expected audits of the same samples; {reason}: audit "
        "the new model on the images and labels of the old audit"
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
    place, found = pd.factorize(column)
    distinct = pd.Series(found)
    numbers = pd.to_numeric(distinct, errors="coerce").astype(np.float64)
    texts = distinct.astype(object).astype(str)
    texts = texts.where(numbers.isna(), numbers.astype(str))
    return np.array([*texts, ""], dtype=object)[place]  # -1, the last one, where it is missing


def _slices(source: RunData, pairs: pd.DataFrame) -> tuple[PairedSlice, ...]:
    """The earlier run's own slices, formed again from all its samples; of each, the paired ones."""
    classes = source.classes
    columns = [SAMPLE, LABEL, PREDICTED, *source.attributes]
    usable = _chosen(source.table[columns], usable_rows(source.table)).reset_index(drop=True)
    for column in (LABEL, PREDICTED):
        usable[column] = as_classes(usable[column], classes)
    section, *_ = source.settings
    types = types_of_run(source.result, source.run.path / PREDICTIONS)
    found = slice_samples(usable, None, classes, source.attributes, section, types=types)
    position = _positions(usable[SAMPLE], pairs.index)
    label = codes(usable[LABEL])
    keys = [(SliceKey(label=name), np.flatnonzero(label == k)) for k, name in enumerate(classes)]
    keys += [(one.key, one.rows) for one in found.slices]
    if position is not None:
        keys = [(key, position[rows][position[rows] >= 0]) for key, rows in keys]
    return tuple(PairedSlice(key, rows) for key, rows in keys if len(rows))


def _positions(samples: pd.Series, pairs: pd.Index) -> NDArray[np.int64] | None:
    """The place of each sample among the pairs, -1 for those not among them; None for equal places."""
    if len(samples) == len(pairs) and bool((samples.array == pairs.array).all()):
        return None
    place = pd.Series(np.arange(len(pairs)), index=pairs).reindex(samples)
    return place.fillna(-1).to_numpy(dtype=np.int64)
