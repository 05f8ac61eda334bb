"""Findings of a synthetic run; together they have every type of evidence."""

from __future__ import annotations

from typing import Literal

import pandas as pd
from builders.synthetic_claims import supporting_claims
from builders.synthetic_plan import Plan

from auditor.records import (
    ComparedValue,
    Contingency,
    Effect,
    Estimate,
    Finding,
    HeldFixed,
    HeldFixedGap,
    Quantities,
    Quantity,
    SampleGroup,
    SampleGroups,
    SampleRef,
    SliceComparison,
    SliceKey,
    Table,
    TestedRecord,
    ValueSpread,
)

TestedReason = Literal["may be chance", "within the limit", "no effect of this kind"]

GAP = Estimate(value=0.23, low=0.16, high=0.30)


def findings(plan: Plan, good: pd.DataFrame) -> list[Finding]:
    """Findings about the first attribute's first value, a confusion, duplicates, and a small slice.

    Args:
        plan: of the run.
        good: its evaluated samples.
    """
    wrong = good[(good.label != good.predicted)].sort_values("loss", ascending=False)
    own = wrong[wrong[plan.attributes[0]] == plan.levels[0][0]]
    return [
        _performance_gap(plan, good, list(own["sample"].head(12))),
        _label_association(plan, list(own["sample"].iloc[3:9])),
        _confusion(plan, list(wrong[wrong.label == plan.classes[0]]["sample"].head(8))),
        _duplicates(good),
        _untestable(plan),
    ]


def _performance_gap(plan: Plan, good: pd.DataFrame, samples: list[str]) -> Finding:
    (attribute, other), value, intact = plan.attributes, plan.levels[0][0], plan.classes[0]
    return Finding(
        id="performance-gap-1",
        check="performance-gap",
        kind="outcome",
        title=f"{attribute} = {value} fails 23 points more often than the rest",
        severity="alert",
        verdict="supported",
        slice=SliceKey(attributes={attribute: value}, label=intact),
        effect=Effect.measured("error-rate gap", GAP, "points"),
        limit=0.05,
        p_value=0.00002,
        q_value=0.0004,
        support=len(good[good[attribute] == value]),
        samples=samples,
        statement=[
            (
                f"Of the samples with {attribute} = {value} and label {intact}, 31 % are misclassified; of "
                "the others of this label, 8 %."
            ),
            "The gap is 23 points (95 % interval 16 to 30), above the acceptable 5 points.",
        ],
        action=(
            f"Add about 160 {intact} images with {attribute} = {value} to the training data, train "
            "again, and repeat this audit."
        ),
        limits="The audit saw one camera; a gap on other cameras may be larger or smaller.",
        evidence=[
            SliceComparison(
                error_rate=Estimate(value=0.31, low=0.25, high=0.38),
                rest_error_rate=0.08,
                gap=GAP,
                detectable_gap=0.06,
                most_predicted=plan.classes[1],
            ),
            HeldFixed(
                gaps=(
                    HeldFixedGap(
                        attribute=other,
                        gap=Estimate(value=0.21, low=0.13, high=0.29),
                        p_value=0.0001,
                        state="remains",
                        effective_samples=1210,
                    ),
                    HeldFixedGap(
                        attribute="camera",
                        gap=None,
                        p_value=None,
                        state="inseparable",
                        effective_samples=7,
                    ),
                ),
                jointly=Estimate(value=0.2, low=0.12, high=0.28),
                sentences=(f"It remains with {other} held fixed: at least 21 points.",),
            ),
            _value_spread(plan),
        ],
        supporting=supporting_claims(plan),
    )


def tested(plan: Plan) -> list[TestedRecord]:
    """Hypotheses without a finding: one for each reason, then 60 that may be chance."""
    attribute, value = plan.attributes[1], plan.levels[1][0]

    def row(
        title: str, effect: Effect | None, q_value: float, reason: TestedReason
    ) -> TestedRecord:
        return TestedRecord(
            check="performance-gap",
            title=title,
            slice=SliceKey(attributes={attribute: value}),
            effect=effect,
            limit=0.05,
            p_value=q_value / 100,
            q_value=q_value,
            level=0.002,
            support=200,
            reason=reason,
        )

    def gap(value: float) -> Effect:
        found = Estimate(value=value, low=value - 0.01, high=value + 0.01)
        return Effect.measured("error-rate gap", found, "points")

    return [
        row(f"{attribute} = {value} fails less often", gap(-0.2), 0.0001, "within the limit"),
        row(f"Predictions depend on {attribute}", None, 0.002, "no effect of this kind"),
        row(
            f"{attribute} = {value} fails a little more often", gap(0.03), 0.01, "within the limit"
        ),
        *(
            row(f"{attribute} = {value}, part {k}", gap(0.04), 1.0, "may be chance")
            for k in range(60)
        ),
    ]


