"""The self-test: what it plants is there, what it removes is gone, and what it says is counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.small_runs import predictions, small_run
from typer.testing import CliRunner

from auditor.checks.performance_gap import PerformanceGap
from auditor.cli import app
from auditor.config import AuditConfig, SliceSection
from auditor.errors import DataError
from auditor.records import ClaimKind, ClaimRecord, Finding, SliceKey, Verdict
from auditor.run_folder import RunFolder
from auditor.selftest import (
    Outcomes,
    Tables,
    accusations,
    exact,
    independent,
    of_config,
    of_run,
    planted,
    selftest,
)

CLASSES = ("a", "b", "c")


def tables(n: int = 6000, rate: float = 0.2, *, depends: bool = False) -> Tables:
    """Three classes, one attribute of two values; failures of `a` only if `depends` go with it."""
    generator = np.random.default_rng(5)
    label = np.arange(n) % 3
    side = generator.random(n) < 0.4
    failure = generator.random(n) < rate
    if depends:
        failure = side.copy()
    predicted = np.where(failure, (label + 1) % 3, label)
    shares = np.full((n, 3), 0.15, dtype=np.float32)
    shares[np.arange(n), predicted] = 0.7
    usable = pd.DataFrame(
        {
            "sample": [f"s{k}" for k in range(n)],
            "path": "",
            "label": pd.Categorical.from_codes(label, pd.Index(CLASSES)),
            "predicted": pd.Categorical.from_codes(predicted, pd.Index(CLASSES)),
            "confidence": 0.7,
            "loss": np.arange(n, dtype=np.float64),
            "failure": failure,
            "side": np.where(side, "left", "right"),
        }
    )
    return Tables.of(
        usable,
        CLASSES,
        ("side",),
        {"performance-gap": PerformanceGap()},
        SliceSection(),
        probabilities=shares,
    )


def test_independent_permutation_keeps_each_labels_outcomes() -> None:
    made = tables(depends=True)
    dealt = independent(made, np.random.default_rng(1))
    inside = made.member("side", "left")
    for code in range(3):
        own = made.label == code
        # Every loss is unique here, so it tells whose outcome it was.
        assert sorted(dealt.loss[own]) == sorted(made.outcomes.loss[own])
        source = dealt.loss[own].astype(int)
        assert np.array_equal(dealt.predicted[own], made.outcomes.predicted[source])
        failure = dealt.predicted[own] != code
        gap = failure[inside[own]].mean() - failure[~inside[own]].mean()
        assert abs(gap) < 4 * np.sqrt(0.25 * (1 / inside[own].sum() + 1 / (~inside[own]).sum()))


@pytest.mark.parametrize("rate", [0.2, 0.0])
def test_planted_gap_has_its_size_and_changes_no_other_sample(rate: float) -> None:
    made = tables(60_000, rate)
    inside = made.member("side", "left")
    worse = planted(made, made.outcomes, inside, 0.15, np.random.default_rng(2))
    before, after = (one.predicted != made.label for one in (made.outcomes, worse))
    assert np.array_equal(before[~inside], after[~inside])
    assert np.all(after[inside] >= before[inside])
    for code in range(3):
        own = inside & (made.label == code)
        rise = after[own].mean() - before[own].mean()
        # 0.15 of about 8,000: standard error under 0.004.
        assert rise == pytest.approx(0.15, abs=0.016)
    # An outcome stays whole: the predicted class is the one with the largest share.
    assert worse.probabilities is not None
    assert np.array_equal(worse.probabilities.argmax(1), worse.predicted)
    assert worse.probabilities.sum(1) == pytest.approx(1)


def test_planted_failures_resemble_those_of_their_label() -> None:
    made = tables(rate=0.3)
    inside = made.member("side", "left")
    worse = planted(made, made.outcomes, inside, 0.2, np.random.default_rng(2))
    new = np.flatnonzero((worse.predicted != made.label) & (made.outcomes.predicted == made.label))
    donors = worse.loss[new].astype(int)
    assert len(new) > 100
    assert np.array_equal(made.label[donors], made.label[new])
    assert np.all(made.outcomes.predicted[donors] != made.label[donors])


def test_planted_without_probabilities_gives_failures() -> None:
    made = tables(300, 0.0)
    bare = Outcomes(made.outcomes.predicted, made.outcomes.confidence, made.outcomes.loss)
    worse = planted(made, bare, np.ones(300, dtype=bool), 1.0, np.random.default_rng(0))
    assert np.all(worse.predicted != made.label)
    assert worse.probabilities is None
    assert worse.loss == pytest.approx(-np.log(0.3))


def test_exact_interval_equals_statsmodels() -> None:
    # Clopper and Pearson's upper limit of 0 of n solves (1 - p)^n = 0.025.
    assert exact(0, 400).high == pytest.approx(1 - 0.025 ** (1 / 400))
    assert exact(0, 400).low == 0
    # Table 1 of many textbooks: 5 of 10.
    assert (exact(5, 10).low, exact(5, 10).high) == pytest.approx((0.1871, 0.8129), abs=1e-4)


def finding(
    check: str,
    kind: ClaimKind,
    verdict: Verdict,
    attributes: dict[str, str],
    supporting: Sequence[ClaimRecord] = (),
) -> Finding:
    return Finding(
        id="F1",
        check=check,
        kind=kind,
        title="",
        severity="note",
        verdict=verdict,
        slice=SliceKey(attributes=attributes),
        effect=None,
        p_value=0.1,
        q_value=0.1,
        support=1,
        samples=[],
        statement=[],
        action="",
        limits="",
        supporting=list(supporting),
    )


def test_accusations_count_supported_outcome_claims_only() -> None:
    confirmed = finding("calibration-gap", "outcome", "confirmed", {"y": "2"})
    found = [
        finding("performance-gap", "outcome", "observed", {"x": "1"}, [confirmed]),
        finding("label-association", "data", "supported", {"x": "1"}),
        finding("performance-gap", "outcome", "supported", {"x": "1"}),
        finding("calibration-gap", "outcome", "supported", {}),
    ]
    named = [(dict(one.attributes), one.first, one.check) for one in accusations(found)]
    assert named == [
        ({"y": "2"}, True, "calibration-gap"),
        ({"x": "1"}, False, "performance-gap"),
    ]


def test_selftest_large_gap_is_found_and_independent_outcomes_are_not() -> None:
    found = selftest(tables(1500), gaps=(0.0, 0.3), rounds=6, seed=3)
    none, large = found.detections
    # With 1,500 samples a gap of 30 points is 12 standard errors.
    assert (large.n_found, large.n_first, large.n_audits) == (6, 6, 6)
    # A gap of nothing and the clean audits: each is found with probability 0.05 at most.
    assert none.n_found + found.n_false <= 4
    assert found.n_clean == 12


def test_selftest_model_without_failures_is_tested() -> None:
    found = selftest(tables(900, 0.0), gaps=(0.2,), rounds=3)
    assert [one.n_found for one in found.detections] == [3]
    assert found.n_false == 0


def test_selftest_time_limit_ends_after_the_first_audits() -> None:
    found = selftest(tables(600), gaps=(0.3, 0.1), rounds=50, seconds=0)
    assert found.n_clean == 1
    # Ten points come first, wherever they stand.
    assert [(one.gap, one.n_audits) for one in found.detections] == [(0.3, 0), (0.1, 1)]
    assert found.detections[0].found is None
    assert found.rows[0][1] == "—"


def test_selftest_without_testable_attribute_is_an_error() -> None:
    with pytest.raises(DataError, match="expected an attribute"):
        selftest(tables(40))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    generator = np.random.default_rng(0)
    table = predictions(400, wrong=range(0, 400, 9), sex=generator.choice(["f", "m"], 400))
    return small_run(tmp_path / "run", table)


def test_of_run_uses_the_settings_of_the_run(run: RunFolder) -> None:
    made = of_run(run)
    # What `small_run` writes into every result.
    assert made.min_support == 20
    assert made.alpha == 0.05
    assert made.cut.attributes == ("sex",)
    assert len(made.label) == 400


def test_of_config_equals_of_run(planted_inputs: Path, planted_run: RunFolder) -> None:
    asked, kept = of_config(AuditConfig.load(planted_inputs)), of_run(planted_run)
    assert asked.cut.attributes == kept.cut.attributes == ("mark", "stroke")
    assert np.array_equal(asked.label, kept.label)
    assert np.array_equal(asked.outcomes.predicted, kept.outcomes.predicted)
    assert asked.outcomes.loss == pytest.approx(kept.outcomes.loss)
    assert asked.cut.computed == kept.cut.computed
    assert asked.checks == kept.checks


def test_selftest_command_prints_the_table(run: RunFolder) -> None:
    done = CliRunner().invoke(app, ["selftest", str(run.path), "--seconds", "0", "--quiet"])
    assert done.exit_code == 0, done.output
    assert "with 400 images, this audit would find a gap of 10 points" in done.output
    assert "sex" in done.output
    refused = CliRunner().invoke(app, ["selftest", str(run.path.parent)])
    assert refused.exit_code == 2
