"""How audits end: useless models, gaps in small slices, and models without a gap.

    python -m benchmarks.verdicts.outcomes [--audits 200] [--seed 0]

Predictions are drawn from a known distribution (see `benchmarks.planting.worlds`) and judged by all
checks that need no image, the default criteria and the gate, as in an audit.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from auditor.config import GateSection
from auditor.judging.criteria import examine_criteria, with_missed_criteria
from auditor.judging.outcome import decide
from auditor.preparation import select_checks
from auditor.records import AuditData, Summary
from auditor.stages.judge import judge
from benchmarks.planting.worlds import World
from benchmarks.verdicts.simulated import shown, table

GATE = GateSection()
STATES = ("passes", "undecided", "fails")
Behaviour = Callable[[AuditData, np.random.Generator], AuditData]


def ending(world: World, behaviour: Behaviour | None, seed: list[int]) -> str:
    """State of the outcome of one simulated audit."""
    generator = np.random.default_rng(seed)
    checks = {name: one for name, one in select_checks({})[0].items() if not one.needs}
    tables = world.tables(generator, checks)
    audit = tables.audit_data(tables.outcomes)
    if behaviour is not None:
        audit = behaviour(audit, generator)
    judgement = judge(checks, audit)
    criteria = examine_criteria(audit, 0, GATE.criteria, ()).results
    n = len(audit.predictions)
    summary = Summary(
        n_samples=n, n_evaluated=n, n_unusable=0, n_failures=0, n_explained=0, accuracy=None
    )
    findings = with_missed_criteria(judgement.findings, criteria)
    return decide(GATE, summary, findings, criteria, judgement.slices).state


def constant(audit: AuditData, generator: np.random.Generator) -> AuditData:
    """The model always predicts one class."""
    n = len(audit.predictions)
    return _predicting(audit, np.full(n, generator.integers(len(audit.classes))), 0.9)


def coin(audit: AuditData, generator: np.random.Generator) -> AuditData:
    """The model predicts at random, with a confidence that is as low as it should be."""
    k = len(audit.classes)
    return _predicting(audit, generator.integers(k, size=len(audit.predictions)), 1 / k)


def confident_coin(audit: AuditData, generator: np.random.Generator) -> AuditData:
    """The model predicts at random with a confidence of 99 %."""
    k = len(audit.classes)
    return _predicting(audit, generator.integers(k, size=len(audit.predictions)), 0.99)


def skewed(audit: AuditData, generator: np.random.Generator) -> AuditData:
    """The model predicts at random, one class most of the time."""
    k = len(audit.classes)
    shares = generator.dirichlet(np.r_[5.0, np.ones(k - 1)])
    return _predicting(audit, generator.choice(k, len(audit.predictions), p=shares), shares.max())


def swapped(audit: AuditData, _: np.random.Generator) -> AuditData:
    """The model confuses the first two classes with each other."""
    label = audit.predictions["label"].cat.codes.to_numpy()
    return _predicting(audit, np.where(label < 2, 1 - label, label), 0.9)


def _predicting(audit: AuditData, predicted: np.ndarray, confidence: float) -> AuditData:
    frame = audit.predictions
    label = frame["label"].cat.codes.to_numpy()
    return replace(
        audit,
        predictions=frame.assign(
            predicted=pd.Categorical.from_codes(predicted, pd.Index(list(audit.classes))),
            confidence=confidence,
            failure=predicted != label,
        ),
        probabilities=None,
    )


def useless(audits: int, seed: int) -> str:
    """Useless models: none may pass."""
    rows = []
    for behaviour in (constant, coin, confident_coin, skewed, swapped):
        for n, n_classes in ((200, 2), (1000, 4), (5000, 2)):
            world = World(n=n, n_classes=n_classes, innocent=(2, 3), computed=False)
            ends = Counter(ending(world, behaviour, [seed, n, k]) for k in range(audits))
            rows.append((behaviour.__name__, n, n_classes, *_shares(ends, audits)))
    return table(("model", "samples", "classes", *STATES), rows)


def gaps(audits: int, seed: int) -> str:
    """A gap in one slice: never a pass in more than 5 %."""
    rows = []
    for n in (500, 1000, 5000):
        for share in (0.05, 0.1, 0.3, 0.5):
            for gap in (0.0, 0.1, 0.15):
                world = World(n=n, share=share, gap=gap, innocent=(2, 3), computed=False)
                ends = Counter(ending(world, None, [seed, n, k]) for k in range(audits))
                rows.append((n, f"{share:.0%}", f"{gap:.0%}", *_shares(ends, audits)))
    return table(("samples", "share of the slice", "gap", *STATES), rows)


def _shares(ends: Counter[str], audits: int) -> list[str]:
    return [shown(ends[state], audits) for state in STATES]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"## Useless models\n\n{useless(options.audits, options.seed)}", flush=True)
    print(f"\n## Gaps\n\n{gaps(options.audits, options.seed)}")


if __name__ == "__main__":
    main()
