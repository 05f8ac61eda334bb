"""Failures that may be due to faults in the data, collected from the claims about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pandas as pd

from auditor.records import Claim, DataFaults, FaultLabels, LabelNoiseRecord


def data_faults(
    claims: Iterable[Claim],
    predictions: pd.DataFrame,
    labels: Mapping[str, FaultLabels],
    label_noise: LabelNoiseRecord | None = None,
) -> DataFaults:
    """Counts the failures that claims attribute to faults in the data, each once.

    Args:
        claims: the claims that became findings.
        predictions: the evaluated samples, as in ``AuditData.predictions``.
        labels: by check, its name for such failures.
        label_noise: estimate of the wrong labels, if a check made one.

    Returns:
        The suspected failures, and the estimate.
    """
    named: dict[str, set[str]] = {}
    for claim in claims:
        for sample in claim.faulty:
            named.setdefault(sample, set()).add(claim.check)
    failures = predictions.loc[predictions["failure"].to_numpy(dtype=bool), "sample"]
    samples = {str(one): sorted(named[one]) for one in failures if one in named}
    by_check = Counter(check for checks in samples.values() for check in checks)
    return DataFaults(
        n_failures=len(samples),
        by_check=dict(sorted(by_check.items())),
        samples=samples,
        labels={check: labels[check] for check in sorted(by_check) if check in labels},
        label_noise=label_noise,
    )
