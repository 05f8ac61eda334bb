"""Classes that are recognised far less often than the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from reference import rate_limits
from scipy.stats import fisher_exact, hypergeom

from auditor.checks.class_gap import ClassGap
from auditor.records import AuditData, Clusters
from auditor.stages.judge import judge

MakeEvidence = Callable[..., AuditData]


def _audit(
    make_evidence: MakeEvidence, hits: list[int], totals: list[int], copies: int = 1
) -> AuditData:
    """Class k is recognised in hits[k] of totals[k] samples; failures go to the next class."""
    classes = tuple(f"c{k}" for k in range(len(hits)))
    label, predicted = [], []
    for k, (hit, total) in enumerate(zip(hits, totals, strict=True)):
        label += [classes[k]] * total * copies
        predicted += [classes[k]] * hit * copies
        predicted += [classes[(k + 1) % len(classes)]] * (total - hit) * copies
    return make_evidence(label, predicted, {}, classes=classes)


def test_class_gap_class_that_is_hardly_recognised_is_an_alert(make_evidence: MakeEvidence) -> None:
    audit = _audit(make_evidence, [3, *[32] * 29], [33] * 30)
    (finding,) = judge({"class-gap": ClassGap()}, audit).findings
    assert (finding.severity, finding.verdict) == ("alert", "supported")
    assert finding.title == (
        "9.1 % of the c0 samples are recognised; the median of the 29 other classes is 97 %"
    )
    assert finding.slice.label == "c0"
    assert finding.statement[-1] == "30 of 30 failures are predicted as c1."


def test_class_gap_is_that_to_the_median_of_the_other_classes(make_evidence: MakeEvidence) -> None:
    hits, totals = [12, 30, 36, 39], [40] * 4
    (claim,) = ClassGap().examine(_audit(make_evidence, hits, totals)).claims
    # The others have recalls of 30, 36 and 39 of 40, so that the median is 36/40.
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(36 / 40 - 12 / 40)
    assert claim.limit == pytest.approx(0.5 * 36 / 40)
    own, other = rate_limits(12, 40), rate_limits(36, 40)
    low = 0.6 - np.hypot(0.9 - other[0], own[1] - 0.3)
    assert claim.effect.low == pytest.approx(low)
    # 28 and 4 of 40 are missed; mid-p of Fisher's one-sided test, times the four classes.
    law = hypergeom(80, 32, 40)
    tail = fisher_exact([[28, 12], [4, 36]], alternative="greater").pvalue - law.pmf(28) / 2
    assert claim.p_value == pytest.approx(4 * tail)


def test_class_gap_of_classes_that_are_merely_harder_is_no_finding(
    make_evidence: MakeEvidence,
) -> None:
    audit = _audit(make_evidence, [120, 160, 190, 198], [200] * 4)
    judgement = judge({"class-gap": ClassGap()}, audit)
    assert judgement.findings == []
    # The lowest recall, 60 % against 95 %, is listed among what was tested.
    (claim,) = ClassGap().examine(audit).claims
    assert claim.slice.label == "c0"


def test_class_gap_below_half_but_not_shown_is_a_warning_that_needs_more_samples(
    make_evidence: MakeEvidence,
) -> None:
    audit = _audit(make_evidence, [12, 29, 29, 29], [30] * 4)
    (finding,) = judge({"class-gap": ClassGap()}, audit).findings
    assert (finding.severity, finding.open_bound) == ("warning", True)


def test_class_gap_with_two_classes_compares_each_with_the_other(
    make_evidence: MakeEvidence,
) -> None:
    audit = _audit(make_evidence, [4, 98], [50, 100])
    (finding,) = judge({"class-gap": ClassGap()}, audit).findings
    assert (finding.slice.label, finding.severity) == ("c0", "alert")
    assert finding.title == "8 % of the c0 samples are recognised; 98 % of the c1 samples"


def test_class_gap_counts_clusters_and_not_their_samples(make_evidence: MakeEvidence) -> None:
    hits, totals = [3, 8, 9, 10], [10] * 4
    plain = _audit(make_evidence, hits, totals)
    copied = _audit(make_evidence, hits, totals, copies=8)
    # Every class starts with its recognised samples, so eight neighbours are copies of one sample.
    clusters = Clusters("patient", np.repeat(np.arange(40), 8), 0)
    clustered = replace(copied, clusters=clusters)
    wide, narrow = (
        next(iter(ClassGap().examine(one).claims)).effect for one in (clustered, copied)
    )
    once = next(iter(ClassGap().examine(plain).claims)).effect
    assert wide is not None
    assert narrow is not None
    assert once is not None
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert wide.low <= once.low


def test_class_gap_without_two_classes_of_enough_samples_is_skipped(
    make_evidence: MakeEvidence,
) -> None:
    examination = ClassGap().examine(_audit(make_evidence, [1, 100], [9, 100]))
    assert examination.claims == ()
    assert "fewer than two classes" in examination.skipped[0].reason
