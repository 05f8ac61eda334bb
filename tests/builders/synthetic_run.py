"""A finished run folder made of drawn images, for everything that reads one.

The classifier is made up: it predicts "defective" for mono cells because of their dark corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from builders.measured_columns import measured_columns
from builders.synthetic_changes import with_changes
from builders.synthetic_explanations import write_explanations
from builders.synthetic_findings import findings, tested
from builders.synthetic_metrics import curves, metrics, reliability
from builders.synthetic_plan import Plan, share
from numpy.typing import NDArray

from auditor.config import GateSection
from auditor.judging.outcome import decide
from auditor.manifest import write_manifest
from auditor.records import (
    AuditResult,
    ClassRecord,
    ConfusionPair,
    CriterionResult,
    DataFaults,
    DataProvenance,
    Estimate,
    ExplanationsRecord,
    FaultLabels,
    GatePower,
    LabelNoiseRecord,
    ModelProvenance,
    MultipleTestingRecord,
    Provenance,
    RunInfo,
    Skipped,
    SliceRecord,
    Summary,
    Unusable,
)
from auditor.records.predictions import OK, probability_column, usable_rows
from auditor.run_folder import RunFolder

__all__ = ["Plan", "build_run"]

_SLICED_LABELS = 2
"""Labels within which values are slices."""


def build_run(folder: Path, plan: Plan | None = None) -> RunFolder:
    """Writes a whole run folder.

    Args:
        folder: where; must not exist.
        plan: what it holds; None: a `Plan` with all defaults.
    """
    plan = plan or Plan()
    rng = np.random.default_rng(7)
    table = _predictions(plan, rng)
    (folder / "explanations").mkdir(parents=True)
    table.to_parquet(folder / "predictions.parquet", index=False)
    store = RunFolder(folder, folder)
    good = table[usable_rows(table)]
    failures = good[good.label != good.predicted].sort_values("loss", ascending=False)
    contrasts = good[good.label == good.predicted].head(min(len(failures), 40))
    explanations = write_explanations(folder, plan, failures, contrasts, rng)
    result = _result(plan, table, explanations)
    store.write_result(with_changes(folder, plan, result, good))
    write_manifest(store.path)
    return store


def _power(attributes: dict[str, str], label: str | None, n: int) -> GatePower | None:
    """Of single values: more for more samples, nothing below 30."""
    if label is not None or len(attributes) > 1:
        return None
    chance = n / (n + 200) if n >= 30 else 0.0
    return GatePower(gap=0.1, blocked=chance, not_passed=0.96 if chance else 0.0)


def _predictions(plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    n = plan.samples
    label = rng.choice(plan.classes, n)
    first = rng.choice(plan.levels[0], n, p=_falling(len(plan.levels[0])))
    second = rng.choice(plan.levels[1], n)
    wrong_rate = np.where(first == plan.levels[0][0], 2.2, 0.6) * plan.failure_rate
    chance = rng.random(n) / np.maximum(wrong_rate, 1e-9)
    wrong = chance < 1
    if plan.failures is not None:
        wrong[:] = False
        usable = np.flatnonzero(np.arange(n) % 211 != 210)
        wrong[usable[np.argsort(chance[usable])[: plan.failures]]] = True
    index = np.array([plan.classes.index(one) for one in label])
    predicted = np.where(wrong, (index + 1) % len(plan.classes), index)
    confidence = np.clip(rng.beta(5, 2, n), 1 / len(plan.classes) + 0.01, 0.999)
    loss = np.where(wrong, -np.log(1 - confidence + 1e-6), -np.log(confidence))
    sample = [f"cells/{place:05d}.png" for place in range(n)]
    status = np.where(np.arange(n) % 211 == 210, "truncated", OK)
    table = pd.DataFrame(
        {
            "sample": sample,
            "path": sample,
            "label": label,
            "predicted": [plan.classes[place] for place in predicted],
            "confidence": confidence.astype(np.float32),
            "loss": loss.astype(np.float32),
            "status": status,
        }
        | measured_columns(n)
    )
    probabilities = {
        probability_column(name): np.where(predicted == place, confidence, 1 - confidence).astype(
            np.float32
        )
        for place, name in enumerate(plan.classes)
    }
    attributes = {plan.attributes[0]: first, plan.attributes[1]: second}
    table = pd.concat([table, pd.DataFrame(probabilities | attributes)], axis=1)
    table.loc[table.index % 97 == 96, plan.attributes[1]] = None
    return table


def _falling(n: int) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = 1.0 / np.arange(n, 0, -1)
    weights /= weights.sum()
    return weights


def _slices(plan: Plan, good: pd.DataFrame) -> list[SliceRecord]:
    failed = good.label != good.predicted
    records = []
    keys: list[tuple[dict[str, str], str | None]] = []
    for name in plan.attributes:
        values = good[name].fillna("(missing)")
        for value in sorted(values.unique()):
            labels = plan.classes[:_SLICED_LABELS]
            keys += [({name: value}, None), *(({name: value}, label) for label in labels)]
    keys += [
        (dict(zip(plan.attributes, pair, strict=True)), None)
        for pair in sorted({(a, b) for a in plan.levels[0] for b in (*plan.levels[1], "(missing)")})
    ]
    for attributes, label in keys:
        inside = pd.Series(data=True, index=good.index)
        for name, value in attributes.items():
            inside &= good[name].fillna("(missing)") == value
        if label is not None:
            inside &= good.label == label
        n, k = int(inside.sum()), int((inside & failed).sum())
        rest, rest_k = int((~inside).sum()), int((~inside & failed).sum())
        testable = n >= 30
        gap = k / max(n, 1) - rest_k / max(rest, 1)
        spread = 1.96 * float(np.sqrt(0.15 * 0.85 * (1 / max(n, 1) + 1 / max(rest, 1))))
        records.append(
            SliceRecord(
                attributes=attributes,
                label=label,
                support=n,
                n_failures=k,
                error_rate=share(k, n) if n else None,
                gap=Estimate(value=gap, low=gap - spread, high=gap + spread) if testable else None,
                p_value=0.0001 if testable and abs(gap) > spread else (0.4 if testable else None),
                q_value=0.0012 if testable and abs(gap) > spread else (0.6 if testable else None),
                detectable_gap=min(1.4 * spread, 1.0),
                gate_power=_power(attributes, label, n),
            )
        )
    return records


def _data_faults(good: pd.DataFrame, explanations: ExplanationsRecord) -> DataFaults | None:
    """Two explained failures with doubtful labels, one of them for two reasons; None with fewer."""
    explained = list(dict.fromkeys(one.sample for one in explanations.failures))[:2]
    if len(explained) < 2:
        return None
    first, second = explained
    return DataFaults(
        n_failures=2,
        by_check={"duplicates": 1, "label-errors": 2},
        samples={first: ["label-errors"], second: ["duplicates", "label-errors"]},
        labels={
            "duplicates": FaultLabels(
                many="copies with different labels", one="a copy has another label"
            ),
            "label-errors": FaultLabels(many="suspected label errors", one="label doubtful"),
        },
        label_noise=LabelNoiseRecord(
            share=Estimate(value=0.012, low=0.004, high=0.025),
            failures=Estimate(value=2.2, low=0.8, high=4.4),
        ),
    )


def _result(plan: Plan, table: pd.DataFrame, explanations: ExplanationsRecord) -> AuditResult:
    good, bad = table[usable_rows(table)], table[~usable_rows(table)]
    failed = good[good.label != good.predicted]
    confusion = failed.groupby(["label", "predicted"], as_index=False).size()
    classes = [_class(name, good) for name in plan.classes]
    slices, found, criteria = _slices(plan, good), findings(plan, good), _criteria(classes)
    summary, binary = _summary(good, bad, explanations), len(plan.classes) == 2
    return AuditResult(
        run=RunInfo(
            id="20260102-030405-0a1b2c",
            name=plan.name,
            created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            auditor_version="0.1.0",
            status="complete",
        ),
        provenance=_provenance(plan, len(table)),
        summary=summary,
        classes=classes,
        confusion=[
            ConfusionPair(label=row["label"], predicted=row["predicted"], count=row["size"])
            for row in confusion.to_dict("records")
        ],
        slices=slices,
        findings=found,
        tested=tested(plan),
        skipped=[
            Skipped(
                check="representation",
                reason="no expected shares are configured and the data has no reference",
            )
        ],
        unusable=[
            Unusable(sample=row["sample"], path=row["path"], reason=row["status"])
            for row in bad.to_dict("records")
        ],
        explanations=explanations,
        data_faults=_data_faults(good, explanations),
        outcome=decide(GateSection(), summary, found, criteria, slices),
        criteria=criteria,
        gate="alert",
        tests=MultipleTestingRecord(
            n_tests=1038,
            n_significant=7,
            n_causes=5,
            correction="gatekeeping",
            alpha=0.05,
            interval_confidence=0.95,
            shares={"value": 0.8, "values compared": 0.12, "other than outcomes": 0.08},
            by_check={"label-association": 4, "performance-gap": 34},
        ),
        max_gap=0.05,
        metrics=metrics(plan, good) if binary else [],
        curves=curves(plan, good) if binary else [],
        reliability=reliability(plan, good) if binary else None,
    )


def _criteria(classes: Sequence[ClassRecord]) -> list[CriterionResult]:
    """One criterion for each class: met, undecided, met, …"""
    return [
        CriterionResult(
            id=f"C{k}",
            name=f"recall of {one.name} at least 90 %",
            metric="recall",
            class_name=one.name,
            bound="at least",
            threshold=0.9,
            unit="share",
            estimate=one.recall,
            support=one.support,
            state="undecided" if k % 2 == 0 else "met",
            configured=True,
            statement=f"Recall of {one.name}; required is at least 90 %.",
        )
        for k, one in enumerate(classes, start=1)
    ]


def _provenance(plan: Plan, n: int) -> Provenance:
    return Provenance(
        model=ModelProvenance(
            adapter="python",
            sha256="ab" * 32,
            target_layer="features.12",
            target_layer_reason="the last layer with a spatial map (7 × 7)",
            n_parameters=88_000,
            description="five convolutions, 88,000 parameters",
        ),
        data=DataProvenance(adapter="manifest", sha256="cd" * 32, n_samples=n, n_reference=700),
        config={
            "name": plan.name,
            "checks": {"performance-gap": {"max_gap": 0.05}},
            "slices": {"min_support": 30},
            "judge": {"alpha": 0.05},
            "about": {"selected": plan.classes[0], "sensitive": list(plan.sensitive)},
            "report": {"formats": ["html", "pdf"]},
            "seed": 0,
        },
        environment={"python": "3.11.7", "torch": "2.6.0", "platform": "Linux x86_64"},
        seed=0,
        preprocess={"resize": plan.side, "mean": [0.6, 0.6, 0.6], "std": [0.16, 0.16, 0.16]},
        seconds={"predict": 12.1, "explain": 20.4, "judge": 0.9},
    )


def _summary(good: pd.DataFrame, bad: pd.DataFrame, explanations: ExplanationsRecord) -> Summary:
    n_failures = int((good.label != good.predicted).sum())
    return Summary(
        n_samples=len(good) + len(bad),
        n_evaluated=len(good),
        n_unusable=len(bad),
        n_failures=n_failures,
        n_explained=len({one.sample for one in explanations.failures}),
        accuracy=share(len(good) - n_failures, len(good)),
        unusable=bad.status.value_counts().to_dict(),
    )


def _class(name: str, good: pd.DataFrame) -> ClassRecord:
    labelled, predicted = good.label == name, good.predicted == name
    hits, support, n_predicted = (
        int(rows.sum()) for rows in (labelled & predicted, labelled, predicted)
    )
    return ClassRecord(
        name=name,
        support=support,
        recall=share(hits, support) if support else None,
        precision=share(hits, n_predicted) if n_predicted else None,
    )
