"""The judge: one correction, the ladder of verdicts, severity, order, causes; never an error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import false_discovery_control
from statsmodels.stats.proportion import proportion_confint

from auditor import registry
from auditor.checks import Check
from auditor.config import SliceSection
from auditor.judging.multiple_testing import adjust
from auditor.records import AuditData, Claim, Effect, Examination, Severity, Skipped, SliceKey
from auditor.stages.judge import Judgement, judge
from auditor.stages.slicing import slice_samples

CLASSES = ("functional", "defective")


@dataclass(frozen=True)
class _Says:
    """A check that says what it is told to."""

    claims: tuple[Claim, ...]

    def examine(self, audit: AuditData) -> Examination:  # noqa: ARG002 - the door asks for it
        return Examination(self.claims, (Skipped(check="stub", reason="the rest"),))


def _claim(
    attributes: Mapping[str, str],
    effect: tuple[float, float, float] | None,
    p_value: float | None,
    **changes: Any,
) -> Claim:
    key = SliceKey(attributes=dict(attributes), label=changes.pop("label", None))
    settings_: dict[str, Any] = {
        "check": "stub",
        "title": f"about {key}",
        "limit": 0.05,
        "support": 50,
        "samples": (),
        "statement": f"On {key}.",
        "action": "Act.",
        "limits": "Limits.",
    }
    numbers = (
        None
        if effect is None
        else Effect(name="gap", value=effect[0], low=effect[1], high=effect[2])
    )
    return Claim(slice=key, effect=numbers, p_value=p_value, **(settings_ | changes))


def _evidence(
    label: Sequence[str] | NDArray[Any] = ("functional", "defective"),
    failure: Sequence[bool] | NDArray[np.bool_] = (False, True),
    attributes: Mapping[str, Any] | None = None,
    reference: pd.DataFrame | None = None,
    min_support: int = 30,
) -> AuditData:
    truth = np.array(label, dtype=object)
    failed = np.array(failure, dtype=bool)
    other = np.where(truth == CLASSES[0], CLASSES[1], CLASSES[0])
    n = len(truth)
    usable = pd.DataFrame(
        {
            "sample": [f"s{k}" for k in range(n)],
            "path": "",
            "label": pd.Categorical(truth, categories=list(CLASSES)),
            "predicted": pd.Categorical(np.where(failed, other, truth), categories=list(CLASSES)),
            "confidence": 0.9,
            "loss": np.linspace(0, 1, n),
            "failure": failed,
        }
    )
    columns = attributes or {}
    for name, values in columns.items():
        usable[name] = values
    section = SliceSection(min_support=min_support)
    cut = slice_samples(usable, reference, CLASSES, tuple(columns), section)
    return AuditData(
        cut.predictions, CLASSES, cut.attributes, cut.slices, cut.reference, 0.05, min_support, 0
    )


def _all_checks() -> dict[str, Check]:
    found = {name: options() for name, options in registry.all_of("check").items()}
    return {name: check for name, check in found.items() if isinstance(check, Check)}


def _judged(*claims: Claim) -> Judgement:
    return judge({"stub": _Says(claims)}, _evidence())


def test_equal_questions_are_corrected_as_scipy_does() -> None:
    p_values = [0.001, 0.01, 0.02, 0.03, 0.5]
    others = [_claim({"a": "9"}, (0.1, 0, 0.2), None)]
    of_one_cause = [_claim({"a": str(k)}, (0.1, 0, 0.2), p) for k, p in enumerate(p_values)]
    each_its_own = [_claim({f"a{k}": "x"}, (0.1, 0, 0.2), p) for k, p in enumerate(p_values)]
    for claims in (of_one_cause, each_its_own):
        corrected = adjust([*claims, *others], 0.05)
        assert corrected.q_values[:5] == pytest.approx(false_discovery_control(p_values))
        assert np.isnan(corrected.q_values[5])
        assert corrected.n_tests == 5


def test_coarse_questions_keep_their_share_however_many_fine_ones_there_are() -> None:
    coarse = _claim({"a": "1"}, (0.1, 0, 0.2), 0.001)
    fine = [_claim({"a": str(k)}, (0, 0, 0), 0.6, label="functional") for k in range(98)]
    corrected = adjust([coarse, *fine], 0.05)
    # Shares 0.7 and 0.2 of what is tested.
    assert corrected.weights[0] == pytest.approx(99 * 0.7 / 0.9)
    assert corrected.weights.sum() == pytest.approx(99)
    assert corrected.q_values[0] == pytest.approx(0.001 * 0.9 / 0.7)


def test_the_error_rate_counts_fourfold_among_the_questions_of_its_level() -> None:
    claims = [
        _claim({"a": "1"}, (0.1, 0, 0.2), 0.01, check=check)
        for check in ("performance-gap", "calibration-gap", "prediction-dependence")
    ]
    corrected = adjust(claims, 0.05)
    assert corrected.weights == pytest.approx([3 * 4 / 6, 3 / 6, 3 / 6])
    # Step-up on p / w = 0.005, 0.02, 0.02: 0.005 · 3 / 1 is the least for the first, 0.02 for the rest.
    assert corrected.q_values == pytest.approx([0.015, 0.02, 0.02])


def test_what_is_found_of_properties_does_not_loosen_the_bound_for_attributes() -> None:
    asked = [_claim({"coin": "head"}, (0.1, 0, 0.2), 0.03), _claim({"sex": "f"}, (0, 0, 0), 0.5)]
    blur, light = (
        _claim({name: "high"}, (0.3, 0.2, 0.4), 1e-12, computed=True) for name in ("blur", "light")
    )
    corrected = adjust([*asked, blur, light], 0.05)
    # The attributes share 0.7 of 0.77: Simes' smallest of two, 0.03 · 2, at that part of the level.
    assert corrected.q_values[0] == pytest.approx(0.06 * 0.77 / 0.7)
    assert (corrected.q_values[2:] < 1e-10).all()
    # Intervals allow for the choice within the family.
    assert corrected.n_alike.tolist() == [0, 0, 2, 2]


def _plainly(p_values: list[list[float]], alpha: float) -> list[list[bool]]:
    """Benjamini and Bogomolov's procedure as their paper writes it, equal weights."""

    def rejected(values: list[float], level: float) -> list[bool]:
        order = sorted(values)
        bounds = [p for k, p in enumerate(order, 1) if p <= level * k / len(values)]
        return [p <= max(bounds, default=-1) for p in values]

    simes = [min(len(v) * p / k for k, p in enumerate(sorted(v), 1)) for v in p_values]
    selected = rejected(simes, alpha)
    level = alpha * sum(selected) / len(p_values)
    return [
        rejected(family, level) if chosen else [False] * len(family)
        for family, chosen in zip(p_values, selected, strict=True)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_causes_are_selected_first_and_then_their_tests(seed: int) -> None:
    rng = np.random.default_rng(seed)
    families = [(rng.random(4) ** rng.choice([1, 3, 6])).tolist() for _ in range(6)]
    claims = [
        _claim({f"a{k}": str(i)}, (0.1, 0, 0.2), p)
        for k, family in enumerate(families)
        for i, p in enumerate(family)
    ]
    for alpha in (0.01, 0.05, 0.2):
        found = adjust(claims, alpha).q_values <= alpha
        assert found.reshape(6, 4).tolist() == _plainly(families, alpha)


@pytest.mark.parametrize(
    ("effect", "p_value", "ceiling", "severity", "verdict"),
    [
        ((0.30, 0.20, 0.40), 1e-6, "alert", "alert", "supported"),
        ((0.30, 0.20, 0.40), 1e-6, "warning", "warning", "supported"),
        ((0.10, 0.04, 0.16), 1e-3, "alert", "warning", "supported"),
        # Surely there, but within what was called acceptable before anybody looked.
        ((0.03, 0.01, 0.05), 1e-3, "alert", None, None),
        ((0.10, -0.04, 0.24), 1e-3, "alert", "note", "supported"),
        ((0.30, -0.1, 0.60), 0.3, "alert", "note", "observed"),
        ((0.30, 0.20, 0.40), None, "alert", "note", "observed"),
        ((0.03, -0.1, 0.10), 0.3, "alert", None, None),
        ((-0.30, -0.4, -0.2), 1e-6, "alert", None, None),
    ],
)
def test_the_ladder(
    effect: tuple[float, float, float],
    p_value: float | None,
    ceiling: Severity,
    severity: str | None,
    verdict: str | None,
) -> None:
    found = _judged(_claim({"a": "x"}, effect, p_value, ceiling=ceiling)).findings
    assert [(one.severity, one.verdict) for one in found] == (
        [(severity, verdict)] if severity else []
    )


def test_an_alert_allows_for_the_choice_among_many_tests() -> None:
    # The interval ends just above the limit; picked from 400 tests it has to be wider.
    suspect = _claim({"a": "x"}, (0.30, 0.06, 0.54), 1e-5)
    others = [_claim({f"b{k}": "x"}, (0, 0, 0), 0.9) for k in range(400)]
    assert _judged(suspect).findings[0].severity == "alert"
    assert _judged(suspect, *others).findings[0].severity == "warning"


def test_claims_on_the_same_attribute_are_one_finding() -> None:
    found = _judged(
        _claim({"site": "A"}, (0.09, 0.01, 0.17), 1e-4, weight=1, samples=("s1",)),
        _claim(
            {"cell": "mono"},
            (0.3, 0.2, 0.4),
            1e-9,
            weight=5,
            samples=("s1", "s2"),
            label="functional",
        ),
        _claim(
            {"cell": "poly"},
            (0.4, 0.3, 0.5),
            1e-9,
            weight=9,
            samples=("s3", "s4"),
            label="defective",
        ),
        _claim(
            {"cell": "mono"},
            (0.4, 0.3, 0.5),
            1e-9,
            ceiling="warning",
            check="data",
            action="Collect.",
        ),
        _claim({"cell": "poly", "site": "A"}, (0.4, 0.3, 0.5), 1e-9, weight=2),
    ).findings
    assert [(one.id, str(one.slice)) for one in found] == [
        ("F1", "cell = poly, label = defective"),
        ("F2", "cell = poly, site = A"),
        ("F3", "site = A"),
    ]
    assert [piece["title"] for piece in found[0].evidence["pieces"]] == [
        "about cell = mono, label = functional",
        "about cell = mono",
    ]
    assert found[0].samples == ["s3", "s1", "s4", "s2"]
    assert found[0].action == "Act. Collect."
    assert "about cell = mono, label = functional." in found[0].statement


def _names(judgement: Judgement) -> list[list[str]]:
    return [
        [one.title, *(piece["title"] for piece in one.evidence["pieces"])]
        for one in judgement.findings
    ]


def test_what_another_attribute_explains_stands_behind_it() -> None:
    proxy = _claim({"group": "b"}, (0.3, 0.2, 0.4), 1e-9, weight=99, explained_by=("age",))
    cause = _claim({"age": "child"}, (0.3, 0.04, 0.4), 1e-9, weight=5)
    judgement = _judged(proxy, cause)
    assert _names(judgement) == [["about age = child", "about group = b"]]
    assert judgement.findings[0].severity == "alert"  # as grave as what it explains
    # Where the explanation is no finding itself, the claim stands alone.
    assert _names(_judged(proxy)) == [["about group = b"]]


@pytest.mark.parametrize(
    ("p_value", "verdicts"),
    [
        (
            1e-9,
            {"cell = mono": "confirmed", "cell = poly": "supported", "place = corner": "confirmed"},
        ),
        (
            0.6,
            {"cell = mono": "supported", "cell = poly": "supported", "place = corner": "observed"},
        ),
    ],
)
def test_an_intervention_confirms_what_it_brings_about(
    p_value: float, verdicts: dict[str, str]
) -> None:
    mono, poly, corner = {"cell": "mono"}, {"cell": "poly"}, {"place": "corner"}
    gap = {"detectable_gap": 0.1}
    judgement = _judged(
        _claim(mono, (0.3, 0.2, 0.4), 1e-9, evidence=gap),
        _claim(poly, (0.3, 0.2, 0.4), 1e-9, evidence=gap),
        _claim(
            corner,
            (0.3, 0.2, 0.4),
            p_value,
            confirms=(SliceKey(attributes=mono), SliceKey(attributes=corner)),
        ),
    )
    found = {str(one.slice): one.verdict for one in judgement.findings}
    for finding in judgement.findings:
        found |= {
            str(SliceKey(**piece["slice"])): piece["verdict"]
            for piece in finding.evidence["pieces"]
        }
    assert found == verdicts
    assert judgement.findings[0].severity == "alert"


def test_what_explain_each_other_are_one_cause() -> None:
    one = _claim({"scanner": "b"}, (0.3, 0.2, 0.4), 1e-9, weight=4, explained_by=("ward",))
    other = _claim({"ward": "b"}, (0.3, 0.2, 0.4), 1e-9, weight=5, explained_by=("scanner",))
    third = _claim({"bed": "b"}, (0.3, 0.2, 0.4), 1e-9, weight=9, explained_by=("scanner",))
    assert _names(_judged(one, other, third)) == [
        ["about ward = b", "about bed = b", "about scanner = b"]
    ]


def test_nameless_claims_on_the_same_failures_are_one_cause() -> None:
    region = _claim({}, (0.4, 0.3, 0.5), 1e-9, check="region", accounts_for=frozenset({1, 2, 3, 4}))
    cluster = _claim(
        {},
        (0.3, 0.2, 0.4),
        1e-6,
        check="cluster",
        ceiling="warning",
        accounts_for=frozenset({3, 4, 5, 6, 7, 8}),
        explained_by=("a",),
    )
    apart = _claim({}, (0.2, 0.1, 0.3), 1e-6, check="apart", accounts_for=frozenset({1, 8, 9}))
    silent = _claim({}, (0.2, 0.1, 0.3), 1e-6, check="silent")

    def told(*claims: Claim) -> list[list[str]]:
        findings = _judged(*claims).findings
        return [
            [one.check, *(piece["check"] for piece in one.evidence["pieces"])] for one in findings
        ]

    expected = [["region", "cluster"], ["apart"], ["silent"]]
    assert sorted(told(apart, cluster, silent, region)) == sorted(expected)
    # What one of them knows of an attribute, it knows for all of them.
    named = _claim({"a": "1"}, (0.5, 0.4, 0.6), 1e-12)
    assert told(cluster, region, named) == [["stub", "region", "cluster"]]
    # And nobody is asked to find a name that is there.
    nameless = replace(cluster, action="Find what they share.")
    assert _judged(nameless, named).findings[0].action == "Act."
    assert _judged(nameless, region).findings[0].action == "Act. Find what they share."


def test_what_could_not_be_tested_is_said_but_not_at_length() -> None:
    judgement = _judged(
        *(_claim({"site": k}, None, None, untestable="too few") for k in "ABC"),
        *(_claim({"site": k}, None, None, untestable="too few", label="defective") for k in "ABC"),
    )
    (finding,) = judgement.findings
    assert (finding.severity, finding.verdict) == ("note", "untestable")
    assert finding.title == "about site = A, and 2 more values likewise"
    assert judgement.skipped[0].reason == "the rest"
    assert judgement.skipped[1].reason.startswith("3 slices within one label")


def test_slices_have_error_rates_without_any_check() -> None:
    rng = np.random.default_rng(0)
    failure = rng.random(200) < 0.3
    side = np.where(rng.random(200) < 0.5, "left", "right")
    audit = _evidence(["functional", "defective"] * 100, failure, {"side": side})
    bare = judge({}, audit).slices[0]
    full = judge({"performance-gap": _all_checks()["performance-gap"]}, audit).slices[0]
    left = int((side == "left").sum())
    failed = int(failure[side == "left"].sum())
    assert (bare.support, bare.n_failures, bare.gap, bare.p_value) == (left, failed, None, None)
    assert bare.error_rate is not None
    assert (bare.error_rate.low, bare.error_rate.high) == pytest.approx(
        proportion_confint(failed, left, method="wilson")
    )
    assert full.gap is not None
    assert full.p_value is not None
    assert full.q_value is not None
    assert full.q_value >= full.p_value
    assert full.detectable_gap is not None


def test_the_planted_cause_is_finding_number_one() -> None:
    rng = np.random.default_rng(7)
    n = 900
    label = rng.choice(CLASSES, n)
    cell = rng.choice(["mono", "poly"], n)
    rate = np.full(n, 0.03)
    rate[(cell == "mono") & (label == "functional")] = 0.72
    rate[(cell == "poly") & (label == "defective")] = 0.85
    trained = rng.choice(CLASSES, 500)
    reference = pd.DataFrame({"label": trained})
    agrees = rng.random(500) < 0.9
    reference["cell_type"] = np.where((trained == "defective") == agrees, "mono", "poly")
    attributes = {"cell_type": cell, "site": rng.choice(list("ABC"), n), "age": rng.normal(size=n)}
    judgement = judge(
        _all_checks(), _evidence(label, rng.random(n) < rate, attributes, reference=reference)
    )
    first, *others = judgement.findings
    assert (first.severity, first.verdict, first.id) == ("alert", "supported", "F1")
    assert "cell_type" in first.title
    assert set(first.slice.attributes) == {"cell_type"}
    assert {"performance-gap", "label-association"} <= {
        first.check, *(piece["check"] for piece in first.evidence["pieces"])
    }  # fmt: skip
    assert all(one.severity != "alert" for one in others)
    json.dumps([one.model_dump() for one in judgement.findings], allow_nan=False)


@pytest.mark.slow
def test_an_unbiased_model_is_not_accused() -> None:
    """40 audits of models that fail in one label only; the share accused stays near alpha."""
    supported = alerts = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        label = rng.choice(CLASSES, 500)
        failure = rng.random(500) < np.where(label == "defective", 0.35, 0.05)
        attributes = {
            "side": rng.choice(["left", "right"], 500),
            "site": rng.choice(list("ABCD"), 500, p=[0.5, 0.3, 0.15, 0.05]),
            "age": rng.normal(size=500),
        }
        findings = judge(_all_checks(), _evidence(label, failure, attributes)).findings
        supported += any(one.verdict in {"supported", "confirmed"} for one in findings)
        alerts += any(one.severity == "alert" for one in findings)
    assert alerts == 0
    assert supported <= 6  # binomial(40, 0.05) exceeds that once in 300


@pytest.mark.slow
def test_a_planted_cause_brings_no_innocent_attribute_into_disrepute() -> None:
    """30 audits with one strong cause: its many discoveries do not loosen the bound for others."""
    accused = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        label = rng.choice(CLASSES, 400)
        attributes = {
            "guilty": rng.choice(["u", "v"], 400),
            "site": rng.choice(list("ABC"), 400),
            "age": rng.normal(size=400),
        }
        failure = rng.random(400) < 0.1 + 0.5 * (attributes["guilty"] == "u")
        first, *others = judge(_all_checks(), _evidence(label, failure, attributes)).findings
        assert set(first.slice.attributes) == {"guilty"}
        accused += any(one.verdict in {"supported", "confirmed"} for one in others)
    assert accused <= 5  # binomial(30, 0.05) exceeds that once in 300


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 80),
    st.sampled_from(["one label", "all fail", "none fails", "any"]),
    st.sampled_from(["equal to label", "one value", "missing", "numbers", "words", "mixed"]),
    st.booleans(),
)
def test_no_data_breaks_it(n: int, failures: str, kind: str, trained: bool) -> None:
    rng = np.random.default_rng(n)
    label = np.array(
        [CLASSES[0]] * n if failures == "one label" else rng.choice(CLASSES, n), object
    )
    failure = {"all fail": np.ones(n, bool), "none fails": np.zeros(n, bool)}.get(
        failures, rng.random(n) < 0.5
    )
    values: dict[str, Any] = {
        "equal to label": label,
        "one value": ["x"] * n,
        "missing": [None] * n,
        "numbers": rng.normal(size=n),
        "words": rng.choice(["a", "b", "c"], n),
        "mixed": [[1, "one", None, 2.5][k % 4] for k in range(n)],
    }
    attributes = {"strange": values[kind], "plain": rng.choice(["u", "v"], n)}
    reference = pd.DataFrame(
        {"label": ["functional", "unheard of"], "strange": ["unseen", None], "plain": ["u", "w"]}
    )
    audit = _evidence(label, failure, attributes, reference if trained else None, min_support=5)
    judgement = judge(_all_checks(), audit)
    json.dumps([one.model_dump() for one in judgement.findings + judgement.slices], allow_nan=False)


