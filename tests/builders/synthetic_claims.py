"""The supporting claims of a synthetic run's first finding."""

from __future__ import annotations

import numpy as np
from builders.synthetic_plan import Plan

from auditor.records import (
    ClaimRecord,
    Curve,
    CurvePoint,
    Effect,
    Estimate,
    ImageDifference,
    IntersectionContrast,
    Intervention,
    InterventionEffect,
    MapShift,
    RegionBox,
    SliceKey,
)


def supporting_claims(plan: Plan) -> list[ClaimRecord]:
    """Two interventions, a shift of mean maps, a difference of images, an intersection, a trend."""
    value = plan.levels[0][0]
    return [
        _claim(
            plan,
            "region-reliance",
            f"Swapping the lower left corner between {value} and others costs 22 points",
            Effect(name="drop in accuracy", value=0.22, low=0.15, high=0.29, unit="points"),
            _swapped_region(plan),
        ),
        _claim(
            plan,
            "appearance-reliance",
            f"Transferring the contrast between {value} and others costs 9 points",
            Effect(name="drop in accuracy", value=0.09, low=0.04, high=0.14, unit="points"),
            _transferred_style(plan),
        ),
        _claim(
            plan,
            "attention-shift",
            "70 % of the evidence lies at the lower left corner; 6 % for the others",
            Effect(name="share that shifts", value=0.64, low=0.5, high=0.7, unit="points"),
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
        _intersection(plan),
        _trend(plan),
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
        kind="robustness" if isinstance(part, Intervention) else "map",
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


def _swapped_region(plan: Plan) -> Intervention:
    return Intervention(
        method="swap-region",
        region=RegionBox(place="lower left corner", box=(0.0, 0.75, 0.25, 1.0)),
        effects=(
            InterventionEffect(
                name="additional failures",
                value=Estimate(value=0.22, low=0.15, high=0.29),
                control=Estimate(value=-0.025, low=-0.07, high=0.02),
                control_name="at other places of the same size",
                unit="points",
            ),
        ),
        flipped_to=plan.classes[1],
    )


def _transferred_style(plan: Plan) -> Intervention:
    return Intervention(
        method="transfer-style",
        variant="contrast",
        effects=(
            InterventionEffect(
                name="additional failures",
                value=Estimate(value=0.09, low=0.04, high=0.14),
                control=Estimate(value=0.01, low=-0.02, high=0.04),
                control_name="between unchanged images",
                unit="points",
            ),
        ),
        flipped_to=plan.classes[1],
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


def _intersection(plan: Plan) -> ClaimRecord:
    (attribute, other), (value, *_) = plan.attributes, plan.levels[0]
    gap = Estimate(value=0.08, low=0.02, high=0.14)
    return ClaimRecord(
        check="performance-gap",
        kind="outcome",
        title=f"{attribute} = {value} on line A: more than both values explain",
        severity="warning",
        verdict="supported",
        slice=SliceKey(attributes={attribute: value, other: plan.levels[1][0]}),
        effect=Effect.measured("excess gap", gap, "points"),
        limit=0.05,
        p_value=0.004,
        q_value=0.03,
        support=90,
        statement=["An intersection."],
        action="",
        limits="",
        evidence=[
            IntersectionContrast(
                against_each={attribute: gap, other: Estimate(value=0.2, low=0.1, high=0.3)},
                beyond_sum=Estimate(value=0.09, low=0.01, high=0.17),
            )
        ],
    )


def _trend(plan: Plan) -> ClaimRecord:
    attribute, values = plan.attributes[0], plan.levels[0]
    rates = np.linspace(0.1, 0.4, len(values))
    points = (
        CurvePoint(
            name=value,
            x=float(k),
            y=Estimate(value=rate, low=rate - 0.08, high=rate + 0.1),
            fitted=float(rate),
            support=100 + k,
        )
        for k, (value, rate) in enumerate(zip(values, rates.tolist(), strict=True))
    )
    gap = Estimate(value=0.3, low=0.2, high=0.4)
    return ClaimRecord(
        check="error-trend",
        kind="outcome",
        title=f"The error rate rises with {attribute}",
        severity="warning",
        verdict="supported",
        slice=SliceKey(attributes={attribute: values[-1]}),
        effect=Effect.measured("error-rate gap between the ends", gap, "points"),
        limit=0.05,
        p_value=0.004,
        q_value=0.03,
        support=200,
        statement=["A trend."],
        action="",
        limits="",
        evidence=[
            Curve(
                title=f"error rate along {attribute}",
                x_name=attribute,
                x_is_position=True,
                y_name="error rate",
                y_unit="share",
                points=tuple(points),
            )
        ],
    )
