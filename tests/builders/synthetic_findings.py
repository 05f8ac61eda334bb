"""Findings of a synthetic run; together they have every type of evidence."""

from __future__ import annotations

import numpy as np
import pandas as pd
from builders.synthetic_plan import Plan

from auditor.records import (
    ClaimRecord,
    Contingency,
    Effect,
    Estimate,
    Finding,
    HeldFixed,
    HeldFixedGap,
    ImageDifference,
    IntersectionContrast,
    Intervention,
    InterventionEffect,
    MapShift,
    Quantities,
    Quantity,
    RegionBox,
    SampleGroup,
    SampleGroups,
    SampleRef,
    SliceComparison,
    SliceKey,
    Table,
)

GAP = Estimate(value=0.23, low=0.16, high=0.30)
_ELSEWHERE = "at other places of the same size"


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
        ],
        supporting=_supporting(plan),
    )


def _supporting(plan: Plan) -> list[ClaimRecord]:
    """Two interventions, a shift of mean maps, a difference of images, an intersection."""
    attribute, value, broken = plan.attributes[0], plan.levels[0][0], plan.classes[1]
    return [
        _claim(
            plan,
            "region-reliance",
            f"Swapping the lower left corner between {value} and others costs 22 points",
            Effect(name="fall of accuracy", value=0.22, low=0.15, high=0.29, unit="points"),
            Intervention(
                method="swap-region",
                region=RegionBox(place="lower left corner", box=(0.0, 0.75, 0.25, 1.0)),
                effects=(
                    InterventionEffect(
                        name="additional failures",
                        value=Estimate(value=0.22, low=0.15, high=0.29),
                        control=Estimate(value=-0.025, low=-0.07, high=0.02),
                        control_name=_ELSEWHERE,
                        unit="points",
                    ),
                ),
                flipped_to=broken,
            ),
        ),
        _claim(
            plan,
            "appearance-reliance",
            f"Transferring the contrast between {value} and others costs 9 points",
            Effect(name="fall of accuracy", value=0.09, low=0.04, high=0.14, unit="points"),
            Intervention(
                method="transfer-style",
                variant="contrast",
                effects=(
                    InterventionEffect(
                        name="additional failures",
                        value=Estimate(value=0.09, low=0.04, high=0.14),
                        control=Estimate(value=0.01, low=-0.02, high=0.04),
                        control_name="with the style of images of other labels",
                        unit="points",
                    ),
                ),
                flipped_to=broken,
            ),
        ),
        _claim(
            plan,
            "attention-shift",
            "70 % of the evidence lies at the lower left corner; 6 % for the others",
            Effect(name="share that moves", value=0.64, low=0.5, high=0.7, unit="share"),
            _map_shift(),
        ),
        _claim(
            plan,
            "hidden-slices",
            "37 images that are darker at the corners are misclassified in 60 %",
            Effect(name="error-rate gap", value=0.5, low=0.3, high=0.7, unit="points"),
            ImageDifference(
                description="darker at the lower right corner",
                brightness=((0.1, -0.2), (0.3, -1.4)),
            ),
        ),
        ClaimRecord(
            check="performance-gap",
            kind="outcome",
            title=f"{attribute} = {value} on line A: more than both values explain",
            severity="warning",
            verdict="supported",
            slice=SliceKey(attributes={attribute: value, plan.attributes[1]: plan.levels[1][0]}),
            effect=Effect(name="excess gap", value=0.08, low=0.02, high=0.14, unit="points"),
            limit=0.05,
            p_value=0.004,
            q_value=0.03,
            support=90,
            statement=["An intersection."],
            action="",
            limits="",
            evidence=[
                IntersectionContrast(
                    against_each={
                        attribute: Estimate(value=0.08, low=0.02, high=0.14),
                        plan.attributes[1]: Estimate(value=0.2, low=0.1, high=0.3),
                    },
                    beyond_sum=Estimate(value=0.09, low=0.01, high=0.17),
                )
            ],
        ),
    ]


def _claim(
    plan: Plan,
    check: str,
    title: str,
    effect: Effect,
    part: Intervention | MapShift | ImageDifference,
) -> ClaimRecord:
    return ClaimRecord(
        check=check,
        kind="robustness",
        title=title,
        severity="alert",
        verdict="confirmed",
        slice=SliceKey(attributes={plan.attributes[0]: plan.levels[0][0]}),
        effect=effect,
        limit=0.05,
        p_value=0.0001,
        q_value=0.0004,
        support=200,
        statement=["In 200 images, a part was filled from other images.", "An intervention."],
        action="",
        limits="",
        evidence=[part],
    )


def _map_shift() -> MapShift:
    own = np.full((4, 4), 0.02)
    own[3, 0] = 0.7
    others = np.full((4, 4), 1 / 16)
    mean, rest, difference = (
        tuple(tuple(map(float, row)) for row in values) for values in (own, others, own - others)
    )
    return MapShift(
        place="lower left corner", mean_map=mean, mean_map_of_others=rest, difference=difference
    )


def _label_association(plan: Plan, samples: list[str]) -> Finding:
    attribute, (value, other, *_), (intact, broken) = (
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
    intact, broken = plan.classes
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
