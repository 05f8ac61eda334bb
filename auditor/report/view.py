"""What a report shows, as plain data: view first, then the template.

``build_view`` reads a finished run folder once; every renderer starts from its ``ReportView``, so
that the documents of a run can't contradict each other. Pictures stay in the run folder and are
named by reference.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import yaml

from auditor.config import JudgeSection
from auditor.properties import PREFIX
from auditor.records import (
    MISSING,
    SEVERITIES,
    AuditResult,
    ClassRecord,
    Effect,
    Estimate,
    ExplanationsRecord,
    Finding,
    MapRecord,
    PanelRecord,
    Role,
    Severity,
    SliceRecord,
    Summary,
    Unusable,
    Verdict,
)
from auditor.report import compliance, trust, words
from auditor.report.album import Album, heat
from auditor.report.evidence import Whereabouts, whereabouts
from auditor.store import PREDICTIONS, RunFolder

FINDING_SHOTS = 6
"""Samples shown with their maps below a finding."""
FINDING_CONTRASTS = 3
"""Correct samples shown beside them."""
PANELS = 4
"""Pictures shown beside an edge detector's."""

_OWN_COLUMNS = {
    *("sample", "path", "label", "predicted", "confidence", "loss", "status", "sha256", "phash")
}


@dataclass(frozen=True)
class MapView:
    """One explained target of a sample.

    Attributes:
        target: the class explained.
        role: whether it is the predicted class or the label.
        reference: where its pictures lie.
        mass: sum of the unnormalised Grad-CAM.
        where: where its evidence lies, in words.
    """

    target: str
    role: Role
    reference: str
    mass: float
    where: Whereabouts


@dataclass(frozen=True)
class Shot:
    """One sample with its picture and maps.

    Attributes:
        anchor: its address in the document, the same in every report on this sample.
        sample: its id.
        path: its file.
        label: its class.
        predicted: what the model said.
        confidence: how sure, 0 to 1.
        loss: cross-entropy.
        attributes: names and values, in the order of the data.
        image: reference of the picture as the network saw it.
        maps: its maps by role.
        findings: anchors of the findings that name it.
        verdicts: their verdicts, each once.
        failure: whether it is misclassified.
    """

    anchor: str
    sample: str
    path: str
    label: str
    predicted: str
    confidence: float
    loss: float
    attributes: tuple[tuple[str, str], ...]
    image: str
    maps: tuple[MapView, ...]
    findings: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    failure: bool

    def map(self, role: Role) -> MapView | None:
        """The map of that role, or None where it was not explained."""
        return next((one for one in self.maps if one.role == role), None)


@dataclass(frozen=True)
class MeanView:
    """The mean Grad-CAM of an attribute value within a class."""

    attribute: str
    value: str
    label: str
    n: int
    reference: str
    where: Whereabouts


@dataclass(frozen=True)
class Table:
    """A small table of texts."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Piece:
    """A smaller claim that says the same as its finding."""

    title: str
    effect: str
    q_value: float | None
    support: int


@dataclass(frozen=True)
class FindingView:
    """One finding with everything that is shown for it.

    Attributes:
        number: its place in the report, from 1.
        anchor: its address in the document.
        record: the finding as it stands in ``audit.json``.
        blocks: whether it reaches the gate's severity.
        attributes: the attributes that it concerns.
        shots: explained samples that it names, the most telling first.
        contrasts: correct samples of the same slice.
        means: mean maps of the attributes that it concerns.
        pieces: smaller claims that say the same.
        numbers: its scalar evidence, names and values in words.
        tables: its tabular evidence by name.
        cells: slices of one of its attributes (by label where they exist), for its chart.
        limit: the effect from which on it matters, where it is stated.
    """

    number: int
    anchor: str
    record: Finding
    blocks: bool
    attributes: tuple[str, ...]
    shots: tuple[Shot, ...]
    contrasts: tuple[Shot, ...]
    means: tuple[MeanView, ...]
    pieces: tuple[Piece, ...]
    numbers: tuple[tuple[str, str], ...]
    tables: tuple[tuple[str, Table], ...]
    cells: tuple[SliceRecord, ...]
    limit: float | None


@dataclass(frozen=True)
class Confusion:
    """How often each class was called what.

    Attributes:
        classes: names in index order.
        counts: (label, predicted) → how many, all cells, ``classes`` by ``classes``.
        supports: samples of each label.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    supports: tuple[int, ...]


