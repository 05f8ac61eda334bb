"""What a comparison shows, as plain data and words: view first, then the template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from auditor.comparison.records import (
    Comparison,
    Difference,
    FindingChange,
    FindingStatus,
    SliceChange,
    Turn,
)
from auditor.imaging.location import locate_evidence
from auditor.records import AuditResult, Estimate, MapRecord, SliceKey
from auditor.report import words
from auditor.report.image_data import data_uri, shrink
from auditor.report.view.map_files import MapFiles, Row, heat
from auditor.run_folder import RunFolder

SHOWN_TURNS = 24
"""Samples of each side whose images are inside the page."""
LISTED_TURNS = 200
LISTED_SLICES = 60
"""Rows of a table; the rest is counted, and is in ``comparison.json``."""
POINTS = 5
"""How many of the things that weigh most are told first."""
EDGE = 192
"""Longest side of an embedded image, in pixels."""
_MAP = ("overlay", "cam", "cam_height", "cam_width")

STATUS: Mapping[FindingStatus, str] = {
    "new": "New",
    "graver": "Graver than before",
    "stayed": "Still there",
    "milder": "Milder than before",
    "gone": "Gone",
}
STATUS_MEANING: Mapping[FindingStatus, str] = {
    "new": "only the later audit has them",
    "graver": "in both audits, of higher severity now",
    "stayed": "in both audits, of the same severity",
    "milder": "in both audits, of lower severity now",
    "gone": "only the earlier audit has them; that the later one does not is no proof of a cure",
}


@dataclass(frozen=True)
class Headline:
    """The outcome in words.

    Attributes:
        state: ``blocked``, ``passes`` or ``none``; for style.
        text: a few words.
        reason: a sentence or two.
    """

    state: str
    text: str
    reason: str


@dataclass(frozen=True)
class Point:
    """One of the things that weigh most.

    Attributes:
        mark: a shape, so that colour never carries meaning alone.
        kind: ``alert``, ``good`` or ``note``; for style.
        tag: what it is, in a word or two.
        text: one sentence.
        href: where it is told in full.
    """

    mark: str
    kind: str
    tag: str
    text: str
    href: str


@dataclass(frozen=True)
class Pane:
    """An image or a map.

    Attributes:
        source: its ``data:`` address.
        title: what it is.
        text: of which class; empty for the image itself.
        alt: what can be seen, in words.
    """

    source: str
    title: str
    text: str
    alt: str


@dataclass(frozen=True)
class TurnView:
    """A sample that changed sides, with what there is to see of it.

    Attributes:
        turn: the sample.
        panes: the image first; empty where neither run drew it.
    """

    turn: Turn
    panes: tuple[Pane, ...]


@dataclass(frozen=True)
class Turns:
    """The samples that turned one way.

    Attributes:
        shown: with images.
        listed: without, as rows.
        omitted: how many more are in ``comparison.json``.
    """

    shown: tuple[TurnView, ...]
    listed: tuple[Turn, ...]
    omitted: int

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.shown) + len(self.listed) + self.omitted


@dataclass(frozen=True)
class ComparisonView:
    """Everything that a comparison shows.

    Attributes:
        comparison: the numbers.
        headline: the outcome.
        points: what weighs most, at most five.
        changed: slices that became worse or better beyond chance.
        unclear: tested slices that did not, the largest rise first, without those of no change.
        scale: the largest limit of an interval among both, for their drawing; above 0.
        omitted: slices that are in ``comparison.json`` only, or untested.
        n_untested: slices with too few pairs.
        findings: by status, without the empty ones.
        broken: right before, wrong after.
        fixed: wrong before, right after.
        differences: what is not the same in both runs, as texts.
    """

    comparison: Comparison
    headline: Headline
    points: tuple[Point, ...]
    changed: tuple[SliceChange, ...]
    unclear: tuple[SliceChange, ...]
    scale: float
    omitted: int
    n_untested: int
    findings: tuple[tuple[FindingStatus, tuple[FindingChange, ...]], ...]
    broken: Turns
    fixed: Turns
    differences: tuple[tuple[str, str, str], ...]


def build_view(comparison: Comparison, before: RunFolder, after: RunFolder) -> ComparisonView:
    """Adds words and images to a comparison.

    Args:
        comparison: of these two runs.
        before: the earlier run.
        after: the later run.

    Raises:
        DataError: a run lacks images that its result refers to.
    """
    shelf = _Shelf.of(before, after)
    changed = [one for one in comparison.slices if one.direction in {"worse", "better"}]
    unclear = [one for one in comparison.slices if one.direction == "unclear"]
    moving = [one for one in unclear if one.broken or one.fixed]
    shown = (changed[:LISTED_SLICES], moving[:LISTED_SLICES])
    drawn = [comparison.overall, *shown[0], *shown[1]]
    n_untested = sum(one.direction == "untested" for one in comparison.slices)
    return ComparisonView(
        comparison=comparison,
        headline=headline(comparison),
        points=tuple(_points(comparison))[:POINTS],
        changed=tuple(shown[0]),
        unclear=tuple(shown[1]),
        scale=max(max(abs(one.change.low), abs(one.change.high)) for one in drawn) or 1.0,
        omitted=len(comparison.slices) - len(shown[0]) - len(shown[1]) - n_untested,
        n_untested=n_untested,
        findings=tuple(
            (status, found)
            for status in STATUS
            if (found := tuple(one for one in comparison.findings if one.status == status))
        ),
        broken=shelf.turns(comparison.broken),
        fixed=shelf.turns(comparison.fixed),
        differences=tuple(_difference(one) for one in comparison.differences),
    )


def headline(comparison: Comparison) -> Headline:
    """The outcome, without claiming more than was tested."""
    whole, blocking = comparison.overall, comparison.blocking
    n = len(blocking) - (1 if whole.blocks else 0)
    numbers = f"Overall, the error rate on the same samples {moved(whole.change)}."
    if blocking:
        parts = (["on the whole"] if whole.blocks else []) + (
            [f"in {n} slice{'s' if n > 1 else ''}"] if n else []
        )
        return Headline("blocked", f"Worse {' and '.join(parts)}", numbers)
    hidden = (
        f"{numbers} A rise of up to {_points_of(max(whole.change.high, 0.0))} points can't be ruled "
        "out."
    )
    if not (whole.broken or whole.fixed):
        return Headline("none", "No sample changed sides", hidden)
    if whole.direction == "better":
        return Headline("passes", "Better on the whole", numbers)
    better = sum(one.direction == "better" for one in comparison.slices)
    if better:
        text = f"Better in {better} slice{'s' if better > 1 else ''}, worse in none"
        return Headline("passes", text, hidden)
    if whole.direction == "worse":
        return Headline("none", "Worse, within what was called acceptable", numbers)
    return Headline("none", "No change beyond chance", hidden)


def summary(comparison: Comparison) -> str:
    """The outcome as a few lines for a terminal."""
    told, whole = headline(comparison), comparison.overall
    before, after = (
        words.percent(side.paired_accuracy.value, 1)
        for side in (comparison.before, comparison.after)
    )
    statuses = Counter(one.status for one in comparison.findings)
    found = ", ".join(f"{n} {status}" for status, n in statuses.items()) or "none"
    lines = [
        f"{told.text}. {told.reason}",
        f"accuracy {before} → {after} on {words.count(whole.support)} samples",
        f"{words.count(whole.broken)} broken, {words.count(whole.fixed)} fixed; findings: {found}",
        *(f"  {one.mark} {one.tag}: {one.text}" for one in list(_points(comparison))[:POINTS]),
        *(f"look: {remark}" for remark in comparison.remarks),
    ]
    return "\n".join(lines)


def moved(change: Estimate) -> str:
    """A change of an error rate in words, such as ``fell by 2.1 points (95 % interval …)``."""
    if change.value == 0:
        verb = "did not change"
    else:
        size = _points_of(abs(change.value))
        verb = (
            f"{'rose' if change.value > 0 else 'fell'} by {size} point{'' if size == '1' else 's'}"
        )
    return f"{verb} (95\u202f% interval {signed(change.low)} to {signed(change.high)})"


def signed(change: float) -> str:
    """A change in percentage points with its sign, one decimal below ten: ``+2.5``."""
    text = _points_of(abs(change))
    return text if text == "0" else f"{'+' if change > 0 else '−'}{text}"


def name_of(key: SliceKey) -> str:
    """A slice as a table names it: ``cell mono · functional``."""
    attributes = ", ".join(f"{name} {value}" for name, value in key.attributes.items())
    label = key.label if attributes or key.label is None else f"label {key.label}"
    predicted = None if key.predicted is None else f"predicted {key.predicted}"
    return " · ".join(part for part in (attributes, label, predicted) if part) or "all samples"


def _points_of(share: float) -> str:
    text = f"{100 * share:.1f}" if share < 0.0995 else f"{100 * share:.0f}"
    return text.removesuffix(".0")


def _points(comparison: Comparison) -> Iterable[Point]:
    for one in comparison.blocking[:3]:  # what else weighs shall be seen beside them
        yield Point("■", "alert", "Worse", _sentence(one), "#slices")
    for finding in comparison.findings:
        if finding.status in {"new", "graver"} and finding.after is not None:
            serious = finding.after.severity == "alert"
            tag = f"{STATUS[finding.status].split()[0]} {finding.after.severity}"
            yield Point(
                "■" if serious else "◆",
                finding.after.severity,
                tag,
                finding.after.title,
                "#findings",
            )
    for one in (comparison.overall, *comparison.slices):
        if one.direction == "better":
            yield Point("▼", "good", "Better", _sentence(one), "#slices")
    for finding in comparison.findings:
        if finding.status == "gone" and finding.before is not None and finding.caution is None:
            tag = f"Gone {finding.before.severity}"
            yield Point("○", "note", tag, finding.before.title, "#findings")


def _sentence(one: SliceChange) -> str:
    return (
        f"{name_of(one.slice)}: the error rate {moved(one.change)}, {words.count(one.broken)} broken "
        f"and {words.count(one.fixed)} fixed of {words.count(one.support)}."
    )


def _difference(one: Difference) -> tuple[str, str, str]:
    return one.place, words.value(one.before), words.value(one.after)


@dataclass(frozen=True)
class _Shelf:
    """What both runs drew, by sample."""

    albums: tuple[MapFiles, MapFiles]
    maps: tuple[Mapping[str, list[MapRecord]], Mapping[str, list[MapRecord]]]

    @classmethod
    def of(cls, before: RunFolder, after: RunFolder) -> _Shelf:
        one, two = (_by_sample(run.read_result()) for run in (before, after))
        return cls((MapFiles(before.path), MapFiles(after.path)), (one, two))

    def turns(self, turns: list[Turn]) -> Turns:
        """The first ones that a run drew with their images, the others as rows."""
        drawn = [one for one in turns if any(one.sample in side for side in self.maps)]
        drawn = drawn[:SHOWN_TURNS]
        chosen = [self._chosen(one.sample) for one in drawn]
        rows: tuple[dict[str, Row], ...] = ({}, {})
        for place, album in enumerate(self.albums):
            mine = [record for maps in chosen for side, record in maps if side == place]
            rows[place].update(album.rows((one.image for one in mine), ("image",)))
            rows[place].update(album.rows((one.map for one in mine), _MAP))
        names = {one.sample for one in drawn}
        rest = [one for one in turns if one.sample not in names]
        return Turns(
            shown=tuple(
                TurnView(one, tuple(_panes(one, maps, rows)))
                for one, maps in zip(drawn, chosen, strict=True)
            ),
            listed=tuple(rest[:LISTED_TURNS]),
            omitted=max(0, len(rest) - LISTED_TURNS),
        )

    def _chosen(self, sample: str) -> list[tuple[int, MapRecord]]:
        """What each model was led by; where only one run drew the sample, its two classes."""
        sides = [
            (place, sorted(side[sample], key=lambda one: one.role != "predicted"))
            for place, side in enumerate(self.maps)
            if sample in side
        ]
        most = 1 if len(sides) > 1 else 2
        return [(place, record) for place, records in sides for record in records[:most]]


def _panes(
    turn: Turn, chosen: list[tuple[int, MapRecord]], rows: tuple[dict[str, Row], ...]
) -> Iterator[Pane]:
    place, record = chosen[0]
    image = rows[place][record.image]["image"]
    alt = f"Sample {turn.sample}, label {turn.label}."
    yield Pane(data_uri(shrink(image, EDGE)), "DecodedImage", "", alt)
    for place, record in chosen:
        row = rows[place][record.map]
        if row["overlay"] is None:
            continue
        values = heat(row)
        where = "" if values is None else f": the evidence {locate_evidence(values).words}"
        when = ("Before", "After")[place]
        role = "predicted" if record.role == "predicted" else "the label"
        yield Pane(
            data_uri(shrink(row["overlay"], EDGE)),
            f"{when}: Grad-CAM",
            f"for {record.target} ({role})",
            f"Grad-CAM {when.lower()} for {record.target} ({role}){where}.",
        )


def _by_sample(result: AuditResult) -> dict[str, list[MapRecord]]:
    found: dict[str, list[MapRecord]] = {}
    for record in (*result.explanations.failures, *result.explanations.contrasts):
        found.setdefault(record.sample, []).append(record)
    return found
