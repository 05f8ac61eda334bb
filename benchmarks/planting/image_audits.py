"""Whole audits of networks with planted shortcuts: what is found, named, placed and confirmed."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.imaging import properties
from auditor.records import (
    AuditResult,
    ClaimRecord,
    Finding,
    Intervention,
    MapShift,
    SampleGroups,
)
from auditor.records import (
    Record as AuditRecord,
)
from auditor.selftest import OUTCOME_KINDS, accusations, exact
from benchmarks.planting import peers
from benchmarks.planting.cases import ATTRIBUTE, INNOCENT, Case, audited, planted
from benchmarks.planting.pools import Pool
from benchmarks.planting.shortcuts import Shortcut
from benchmarks.planting.spray_peer import spray
from benchmarks.planting.table_audits import shown, table

_TOP = 10
Part = TypeVar("Part", bound=AuditRecord)
_SEARCHED = ("hidden-slices", "map-clusters")
"""Checks that look for slices that nobody named."""


@dataclass(frozen=True)
class Record:
    """What came of one case.

    Attributes:
        pool: where the images come from.
        shortcut: what was planted.
        strength: how strongly, 0 to 1.
        seed: of the case.
        accuracy: on the audited images.
        gap: error rate of those that carry it minus that of the others, outside of the target class.
        fall: of accuracy when it is drawn into images that did not carry it.
        named: whether the annotated audit holds it against the model.
        first: whether the first finding speaks of it.
        confirmed: whether it is confirmed.
        placed: whether attention-shift or region-reliance points at it; None where it has no place.
        accused: innocent attributes that the annotated audit holds against the model.
        others: checks that hold anything else than the planted attribute against the model, and not
            a fault of the data.
        hidden: largest precision at 10 of a supported hidden slice or cluster of maps; None where
            there is none.
        n_hidden: how many of these the hidden audit shows.
        hidden_placed: whether the hidden audit confirms a region of the failures, and it is the
            planted one; None where that has no place.
        property_accused: whether the hidden audit holds a property of the images against the model.
        any_finding: largest precision at 10 of whatever the hidden audit supports.
        domino: largest precision at 10 of Domino's five slices: somebody who knows chooses.
        domino_equal: that of as many of them as the audit shows, one at least.
        chance: precision at 10 of random failures of the class that most failures are called.
        spray: largest precision at 10 of SpRAy's five clusters with the largest error rates.
        spray_equal: that of as many of them as the audit shows, one at least.
        threshold: whether the plain threshold on group accuracy accuses it.
        threshold_accused: whether that threshold accuses an innocent attribute value.
        spurious: smallest spurious-correlation score of a property, with the majority's count.
        spurious_by_index: likewise with the majority's index.
        seconds: of both audits.
    """

    pool: str
    shortcut: str
    strength: float
    seed: int
    accuracy: float
    gap: float
    fall: float
    named: bool
    first: bool
    confirmed: bool
    placed: bool | None
    accused: tuple[str, ...]
    others: tuple[str, ...]
    hidden: float | None
    n_hidden: int
    hidden_placed: bool | None
    property_accused: bool
    any_finding: float | None
    domino: float
    domino_equal: float
    chance: float
    spray: float
    spray_equal: float
    threshold: bool
    threshold_accused: bool
    spurious: float
    spurious_by_index: float
    seconds: float


def measured(
    pool_name: str,
    pool: Pool,
    shortcut: Shortcut,
    strength: float,
    seed: int,
    *,
    training: int,
    n_audited: int,
) -> Record:
    """Plants, trains, audits twice (annotated and hidden) and asks the peers."""
    case = planted(pool, shortcut, strength, seed, training=training, audited=n_audited)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        told = audited(case, Path(place), annotated=True)
        untold = audited(case, Path(place), annotated=False)
    seconds = time.perf_counter() - start
    named = list(accusations(told.findings))
    # Any claim on the coin or the card is a false alarm, also one on their maps.
    accused = accusations(told.findings, OUTCOME_KINDS | {"map"})
    innocent = sorted({name for one in accused for name in one.attributes} & set(INNOCENT))
    claims = list(_claims(told))
    generator = np.random.default_rng([seed, 11])
    coin = generator.random(len(case.label)) < 0.5
    shown = list(_ranked(untold, case, _SEARCHED))
    equal = max(len(shown), 1)
    search = np.zeros(len(case.label), dtype=bool)
    search[np.random.default_rng(case.seed).permutation(len(search))[: len(search) // 2]] = True
    domino = _precise(
        case, peers.domino(case.features(), case.label, case.probabilities, search, seed=case.seed)
    )
    predicted = case.probabilities.argmax(1).astype(np.int64)
    clusters = _precise(case, spray(case.cams(), predicted, case.failure, search, seed=case.seed))
    scores = [_spurious(case, by_index) for by_index in (False, True)]
    return Record(
        pool=pool_name,
        shortcut=shortcut.name,
        strength=strength,
        seed=seed,
        accuracy=float(1 - case.failure.mean()),
        gap=case.gap,
        fall=case.accuracy_drop,
        named=any(set(one.attributes) == {ATTRIBUTE} for one in named),
        first=any(one.first and ATTRIBUTE in one.attributes for one in named),
        confirmed=any(
            claim.verdict == "confirmed" and set(claim.slice.attributes) == {ATTRIBUTE}
            for claim in claims
        ),
        placed=_placed(shortcut, claims),
        accused=tuple(innocent),
        others=tuple(sorted(set(_others(told)))),
        hidden=max(shown, default=None),
        n_hidden=len(shown),
        hidden_placed=_hidden_placed(shortcut, list(_claims(untold))),
        property_accused=bool(list(accusations(untold.findings))),
        any_finding=max(_ranked(untold, case, (*_SEARCHED, "image-properties")), default=None),
        domino=max(domino, default=0.0),
        domino_equal=max(domino[:equal], default=0.0),
        chance=max(_precise(case, [_at_random(case, generator)]), default=0.0),
        spray=max(clusters, default=0.0),
        spray_equal=max(clusters[:equal], default=0.0),
        threshold=peers.below_threshold(case.failure, case.carries),
        threshold_accused=any(
            peers.below_threshold(case.failure, inside) for inside in (coin, ~coin)
        ),
        spurious=scores[0],
        spurious_by_index=scores[1],
        seconds=seconds,
    )


def _claims(result: AuditResult) -> Iterator[ClaimRecord]:
    """All claims in the findings, the leading ones too."""
    for finding in result.findings:
        yield finding
        yield from finding.supporting


def _part(claim: ClaimRecord, kind: type[Part]) -> Part | None:
    """The first part of that type in the claim's evidence."""
    return next((one for one in claim.evidence if isinstance(one, kind)), None)