@dataclass(frozen=True)
class ReportView:
    """Everything that a report shows.

    Attributes:
        name: the audit's name.
        run_id: the audit's id.
        date: when, in words.
        created: when, in ISO 8601.
        auditor_version: of the program that made it.
        verdict: the gate's outcome in words.
        summary: the audit in eight numbers.
        findings: the gravest first.
        counts: how many findings of each severity.
        classes: recall and precision.
        confusion: the confusion matrix.
        slices: every slice.
        untested: slices that were too small to test.
        attributes: names of the attributes.
        failures: the explained failures, ranked by loss.
        explanations: explainer, preflight, sanity; without the lists of maps.
        trust: what the audit's own measures say of the maps.
        trusted: the same in a sentence or two; empty where nothing was measured.
        panels: pictures beside an edge detector, which knows no network.
        means: every mean map.
        skipped: what was not checked, and why.
        unusable: samples that could not be evaluated.
        tested: what was tested and how corrected, in a sentence.
        tests: the same in numbers, names and values.
        provenance: groups of names and values.
        config: the configuration as YAML.
        max_gap: the largest acceptable gap, where the configuration or a finding states it.
        alpha: false discovery rate of the audit.
        about: what people stated of the model and its data; an empty text where it is missing.
        compliance: clauses of rules and what this audit has to show for them.
        templates: folder of the reader's own templates, where the configuration names one.
    """

    name: str
    run_id: str
    date: str
    created: str
    auditor_version: str
    verdict: words.VerdictWords
    summary: Summary
    findings: tuple[FindingView, ...]
    counts: tuple[tuple[Severity, int], ...]
    classes: tuple[ClassRecord, ...]
    confusion: Confusion
    slices: tuple[SliceRecord, ...]
    untested: tuple[SliceRecord, ...]
    attributes: tuple[str, ...]
    failures: tuple[Shot, ...]
    explanations: ExplanationsRecord
    trust: tuple[trust.Measure, ...]
    trusted: str
    panels: tuple[PanelRecord, ...]
    means: tuple[MeanView, ...]
    skipped: tuple[tuple[str, str], ...]
    unusable: tuple[Unusable, ...]
    tested: str
    tests: tuple[tuple[str, str], ...]
    provenance: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    config: str
    max_gap: float | None
    alpha: float
    about: tuple[tuple[str, str], ...]
    compliance: tuple[compliance.Mapped, ...]
    templates: str | None

    @property
    def accuracy(self) -> Estimate | None:
        """Share of correct predictions; None when no sample could be evaluated."""
        return self.summary.accuracy


def build_view(run: RunFolder) -> ReportView:
    """Reads a finished run.

    Args:
        run: its folder, with ``audit.json``, ``predictions.parquet`` and ``explanations/``.

    Returns:
        Everything that a report shows.

    Raises:
        DataError: the folder holds no result of this version, or lacks a file that it refers to.
    """
    result = run.read_result()
    album = Album(run.path)
    samples, attributes, confusion = _samples(run, result)
    ordered = sorted(result.findings, key=lambda one: -SEVERITIES.index(one.severity))
    naming: dict[str, list[Finding]] = defaultdict(list)
    for finding in ordered:
        for sample in finding.samples:
            naming[sample].append(finding)
    failures = _shots(album, result.explanations.failures, samples, attributes, naming)
    contrasts = _shots(album, result.explanations.contrasts, samples, attributes, naming)
    means = _means(album, result)
    blocking = {one.id for one in result.blocking}
    max_gap = _max_gap(result)
    findings = tuple(
        _finding(
            number, one, one.id in blocking, result, attributes, failures, contrasts, means, max_gap
        )
        for number, one in enumerate(ordered, start=1)
    )
    return ReportView(
        name=result.run.name,
        run_id=result.run.id,
        date=words.date(result.run.created_at),
        created=result.run.created_at.isoformat(),
        auditor_version=result.run.auditor_version,
        verdict=words.verdict(result),
        summary=result.summary,
        findings=findings,
        counts=tuple(
            (severity, sum(one.severity == severity for one in ordered))
            for severity in reversed(SEVERITIES)
        ),
        classes=tuple(result.classes),
        confusion=confusion,
        slices=tuple(result.slices),
        untested=tuple(one for one in result.slices if one.gap is None),
        attributes=attributes,
        failures=tuple(sorted(failures, key=lambda one: (-one.loss, one.sample))),
        explanations=result.explanations.model_copy(
            update={"failures": [], "contrasts": [], "means": []}
        ),
        trust=trust.measures(result.explanations.sanity),
        trusted=trust.sentence(result.explanations.sanity),
        panels=tuple(result.explanations.panels[:PANELS]),
        means=means,
        skipped=tuple((one.check, one.reason) for one in result.skipped),
        unusable=tuple(result.unusable),
        tested=words.tests(result.tests),
        tests=_pairs(result.tests),
        provenance=_provenance(result),
        config=yaml.safe_dump(result.provenance.config, sort_keys=False, allow_unicode=True),
        max_gap=max_gap,
        alpha=_alpha(result),
        about=compliance.about(result),
        compliance=compliance.mapped(
            result, {one.id: _anchor("finding", one.id) for one in result.findings}
        ),
        templates=_templates(result),
    )


