"""What else differs between two runs, and what a reader has to know before trusting the comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from auditor.comparison.pairing import Pairs, RunData
from auditor.comparison.records import SettingDifference
from auditor.phrasing import attribute_name, plural
from auditor.records import AuditResult

_MOST = 0.9
"""Share of each run that must be paired; below it, a remark says how much was omitted."""


def setting_differences(before: AuditResult, after: AuditResult) -> Iterator[SettingDifference]:
    """Every setting, version and fingerprint that differs, by its place such as ``config.seed``."""
    one, two = (dict(_flat(_settings(result))) for result in (before, after))
    for place in dict.fromkeys([*one, *two]):
        if one.get(place) != two.get(place):
            yield SettingDifference(place=place, before=one.get(place), after=two.get(place))


def _settings(result: AuditResult) -> dict[str, Any]:
    source = result.provenance
    return {
        "auditor": result.run.auditor_version,
        "model": source.model.model_dump(mode="json"),
        "data": source.data.model_dump(mode="json"),
        "preprocess": source.preprocess,
        "seed": source.seed,
        "environment": source.environment,
        "config": source.config,
    }


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _flat(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


def remarks(runs: tuple[RunData, RunData], pairs: Pairs) -> Iterator[str]:
    """Reasons to read the comparison with care, one sentence each."""
    account = pairs.account
    for run, which in zip(runs, ("earlier", "later"), strict=True):
        if account.n_paired < _MOST * len(run.table):
            yield (
                f"Only {account.n_paired} of {len(run.table)} samples of the {which} run could be paired; "
                "those that were omitted may be harder or easier than those that were compared."
            )
    if account.unusable_after:
        yield (
            f"{plural(account.unusable_after, 'sample has', 'samples have')} a prediction in the "
            "earlier run only and count on neither side."
        )
    if not account.images_compared:
        yield (
            "At least one run has no fingerprints of its images: samples were matched by their ids, "
            "and their images may differ."
        )
    lost = [attribute_name(name) for name in runs[0].attributes if name not in runs[1].attributes]
    if lost:
        yield (
            f"The later run has no attribute {', '.join(lost)}; slices by it follow the values of the "
            "earlier run."
        )
    yield from _same_weights(runs, pairs)


def _same_weights(runs: tuple[RunData, RunData], pairs: Pairs) -> Iterator[str]:
    before, after = (run.result.provenance.model.sha256 for run in runs)
    if before != after:
        return
    flipped = int((pairs.before["predicted"] != pairs.after["predicted"]).sum())
    text = "Both runs audited the same weights."
    if flipped:
        text += (
            f" {plural(flipped, 'prediction differs', 'predictions differ')} nevertheless: compare "
            "preprocessing, device and versions among the differences."
        )
    yield text
