"""Failures that may be the data's fault, collected from the claims that name them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pandas as pd

from auditor.records import Claim, DataFaults, Estimate, FaultLabels
from auditor.statistics import wilson


def data_faults(
    claims: Iterable[Claim], predictions: pd.DataFrame, labels: Mapping[str, FaultLabels]
) -> DataFaults:
    """Counts the failures that claims attribute to the data, each once.

    Args:
        claims: those that became findings.
        predictions: the evaluated samples, as in ``AuditData.predictions``.
        labels: by check, what it calls such failures.

    Returns:
        The suspected failures, and the accuracy on the other samples.
    """
    named: dict[str, set[str]] = {}
    for claim in claims:
        for sample in claim.faulty:
            named.setdefault(sample, set()).add(claim.check)
    failures = predictions.loc[predictions["failure"].to_numpy(dtype=bool), "sample"]
    samples = {str(one): sorted(named[one]) for one in failures if one in named}
    left, n_correct = len(predictions) - len(samples), len(predictions) - len(failures)
    right = wilson(n_correct, left)[()]
    by_check = Counter(check for checks in samples.values() for check in checks)
    return DataFaults(
        n_failures=len(samples),
        by_check=dict(sorted(by_check.items())),
        accuracy=Estimate.of(right) if left else None,
        samples=samples,
        labels={check: labels[check] for check in sorted(by_check) if check in labels},
    )
