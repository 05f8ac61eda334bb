"""What changed between two audits of the same samples, with paired tests."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor import __version__
from auditor.comparison.differences import remarks, setting_differences
from auditor.comparison.disclosure import sensitive_attributes, without_small_cells
from auditor.comparison.displayed import joint_names
from auditor.comparison.finding_changes import PairedSupport, finding_changes
from auditor.comparison.pairing import PairedSlice, Pairs, RunData, pair
from auditor.comparison.records import (
    ClassChange,
    ComparedRun,
    Comparison,
    ComparisonRules,
    Direction,
    FlippedPrediction,
    SliceChange,
)
from auditor.comparisons.clusters import clusters_of
from auditor.manifest import require_unaltered, sha256
from auditor.phrasing import shown_names
from auditor.progress import Advance, Progress, Silent
from auditor.records import MISSING, Estimate, SliceKey
from auditor.records.predictions import GROUP, LABEL, LOSS, PREDICTED
from auditor.run_folder import PREDICTIONS, RESULT, RunFolder
from auditor.statistics import (
    Integers,
    Intervals,
    PairedShares,
    mcnemar,
    proportion,
    q_values,
    sign_flip,
)


def compare(
    before: RunFolder,
    after: RunFolder,
    *,
    max_rise: float = 0.0,
    min_paired: float = 0.5,
    progress: Progress | None = None,
) -> Comparison:
    """Compares two finished runs, sample by sample.

    Slices, smallest support and false discovery rate are those of the earlier run. All samples
    together, every label and every slice with enough pairs are tested with McNemar's test (mid-p),
    with one Benjamini-Hochberg correction for all of them.

    Args:
        before: the earlier run.
        after: the later run.
        max_rise: largest acceptable rise of an error rate (a share, 0 to 1); a significant rise
            above it is ``blocking``.
        min_paired: with a smaller share of the earlier run's samples, nothing can be judged (0 to 1).
        progress: display of the progress; None shows nothing.

    Returns:
        The comparison.

    Raises:
        DataError: a run was altered or cannot be read, or they have different classes or no sample in
            common.

    Reference:
        Runs whose samples have a ``data.group`` are compared by `sign_flip` over whole clusters. Else:
        M. W. Fagerland, S. Lydersen and P. Laake, BMC Medical Research Methodology 13 (2013) 91.
    """
    progress = progress or Silent()
    with progress.stage("read", 2) as advance:
        runs = _read(before, advance), _read(after, advance)
    slicing, judging, gate = runs[0].settings
    with progress.stage("compare", 2) as advance:
        progress.doing("slices")
        pairs = pair(*runs)
        advance(1)
        progress.doing("tests")
        overall, *slices = slice_changes(pairs, judging.alpha, slicing.min_support, max_rise)
        advance(1)
    rules = ComparisonRules(
        alpha=judging.alpha,
        min_support=slicing.min_support,
        max_rise=max_rise,
        min_paired=min_paired,
        min_samples=gate.min_samples,
        n_tests=sum(change.p_value is not None for change in (overall, *slices)),
    )
    names = joint_names(*(run.result.provenance.stated.display_names for run in runs))
    with shown_names(names):
        notes = list(remarks(runs, pairs))
    one, two = pairs.failed
    flipped = (pairs.before[PREDICTED] != pairs.after[PREDICTED]).to_numpy(dtype=bool)
    sensitive = sensitive_attributes([run.result for run in runs])
    attributes = tuple(name for name in runs[0].attributes if name not in sensitive)
    found = Comparison(
        created_at=datetime.now(UTC),
        auditor_version=__version__,
        before=_compared_run(runs[0], one),
        after=_compared_run(runs[1], two),
        pairing=pairs.account,
        rules=rules,
        overall=overall,
        slices=sorted(slices, key=_rank),
        classes=_class_changes(pairs, runs[0].classes),
        findings=finding_changes(
            runs[0].result, runs[1].result, PairedSupport.of(pairs.account, rules, slices)
        ),
        broken=_flipped(pairs, ~one & two, pairs.after[LOSS], attributes),
        fixed=_flipped(pairs, one & ~two, pairs.before[LOSS], attributes),
        moved=int((one & two & flipped).sum()),
        differences=list(setting_differences(runs[0].result, runs[1].result)),
        remarks=notes,
        display_names=names,
    )
    return without_small_cells(found, [run.result for run in runs])


def _read(run: RunFolder, advance: Advance) -> RunData:
    if run.path == run.final:  # an audit that is being written has no manifest yet
        require_unaltered(run.path)
    found = RunData.read(run)
    advance(1)
    return found


def slice_changes(
    pairs: Pairs, alpha: float, min_support: int, max_rise: float
) -> list[SliceChange]:
    """Tests how the error rate changed.

    Args:
        pairs: the samples of both runs.
        alpha: largest q-value that is significant.
        min_support: slices with fewer pairs are not tested.
        max_rise: largest acceptable rise (a share).

    Returns:
        All samples together first, then the slices in their order.
    """
    slices = [PairedSlice(SliceKey(), np.arange(len(pairs.before))), *pairs.slices]
    one, two = pairs.failed
    support = np.array([len(part.rows) for part in slices])
    worse, better = ~one & two, one & ~two
    broken = np.array([int(worse[part.rows].sum()) for part in slices])
    fixed = np.array([int(better[part.rows].sum()) for part in slices])
    tests = _tests(pairs, slices, broken, fixed)
    tested = support >= min_support
    tested[0] = True  # with few pairs in all, the overall change is unclear rather than untested
    tested &= np.isfinite(tests.p_value)
    p_values = np.where(tested, tests.p_value, np.nan)
    adjusted = q_values(p_values)
    found = []
    for k, part in enumerate(slices):
        change = Estimate.of(tests.change[k])
        direction = _direction(bool(tested[k]), float(adjusted[k]), change.value, alpha)
        found.append(
            SliceChange(
                slice=part.key,
                support=len(part.rows),
                failures_before=int(one[part.rows].sum()),
                failures_after=int(two[part.rows].sum()),
                broken=int(broken[k]),
                fixed=int(fixed[k]),
                change=change,
                p_value=float(p_values[k]) if tested[k] else None,
                q_value=float(adjusted[k]) if tested[k] else None,
                direction=direction,
                blocks=direction == "worse" and change.value > max_rise,
            )
        )
    return found


def _tests(
    pairs: Pairs, slices: Sequence[PairedSlice], broken: Integers, fixed: Integers
) -> PairedShares:
    """Change of the error rate of each slice: McNemar's test, or sign flips of whole clusters."""
    clusters = clusters_of(pairs.before, GROUP)
    if clusters is None or clusters.independent:
        return mcnemar(broken, fixed, [len(part.rows) for part in slices])
    one, two = pairs.failed
    change = two.astype(np.float64) - one
    found = [sign_flip(change[part.rows], groups=clusters.of_sample[part.rows]) for part in slices]
    # With one cluster, the change is known, but nothing of its uncertainty.
    value = [change[part.rows].mean() if len(part.rows) else np.nan for part in slices]
    low, high = np.clip([(each.change.low, each.change.high) for each in found], -1, 1).T
    p_values = np.array([each.p_value for each in found])
    return PairedShares(Intervals(np.array(value), low, high), p_values)