def test_what_was_counted_stands_without_a_test_and_is_as_grave_as_it_can_be() -> None:
    counted = {"counted": True, "ceiling": "warning", "limit": 0.01}
    large, small, none = _judged(
        _claim({}, (0.05, 0.02, 0.09), None, title="large", **counted),
        _claim({}, (0.05, 0.01, 0.09), None, title="small", **counted),
        _claim({}, (0.005, 0.001, 0.02), None, title="acceptable", **counted),
        _claim({}, (0.0, 0.0, 0.01), None, title="nothing", **counted),
    ).findings
    assert [(one.title, one.severity) for one in (large, small, none)] == [
        ("large", "warning"),
        ("small", "note"),
        ("acceptable", "note"),  # a fact is told, however small
    ]
    assert {one.verdict for one in (large, small, none)} == {"observed"}
    # What is inferred without a test stays a note.
    inferred = _claim({}, (0.15, 0.12, 0.19), None, ceiling="warning")
    assert [one.severity for one in _judged(inferred).findings] == ["note"]


def test_failures_that_are_the_datas_fault_are_counted_once_and_change_nothing_else() -> None:
    label = ["functional"] * 10
    failure = [True] * 4 + [False] * 6
    blamed = [
        _claim({}, (0.1, 0.05, 0.2), None, check="one", faulty=("s1", "s2")),
        _claim({}, (0.1, 0.05, 0.2), None, check="two", faulty=("s2", "s3", "s9")),
        # Within what is acceptable, so no finding says it.
        _claim({}, (0.01, 0.0, 0.02), None, check="three", faulty=("s0",)),
    ]
    audit = _evidence(label, failure)
    judgement = judge({"stub": _Says(tuple(blamed))}, audit)
    found = judgement.data_faults
    assert found.samples == {"s1": ["one"], "s2": ["one", "two"], "s3": ["two"]}  # s9 is correct
    assert (found.n_failures, found.by_check) == (3, {"one": 2, "two": 2})
    assert found.accuracy is not None
    low, high = proportion_confint(6, 7, method="wilson")
    assert found.accuracy.value == 6 / 7
    assert found.accuracy.low == pytest.approx(low)
    assert found.accuracy.high == pytest.approx(high)
    without = judge({"stub": _Says(tuple(replace(one, faulty=()) for one in blamed))}, audit)
    assert without.slices == judgement.slices
    assert without.findings == judgement.findings
    assert without.data_faults.n_failures == 0


def test_where_every_sample_is_the_datas_fault_there_is_no_accuracy_without_them() -> None:
    claim = _claim({}, (0.5, 0.4, 0.6), None, faulty=("s0",))
    found = judge({"stub": _Says((claim,))}, _evidence(["functional"], [True])).data_faults
    assert (found.n_failures, found.accuracy) == (1, None)
