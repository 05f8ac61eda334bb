"""Whole audits of binary and multi-label classifiers: who is accused falsely, and which pairs are found.

    python -m benchmarks.verdicts.tasks [--audits 100] [--seed 0]

Scores are drawn first and the truth from them, so that the models are calibrated. Patients have several
images; a random effect of the patient, which the model does not see, correlates the errors on them.
Attributes are dealt at random, to patients or to images. All checks that need no image judge the tables.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit

from auditor.comparisons.clusters import clusters_of
from auditor.config import SliceSection
from auditor.records import AuditData, Finding
from auditor.records.decision_table import binary_decisions, decision_table
from auditor.records.decisions import DecisionRule, Decisions
from auditor.records.predictions import GROUP
from auditor.selftest import accusations
from auditor.stages.judge import judge
from auditor.stages.slicing import slice_samples
from benchmarks.planting.worlds import table_checks
from benchmarks.verdicts.simulated import shown, table

_SPREAD = 3.0
"""Standard deviation of the logits."""


@dataclass(frozen=True)
class Task:
    """What audits are drawn from.

    Attributes:
        name: of the row.
        n_labels: 1 for a binary classifier.
        n_attributes: number of innocent attributes.
        patients: number of patients; 0 for independent images.
        effect: standard deviation of the random effect of a patient, in logits.
        shift: added to the logit of the first label where the second label is present and the first is
            not: a planted pair.
        n: number of images.
    """

    name: str
    n_labels: int
    n_attributes: int = 4
    patients: int = 0
    effect: float = 0.0
    shift: float = 0.0
    n: int = 1000

    def audit(self, generator: np.random.Generator) -> AuditData:
        """Draws samples and slices them."""
        n = self.n
        patient = generator.integers(self.patients, size=n) if self.patients else np.arange(n)
        unseen = generator.normal(0, self.effect, int(patient.max()) + 1)[patient]
        logit = generator.normal(
            generator.uniform(-2, 0, self.n_labels), _SPREAD, (n, self.n_labels)
        )
        truth = generator.random((n, self.n_labels)) < expit(logit + unseen[:, None])
        if self.shift:
            logit[:, 0] += self.shift * (truth[:, 1] & ~truth[:, 0])
        score = expit(logit).astype(np.float32)
        samples = pd.DataFrame({"sample": [f"s{k}" for k in range(n)], "path": ""})
        for k in range(self.n_attributes):
            samples[f"innocent{k}"] = self._attribute(generator, patient, k)
        if self.patients:
            samples[GROUP] = patient.astype(str)
        usable, decisions, rule = self._decided(samples, score, truth)
        names = tuple(f"innocent{k}" for k in range(self.n_attributes))
        cut = slice_samples(usable, None, rule.classes, names, SliceSection(), (), None)
        data = cut.audit_data(
            rule.classes,
            alpha=0.05,
            min_support=30,
            seed=0,
            clusters=clusters_of(cut.predictions, "patient" if self.patients else "sample"),
        )
        return replace(data, task=rule.task, decisions=decisions)

    def findings(self, generator: np.random.Generator) -> list[Finding]:
        """The findings of one audit."""
        audit = self.audit(generator)
        primary = ("sensitivity", "specificity")
        return judge(table_checks(), replace(audit, primary_metrics=primary)).findings

    def _attribute(self, generator: np.random.Generator, patient: np.ndarray, k: int) -> np.ndarray:
        """Two to five values, of patients or of images."""
        n_values = 2 + k % 4
        of_patients = k % 2 == 0
        units = int(patient.max()) + 1 if of_patients else self.n
        drawn = generator.choice(n_values, units, p=generator.dirichlet(np.full(n_values, 4.0)))
        words = np.array([f"v{value}" for value in drawn], dtype=object)
        return np.asarray(words[patient] if of_patients else words)

    def _decided(
        self, samples: pd.DataFrame, score: np.ndarray, truth: np.ndarray
    ) -> tuple[pd.DataFrame, Decisions, DecisionRule]:
        """The decisions at thresholds of 0.3 (binary) or 0.5, as an audit evaluates them."""
        if self.n_labels == 1:
            rule = DecisionRule.binary(["no", "yes"], "yes", 0.3)
            called = score[:, 0] >= rule.thresholds[0]
            names = np.array(rule.classes)
            share = np.stack([1 - score[:, 0], score[:, 0]], 1)
            usable = samples.assign(
                label=names[truth[:, 0].astype(int)],
                predicted=names[called.astype(int)],
                confidence=np.where(called, score[:, 0], 1 - score[:, 0]).astype(np.float64),
                loss=-np.log(np.where(truth[:, 0], share[:, 1], share[:, 0]).astype(np.float64)),
            )
        else:
            labels = [f"label{k}" for k in range(self.n_labels)]
            rule = DecisionRule.multi_label(labels, [0.5] * self.n_labels)
            listed = np.array(labels, dtype=object)
            texts = [
                [json.dumps(list(listed[row])) for row in each]
                for each in (truth, score >= rule.thresholds)
            ]
            usable = samples.assign(label=texts[0], predicted=texts[1], confidence=1.0, loss=0.0)
            usable, decisions = decision_table(usable, score, rule)
        for column in ("label", "predicted"):
            usable[column] = pd.Categorical(usable[column], categories=list(rule.classes))
        usable["failure"] = usable["label"].astype(str) != usable["predicted"].astype(str)
        if self.n_labels == 1:
            decisions = binary_decisions(usable, share, rule)
        return usable, decisions, rule


_NULL = (
    Task("binary, independent images", 1),
    Task("binary, 200 patients", 1, patients=200, effect=1.5),
    Task("binary, 200 patients, 12 attributes", 1, 12, patients=200, effect=1.5),
    Task("4 labels, independent images", 4),
    Task("4 labels, 200 patients", 4, patients=200, effect=1.5),
)
_PLANTED = (
    Task("4 labels, logit raised by 2 where the other label is present", 4, shift=2.0),
    Task("4 labels, logit raised by 4", 4, shift=4.0),
    Task("4 labels, raised by 4, 200 patients", 4, patients=200, effect=1.5, shift=4.0),
    Task("10 labels, raised by 4", 10, shift=4.0),
)


def nulls(audits: int, seed: int) -> str:
    """Audits of models whose errors depend on no attribute and on no other label."""
    rows: list[tuple[str, ...]] = []
    for place, task in enumerate(_NULL):
        accused = alerts = pairs = 0
        for k in range(audits):
            findings = task.findings(np.random.default_rng([seed, k, place]))
            accused += any(True for _ in accusations(findings))
            alerts += any(one.severity == "alert" for one in findings)
            pairs += any(_pairs(findings))
        rows.append((task.name, *(shown(count, audits) for count in (accused, alerts, pairs))))
    return table(("no gap", "an attribute accused", "any alert", "a pair of labels reported"), rows)


def planted(audits: int, seed: int) -> str:
    """Audits of models that predict the first label from the second."""
    rows: list[tuple[str, ...]] = []
    for place, task in enumerate(_PLANTED):
        named = first = wrong = 0
        for k in range(audits):
            findings = task.findings(np.random.default_rng([seed, k, 50 + place]))
            found = _pairs(findings)
            named += ("label0", "label1") in found
            wrong += any(pair != ("label0", "label1") for pair in found)
            first += findings[:1] != [] and ("label0", "label1") in _pairs(findings[:1])
        rows.append((task.name, *(shown(count, audits) for count in (named, first, wrong))))
    head = ("a planted pair", "named", "in the first finding", "another pair reported")
    return table(head, rows)


def _pairs(findings: list[Finding]) -> set[tuple[str, str]]:
    """Label and other label of every supported claim about a pair."""
    return {
        ((one.slice.label or "").removeprefix("not "), next(iter(one.slice.attributes)))
        for finding in findings
        for one in (finding, *finding.supporting)
        if one.check == "label-pairs" and one.verdict == "supported"
    }


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for title, part in (("Null audits", nulls), ("Planted pairs of labels", planted)):
        print(f"\n## {title}\n\n{part(options.audits, options.seed)}", flush=True)


if __name__ == "__main__":
    main()