def _value_spread(plan: Plan) -> ValueSpread:
    """The first attribute's first value against its second, the best."""
    attribute, (worst, best, *_) = plan.attributes[0], plan.levels[0]
    return ValueSpread(
        attribute=attribute,
        compared_with="best",
        values=(
            ComparedValue(
                value=worst,
                support=213,
                error_rate=Estimate(value=0.31, low=0.25, high=0.38),
                gap=GAP,
                compared_with=best,
            ),
            ComparedValue(
                value=best,
                support=427,
                error_rate=Estimate(value=0.08, low=0.06, high=0.11),
                gap=None,
                compared_with=None,
            ),
        ),
        largest_difference=GAP,
        smallest_ratio=Estimate(value=0.26, low=0.17, high=0.39),
        smallest_accuracy_ratio=None,
        furthest_apart=(worst, best),
    )


def _label_association(plan: Plan, samples: list[str]) -> Finding:
    attribute, (value, other, *_), (intact, broken, *_) = (
        plan.attributes[0],
        plan.levels[0],
        plan.classes,
    )
    return Finding(
        id="label-association-1",
        check="label-association",
        kind="data",
        title=f"In the training data {attribute} and label go together (V = 0.71)",
        severity="alert",
        verdict="supported",
        slice=SliceKey(attributes={attribute: value}),
        effect=Effect(name="Cramér's V", value=0.71, low=0.64, high=0.77, unit="score"),
        limit=0.1,
        p_value=1e-12,
        q_value=1e-11,
        support=700,
        samples=samples,
        statement=[
            f"{attribute} nearly determines the label: 89 % of {value} samples are {broken}.",
            f"A classifier can score well by using {attribute} alone.",
        ],
        action=f"Collect about 210 more {value} images with label {intact}.",
        limits="An association in the data does not prove that the model uses it.",
        evidence=[
            Contingency(
                source="reference",
                attribute=attribute,
                labels=(intact, broken),
                values=(value, other),
                counts=((30, 1400), (240, 30)),
            ),
            Quantities(
                items=(
                    Quantity(name="accuracy of the attribute alone", value=0.914, unit="share"),
                    Quantity(
                        name="odds ratio",
                        value=Estimate(value=373.0, low=220.0, high=632.0),
                        unit="ratio",
                    ),
                    Quantity(name="labels without this value", value=None, unit="count"),
                )
            ),
            Table(
                title="images to collect",
                columns=("label", "value", "images", "share"),
                rows=((intact, value, 210.0, 0.3), (broken, other, None, 0.042)),
                units=(None, None, "count", "share"),
            ),
        ],
    )


def _confusion(plan: Plan, samples: list[str]) -> Finding:
    intact, broken, *_ = plan.classes
    return Finding(
        id="confusion-pairs-1",
        check="confusion-pairs",
        kind="outcome",
        title=f"{intact} is predicted {broken} more often than the other way round",
        severity="warning",
        verdict="supported",
        slice=SliceKey(label=intact, predicted=broken),
        effect=Effect(name="share of the label", value=0.17, low=0.13, high=0.22, unit="share"),
        limit=0.1,
        p_value=0.003,
        q_value=0.02,
        support=320,
        samples=samples,
        statement=[f"17 % of {intact} samples are predicted {broken}."],
        action="Inspect the images below together with the person who labelled them.",
        limits="Some of these labels may be wrong; this audit takes them as they are.",
    )


def _duplicates(good: pd.DataFrame) -> Finding:
    rows = [(str(one.sample), str(one.label)) for one in good.head(3).itertuples()]
    audited = tuple(SampleRef(sample=sample, label=label) for sample, label in rows[:2])
    trained = SampleRef(sample=rows[2][0], label=rows[2][1], source="reference")
    return Finding(
        id="duplicates-1",
        check="duplicates",
        kind="data",
        title="2 images are copies of others",
        severity="note",
        verdict="observed",
        slice=SliceKey(),
        effect=Effect(name="share of copies", value=0.003, low=0.0008, high=0.011, unit="share"),
        limit=0.01,
        p_value=None,
        q_value=None,
        support=2,
        samples=[rows[0][0]],
        statement=["2 of the audited images are copies of others."],
        action="Remove the copies.",
        limits="Copies that were cropped are not found.",
        evidence=[
            SampleGroups(
                title="groups of copies",
                groups=(
                    SampleGroup(members=audited, note="same file"),
                    SampleGroup(members=(audited[0], trained), note="mirrored"),
                ),
            )
        ],
    )


def _untestable(plan: Plan) -> Finding:
    attribute = plan.attributes[1]
    return Finding(
        id="performance-gap-2",
        check="performance-gap",
        kind="outcome",
        title=f"{attribute} = (missing): too few samples to judge",
        severity="note",
        verdict="untestable",
        slice=SliceKey(attributes={attribute: "(missing)"}),
        effect=None,
        limit=0.05,
        p_value=None,
        q_value=None,
        support=6,
        samples=[],
        statement=["A gap under 34 points could not have been detected with 6 samples."],
        action=f"Record {attribute} for every image.",
        limits="Nothing can be concluded from this about the model.",
        evidence=[
            SliceComparison(error_rate=Estimate(value=0.1, low=0.02, high=0.4), detectable_gap=0.34)
        ],
    )
