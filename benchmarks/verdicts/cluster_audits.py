"""Whole audits of clustered images: who is accused, and what the self-test says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from auditor.checks import Check
from auditor.config import SliceSection
from auditor.preparation import select_checks
from auditor.records.predictions import GROUP
from auditor.selftest import Tables, accusations, independent
from benchmarks.verdicts.cluster_worlds import World

_CLASSES = ("a", "b")
_VALUES = (2, 3, 4)


@dataclass(frozen=True)
class ClusteredAudits:
    """What audits are drawn from.

    Attributes:
        name: of the row.
        world: failures, labels, clusters, and the slice ``planted = yes``.
        innocent: attributes that are dealt at random, to clusters or to images as in the world.
    """

    name: str
    world: World
    innocent: int = 3

    def tables(self, generator: np.random.Generator, checks: Mapping[str, Check]) -> Tables:
        """Draws samples; they count as independent until ``in_clusters``."""
        audit = self.world.draw(generator)
        n = len(audit.failed)
        failure = audit.failed == 1
        predicted = np.where(failure, 1 - audit.label, audit.label)
        confidence = np.where(failure, generator.beta(4, 2, n), generator.beta(12, 1.5, n))
        confidence = np.clip(confidence, 0.51, 0.999)
        shares = np.stack([np.where(predicted == k, confidence, 1 - confidence) for k in (0, 1)], 1)
        samples = pd.DataFrame(
            {
                "sample": [f"s{k:06d}" for k in range(n)],
                "path": [f"{k}.png" for k in range(n)],
                "label": pd.Categorical.from_codes(audit.label, pd.Index(_CLASSES)),
                "predicted": pd.Categorical.from_codes(predicted, pd.Index(_CLASSES)),
                "confidence": confidence,
                "loss": -np.log(shares[np.arange(n), audit.label]),
                "failure": failure,
                GROUP: audit.cluster.astype(str),
                "planted": np.where(audit.inside, "yes", "no"),
            }
        )
        for k in range(self.innocent):
            samples[f"innocent{k}"] = self._innocent(generator, audit.cluster, k)
        attributes = ("planted", *(f"innocent{k}" for k in range(self.innocent)))
        return Tables.of(
            samples,
            _CLASSES,
            attributes,
            checks,
            SliceSection(),
            probabilities=shares.astype(np.float32),
        )

    def _innocent(self, generator: np.random.Generator, cluster: np.ndarray, k: int) -> np.ndarray:
        values = _VALUES[k % len(_VALUES)]
        constant = self.world.attribute == "constant"
        units = int(cluster.max()) + 1 if constant else len(cluster)
        drawn = generator.choice(values, units, p=generator.dirichlet(np.full(values, 6.0)))
        words = np.array([f"v{value}" for value in drawn], dtype=object)
        return np.asarray(words[cluster] if constant else words)


_NULL = (
    ClusteredAudits("100 patients of 20 images, correlation 0.24", World(rare_label=0.3)),
    ClusteredAudits("uneven clusters", World(rare_label=0.3, sizes="uneven")),
    ClusteredAudits("correlation 0.5", World(rare_label=0.3, correlation=0.5)),
    ClusteredAudits("attributes inside clusters", World(rare_label=0.3, attribute="inside")),
    ClusteredAudits("low error, 2 %", World(rare_label=0.3, rate=0.02)),
    ClusteredAudits("10 innocent attributes", World(rare_label=0.3), innocent=10),
)


def accused(audits: int, seed: int) -> Iterator[tuple[str, list[int]]]:
    """Rows of false accusations and blocked gates, with a group and without one."""
    checks, _ = select_checks({})
    for place, drawn in enumerate(_NULL):
        counts = np.zeros(4, dtype=np.int64)
        for k in range(audits):
            tables = drawn.tables(np.random.default_rng([seed, k, place]), checks)
            found = [
                one.judgement(one.outcomes).findings
                for one in (tables.in_clusters("patient"), tables)
            ]
            counts += [
                *(any(True for _ in accusations(one)) for one in found),
                *(any(finding.severity == "alert" for finding in one) for one in found),
            ]
        yield drawn.name, counts.tolist()


def self_tests(audits: int, seed: int) -> tuple[int, int]:
    """Clean audits of the self-test that accuse an attribute: with a group, and without one.

    They are judged without a group in both cases: shuffled clusters show what that does.
    """
    checks, _ = select_checks({})
    counts = np.zeros(2, dtype=np.int64)
    for k in range(audits):
        generator = np.random.default_rng([seed, k, 99])
        tables = _NULL[0].tables(generator, checks)
        clustered = tables.in_clusters("patient")
        for place, one in enumerate((clustered, tables)):
            outcomes = independent(one, generator)
            # The clusters of the outcomes, the judgement of independent samples.
            judged = replace(one, clusters=None).judgement(outcomes)
            counts[place] += any(True for _ in accusations(judged.findings))
    return int(counts[0]), int(counts[1])


def found(gap: float, audits: int, seed: int) -> int:
    """Audits with a group that name the slice with a planted gap."""
    checks, _ = select_checks({})
    drawn = ClusteredAudits("planted", World(rare_label=0.3, gap=gap))
    named = 0
    for k in range(audits):
        tables = drawn.tables(np.random.default_rng([seed, k, 98]), checks).in_clusters("patient")
        claims = accusations(tables.judgement(tables.outcomes).findings)
        named += any(dict(one.attributes) == {"planted": "yes"} for one in claims)
    return named
