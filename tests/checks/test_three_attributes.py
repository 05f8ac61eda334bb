"""Intersections of three attributes, which are tested on request."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from auditor.checks.performance_gap import PerformanceGap
from auditor.config import SliceSection
from auditor.judging.multiple_testing import question_of
from auditor.records import AuditData, Claim, Clusters, IntersectionContrast
from auditor.stages.slicing import slice_samples

Booleans = NDArray[np.bool_]
Floats = NDArray[np.floating]


def _claim(audit: AuditData, name: str) -> Claim:
    (found,) = [one for one in PerformanceGap().examine(audit) if str(one.slice) == name]
    return found


def _triples(seed: int, law: Callable[[Booleans, Booleans, Booleans], Floats]) -> AuditData:
    """Samples with three binary attributes, whose values a, x and u have a failure rate."""
    generator = np.random.default_rng(seed)
    has = generator.random((3, 2400)) < 0.5
    failed = generator.random(2400) < law(*has)
    usable = pd.DataFrame(
        {
            "sample": [f"s{k}" for k in range(2400)],
            "label": pd.Categorical(["0", "1"] * 1200, ["0", "1"]),
            "confidence": 0.9,
            "loss": 1.0,
            "failure": failed,
            "one": np.where(has[0], "a", "b"),
            "two": np.where(has[1], "x", "y"),
            "three": np.where(has[2], "u", "v"),
        }
    )
    other = np.where(failed, usable["label"].map({"0": "1", "1": "0"}), usable["label"])
    usable["predicted"] = pd.Categorical(other, ["0", "1"])
    section = SliceSection(intersections=3)
    cut = slice_samples(usable, None, ("0", "1"), ("one", "two", "three"), section)
    return cut.audit_data(("0", "1"), alpha=0.05, min_support=30, seed=0)


@pytest.mark.parametrize(
    ("law", "found"),
    [
        (lambda a, x, u: 0.1 + 0.3 * (a & x & u), True),
        # Each value and each pair adds failures; the triple has all of them and no more.
        (lambda a, x, u: 0.05 + 0.1 * a + 0.1 * x + 0.1 * u, False),
        (lambda a, x, u: 0.05 + 0.15 * (a & x) + 0.15 * (x & u) + 0.15 * (a & u), False),
        (lambda a, x, u: 0.05 + 0.3 * (a & x) + 0.1 * u, False),
    ],
)
@pytest.mark.parametrize("clustered", [False, True])
def test_performance_gap_triple_is_found_only_beyond_its_pairs(
    law: Callable[[Booleans, Booleans, Booleans], Floats], *, found: bool, clustered: bool
) -> None:
    audit = _triples(3, law)
    if clustered:
        audit = replace(audit, clusters=Clusters("patient", np.arange(2400) // 3))
    triple = _claim(audit, "one = a, two = x, three = u")
    assert triple.p_value is not None
    assert (triple.p_value < 1e-3) is found
    assert question_of(triple) == "further question"
    contrast = triple.part(IntersectionContrast)
    assert contrast is not None
    assert list(contrast.against_each) == ["one and two", "one and three", "two and three"]


def test_performance_gap_triple_excess_is_the_contrast_of_eight_rates() -> None:
    audit = _triples(5, lambda a, x, u: 0.1 + 0.2 * (a & x & u))
    frame, excess = audit.predictions, []
    for label in ("0", "1"):
        rate = {
            cell: frame[
                (frame.label == label)
                & ((frame.one == "a") == cell[0])
                & ((frame.two == "x") == cell[1])
                & ((frame.three == "u") == cell[2])
            ].failure
            for cell in itertools.product((True, False), repeat=3)
        }
        value = sum((-1) ** (3 - sum(cell)) * one.mean() for cell, one in rate.items())
        excess.append((value, 1 / sum(1 / len(one) for one in rate.values())))
    contrast = _claim(audit, "one = a, two = x, three = u").part(IntersectionContrast)
    assert contrast is not None
    expected = np.average([one for one, _ in excess], weights=[weight for _, weight in excess])
    assert contrast.beyond_sum.value == pytest.approx(expected)
