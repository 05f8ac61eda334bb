"""Whole audits of confounded gaps: what is named, explained, and accused falsely.

    python -m benchmarks.verdicts.confounded_audits [--audits 100] [--seed 0]

All checks that need no image are run and corrected together, as in an audit.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from auditor.config import SliceSection
from auditor.preparation import select_checks
from auditor.records import AuditData, ClaimRecord, Finding, HeldFixed
from auditor.stages.judge import Judgement, judge
from auditor.stages.slicing import slice_samples
from benchmarks.verdicts.confounding import Confounded
from benchmarks.verdicts.simulated import LIMIT, Sample, shown, table

_NAMES = ("race", "age", "site", "innocent")
_CLASSES = tuple(f"c{k}" for k in range(4))


def audit_of(sample: Sample, generator: np.random.Generator) -> AuditData:
    """The samples with predictions, as an audit sees them."""
    n = len(sample.label)
    wrong = (sample.label + generator.integers(1, len(_CLASSES), size=n)) % len(_CLASSES)
    predicted = np.where(sample.failure, wrong, sample.label)
    classes = pd.Index(list(_CLASSES))
    usable = pd.DataFrame(
        {
            "sample": [f"s{row}" for row in range(n)],
            "path": [f"{row}.png" for row in range(n)],
            "label": pd.Categorical.from_codes(sample.label, classes),
            "predicted": pd.Categorical.from_codes(predicted, classes),
            "confidence": np.clip(1 - generator.beta(2, 12, n), 0.3, 1),
            "loss": generator.random(n),
            "failure": sample.failure,
            **{
                name: np.array(list("abcd"))[values]
                for name, values in zip(_NAMES, sample.attributes, strict=True)
            },
        }
    )
    cut = slice_samples(usable, None, _CLASSES, _NAMES, SliceSection())
    return cut.audit_data(_CLASSES, alpha=0.05, min_support=30, seed=0)


def judged(world: Confounded, n: int, seed: list[int]) -> Judgement:
    """One simulated audit."""
    generator = np.random.default_rng(seed)
    checks = {name: one for name, one in select_checks({})[0].items() if not one.needs}
    return judge(checks, audit_of(world.draw(n, generator), generator))


def masked(audits: int, seed: int) -> str:
    """A gap of 10 points within every age that the mixture of ages hides."""
    world = Confounded(remains=0.1, aged=(0.3, 0.7))
    rows = []
    for n in (1000, 2000, 5000, 10_000):
        named = alert = innocent = 0
        for k in range(audits):
            findings = judged(world, n, [seed, n, k]).findings
            own = [one for one in findings if str(one.slice) == "race = b"]
            named += any(one.effect is not None and one.effect.value > LIMIT for one in own)
            alert += any(one.severity == "alert" for one in own)
            innocent += _accused(findings)
        rows.append((f"{n:,}", *(shown(part, audits) for part in (named, alert, innocent))))
    return table(("samples", "race named", "by an alert", "innocent attribute accused"), rows)


def explained(audits: int, seed: int) -> str:
    """What is said of race, parts of whose gap go with age and site."""
    cases = {
        "16 points, 6 remain": Confounded(remains=0.06),
        "12 points, 4 remain": Confounded(remains=0.04, age=0.2),
        "16 points, none remain, all by age": Confounded(age=0.4),
        "14 points, none remain, age and site": Confounded(age=0.2, site=0.2, sited=(0.6, 0.3)),
        "the same, on the scale of odds": Confounded(
            age=0.2, site=0.2, sited=(0.6, 0.3), odds=True
        ),
    }
    rows = []
    for name, world in cases.items():
        for n in (1000, 5000):
            said: Counter[str] = Counter()
            for k in range(audits):
                said.update(_said(judged(world, n, [seed, 1, n, k]).findings))
            rows.append((name, f"{n:,}", *(shown(said[one], audits) for one in _SAID)))
    return table(("gap, limit 5 points", "samples", *_SAID), rows)


_SAID = ("explained", "part remains", "own finding", "own alert", "innocent attribute accused")


def _said(findings: list[Finding]) -> Iterator[str]:
    """What an audit says of race."""
    for one in _claims(findings):
        if one.check == "performance-gap" and str(one.slice) == "race = b":
            states = [part.state for part in one.evidence if isinstance(part, HeldFixed)]
            if states[:1] == ["explains"]:
                yield "explained"
            if states[:1] == ["weakens"]:
                yield "part remains"
    own = [one for one in findings if list(one.slice.attributes) == ["race"]]
    if own:
        yield "own finding"
    if any(one.severity == "alert" for one in own):
        yield "own alert"
    if _accused(findings):
        yield "innocent attribute accused"


def _claims(findings: list[Finding]) -> Iterator[ClaimRecord]:
    for one in findings:
        yield one
        yield from one.supporting


def _accused(findings: list[Finding]) -> bool:
    return any("innocent" in one.slice.attributes for one in _claims(findings))


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for title, part in (("Masked gaps of 10 points", masked), ("Explanations", explained)):
        print(f"\n## {title}\n\n{part(options.audits, options.seed)}", flush=True)


if __name__ == "__main__":
    main()
