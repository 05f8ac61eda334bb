"""Images before and after interventions, contact sheets and a map of the failures of a synthetic run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from builders.synthetic_images import draw, jpeg
from builders.synthetic_plan import Plan
from numpy.random import Generator, default_rng

from auditor.records import (
    AuditResult,
    ClaimRecord,
    ContactSheet,
    EmbeddedFailure,
    ExampleRank,
    FailureMap,
    Finding,
    ImagePrediction,
    Intervention,
    InterventionExample,
    SheetImage,
)

_RANKS: tuple[ExampleRank, ...] = (
    "largest",
    "upper quartile",
    "median",
    "lower quartile",
    "smallest",
)
_FOR_MAP = 20


def with_changes(folder: Path, plan: Plan, result: AuditResult, good: pd.DataFrame) -> AuditResult:
    """A result whose interventions have examples, whose first slice has a contact sheet, and its map.

    Args:
        folder: of the run; receives the images.
        plan: of the run.
        result: without them.
        good: the evaluated samples.
    """
    rng = default_rng(3)
    failed = good[good.label != good.predicted]
    if len(failed) < len(_RANKS):
        return result
    examples = _examples(folder, plan, failed.head(len(_RANKS)), rng)
    findings = [_with_examples(one, examples) for one in result.findings]
    slices = [findings[0].slice]
    own = (good[plan.attributes[0]] == plan.levels[0][0]).to_numpy()
    shown = result.explanations.model_copy(
        update={
            "sheets": [_sheet(folder, plan, findings[0], good[own], rng)],
            "failure_map": None
            if len(failed) < _FOR_MAP
            else FailureMap(
                method="pca",
                n_failures=len(failed),
                explained=0.61,
                slices=slices,
                points=[
                    EmbeddedFailure(
                        sample=str(sample),
                        x=float(rng.normal(2.0 if value == plan.levels[0][0] else -2.0)),
                        y=float(rng.normal()),
                        slice=0 if value == plan.levels[0][0] else None,
                    )
                    for sample, value in list(
                        zip(failed["sample"], failed[plan.attributes[0]], strict=True)
                    )[:400]
                ],
            ),
        }
    )
    first, *others = result.tested
    part = next(
        part
        for claim in findings[0].supporting
        for part in claim.evidence
        if isinstance(part, Intervention)
    )
    return result.model_copy(
        update={
            "findings": findings,
            "explanations": shown,
            "tested": [first.model_copy(update={"intervention": part}), *others],
        }
    )


def _with_examples(finding: Finding, examples: tuple[InterventionExample, ...]) -> Finding:
    return finding.model_copy(
        update={"supporting": [_claim(one, examples) for one in finding.supporting]}
    )


def _claim(claim: ClaimRecord, examples: tuple[InterventionExample, ...]) -> ClaimRecord:
    parts = [
        part.model_copy(update={"examples": examples}) if isinstance(part, Intervention) else part
        for part in claim.evidence
    ]
    return claim.model_copy(update={"evidence": parts})


def _examples(
    folder: Path, plan: Plan, rows: pd.DataFrame, rng: Generator
) -> tuple[InterventionExample, ...]:
    images = _written(folder, "interventions", plan, 3 * len(_RANKS), rng)
    found = []
    for place, (rank, row) in enumerate(zip(_RANKS, rows.to_dict("records"), strict=True)):
        label, other = str(row["label"]), str(row["predicted"])
        before, worse, better = images[3 * place : 3 * place + 3]
        found.append(
            InterventionExample(
                sample=str(row["sample"]),
                label=label,
                rank=rank,
                change=0.8 - 0.2 * place,
                before=ImagePrediction(
                    predicted=other, confidence=0.7, label_probability=0.3, image=before
                ),
                after=(
                    ImagePrediction(
                        how="Region filled from an image with the value",
                        predicted=other,
                        confidence=0.9,
                        label_probability=0.1,
                        image=worse,
                    ),
                    ImagePrediction(
                        how="Region filled from another image",
                        predicted=label,
                        confidence=0.9 - 0.2 * place,
                        label_probability=0.9 - 0.2 * place,
                        image=better,
                    ),
                ),
            )
        )
    return tuple(found)


def _sheet(
    folder: Path, plan: Plan, finding: Finding, good: pd.DataFrame, rng: Generator
) -> ContactSheet:
    failed = good.label != good.predicted
    rows = pd.concat([good[failed].head(6), good[~failed].head(6)])
    return ContactSheet(
        slice=finding.slice,
        n_failures=int(failed.sum()),
        n_correct=int((~failed).sum()),
        images=[
            SheetImage(
                sample=str(row["sample"]),
                label=str(row["label"]),
                predicted=str(row["predicted"]),
                failure=row["label"] != row["predicted"],
                image=image,
            )
            for row, image in zip(
                rows.to_dict("records"),
                _written(folder, "sheets", plan, len(rows), rng),
                strict=True,
            )
        ],
    )


def _written(folder: Path, stem: str, plan: Plan, n: int, rng: Generator) -> list[str]:
    images = [
        jpeg(draw(rng, min(plan.side, 96), dark_corners=k % 2 == 0, crack=k % 3 == 0))
        for k in range(n)
    ]
    path = folder / "explanations" / f"{stem}-00000.parquet"
    pq.write_table(pa.table({"image": pa.array(images, pa.binary())}), path)
    return [f"explanations/{path.name}#{k}" for k in range(n)]
