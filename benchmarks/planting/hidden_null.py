"""False alarms of hidden slices and map clusters: outcomes permuted among the images of each label."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from auditor.checks import Check
from auditor.checks.hidden_slices import HiddenSlices
from auditor.checks.map_clusters import MapClusters
from auditor.config import SliceSection
from auditor.evaluated_samples import EvaluatedSamples
from auditor.model_opening import open_model
from auditor.selftest import Tables, exact, independent
from auditor.stages.judge import judge
from benchmarks.planting.cases import Case, as_audit
from benchmarks.planting.table_audits import shown, table

_CHECKS: dict[str, Check] = {"hidden-slices": HiddenSlices(), "map-clusters": MapClusters()}


def hidden_null(cases: Iterable[Case], repeats: int) -> str:
    """How often a slice is supported although the outcomes are independent of the images.

    Args:
        cases: networks with their images; what was planted does not matter.
        repeats: number of permutations of the outcomes of each case.

    Returns:
        A table in Markdown: for each check, the share of audits with a supported finding.
    """
    supported: Counter[str] = Counter()
    total = 0
    for case in cases:
        tables = _tables(case)
        with tempfile.TemporaryDirectory() as place:
            audit = as_audit(case, Path(place), annotated=False)
            model = open_model(audit).model
            samples = EvaluatedSamples(model, audit.dataset, tables.cut.predictions)
            for k in range(repeats):
                generator = np.random.default_rng([case.seed, k, 5])
                audit_data = tables.audit_data(independent(tables, generator))
                judgement = judge(tables.checks, replace(audit_data, model=samples, seed=k))
                supported.update(
                    {one.check for one in judgement.findings if one.verdict == "supported"}
                )
                total += 1
    rows = [(name, shown(exact(supported[name], total)), total) for name in _CHECKS]
    return table(("outcomes permuted", "supported", "audits"), rows)


def _tables(case: Case) -> Tables:
    """The audited samples, without attributes."""
    names = pd.Index(list(case.pool.classes))
    n = len(case.label)
    predicted = case.probabilities.argmax(1).astype(np.int64)
    truth = np.maximum(case.probabilities[np.arange(n), case.label], 1e-9)
    usable = pd.DataFrame(
        {
            "sample": [f"{row:05d}.png" for row in range(n)],
            "path": "",
            "label": pd.Categorical.from_codes(case.label, names),
            "predicted": pd.Categorical.from_codes(predicted, names),
            "confidence": case.probabilities.max(1).astype(np.float64),
            "loss": -np.log(truth).astype(np.float64),
            "failure": case.failure,
        }
    )
    return Tables.of(usable, case.pool.classes, (), _CHECKS, SliceSection())
