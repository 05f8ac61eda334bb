"""Whole audits of networks with planted shortcuts: what is found, named, placed and confirmed."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor import properties
from auditor.records import AuditResult
from auditor.selftest import OF_DATA, accusations, exact
from benchmarks.planting import peers
from benchmarks.planting.cases import ATTRIBUTE, INNOCENT, Case, audited, planted
from benchmarks.planting.pools import Pool
from benchmarks.planting.shortcuts import Shortcut
from benchmarks.planting.table_audits import shown, table

USED, UNUSED = 0.2, 0.03
"""Falls of accuracy from which on, and up to which, a network uses the shortcut or does not."""
LARGE = 0.2
"""Gap from which on a hidden slice should be found."""
_PRECISE = 0.8
_TOP = 10


@dataclass(frozen=True)
class Record:
    """What came of one case.

    Attributes:
        pool: where the pictures come from.
        shortcut: what was planted.
        strength: how strongly, 0 to 1.
        seed: of the case.
        accuracy: on the audited pictures.
        gap: error rate of those that carry it minus that of the others, outside of the target class.
        fall: of accuracy when it is drawn into pictures that did not carry it.
        named: whether the annotated audit holds it against the model.
        first: whether the first finding speaks of it.
        confirmed: whether it is confirmed.
        placed: whether attention-shift or region-reliance points at it; None where it has no place.
        accused: innocent attributes that the annotated audit holds against the model.
        hidden: largest precision at 10 of a supported hidden slice; None where there is none.
        property_accused: whether the hidden audit holds a property of the pictures against the model.
        any_finding: largest precision at 10 of whatever the hidden audit supports.
        domino: largest precision at 10 of Domino's five slices: somebody who knows chooses.
        domino_first: that of its first slice.
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
    hidden: float | None
    property_accused: bool
    any_finding: float | None
    domino: float
    domino_first: float
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
    # Whatever is said of the coin and the card is wrong, if only of their maps.
    said = {name for one in accusations(told.findings, OF_DATA) for name in one.attributes}
    innocent = sorted(said & set(INNOCENT))
    pieces = list(_pieces(told))
    generator = np.random.default_rng([seed, 11])
    coin = generator.random(len(case.label)) < 0.5
    ranked = _domino(case)
    scores = [_spurious(case, by_index) for by_index in (False, True)]
    return Record(
        pool=pool_name,
        shortcut=shortcut.name,
        strength=strength,
        seed=seed,
        accuracy=float(1 - case.failure.mean()),
        gap=case.gap,
        fall=case.fall,
        named=any(set(one.attributes) == {ATTRIBUTE} for one in named),
        first=any(one.first and ATTRIBUTE in one.attributes for one in named),
        confirmed=any(
            piece["verdict"] == "confirmed" and set(piece["slice"]["attributes"]) == {ATTRIBUTE}
            for piece in pieces
        ),
        placed=_placed(shortcut, pieces),
        accused=tuple(innocent),
        hidden=_best(untold, case, ("hidden-slices",)),
        property_accused=bool(list(accusations(untold.findings))),
        any_finding=_best(untold, case, ("hidden-slices", "image-properties")),
        domino=max(ranked),
        domino_first=ranked[0],
        threshold=peers.below_threshold(case.failure, case.carries),
        threshold_accused=any(
            peers.below_threshold(case.failure, inside) for inside in (coin, ~coin)
        ),
        spurious=scores[0],
        spurious_by_index=scores[1],
        seconds=seconds,
    )


def _pieces(result: AuditResult) -> Iterator[Mapping[str, Any]]:
    """Every claim in the findings, the leading ones too, in one shape."""
    for finding in result.findings:
        yield {
            "check": finding.check,
            "verdict": finding.verdict,
            "slice": finding.slice.model_dump(),
            "samples": finding.samples,
            **finding.evidence,
        }
        yield from finding.evidence.get("pieces", ())


def _holds(piece: Mapping[str, Any]) -> bool:
    return str(piece["verdict"]) in {"supported", "confirmed"}