def _is_supported(claim: ClaimRecord) -> bool:
    return claim.verdict in {"supported", "confirmed"}


def _placed(shortcut: Shortcut, claims: Sequence[ClaimRecord]) -> bool | None:
    """Whether a supported map or intervention points at the planted region."""
    if shortcut.box is None and not shortcut.frame:
        return None
    return any(
        _region_hits(shortcut, claim) or _map_hits(shortcut, claim)
        for claim in claims
        if _is_supported(claim) and ATTRIBUTE in claim.slice.attributes
    )


def _region_hits(shortcut: Shortcut, claim: ClaimRecord) -> bool:
    """Whether half of the shortcut lies in the region; of a frame, whether it touches the edge."""
    intervention = _part(claim, Intervention)
    if intervention is None or intervention.region is None:
        return False
    region = intervention.region
    x0, y0, x1, y1 = region.box
    if shortcut.box is None:
        return region.outside or min(x0, y0) == 0 or max(x1, y1) == 1
    if region.outside:
        return False
    a0, b0, a1, b1 = shortcut.box
    across, down = min(x1, a1) - max(x0, a0), min(y1, b1) - max(y0, b0)
    shared = max(across, 0.0) * max(down, 0.0)
    # A window that is smaller than the shortcut has to lie in it.
    return shared >= 0.5 * min((a1 - a0) * (b1 - b0), (x1 - x0) * (y1 - y0))


