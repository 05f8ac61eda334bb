"""No label is blamed where a shortcut, a weak model or ordinary errors explain the failures as well.

Each row draws an audit in which all labels are right, or in which wrong labels are planted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from builders.image_evidence import audit_data
from numpy.typing import NDArray

from auditor.checks.label_errors import LabelErrors
from auditor.judging.data_faults import data_faults
from auditor.records import AuditData, Examination

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """One drawn audit.

    Attributes:
        label: (N,) given labels.
        probabilities: (N, K) of the audited model.
        background: (N,) what the model uses in place of the object, if anything.
        wrong: (N,) which labels are wrong.
    """

    label: Labels
    probabilities: NDArray[np.float64]
    background: Labels
    wrong: NDArray[np.bool_]

    def audit(self, *attributes: str) -> AuditData:
        names = np.array([f"stripes {k}" for k in self.background])
        made = audit_data(
            self.label, self.probabilities, {"background": names} if attributes else {}
        )
        return replace(made, probabilities=self.probabilities.astype(np.float32))


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True), dtype=np.float64)


def confident(seen: Labels, n_classes: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Probabilities of a model that is confident of the class that it sees."""
    logits = generator.normal(0, 1, (len(seen), n_classes))
    logits[np.arange(len(seen)), seen] += generator.normal(6, 1, len(seen))
    return softmax(logits)


def shapes_on_stripes(n: int = 1200, n_classes: int = 6, conflicting: float = 0.1) -> World:
    """Shapes on textures that agree in training: the model predicts the texture's class."""
    generator = np.random.default_rng(0)
    label = generator.integers(0, n_classes, n)
    other = (label + generator.integers(1, n_classes, n)) % n_classes
    background = np.where(generator.random(n) < conflicting, other, label)
    shares = confident(background, n_classes, generator)
    return World(label, shares, background, np.zeros(n, dtype=bool))


def missed_findings() -> World:
    """X-rays: 29 of 100 findings are missed with confidence; there is no other kind of failure."""
    generator = np.random.default_rng(1)
    label = np.repeat([0, 1], [100, 200])
    seen = np.where(np.arange(300) < 29, 1, label)
    return World(label, confident(seen, 2, generator), np.zeros(300, int), np.zeros(300, bool))


def false_alarms() -> World:
    """Skin lesions: 7 of 150 harmless ones are alarms."""
    generator = np.random.default_rng(2)
    label = np.repeat([0, 1], [150, 150])
    seen = np.where(np.arange(300) < 7, 1, label)
    return World(label, confident(seen, 2, generator), np.zeros(300, int), np.zeros(300, bool))


def chance(n: int = 250, n_classes: int = 5) -> World:
    """A confident model that guesses."""
    generator = np.random.default_rng(3)
    label, seen = generator.integers(0, n_classes, (2, n))
    return World(label, confident(seen, n_classes, generator), np.zeros(n, int), np.zeros(n, bool))


def small_chance() -> World:
    """The same with too few samples to judge the model."""
    return chance(n=190)


def ordinary_errors(n: int = 1500) -> World:
    """A calibrated model: it errs where it is less confident."""
    generator = np.random.default_rng(4)
    label = generator.integers(0, 6, n)
    logits = generator.normal(size=(n, 6))
    logits[np.arange(n), label] += 2.3
    return World(label, softmax(2.3 * logits), np.zeros(n, int), np.zeros(n, bool))


def wrong_labels(n: int = 1500) -> World:
    """A good model, and 6 % of the labels are wrong at random."""
    generator = np.random.default_rng(5)
    true = generator.integers(0, 6, n)
    wrong = generator.random(n) < 0.06
    label = np.where(wrong, (true + generator.integers(1, 6, n)) % 6, true)
    return World(label, confident(true, 6, generator), np.zeros(n, int), wrong)


WORLDS: dict[str, tuple[Callable[[], World], tuple[str, ...], bool]] = {
    # case: how it is drawn, attributes, whether samples are listed
    "shortcut without attribute": (shapes_on_stripes, (), True),
    "shortcut with its attribute": (shapes_on_stripes, ("background",), False),
    # Confidence does not separate these failures: a shortcut or wrong labels, but no label is blamed.
    "all false negatives": (missed_findings, (), True),
    "six of seven false positives": (false_alarms, (), True),
    "model at chance": (chance, (), False),
    "model at chance, few samples": (small_chance, (), False),
    "ordinary errors": (ordinary_errors, (), False),
    "wrong labels": (wrong_labels, (), True),
}


def examined(world: World, attributes: tuple[str, ...]) -> tuple[AuditData, Examination]:
    audit = world.audit(*attributes)
    return audit, LabelErrors().examine(audit)


@pytest.mark.parametrize("case", WORLDS)
def test_label_of_no_world_is_blamed_or_excuses_a_failure(case: str) -> None:
    draw, attributes, listed = WORLDS[case]
    audit, found = examined(draw(), attributes)
    assert bool(found.claims) == listed
    for claim in found.claims:
        text = " ".join((claim.title, *claim.statement, claim.action, claim.limits))
        assert "may show" not in text
        assert "wrong labels or a shortcut" in claim.title
        assert "no label is blamed" in claim.limits
        assert claim.ceiling == "note"
    faults = data_faults(found.claims, audit.predictions, {}, found.label_noise)
    assert faults.n_failures == 0
    assert found.label_noise is not None
    assert found.label_noise.accuracy is None


def test_planted_wrong_labels_are_on_the_list() -> None:
    world = wrong_labels()
    _, found = examined(world, ())
    listed = {
        str(row[0])
        for claim in found.claims
        for part in claim.evidence
        for row in getattr(part, "rows", ())
    }
    planted = {f"s{k:04d}" for k in np.flatnonzero(world.wrong)}
    # Pairs of classes with fewer than three contradicted labels are not listed.
    assert len(listed & planted) >= 0.5 * len(planted)
    assert len(listed - planted) <= 0.1 * len(listed)


@pytest.mark.parametrize("case", WORLDS)
def test_labels_with_another_explanation_are_not_among_what_could_not_be_done(case: str) -> None:
    draw, attributes, _ = WORLDS[case]
    _, found = examined(draw(), attributes)
    assert all("not suspected" not in one.reason for one in found.skipped)
    assert bool(found.skipped) == case.startswith("model at chance")