def _placed(shortcut: Shortcut, pieces: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether a map or an intervention that holds points at the planted region."""
    if shortcut.box is None and not shortcut.frame:
        return None
    return any(
        _region_hits(shortcut, piece) or _map_hits(shortcut, piece)
        for piece in pieces
        if _holds(piece) and ATTRIBUTE in piece["slice"]["attributes"]
    )


def _region_hits(shortcut: Shortcut, piece: Mapping[str, Any]) -> bool:
    """Half of what was planted lies in the region, or it is the frame (or a window at the edge)."""
    if piece["check"] != "region-reliance":
        return False
    x0, y0, x1, y1 = piece["box"]
    if shortcut.box is None:
        return bool(piece["outside_of_box"]) or min(x0, y0) == 0 or max(x1, y1) == 1
    if piece["outside_of_box"]:
        return False
    a0, b0, a1, b1 = shortcut.box
    across, down = min(x1, a1) - max(x0, a0), min(y1, b1) - max(y0, b0)
    shared = max(across, 0.0) * max(down, 0.0)
    # A window smaller than the planted region has to lie in it.
    return bool(shared >= 0.5 * min((a1 - a0) * (b1 - b0), (x1 - x0) * (y1 - y0)))


def _map_hits(shortcut: Shortcut, piece: Mapping[str, Any]) -> bool:
    """The place of the map that gains most lies in what was planted, or next to it."""
    if piece["check"] != "attention-shift":
        return False
    gain = np.array(piece["difference"], dtype=np.float64)
    row, column = np.unravel_index(int(gain.argmax()), gain.shape)
    height, width = gain.shape
    if shortcut.box is None:
        return bool(row in {0, height - 1} or column in {0, width - 1})
    x0, y0, x1, y1 = shortcut.box
    x, y = (column + 0.5) / width, (row + 0.5) / height
    reach = 0.5 / min(height, width)
    return bool(x0 - reach <= x <= x1 + reach and y0 - reach <= y <= y1 + reach)


def _best(result: AuditResult, case: Case, checks: Sequence[str]) -> float | None:
    """Largest precision at 10 of the supported claims of some checks in the hidden audit."""
    found = []
    for piece in _pieces(result):
        if piece["check"] not in checks or not _holds(piece):
            continue
        names = piece.get("typical") or piece.get("samples") or ()
        rows = np.array([int(name.removesuffix(".png")) for name in names[:_TOP]], dtype=np.int64)
        if len(rows):
            found.append(max(float(inside[rows].mean()) for inside in case.slices))
    return max(found, default=None)


def _domino(case: Case) -> list[float]:
    """Precision at 10 of each of Domino's slices, as it ranks them."""
    search = np.zeros(len(case.label), dtype=bool)
    search[np.random.default_rng(case.seed).permutation(len(search))[: len(search) // 2]] = True
    ranked = peers.domino(case.features(), case.label, case.shares, search, seed=case.seed)
    return [max(float(inside[rows[:_TOP]].mean()) for inside in case.slices) for rows in ranked]


def _spurious(case: Case, by_index: bool) -> float:
    """Smallest score over the numeric properties of the training pictures."""
    values = [properties.measure(Image.fromarray(one), {})[0] for one in case.trained]
    names = ("brightness", "contrast", "sharpness", "colourfulness", "border_brightness")
    numbers = [np.array([getattr(one, name) for one in values]) for name in names]
    label: NDArray[np.int64] = case.trained_label
    varied = [one for one in numbers if one.std() > 0]
    return min(peers.spurious_score(one, label, by_index=by_index) for one in varied)


def summary(records: Sequence[Record]) -> str:
    """Tables by shortcut and the targets over all cases."""
    head = (
        "shortcut",
        "strength",
        "cases",
        "gap",
        "fall",
        "named",
        "first",
        "confirmed",
        "placed",
        "hidden slice",
        "any finding",
        "Domino",
        "threshold",
    )
    groups: dict[tuple[str, float], list[Record]] = {}
    for one in records:
        groups.setdefault((one.shortcut, one.strength), []).append(one)
    rows = [
        (
            name,
            strength,
            len(group),
            f"{np.mean([one.gap for one in group]):.0%}",
            f"{np.mean([one.fall for one in group]):.0%}",
            *(
                f"{sum(bool(value) for value in values)}/{len(values)}"
                for values in (
                    [one.named for one in group],
                    [one.first for one in group],
                    [one.confirmed for one in group],
                    [one.placed for one in group if one.placed is not None],
                    [(one.hidden or 0) >= _PRECISE for one in group],
                    [(one.any_finding or 0) >= _PRECISE for one in group],
                    [one.domino >= _PRECISE for one in group],
                    [one.threshold for one in group],
                )
            ),
        )
        for (name, strength), group in sorted(groups.items())
    ]
    return (
        table(head, rows)
        + "\n\n"
        + table(("over all cases", "share", "of"), list(_targets(records)))
    )


def _targets(records: Sequence[Record]) -> Iterator[tuple[str, str, str]]:
    large = [one for one in records if one.gap >= LARGE]
    used = [one for one in records if one.fall >= USED and one.gap >= LARGE]
    unused = [one for one in records if abs(one.fall) <= UNUSED and one.strength == 0]
    in_place = [one for one in used if one.placed is not None]
    whole = [one for one in used if one.placed is None]
    clean = [one for one in records if one.strength == 0]
    questions: list[tuple[str, list[bool]]] = [
        ("annotated, gap of 10 points: named", [o.named for o in records if o.gap >= 0.1]),
        ("annotated, gap of 10 points: named first", [o.first for o in records if o.gap >= 0.1]),
        ("region planted and used: pointed at", [bool(o.placed) for o in in_place]),
        ("region planted and used: confirmed", [o.confirmed for o in in_place]),
        ("used, of the whole picture: confirmed", [o.confirmed for o in whole]),
        ("not used: confirmed", [o.confirmed for o in unused]),
        ("not used: held against the model", [o.named for o in unused]),
        ("any strength: an innocent attribute accused", [bool(o.accused) for o in records]),
        ("clean: a hidden slice supported", [o.hidden is not None for o in clean]),
        ("clean: a property of the pictures accused", [o.property_accused for o in clean]),
        ("hidden, gap of 20 points: hidden slice", [(o.hidden or 0) >= _PRECISE for o in large]),
        (
            "hidden, gap of 20 points: hidden slice or property",
            [(o.any_finding or 0) >= _PRECISE for o in large],
        ),
        ("hidden, gap of 20 points: Domino's best of five", [o.domino >= _PRECISE for o in large]),
        ("hidden, gap of 20 points: Domino's first", [o.domino_first >= _PRECISE for o in large]),
        ("group accuracy below a threshold: innocent coin", [o.threshold_accused for o in records]),
        ("gap of 20 points: cleanlab's score, mended", [o.spurious < 0.3 for o in large]),
        ("gap of 20 points: cleanlab's score as it is", [o.spurious_by_index < 0.3 for o in large]),
        ("clean: cleanlab's score, mended", [o.spurious < 0.3 for o in clean]),
        ("clean: cleanlab's score as it is", [o.spurious_by_index < 0.3 for o in clean]),
    ]
    for question, answers in questions:
        if answers:
            yield question, shown(exact(sum(answers), len(answers))), str(len(answers))


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
