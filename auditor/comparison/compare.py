"""What changed between two audits of the same samples, with paired tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from auditor.comparison.pairing import Cut, Pairs, Source, pair
from auditor.comparison.records import (
    ClassChange,
    Comparison,
    Difference,
    Direction,
    FindingChange,
    FindingRef,
    FindingStatus,
    Rules,
    Side,
    SliceChange,
    Turn,
)
from auditor.errors import DataError
from auditor.manifest import require_unaltered, sha256
from auditor.records import (
    MISSING,
    SEVERITIES,
    AuditResult,
    Estimate,
    Finding,
    SliceKey,
)
from auditor.run_folder import PREDICTIONS, RESULT, RunFolder
from auditor.statistics import Intervals, mcnemar, q_values, wilson

_STATUSES: tuple[FindingStatus, ...] = ("new", "graver", "stayed", "milder", "gone")
_FEW = 0.9  # of the smaller run; below it a reader is told that much was left out


def compare(before: RunFolder, after: RunFolder, *, max_rise: float = 0.0) -> Comparison:
    """Compares two finished runs, sample by sample.

    Slices, smallest support and false discovery rate are those of the earlier run. The whole, every
    label and every slice with enough pairs is tested with McNemar's test (mid-p), all under one
    Benjamini-Hochberg correction.

    Args:
        before: the earlier run.
        after: the later run.
        max_rise: largest acceptable rise of an error rate (a share, 0 to 1); what is worse
            beyond doubt and by more than that is ``blocking``.

    Returns:
        The comparison.

    Raises:
        DataError: a run can't be read, or they have different classes or no sample in common.

    Reference:
        M. W. Fagerland, S. Lydersen and P. Laake, BMC Medical Research Methodology 13 (2013) 91.
    """
    sources = Source.read(before), Source.read(after)
    pairs = pair(*sources)
    slicing, judging = sources[0].slicing
    changes = _changes(pairs, judging.alpha, slicing.min_support, max_rise)
    overall, *slices = changes
    sides = [_side(source, failed) for source, failed in zip(sources, pairs.failed, strict=True)]
    broken, fixed, moved = _turns(pairs, sources[0].attributes)
    return Comparison(
        created_at=datetime.now(UTC),
        auditor_version=version("auditor"),
        before=sides[0],
        after=sides[1],
        pairing=pairs.account,
        rules=Rules(
            alpha=judging.alpha,
            min_support=slicing.min_support,
            max_rise=max_rise,
            n_tests=sum(one.p_value is not None for one in changes),
        ),
        overall=overall,
        slices=sorted(slices, key=_gravest),
        classes=_classes(pairs, sources[0].classes),
        findings=_findings(sources[0].result, sources[1].result),
        broken=broken,
        fixed=fixed,
        moved=moved,
        differences=list(_differences(sources[0].result, sources[1].result)),
        remarks=list(_remarks(sources, pairs, sides)),
    )


def _changes(pairs: Pairs, alpha: float, min_support: int, max_rise: float) -> list[SliceChange]:
    """The whole first, then the slices in the order of the cuts."""
    cuts = [Cut(SliceKey(), np.arange(len(pairs.before))), *pairs.cuts]
    one, two = pairs.failed
    support = np.array([len(cut.rows) for cut in cuts])
    worse, better = ~one & two, one & ~two
    broken = np.array([int(worse[cut.rows].sum()) for cut in cuts])
    fixed = np.array([int(better[cut.rows].sum()) for cut in cuts])
    tests = mcnemar(broken, fixed, support)
    tested = support >= min_support
    tested[0] = True  # few pairs in all make the whole unclear, not untested
    p_values = np.where(tested, tests.p_value, np.nan)
    adjusted = q_values(p_values)
    found = []
    for k, cut in enumerate(cuts):
        change = tests.change[k]
        direction = _direction(bool(tested[k]), float(adjusted[k]), change.value, alpha)
        found.append(
            SliceChange(
                slice=cut.key,
                support=len(cut.rows),
                failures_before=int(one[cut.rows].sum()),
                failures_after=int(two[cut.rows].sum()),
                broken=int(broken[k]),
                fixed=int(fixed[k]),
                change=Estimate(value=change.value, low=change.low, high=change.high),
                p_value=float(p_values[k]) if tested[k] else None,
                q_value=float(adjusted[k]) if tested[k] else None,
                direction=direction,
                blocks=direction == "worse" and change.value > max_rise,
            )
        )
    return found


def _direction(tested: bool, q_value: float, change: float, alpha: float) -> Direction:
    if not tested:
        return "untested"
    if q_value > alpha:
        return "unclear"
    return "worse" if change > 0 else "better"


def _gravest(one: SliceChange) -> tuple[int, float, int]:
    order: tuple[Direction, ...] = ("worse", "better", "unclear", "untested")
    size = -abs(one.change.value) if one.direction == "better" else -one.change.value
    return order.index(one.direction), size, -one.support


def _side(source: Source, failed: Any) -> Side:
    result = source.result
    return Side(
        folder=source.run.path.name,
        id=result.run.id,
        name=result.run.name,
        created_at=result.run.created_at,
        auditor_version=result.run.auditor_version,
        model_sha256=result.provenance.model.sha256,
        data_sha256=result.provenance.data.sha256,
        result_sha256=sha256(source.run.path / RESULT),
        predictions_sha256=sha256(source.run.path / PREDICTIONS),
        accuracy=result.summary.accuracy,
        paired_accuracy=_known(wilson([int((~failed).sum())], [len(failed)]))[0],
    )


def _classes(pairs: Pairs, classes: Iterable[str]) -> list[ClassChange]:
    label = pairs.before["label"].astype(str).to_numpy()
    predicted = [side["predicted"].astype(str).to_numpy() for side in (pairs.before, pairs.after)]
    changes = []
    for name in classes:
        hits = [int(((label == name) & (said == name)).sum()) for said in predicted]
        support = int((label == name).sum())
        claimed = [int((said == name).sum()) for said in predicted]
        recall = _estimates(wilson(hits, [support, support]))
        precision = _estimates(wilson(hits, claimed))
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


def _known(intervals: Intervals) -> list[Estimate]:
    return [Estimate(value=one.value, low=one.low, high=one.high) for one in intervals]


def _estimates(intervals: Intervals) -> list[Estimate | None]:
    return [one if np.isfinite(one.value) else None for one in _known(intervals)]


def _turns(pairs: Pairs, attributes: tuple[str, ...]) -> tuple[list[Turn], list[Turn], int]:
    one, two = pairs.failed
    turns = []
    for chosen, loss in ((~one & two, pairs.after["loss"]), (one & ~two, pairs.before["loss"])):
        ids = loss[chosen].sort_values(ascending=False, kind="stable").index
        olds, news = (side.loc[ids].to_dict("records") for side in (pairs.before, pairs.after))
        turns.append([_turn(old, new, attributes) for old, new in zip(olds, news, strict=True)])
    other = (pairs.before["predicted"] != pairs.after["predicted"]).to_numpy(dtype=bool)
    return turns[0], turns[1], int((one & two & other).sum())


def _turn(
    before: Mapping[Hashable, Any], after: Mapping[Hashable, Any], attributes: tuple[str, ...]
) -> Turn:
    return Turn(
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


def _findings(before: AuditResult, after: AuditResult) -> list[FindingChange]:
    groups: dict[tuple[Any, ...], tuple[list[Finding], list[Finding]]] = defaultdict(
        lambda: ([], [])
    )
    for side, result in enumerate((before, after)):
        for finding in result.findings:
            key = finding.slice
            name = (finding.check, frozenset(key.attributes.items()), key.label, key.predicted)
            groups[name][side].append(finding)
    changes = []
    for olds, news in groups.values():
        for k in range(max(len(olds), len(news))):
            old = olds[k] if k < len(olds) else None
            new = news[k] if k < len(news) else None
            changes.append(_finding(old, new, before, after))
    return sorted(changes, key=lambda one: (_STATUSES.index(one.status), -_severity(one)))


def _severity(one: FindingChange) -> int:
    ref = one.after or one.before
    return -1 if ref is None else SEVERITIES.index(ref.severity)


def _finding(
    old: Finding | None, new: Finding | None, before: AuditResult, after: AuditResult
) -> FindingChange:
    one = old or new
    assert one is not None
    caution = None
    if old is not None and new is not None:
        grade = SEVERITIES.index(new.severity) - SEVERITIES.index(old.severity)
        status: FindingStatus = "graver" if grade > 0 else "milder" if grade < 0 else "stayed"
        if new.verdict == "untestable" and old.verdict != "untestable":
            caution = "the later run could not test it"
        elif old.verdict == "untestable" and new.verdict != "untestable":
            caution = "the earlier run could not test it"
    else:
        status = "new" if old is None else "gone"
        silent, which = (before, "earlier") if old is None else (after, "later")
        reasons = [skip.reason for skip in silent.skipped if skip.check == one.check]
        if reasons:
            caution = (
                f"the {which} run did not examine everything that this check asks: {reasons[0]}"
            )
    return FindingChange(
        check=one.check,
        slice=one.slice,
        status=status,
        before=_ref(old),
        after=_ref(new),
        caution=caution,
    )


def _ref(finding: Finding | None) -> FindingRef | None:
    if finding is None:
        return None
    return FindingRef(
        id=finding.id,
        title=finding.title,
        severity=finding.severity,
        verdict=finding.verdict,
        effect=finding.effect,
    )


def _differences(before: AuditResult, after: AuditResult) -> Iterator[Difference]:
    sides = []
    for result in (before, after):
        source = result.provenance
        told: dict[str, Any] = {
            "auditor": result.run.auditor_version,
            "model": source.model.model_dump(mode="json"),
            "data": source.data.model_dump(mode="json"),
            "preprocess": source.preprocess,
            "seed": source.seed,
            "environment": source.environment,
            "config": source.config,
        }
        sides.append(dict(_flat(told)))
    one, two = sides
    for place in dict.fromkeys([*one, *two]):
        if one.get(place) != two.get(place):
            yield Difference(place=place, before=one.get(place), after=two.get(place))


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _flat(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


def _remarks(sources: tuple[Source, Source], pairs: Pairs, sides: list[Side]) -> Iterator[str]:
    account = pairs.account
    for source, which in zip(sources, ("earlier", "later"), strict=True):
        try:
            require_unaltered(source.run.path)
        except DataError as error:
            yield f"The {which} run is not as the audit left it: {error}"
    smaller = min(len(source.table) for source in sources)
    if account.n_paired < _FEW * smaller:
        yield (
            f"Only {account.n_paired} of {smaller} samples of the smaller run could be paired: what "
            "was left out may be harder or easier than what was compared."
        )
    if account.unusable_after:
        yield (
            f"{account.unusable_after} samples have a prediction in the earlier run only; they count "
            "on neither side."
        )
    if not account.images_compared:
        yield (
            "At least one run holds no fingerprints of its images: that a sample shows the same "
            "image in both rests on its id."
        )
    differing = [name for name in sources[0].attributes if name not in sources[1].attributes]
    if differing:
        yield (
            f"The later run has no attribute {', '.join(differing)}; slices of it follow the earlier "
            "run's values."
        )
    if sides[0].model_sha256 == sides[1].model_sha256:
        both = (pairs.before["predicted"] != pairs.after["predicted"]).sum()
        yield "Both runs audited the same weights." + (
            f" {both} predictions differ all the same: look at preprocessing, device and versions "
            "among the differences."
            if both
            else ""
        )
