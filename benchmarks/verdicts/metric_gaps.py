"""Gaps of primary metrics: how often a planted one is named, and innocent attributes are accused.

    python -m benchmarks.verdicts.metric_gaps [--audits 100] [--seed 0]

Binary classifiers on 1,000 samples with four attributes. The checks that compare slices by their
outcomes judge each audit together. Shares have exact (Clopper-Pearson) 95 % intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binomtest, norm

from auditor.checks import Check
from auditor.config import SliceSection
from auditor.preparation import select_checks
from auditor.records import AuditData, Clusters, Decisions
from auditor.stages.judge import judge
from auditor.stages.slicing import slice_samples

CLASSES = ("healthy", "ill")
_CHECKS = ("metric-gap", "performance-gap", "calibration-gap", "value-differences")
_ATTRIBUTES = {
    "site": ["A", "B"],
    "sex": ["f", "m"],
    "device": ["x", "y", "z"],
    "age": list("1234"),
}


@dataclass(frozen=True)
class World:
    """What an audit is drawn from.

    Attributes:
        n: samples.
        share: of the samples that are at site A.
        auroc: everywhere else.
        gap: by which the AUROC at site A is lower.
        size: samples of a patient.
        correlation: of the scores of a patient's samples.
        primary: the primary metrics.
    """

    n: int = 1000
    share: float = 0.5
    auroc: float = 0.9
    gap: float = 0.0
    size: int = 1
    correlation: float = 0.0
    primary: tuple[str, ...] = ("auroc",)

    def draw(self, generator: np.random.Generator) -> AuditData:
        """One audit; attributes and truth are those of patients."""
        patient = np.arange(self.n) // self.size
        number = int(patient[-1]) + 1
        table = {
            name: generator.choice(values, number)[patient] for name, values in _ATTRIBUTES.items()
        }
        worse = generator.random(number) < self.share
        table["site"] = np.where(worse, "A", "B")[patient]
        truth = (generator.random(number) < 0.4)[patient]
        noise = np.sqrt(self.correlation) * generator.normal(size=number)[patient]
        noise += np.sqrt(1 - self.correlation) * generator.normal(size=self.n)
        # The AUROC of two normal distributions is Phi(distance / sqrt(2)).
        far, near = (np.sqrt(2) * norm.ppf(one) for one in (self.auroc, self.auroc - self.gap))
        distance = np.where(worse[patient], near, far)
        # Both classes move, so that the site with the gap has the same share of calls.
        score = expit(1.5 * (noise + distance * (truth - 0.5)))
        clusters = Clusters("patient", patient.astype(np.int64)) if self.size > 1 else None
        return _audit(truth, score, table, clusters, self.primary)


def _audit(
    truth: NDArray[np.bool_],
    score: NDArray[np.float64],
    attributes: Mapping[str, NDArray[np.str_]],
    clusters: Clusters | None,
    primary: tuple[str, ...],
) -> AuditData:
    n = len(truth)
    called = score >= 0.5
    own = np.where(truth, score, 1 - score)
    table = pd.DataFrame(
        {
            "sample": [f"s{k}" for k in range(n)],
            "path": "",
            "label": pd.Categorical.from_codes(truth.astype(int), pd.Index(CLASSES)),
            "predicted": pd.Categorical.from_codes(called.astype(int), pd.Index(CLASSES)),
            "confidence": np.maximum(score, 1 - score),
            "loss": -np.log(own),
            "failure": truth != called,
            **attributes,
        }
    )
    cut = slice_samples(table, None, CLASSES, tuple(attributes), SliceSection(intersections=False))
    data = cut.audit_data(CLASSES, alpha=0.05, min_support=30, seed=0)
    decisions = Decisions(
        CLASSES[1:], np.zeros(n, dtype=np.int64), truth, called, score, np.array([0.5])
    )
    return replace(
        data, task="binary", decisions=decisions, clusters=clusters, primary_metrics=primary
    )


_WORLDS = (
    World(),
    World(size=5, correlation=0.5),
    World(primary=("sensitivity", "specificity")),
    World(size=5, correlation=0.5, primary=("sensitivity", "specificity")),
    World(gap=0.1),
    World(gap=0.1, share=0.3),
    World(gap=0.1, auroc=0.8),
    World(gap=0.1, size=5, correlation=0.5),
)


def _rows(worlds: tuple[World, ...], audits: int, seed: int) -> Iterator[str]:
    checks = {name: one for name, one in select_checks({})[0].items() if name in _CHECKS}
    for world in worlds:
        named = metric = accused = 0
        for k in range(audits):
            by_metric, attributes = _reported(world.draw(np.random.default_rng((seed, k))), checks)
            planted = {"site"} if world.gap else set()
            metric += bool(planted & by_metric)
            named += bool(planted & attributes)
            accused += bool(attributes - planted)
        shares = [_share(one, audits) if world.gap else "" for one in (metric, named)]
        patients = f"{world.size}, correlation {world.correlation:g}" if world.size > 1 else "1"
        yield (
            f"| {', '.join(world.primary)} | {patients} | {world.auroc:g} | "
            f"{f'{world.gap:g} in {world.share:.0%}' if world.gap else 'none'} | {shares[0]} | "
            f"{shares[1]} | {_share(accused, audits)} |"
        )


def _reported(audit: AuditData, checks: Mapping[str, Check]) -> tuple[set[str], set[str]]:
    """Attributes that metric-gap names, and those that any check names."""
    by_metric: set[str] = set()
    everything: set[str] = set()
    for finding in judge(checks, audit).findings:
        for claim in (finding, *finding.supporting):
            everything |= set(claim.slice.attributes)
            if claim.check == "metric-gap":
                by_metric |= set(claim.slice.attributes)
    return by_metric, everything


def _share(count: int, total: int) -> str:
    found = binomtest(count, total).proportion_ci()
    return f"{100 * count / total:.3g} % ({100 * found.low:.2g}–{100 * found.high:.3g})"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(
        "| primary metrics | samples of a patient | AUROC | gap of AUROC | named by metric-gap | named "
        "| another attribute accused |\n|---|---|---|---|---|---|---|"
    )
    for row in _rows(_WORLDS, options.audits, options.seed):
        print(row, flush=True)


if __name__ == "__main__":
    main()
