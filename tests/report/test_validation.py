from __future__ import annotations

import re
from pathlib import Path

from scipy.stats import binomtest

from auditor.report.view.validation import validation

ROOT = Path(__file__).parents[2]


def test_stated_reliability_is_in_the_document_that_it_names() -> None:
    found = validation()
    text = (ROOT / found.source).read_text(encoding="utf-8")
    assert len(found.results) == 5
    for one in found.results:
        share = re.findall(r"\d+(?:\.\d+)? % of|\d+ of \d+", one.result)[0].removesuffix(" of")
        assert share in text or share.split(" of ")[0] in text


def test_interval_of_no_passing_audit_is_clopper_pearsons() -> None:
    high = binomtest(0, 150).proportion_ci(0.95, method="exact").high
    assert f"0–{100 * high:.1f} %" in validation().results[0].result