def _map_hits(shortcut: Shortcut, claim: ClaimRecord) -> bool:
    """Whether the place that gains most of the evidence lies in the shortcut, or next to it."""
    shift = _part(claim, MapShift)
    if claim.check != "attention-shift" or shift is None:
        return False
    gain = np.array(shift.difference, dtype=np.float64)
    row, column = np.unravel_index(int(gain.argmax()), gain.shape)
    height, width = gain.shape
    if shortcut.box is None:
        return bool(row in {0, height - 1} or column in {0, width - 1})
    x0, y0, x1, y1 = shortcut.box
    x, y = (column + 0.5) / width, (row + 0.5) / height
    reach = 0.5 / min(height, width)
    return bool(x0 - reach <= x <= x1 + reach and y0 - reach <= y <= y1 + reach)


def _hidden_placed(shortcut: Shortcut, claims: Sequence[ClaimRecord]) -> bool | None:
    """Whether a region that causes failures is supported, and is the planted one."""
    if shortcut.box is None and not shortcut.frame:
        return None
    return any(
        _region_hits(shortcut, claim)
        for claim in claims
        if claim.check == "failure-regions" and _is_supported(claim)
    )


def _others(result: AuditResult) -> Iterator[str]:
    """Checks with supported claims, except those on the planted attribute and on the data alone."""
    for claim in _claims(result):
        if (
            _is_supported(claim)
            and ATTRIBUTE not in claim.slice.attributes
            and claim.kind != "data"
        ):
            yield claim.check


def _ranked(result: AuditResult, case: Case, checks: Sequence[str]) -> Iterator[float]:
    """Precision at 10 of the supported claims of some checks in the hidden audit."""
    for claim in _claims(result):
        if claim.check not in checks or not _is_supported(claim):
            continue
        names = _typical_samples(claim)
        rows = np.array([int(name.removesuffix(".png")) for name in names], dtype=np.int64)
        if len(rows):
            yield from _precise(case, [rows])


def _typical_samples(claim: ClaimRecord) -> Sequence[str]:
    """The typical samples of a slice; of a finding without them, the samples that show it."""
    typical = _part(claim, SampleGroups)
    if typical is not None:
        return [member.sample for group in typical.groups for member in group.members]
    return claim.samples if isinstance(claim, Finding) else ()


def _at_random(case: Case, generator: np.random.Generator) -> NDArray[np.int64]:
    """Failures called the class that most failures are called, in any order."""
    called = case.probabilities.argmax(1)
    often = np.bincount(called[case.failure]).argmax() if case.failure.any() else 0
    return generator.permutation(np.flatnonzero(case.failure & (called == often)))


def _precise(case: Case, ranked: Sequence[NDArray[np.int64]]) -> list[float]:
    """Precision at 10 of slices whose most typical images come first."""
    return [
        max(float(inside[rows[:_TOP]].mean()) for inside in case.slices)
        for rows in ranked
        if len(rows)
    ]


def _spurious(case: Case, by_index: bool) -> float:
    """Smallest score over the numeric properties of the training images."""
    values = [properties.measure(Image.fromarray(one), {})[0] for one in case.trained]
    names = ("brightness", "contrast", "sharpness", "colourfulness", "border_brightness")
    numbers = [np.array([getattr(one, name) for one in values]) for name in names]
    label: NDArray[np.int64] = case.trained_label
    varied = [one for one in numbers if one.std() > 0]
    return min(peers.spurious_score(one, label, by_index=by_index) for one in varied)


def told(record: Record) -> None:
    """Writes a case to standard error as it is done: a long run shows what it has."""
    print(asdict(record), file=sys.stderr, flush=True)


def noise_on_uneven_classes(repeats: int, seed: int) -> str:
    """How often the spurious-correlation score reports pure noise where classes are 90 to 10."""
    reported = [0, 0]
    for k in range(repeats):
        generator = np.random.default_rng([seed, k, 3])
        label = (generator.random(1000) < 0.1).astype(np.int64)
        for place, by_index in enumerate((False, True)):
            score = peers.spurious_score(generator.random(1000), label, by_index=by_index)
            reported[place] += score < 0.3
    rows = [
        (name, shown(exact(count, repeats)), repeats)
        for name, count in zip(("mended", "as it is"), reported, strict=True)
    ]
    return table(("cleanlab's score on noise, classes 90 to 10", "reported", "repeats"), rows)
