"""Hidden slices where there are none: outcomes dealt out anew among the pictures of each label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.checks.hidden_slices import HiddenSlices
from auditor.config import SliceSection
from auditor.selftest import Tables, exact, independent
from auditor.stages.judge import judge
from benchmarks.planting.cases import Case, shares_of
from benchmarks.planting.table_audits import shown, table


@dataclass(frozen=True)
class _Model:
    """A case's network as a check sees it."""

    case: Case

    def pictures(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """See ``Oracle``."""
        return self.case.pictures[rows].transpose(0, 3, 1, 2)

    def predict(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """See ``Oracle``."""
        return shares_of(self.case.net, pictures.transpose(0, 2, 3, 1)).astype(np.float64)

    def features(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See ``Oracle``."""
        return self.case.features()[rows]

    def objects(self, rows: NDArray[np.int64]) -> None:
        """See ``Oracle``."""
        del rows


def hidden_null(cases: Iterable[Case], repeats: int) -> str:
    """How often hidden-slices supports a slice of outcomes that go along with no picture.

    Args:
        cases: networks with their pictures; what was planted does not matter.
        repeats: how often the outcomes of each are dealt out anew.
    """
    supported = total = 0
    for case in cases:
        tables = _tables(case)
        model = _Model(case)
        for k in range(repeats):
            generator = np.random.default_rng([case.seed, k, 5])
            evidence = tables.evidence(independent(tables, generator))
            judged = judge(tables.checks, replace(evidence, model=model, seed=k))
            supported += any(one.verdict == "supported" for one in judged.findings)
            total += 1
    row = ("hidden-slices", shown(exact(supported, total)), total)
    return table(("outcomes dealt out anew", "supported", "audits"), [row])


def _tables(case: Case) -> Tables:
    """The audited pictures with no attribute."""
    names = pd.Index(list(case.pool.classes))
    n = len(case.label)
    predicted = case.shares.argmax(1).astype(np.int64)
    truth = np.maximum(case.shares[np.arange(n), case.label], 1e-9)
    usable = pd.DataFrame(
        {
            "sample": [f"s{row}" for row in range(n)],
            "path": "",
            "label": pd.Categorical.from_codes(case.label, names),
            "predicted": pd.Categorical.from_codes(predicted, names),
            "confidence": case.shares.max(1).astype(np.float64),
            "loss": -np.log(truth).astype(np.float64),
            "failure": case.failure,
        }
    )
    checks = {"hidden-slices": HiddenSlices()}
    return Tables.of(usable, case.pool.classes, (), checks, SliceSection())