def _direction(tested: bool, q_value: float, change: float, alpha: float) -> Direction:
    if not tested:
        return "untested"
    if q_value > alpha:
        return "unclear"
    return "worse" if change > 0 else "better"


def _rank(one: SliceChange) -> tuple[int, float, int]:
    order: tuple[Direction, ...] = ("worse", "better", "unclear", "untested")
    size = -abs(one.change.value) if one.direction == "better" else -one.change.value
    return order.index(one.direction), size, -one.support


def _compared_run(run: RunData, failed: NDArray[np.bool_]) -> ComparedRun:
    result = run.result
    return ComparedRun(
        folder=run.run.path.name,
        id=result.run.id,
        name=result.run.name,
        created_at=result.run.created_at,
        auditor_version=result.run.auditor_version,
        model_sha256=result.provenance.model.sha256,
        data_sha256=result.provenance.data.sha256,
        result_sha256=sha256(run.run.path / RESULT),
        predictions_sha256=sha256(run.run.path / PREDICTIONS),
        accuracy=result.summary.accuracy,
        paired_accuracy=Estimate.of(proportion(int((~failed).sum()), len(failed))[()]),
    )


def _class_changes(pairs: Pairs, classes: Iterable[str]) -> list[ClassChange]:
    label = pairs.before[LABEL].astype(str).to_numpy()
    predicted = [side[PREDICTED].astype(str).to_numpy() for side in (pairs.before, pairs.after)]
    changes = []
    for name in classes:
        hits = [int(((label == name) & (side == name)).sum()) for side in predicted]
        support = int((label == name).sum())
        recall = _estimates(proportion(hits, [support, support]))
        precision = _estimates(proportion(hits, [int((side == name).sum()) for side in predicted]))
        changes.append(
            ClassChange(
                name=name,
                support=support,
                recall_before=recall[0],
                recall_after=recall[1],
                precision_before=precision[0],
                precision_after=precision[1],
            )
        )
    return changes


def _estimates(intervals: Intervals) -> list[Estimate | None]:
    return [Estimate.of(one) if np.isfinite(one.value) else None for one in intervals]


def _flipped(
    pairs: Pairs, chosen: NDArray[np.bool_], loss: pd.Series, attributes: tuple[str, ...]
) -> list[FlippedPrediction]:
    """The chosen samples, the highest loss first."""
    ids = loss[chosen].sort_values(ascending=False, kind="stable").index
    olds, news = (side.loc[ids].to_dict("records") for side in (pairs.before, pairs.after))
    return [_flipped_one(old, new, attributes) for old, new in zip(olds, news, strict=True)]


def _flipped_one(
    before: Mapping[Hashable, Any], after: Mapping[Hashable, Any], attributes: tuple[str, ...]
) -> FlippedPrediction:
    return FlippedPrediction(
        sample=str(before["sample"]),
        path=str(after["path"]),
        label=str(before["label"]),
        attributes={
            name: MISSING if pd.isna(before[name]) else str(before[name]) for name in attributes
        },
        predicted_before=str(before["predicted"]),
        predicted_after=str(after["predicted"]),
        confidence_before=float(before["confidence"]),
        confidence_after=float(after["confidence"]),
        loss_before=float(before["loss"]),
        loss_after=float(after["loss"]),
    )