def _samples(
    run: RunFolder, result: AuditResult
) -> tuple[pd.DataFrame, tuple[str, ...], Confusion]:
    path = run.path / PREDICTIONS
    names = pq.read_schema(path).names
    attributes = tuple(
        name for name in names if name not in _OWN_COLUMNS and not name.startswith(("p:", PREFIX))
    )
    table = pd.read_parquet(path, columns=[*sorted(_OWN_COLUMNS & set(names)), *attributes])
    good = table[table["status"] == "ok"]
    classes = tuple(one.name for one in result.classes)
    tallied = good.groupby(["label", "predicted"], observed=True, as_index=False).size()
    counts = {
        (str(row["label"]), str(row["predicted"])): int(row["size"])
        for row in tallied.to_dict("records")
    }
    grid = tuple(tuple(counts.get((one, other), 0) for other in classes) for one in classes)
    shown = {one.sample for one in result.explanations.failures} | {
        one.sample for one in result.explanations.contrasts
    }
    kept = good[good["sample"].isin(shown)].set_index("sample")
    return kept, attributes, Confusion(classes, grid, tuple(sum(row) for row in grid))


def _shots(
    album: Album,
    records: Sequence[MapRecord],
    samples: pd.DataFrame,
    attributes: tuple[str, ...],
    naming: Mapping[str, list[Finding]],
) -> list[Shot]:
    by_sample: dict[str, list[MapRecord]] = defaultdict(list)
    for record in records:
        by_sample[record.sample].append(record)
    cams = album.rows((record.map for record in records), ("cam", "cam_height", "cam_width"))
    rows: dict[Hashable, dict[Hashable, Any]] = samples.loc[list(by_sample)].to_dict("index")
    shots = []
    for sample, maps in by_sample.items():
        row = rows[sample]
        shots.append(
            Shot(
                anchor=_anchor("sample", sample),
                sample=sample,
                path=str(row["path"]),
                label=str(row["label"]),
                predicted=str(row["predicted"]),
                confidence=float(row["confidence"]),
                loss=float(row["loss"]),
                attributes=tuple((name, _value(row[name])) for name in attributes),
                image=maps[0].image,
                maps=tuple(
                    MapView(one.target, one.role, one.map, one.mass, _where(cams[one.map]))
                    for one in maps
                ),
                findings=tuple(_anchor("finding", one.id) for one in naming.get(sample, ())),
                verdicts=tuple(sorted({one.verdict for one in naming.get(sample, ())})),
                failure=row["label"] != row["predicted"],
            )
        )
    return shots


def _where(row: Mapping[str, Any]) -> Whereabouts:
    values = heat(row)
    return Whereabouts(0.0, "", "was not computed") if values is None else whereabouts(values)


def _means(album: Album, result: AuditResult) -> tuple[MeanView, ...]:
    records = result.explanations.means
    rows = album.rows((one.map for one in records), ("cam", "cam_height", "cam_width"))
    return tuple(
        MeanView(one.attribute, one.value, one.label, one.n, one.map, _where(rows[one.map]))
        for one in records
    )


def _finding(
    number: int,
    record: Finding,
    blocks: bool,
    result: AuditResult,
    attributes: tuple[str, ...],
    failures: Iterable[Shot],
    contrasts: Iterable[Shot],
    means: Iterable[MeanView],
    max_gap: float | None,
) -> FindingView:
    named = {*record.slice.attributes, *_named(record.evidence)}
    cut = (name for one in result.slices for name in one.attributes)
    concerned = tuple(name for name in dict.fromkeys((*attributes, *cut)) if name in named)
    by_sample = {one.sample: one for one in (*contrasts, *failures)}
    shown = [by_sample[one] for one in record.samples if one in by_sample][:FINDING_SHOTS]
    others = [one for one in contrasts if one not in shown]
    limit = record.evidence.get("limit")
    if not isinstance(limit, int | float):
        limit = max_gap if record.check == "performance-gap" else None
    return FindingView(
        number=number,
        anchor=_anchor("finding", record.id),
        record=record,
        blocks=blocks,
        attributes=concerned,
        shots=tuple(shown),
        contrasts=_contrasts(record, others)[:FINDING_CONTRASTS],
        means=tuple(one for one in means if one.attribute in concerned),
        pieces=tuple(_pieces(record.evidence)),
        numbers=_pairs({k: v for k, v in record.evidence.items() if not _is_table(v)}),
        tables=tuple(_tables(record.evidence)),
        cells=_cells(result.slices, concerned),
        limit=None if limit is None else float(limit),
    )


