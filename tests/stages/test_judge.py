"""The judge: severity, verdicts, order, causes, data faults; no error on odd data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders.claims import FixedClaims, claim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference import rate_limits

from auditor import registry
from auditor.checks import Check
from auditor.config import SliceSection
from auditor.records import AuditData, Claim, OrderedValues, Severity, SliceKey
from auditor.stages.judge import Judgement, judge
from auditor.stages.slicing import slice_samples

CLASSES = ("functional", "defective")


def _audit(
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
            # Right on average.
            "confidence": float(np.clip(1 - failed.mean(), 0.5, 1)) if n else 0.9,
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


def _judge(*claims: Claim) -> Judgement:
    return judge({"stub": FixedClaims(claims=claims)}, _audit())


@pytest.mark.parametrize(
    ("effect", "p_value", "ceiling", "severity", "verdict"),
    [
        ((0.30, 0.20, 0.40), 1e-6, "alert", "alert", "supported"),
        ((0.30, 0.20, 0.40), 1e-6, "warning", "warning", "supported"),
        ((0.10, 0.04, 0.16), 1e-3, "alert", "warning", "supported"),
        # Significant, but within the limit.
        ((0.03, 0.01, 0.05), 1e-3, "alert", None, None),
        ((0.10, -0.04, 0.24), 1e-3, "alert", "note", "supported"),
        # It may be chance.
        ((0.30, -0.1, 0.60), 0.3, "alert", None, None),
        ((0.30, 0.20, 0.40), None, "alert", "note", "observed"),
        ((0.03, -0.1, 0.10), 0.3, "alert", None, None),
        ((-0.30, -0.4, -0.2), 1e-6, "alert", None, None),
    ],
)
def test_judge_effect_and_p_value_give_severity_and_verdict(
    effect: tuple[float, float, float],
    p_value: float | None,
    ceiling: Severity,
    severity: str | None,
    verdict: str | None,
) -> None:
    found = _judge(claim({"a": "x"}, effect, p_value, ceiling=ceiling)).findings
    assert [(one.severity, one.verdict) for one in found] == (
        [(severity, verdict)] if severity else []
    )


def test_judge_tests_without_a_finding_are_listed_with_the_reason() -> None:
    judgement = _judge(
        claim({"a": "x"}, (0.30, 0.20, 0.40), 1e-6),
        claim({"b": "chance"}, (0.30, -0.1, 0.60), 0.3),
        claim({"c": "small"}, (0.03, 0.01, 0.05), 1e-5),
        claim({"d": "omnibus"}, None, 1e-5),
        claim({"e": "too few"}, None, None, untestable="too few"),
    )
    assert [str(one.slice) for one in judgement.findings] == ["a = x"]
    assert {str(one.slice): one.reason for one in judgement.tested} == {
        "c = small": "within the limit",
        "d = omnibus": "no effect of this kind",
        "b = chance": "may be chance",
    }
    assert judgement.tested[-1].q_value > 0.05
    assert len(judgement.tested) + len(judgement.findings) == judgement.tests.n_tests


def test_judge_many_other_tests_leave_the_severity_of_a_significant_claim_unchanged() -> None:
    suspect = claim({"a": "x"}, (0.30, 0.06, 0.54), 1e-5)
    others = [claim({f"b{k}": "x"}, (0, 0, 0), 0.9) for k in range(400)]
    assert _judge(suspect).findings[0].severity == "alert"
    assert _judge(suspect, *others).findings[0].severity == "alert"


def test_judge_claims_on_one_attribute_become_one_finding() -> None:
    found = _judge(
        claim({"site": "A"}, (0.09, 0.01, 0.17), 1e-4, weight=1, samples=("s1",)),
        claim(
            {"cell": "mono"},
            (0.3, 0.2, 0.4),
            1e-9,
            weight=5,
            samples=("s1", "s2"),
            label="functional",
        ),
        claim(
            {"cell": "poly"},
            (0.4, 0.3, 0.5),
            1e-9,
            weight=9,
            samples=("s3", "s4"),
            label="defective",
        ),
        claim(
            {"cell": "mono"},
            (0.4, 0.3, 0.5),
            1e-9,
            ceiling="warning",
            kind="data",
            check="data",
            action="Collect.",
        ),
        claim({"cell": "poly", "site": "A"}, (0.4, 0.3, 0.5), 1e-9, weight=2),
    ).findings
    assert [(one.id, str(one.slice)) for one in found] == [
        ("F1", "cell = poly, label = defective"),
        ("F2", "cell = poly, site = A"),
        ("F3", "site = A"),
    ]
    assert [one.title for one in found[0].supporting] == [
        "about cell = mono, label = functional",
        "about cell = mono",
    ]
    assert found[0].samples == ["s3", "s1", "s4", "s2"]
    assert found[0].action == "Act. Collect."


def _names(judgement: Judgement) -> list[list[str]]:
    return [[one.title, *(claim_.title for claim_ in one.supporting)] for one in judgement.findings]


def test_judge_explained_claim_joins_the_explaining_attribute() -> None:
    proxy = claim({"group": "b"}, (0.3, 0.2, 0.4), 1e-9, weight=99, explained_by=("age",))
    cause = claim({"age": "child"}, (0.3, 0.04, 0.4), 1e-9, weight=5)
    judgement = _judge(proxy, cause)
    assert _names(judgement) == [["about age = child", "about group = b"]]
    assert judgement.findings[0].severity == "alert"  # as severe as what it explains
    # Without a finding on the explaining attribute, the claim stays on its own.
    assert _names(_judge(proxy)) == [["about group = b"]]


@pytest.mark.parametrize(
    ("p_value", "verdicts"),
    [
        (
            1e-9,
            {"cell = mono": "confirmed", "cell = poly": "supported", "place = corner": "confirmed"},
        ),
        (
            0.6,
            {"cell = mono": "supported", "cell = poly": "supported"},
        ),
    ],
)
def test_judge_significant_intervention_confirms_the_slice(
    p_value: float, verdicts: dict[str, str]
) -> None:
    mono, poly, corner = {"cell": "mono"}, {"cell": "poly"}, {"place": "corner"}
    judgement = _judge(
        claim(mono, (0.3, 0.2, 0.4), 1e-9),
        claim(poly, (0.3, 0.2, 0.4), 1e-9),
        claim(
            corner,
            (0.3, 0.2, 0.4),
            p_value,
            confirms=(SliceKey(attributes=mono), SliceKey(attributes=corner)),
        ),
    )
    found = {str(one.slice): one.verdict for one in judgement.findings}
    for finding in judgement.findings:
        found |= {str(one.slice): one.verdict for one in finding.supporting}
    assert found == verdicts
    assert judgement.findings[0].severity == "alert"


def test_judge_mutual_explanations_become_one_finding() -> None:
    one = claim({"scanner": "b"}, (0.3, 0.2, 0.4), 1e-9, weight=4, explained_by=("ward",))
    other = claim({"ward": "b"}, (0.3, 0.2, 0.4), 1e-9, weight=5, explained_by=("scanner",))
    third = claim({"bed": "b"}, (0.3, 0.2, 0.4), 1e-9, weight=9, explained_by=("scanner",))
    assert _names(_judge(one, other, third)) == [
        ["about ward = b", "about bed = b", "about scanner = b"]
    ]


def test_judge_claims_without_attribute_on_the_same_failures_become_one_finding() -> None:
    region = claim({}, (0.4, 0.3, 0.5), 1e-9, check="region", accounts_for=frozenset({1, 2, 3, 4}))
    cluster = claim(
        {},
        (0.3, 0.2, 0.4),
        1e-6,
        check="cluster",
        ceiling="warning",
        kind="map",
        accounts_for=frozenset({3, 4, 5, 6, 7, 8}),
        explained_by=("a",),
    )
    apart = claim({}, (0.2, 0.1, 0.3), 1e-6, check="apart", accounts_for=frozenset({1, 8, 9}))
    silent = claim({}, (0.2, 0.1, 0.3), 1e-6, check="silent")

    def grouped(*claims: Claim) -> list[list[str]]:
        findings = _judge(*claims).findings
        return [[one.check, *(claim_.check for claim_ in one.supporting)] for one in findings]

    expected = [["region", "cluster"], ["apart"], ["silent"]]
    assert sorted(grouped(apart, cluster, silent, region)) == sorted(expected)
    # An explanation of one of them moves the whole group.
    named = claim({"a": "1"}, (0.5, 0.4, 0.6), 1e-12)
    assert grouped(cluster, region, named) == [["stub", "region", "cluster"]]
    # The action of a claim without a name is dropped where an attribute leads.
    nameless = replace(cluster, action="Find what they share.")
    assert _judge(nameless, named).findings[0].action == "Act."
    assert _judge(nameless, region).findings[0].action == "Act. Find what they share."


def test_judge_untestable_slices_are_summarised() -> None:
    judgement = _judge(
        *(claim({"site": k}, None, None, untestable="too few") for k in "ABC"),
        *(claim({"site": k}, None, None, untestable="too few", label="defective") for k in "ABC"),
    )
    assert not judgement.findings
    assert not judgement.tested
    assert [one.reason for one in judgement.skipped[:2]] == [
        "the rest",
        "site: not compared were A (too few), B (too few) and C (too few)",
    ]
    assert judgement.skipped[2].reason.startswith("3 slices within one label")


def test_judge_without_checks_slices_have_error_rates() -> None:
    rng = np.random.default_rng(0)
    failure = rng.random(200) < 0.3
    side = np.where(rng.random(200) < 0.5, "left", "right")
    audit = _audit(["functional", "defective"] * 100, failure, {"side": side})
    bare = judge({}, audit).slices[0]
    full = judge({"performance-gap": _all_checks()["performance-gap"]}, audit).slices[0]
    left = int((side == "left").sum())
    failed = int(failure[side == "left"].sum())
    assert (bare.support, bare.n_failures, bare.gap, bare.p_value) == (left, failed, None, None)
    assert bare.error_rate is not None
    assert (bare.error_rate.low, bare.error_rate.high) == pytest.approx(rate_limits(failed, left))
    assert full.gap is not None
    assert full.p_value is not None
    assert full.q_value is not None
    assert full.q_value >= full.p_value
    assert full.detectable_gap is not None


def test_judge_end_of_an_ordered_attribute_has_the_power_of_its_finding_alone() -> None:
    rng = np.random.default_rng(0)
    age = rng.integers(20, 90, 700)
    audit = _audit(["functional", "defective"] * 350, rng.random(700) < 0.1, {"age": age})
    slices = judge({"performance-gap": _all_checks()["performance-gap"]}, audit).slices
    end = next(one for one in slices if one.tail and one.label is None)
    value = next(one for one in slices if not one.tail and one.label is None)
    assert end.gate_power is not None
    assert value.gate_power is not None
    # A value passes only if a gap of 10 points is excluded, which about 1 in 40 audits do wrongly.
    assert value.gate_power.not_passed == pytest.approx(0.975, abs=0.01)
    assert end.gate_power.blocked <= end.gate_power.not_passed < 0.9


def test_judge_planted_cause_is_the_first_finding() -> None:
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
        _all_checks(), _audit(label, rng.random(n) < rate, attributes, reference=reference)
    )
    first, *others = judgement.findings
    assert (first.severity, first.verdict, first.id) == ("alert", "supported", "F1")
    assert "cell_type" in first.title
    assert set(first.slice.attributes) == {"cell_type"}
    assert {"performance-gap", "label-association"} <= {
        first.check, *(one.check for one in first.supporting)
    }  # fmt: skip
    assert all(one.severity != "alert" for one in others)
    json.dumps([one.model_dump() for one in judgement.findings], allow_nan=False)


@pytest.mark.slow
def test_judge_unbiased_model_is_rarely_accused() -> None:
    """In 30 audits of models that fail in one label only, the share accused stays near alpha."""
    supported = alerts = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        label = rng.choice(CLASSES, 500)
        failure = rng.random(500) < np.where(label == "defective", 0.35, 0.05)
        attributes = {
            "side": rng.choice(["left", "right"], 500),
            "site": rng.choice(list("ABCD"), 500, p=[0.5, 0.3, 0.15, 0.05]),
            "age": rng.normal(size=500),
        }
        findings = judge(_all_checks(), _audit(label, failure, attributes)).findings
        supported += any(one.verdict in {"supported", "confirmed"} for one in findings)
        alerts += any(one.severity == "alert" for one in findings)
    assert alerts <= 1  # about 1 of 100 audits has one
    assert supported <= 5  # binomial(30, 0.05) exceeds that once in 300


@pytest.mark.slow
def test_judge_planted_cause_innocent_attribute_is_rarely_accused() -> None:
    """In 30 audits with one strong cause, its many discoveries do not loosen the bound for others."""
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
        first, *others = judge(_all_checks(), _audit(label, failure, attributes)).findings
        assert set(first.slice.attributes) == {"guilty"}
        accused += any(one.verdict in {"supported", "confirmed"} for one in others)
    assert accused <= 5  # binomial(30, 0.05) exceeds that once in 300


@settings(max_examples=40)
@given(
    st.integers(0, 80),
    st.sampled_from(["one label", "all fail", "none fails", "any"]),
    st.sampled_from(["equal to label", "one value", "missing", "numbers", "words", "mixed"]),
    st.booleans(),
)
def test_judge_odd_data_gives_valid_json(n: int, failures: str, kind: str, trained: bool) -> None:
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
    audit = _audit(label, failure, attributes, reference if trained else None, min_support=5)
    judgement = judge(_all_checks(), audit)
    json.dumps([one.model_dump() for one in judgement.findings + judgement.slices], allow_nan=False)


def test_judge_counted_fact_without_test_reaches_its_ceiling() -> None:
    counted = {"counted": True, "ceiling": "warning", "limit": 0.01}
    large, small, none = _judge(
        claim({}, (0.05, 0.02, 0.09), None, title="large", **counted),
        claim({}, (0.05, 0.01, 0.09), None, title="small", **counted),
        claim({}, (0.005, 0.001, 0.02), None, title="acceptable", **counted),
        claim({}, (0.0, 0.0, 0.01), None, title="nothing", **counted),
    ).findings
    assert [(one.title, one.severity) for one in (large, small, none)] == [
        ("large", "warning"),
        ("small", "note"),
        ("acceptable", "note"),  # a counted fact is always reported
    ]
    assert {one.verdict for one in (large, small, none)} == {"observed"}
    # An inferred effect without a test stays a note.
    inferred = claim({}, (0.15, 0.12, 0.19), None, ceiling="warning")
    assert [one.severity for one in _judge(inferred).findings] == ["note"]


def test_judge_data_faults_are_counted_once_and_change_nothing_else() -> None:
    label = ["functional"] * 10
    failure = [True] * 4 + [False] * 6
    blamed = [
        claim({}, (0.1, 0.05, 0.2), None, check="one", faulty=("s1", "s2")),
        claim({}, (0.1, 0.05, 0.2), None, check="two", faulty=("s2", "s3", "s9")),
        # Within the limit, so no finding names it.
        claim({}, (0.01, 0.0, 0.02), None, check="three", faulty=("s0",)),
    ]
    audit = _audit(label, failure)
    judgement = judge({"stub": FixedClaims(claims=tuple(blamed))}, audit)
    found = judgement.data_faults
    assert found.samples == {"s1": ["one"], "s2": ["one", "two"], "s3": ["two"]}  # s9 is correct
    assert (found.n_failures, found.by_check) == (3, {"one": 2, "two": 2})
    without = judge(
        {"stub": FixedClaims(claims=tuple(replace(one, faulty=()) for one in blamed))}, audit
    )
    assert without.slices == judgement.slices
    assert without.findings == judgement.findings
    assert without.data_faults.n_failures == 0


def test_judge_numeric_attribute_with_mostly_untestable_bands_is_named_once() -> None:
    age = np.tile(np.arange(40.0), 3)
    audit = _audit(CLASSES * 60, np.arange(120) % 3 == 0, {"age": age}, min_support=35)
    numeric = replace(audit, ordered={"age": OrderedValues(age)})
    checks = {"performance-gap": _all_checks()["performance-gap"]}

    def reasons(audited: AuditData) -> list[str]:
        found = [one.reason for one in judge(checks, audited).skipped]
        return [one for one in found if "age" in one]

    # The four bands of 30 samples are too small; the ends of the attribute are not.
    (once,) = reasons(numeric)
    assert once.startswith("4 of 4 bands of age have too few samples to be tested one by one")
    (by_value,) = reasons(audit)
    assert by_value.startswith("age: not compared were under 10 (30 samples of the 35")


def test_judge_value_with_two_untestable_metrics_is_named_once() -> None:
    audit = _audit(CLASSES * 60, np.zeros(120, dtype=bool), {"site": np.tile(["A", "B"], 60)})
    base = claim({"site": "A"}, None, None)
    both = tuple(replace(base, untestable=reason) for reason in ("first", "second"))
    skipped = judge({"stub": FixedClaims(claims=both)}, audit).skipped
    assert [one.reason for one in skipped if "not compared" in one.reason] == [
        "site: not compared were A (first; second)"
    ]