def _cells(slices: Sequence[SliceRecord], concerned: Sequence[str]) -> tuple[SliceRecord, ...]:
    """Slices of one of these attributes within each label, or overall where there are no such."""
    mine = [
        one
        for one in slices
        if len(one.attributes) == 1 and next(iter(one.attributes)) in concerned
    ]
    return tuple([one for one in mine if one.label is not None] or mine)


def _contrasts(record: Finding, contrasts: Iterable[Shot]) -> tuple[Shot, ...]:
    """Correct samples that share the finding's attribute values, and its label where they can."""
    wanted = set(record.slice.attributes.items())
    if not wanted and record.slice.label is None:
        return ()
    same = [one for one in contrasts if wanted <= set(one.attributes)]
    of_label = [one for one in same if one.label == record.slice.label]
    return tuple(of_label or same)


def _named(evidence: Mapping[str, Any]) -> set[str]:
    """Attributes that a check names in its evidence beside those of its slice."""
    one, many = evidence.get("attribute"), evidence.get("attributes")
    return {str(one)} - {"None"} | {str(each) for each in many or () if isinstance(many, list)}


def _pieces(evidence: Mapping[str, Any]) -> Iterable[Piece]:
    """The claims that the judge gathered under a finding."""
    for one in evidence.get("pieces", ()):
        effect = one.get("effect")
        yield Piece(
            str(one.get("title", "")),
            "–" if effect is None else words.effect(Effect.model_validate(effect)),
            one.get("q_value"),
            int(one.get("support", 0)),
        )


def _is_table(value: Any) -> bool:
    if isinstance(value, dict):
        return not {"value", "low", "high"} <= value.keys()
    return isinstance(value, list)


def _tables(evidence: Mapping[str, Any]) -> Iterable[tuple[str, Table]]:
    for name, value in evidence.items():
        if name == "pieces":
            continue
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            columns = tuple(dict.fromkeys(str(key) for row in value for key in row))
            rows = tuple(tuple(words.value(row.get(column)) for column in columns) for row in value)
            yield words.phrase(name), Table(tuple(map(words.phrase, columns)), rows)
        elif isinstance(value, list) and value:
            yield words.phrase(name), Table(("",), ((words.value(value),),))
        elif isinstance(value, dict) and value and _is_table(value):
            yield (
                words.phrase(name),
                Table(("", ""), tuple((str(k), words.value(v)) for k, v in value.items())),
            )


def _pairs(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((words.phrase(name), words.value(value)) for name, value in values.items())


def _provenance(
    result: AuditResult,
) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    source = result.provenance
    run = {
        "run": result.run.id,
        "started": words.date(result.run.created_at),
        "auditor": result.run.auditor_version,
        "seed": source.seed,
    }
    groups: dict[str, Mapping[str, Any]] = {
        "Audit": run,
        "Model": source.model.model_dump(),
        "Data": source.data.model_dump(),
        "Preprocessing": source.preprocess,
        "Environment": source.environment,
        "Seconds spent": source.seconds,
    }
    return tuple((name, _pairs(values)) for name, values in groups.items() if values)


def _max_gap(result: AuditResult) -> float | None:
    checks = result.provenance.config.get("checks")
    options = checks.get("performance-gap") if isinstance(checks, dict) else None
    stated = options.get("max_gap") if isinstance(options, dict) else None
    if not isinstance(stated, int | float):
        claims = [one.model_dump() for one in result.findings]
        claims += [piece for one in result.findings for piece in one.evidence.get("pieces", ())]
        limits = (
            one.get("limit", one.get("evidence", {}).get("limit"))
            for one in claims
            if one.get("check") == "performance-gap"
        )
        stated = next((one for one in limits if isinstance(one, int | float)), None)
    return None if stated is None else float(stated)


def _alpha(result: AuditResult) -> float:
    stated = result.tests.get("alpha")
    return float(stated) if isinstance(stated, int | float) else JudgeSection().alpha


def _templates(result: AuditResult) -> str | None:
    section = result.provenance.config.get("report")
    stated = section.get("templates") if isinstance(section, dict) else None
    return None if stated is None else str(stated)


def _value(cell: Any) -> str:
    return MISSING if pd.isna(cell) else words.value(cell)


def _anchor(kind: str, name: str) -> str:
    """An address that depends on nothing but the name, safe in a URL and in HTML."""
    return f"{kind}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"


__all__ = [
    "Confusion",
    "FindingView",
    "MapView",
    "MeanView",
    "ReportView",
    "Shot",
    "Table",
    "Verdict",
    "build_view",
]
