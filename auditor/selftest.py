"""The self-test: how often would this audit find a gap of that size in data like these?

The predictions of a run are taken, and whatever makes them depend on an attribute is removed: among
the samples of one label, the outcomes (prediction, confidence, loss) are dealt out anew at random.
What an audit with the run's own settings still finds is a false alarm. Then a gap is planted in one
value of an attribute, and the audit is judged again: is it found, and is it named?

No picture is read and no model is asked, so what only an intervention, a map or a hidden slice can
show is not tested here; of the checks, those that need no pictures run.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import binomtest

from auditor import registry
from auditor.checks import Check
from auditor.config import AuditConfig, JudgeSection, SliceSection
from auditor.errors import DataError
from auditor.preparation import prepare
from auditor.properties import PREFIX
from auditor.records import Estimate, Evidence, Finding
from auditor.stages.judge import Judged, judge
from auditor.stages.mine import COLUMNS, mine
from auditor.stages.predict import predict
from auditor.stages.split import Split, split
from auditor.store import PREDICTIONS, RunFolder

GAPS = (0.05, 0.1, 0.15, 0.2)
"""Gaps in the error rate that are planted (shares)."""
ROUNDS = 40
"""Audits of each kind at most."""
SECONDS = 45.0
"""Time after which no further audit begins."""
OF_DATA = frozenset(
    {"duplicates", "label-association", "label-errors", "leakage", "representation"}
)
"""Checks that speak of the data alone: what they find is there, whoever fails."""

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Outcomes:
    """What a model did with each sample.

    Attributes:
        predicted: (n,) indices of classes.
        confidence: (n,) in [0, 1].
        loss: (n,) at least 0.
        probabilities: (n, K) float32, or None.
    """

    predicted: Integers
    confidence: NDArray[np.float64]
    loss: NDArray[np.float64]
    probabilities: NDArray[np.float32] | None = None

    def taken(self, rows: Integers) -> Outcomes:
        """The outcomes of other samples: the k-th becomes that of ``rows[k]``."""
        return Outcomes(
            self.predicted[rows],
            self.confidence[rows],
            self.loss[rows],
            None if self.probabilities is None else self.probabilities[rows],
        )


@dataclass(frozen=True)
class Tables:
    """Samples cut into slices once, to be judged with ever new outcomes.

    Attributes:
        cut: the slices.
        classes: class names in index order.
        outcomes: what the model really did.
        checks: by name; those that need a model, maps or pictures say that they were skipped.
        alpha: false discovery rate.
        min_support: smallest support.
        seed: of the checks.
    """

    cut: Split
    classes: tuple[str, ...]
    outcomes: Outcomes
    checks: Mapping[str, Check]
    alpha: float
    min_support: int
    seed: int

    @classmethod
    def of(
        cls,
        usable: pd.DataFrame,
        classes: Sequence[str],
        attributes: Sequence[str],
        checks: Mapping[str, Check],
        section: SliceSection,
        *,
        alpha: float = 0.05,
        computed: Sequence[str] = (),
        probabilities: NDArray[np.float32] | None = None,
        seed: int = 0,
    ) -> Tables:
        """Cuts samples as an audit does.

        Args:
            usable: as `mine` returns them.
            classes: class names in index order.
            attributes: names of the annotated attributes' columns.
            checks: by name.
            section: how to cut.
            alpha: false discovery rate.
            computed: names of the computed properties' columns.
            probabilities: (n, K), or None.
            seed: of the checks.
        """
        return cls(
            cut=split(usable, None, classes, attributes, section, computed),
            classes=tuple(classes),
            outcomes=Outcomes(
                _codes(usable["predicted"]),
                usable["confidence"].to_numpy(dtype=np.float64),
                usable["loss"].to_numpy(dtype=np.float64),
                probabilities,
            ),
            checks=checks,
            alpha=alpha,
            min_support=section.min_support,
            seed=seed,
        )

    @property
    def label(self) -> Integers:
        """(n,) indices of the classes."""
        return _codes(self.cut.predictions["label"])

    def evidence(self, outcomes: Outcomes) -> Evidence:
        """What the checks see if the model had done that."""
        predictions = self.cut.predictions.assign(
            predicted=pd.Categorical.from_codes(outcomes.predicted, pd.Index(list(self.classes))),
            confidence=outcomes.confidence,
            loss=outcomes.loss,
            failure=outcomes.predicted != self.label,
        )
        return Evidence(
            predictions=predictions,
            classes=self.classes,
            attributes=self.cut.attributes,
            slices=self.cut.slices,
            reference=None,
            alpha=self.alpha,
            min_support=self.min_support,
            seed=self.seed,
            computed=self.cut.computed,
            computed_slices=self.cut.computed_slices,
            probabilities=outcomes.probabilities,
        )

    def judged(self, outcomes: Outcomes) -> Judged:
        """The audit if the model had done that."""
        return judge(self.checks, self.evidence(outcomes))

    def testable(self, name: str) -> list[str]:
        """Values of an attribute with enough samples in them and in the rest to be compared."""
        sizes = self.cut.predictions[name].value_counts(sort=False)
        rest = len(self.cut.predictions) - sizes
        enough = (sizes >= self.min_support) & (rest >= self.min_support)
        return [str(value) for value in sizes.index[enough]]

    def member(self, name: str, value: str) -> NDArray[np.bool_]:
        """(n,) whether a sample has that value."""
        return np.asarray(self.cut.predictions[name] == value, dtype=np.bool_)


def independent(tables: Tables, generator: np.random.Generator) -> Outcomes:
    """The outcomes dealt out anew among the samples of each label.

    Accuracy, confusions and confidence of every label stay as they are; given the label, nothing
    depends on any attribute.
    """
    label = tables.label
    order = np.lexsort((generator.random(len(label)), label))
    source = np.empty(len(label), dtype=np.int64)
    source[np.argsort(label, kind="stable")] = order
    return tables.outcomes.taken(source)


def planted(
    tables: Tables,
    outcomes: Outcomes,
    inside: NDArray[np.bool_],
    gap: float,
    generator: np.random.Generator,
) -> Outcomes:
    """Raises the error rate of some samples by a gap, within every label alike.

    Correct samples fail with probability gap / (1 - error rate of their label). A new failure takes
    the outcome of a failure of the same label; where there is none, its two largest probabilities
    change places.

    Args:
        tables: the samples.
        outcomes: what the model did, not depending on ``inside``.
        inside: (n,) who shall fail more.
        gap: by how much (a share).
        generator: draws who.
    """
    label, n = tables.label, len(tables.label)
    failure = outcomes.predicted != label
    rate = np.bincount(label[failure], minlength=len(tables.classes)) / np.maximum(
        np.bincount(label, minlength=len(tables.classes)), 1
    )
    chance = np.minimum(gap / np.maximum(1 - rate, 1e-12), 1)[label]
    chosen = inside & ~failure & (generator.random(n) < chance)
    source = np.arange(n)
    stranded = np.zeros(n, dtype=bool)
    for code in np.unique(label[chosen]):
        rows = np.flatnonzero(chosen & (label == code))
        donors = np.flatnonzero(failure & (label == code))
        if len(donors):
            source[rows] = generator.choice(donors, len(rows))
        else:
            stranded[rows] = True
    return _misled(outcomes.taken(source), label, np.flatnonzero(stranded), len(tables.classes))


def _misled(outcomes: Outcomes, label: Integers, rows: Integers, n_classes: int) -> Outcomes:
    """Takes each of these samples for the class that was second, or for the next one."""
    predicted, loss = outcomes.predicted.copy(), outcomes.loss.copy()
    shares = outcomes.probabilities
    if shares is None:
        other = (label[rows] + 1) % n_classes
    else:
        left = shares[rows].copy()
        left[np.arange(len(rows)), label[rows]] = -1
        other = left.argmax(1)
        shares = shares.copy()
        # Both at once: numpy reads the right side before it writes.
        shares[rows, label[rows]], shares[rows, other] = (
            shares[rows, other],
            shares[rows, label[rows]],
        )
    predicted[rows] = other
    loss[rows] = -np.log(np.maximum(1 - outcomes.confidence[rows], 1e-6))
    return replace(outcomes, predicted=predicted, loss=loss, probabilities=shares)


@dataclass(frozen=True)
class Named:
    """Attribute values that an audit holds against the model.

    Attributes:
        attributes: names and values of the slice.
        first: whether the first finding speaks of the same attributes.
        check: who says it.
    """

    attributes: Mapping[str, str]
    first: bool
    check: str


def accusations(findings: Sequence[Finding]) -> Iterator[Named]:
    """Everything about outcomes in the findings that is at least ``supported`` and names an attribute."""
    for place, finding in enumerate(findings):
        pieces: list[Mapping[str, Any]] = [
            {
                "check": finding.check,
                "verdict": finding.verdict,
                "slice": finding.slice.model_dump(),
            },
            *finding.evidence.get("pieces", ()),
        ]
        for piece in pieces:
            attributes = piece["slice"]["attributes"]
            holds = piece["verdict"] in {"supported", "confirmed"}
            if holds and attributes and piece["check"] not in OF_DATA:
                yield Named(attributes, place == 0, piece["check"])


@dataclass(frozen=True)
class Detection:
    """How often a planted gap was found.

    Attributes:
        attribute: in whose values it was planted.
        gap: its size (a share).
        n_found: audits with a supported or confirmed finding that names attribute and value.
        n_first: audits whose first finding speaks of that attribute.
        n_audits: how many there were.
    """

    attribute: str
    gap: float
    n_found: int
    n_first: int
    n_audits: int

    @property
    def found(self) -> Estimate:
        """Share of the audits that found it, with the exact 95 % interval."""
        return exact(self.n_found, self.n_audits)


@dataclass(frozen=True)
class SelfTest:
    """What an audit of these data can see.

    Attributes:
        n_samples: evaluated samples.
        n_failures: failures among them.
        detections: for each attribute, each gap.
        n_false: audits of outcomes that depend on no attribute with a supported or confirmed finding.
        n_clean: how many such audits there were.
        skipped: attributes that can't be tested, and why.
    """

    n_samples: int
    n_failures: int
    detections: tuple[Detection, ...]
    n_false: int
    n_clean: int
    skipped: tuple[str, ...]

    @property
    def false_alarms(self) -> Estimate:
        """Share of the clean audits that accused somebody, with the exact 95 % interval."""
        return exact(self.n_false, self.n_clean)


def exact(count: int, total: int) -> Estimate:
    """A share with the exact interval.

    Reference:
        C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413.
    """
    found = binomtest(count, total)
    interval = found.proportion_ci(method="exact")
    return Estimate(value=count / total, low=float(interval.low), high=float(interval.high))


def selftest(
    tables: Tables,
    *,
    gaps: Sequence[float] = GAPS,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    seed: int = 0,
    advance: Callable[[int], object] | None = None,
) -> SelfTest:
    """Removes every dependence from the outcomes, plants gaps, and judges.

    In each round, one clean audit and one for each attribute and gap; the value that fares worse is
    drawn anew each time. The first round is always finished.

    Args:
        tables: the samples.
        gaps: sizes to plant (shares).
        rounds: at most.
        seconds: after these no round begins.
        seed: of what is drawn.
        advance: called with 1 after each round.

    Raises:
        DataError: there are no samples, no failures, or no attribute that could be tested.
    """
    failures = int((tables.outcomes.predicted != tables.label).sum())
    names = [name for name in tables.cut.attributes if tables.testable(name)]
    if not names or not failures:
        what = "a failure" if names else "an attribute with enough samples of two values"
        raise DataError(
            f"self-test: expected {what} among {len(tables.label)} evaluated samples; there is none: "
            "audit more samples, or name the attributes in data.attributes"
        )
    generator = np.random.default_rng(seed)
    found = {(name, gap): [0, 0] for name in names for gap in gaps}
    false, done = 0, 0
    start = time.monotonic()
    while done < rounds and (not done or time.monotonic() - start < seconds):
        clean = tables.judged(independent(tables, generator))
        false += any(True for _ in accusations(clean.findings))
        for (name, gap), counts in found.items():
            value = str(generator.choice(tables.testable(name)))
            outcomes = independent(tables, generator)
            worse = planted(tables, outcomes, tables.member(name, value), gap, generator)
            named = list(accusations(tables.judged(worse).findings))
            counts[0] += any(dict(one.attributes) == {name: value} for one in named)
            counts[1] += any(one.first and name in one.attributes for one in named)
        done += 1
        if advance is not None:
            advance(1)
    return SelfTest(
        n_samples=len(tables.label),
        n_failures=failures,
        detections=tuple(
            Detection(name, gap, n_found, n_first, done)
            for (name, gap), (n_found, n_first) in found.items()
        ),
        n_false=false,
        n_clean=done,
        skipped=(
            *(one.reason for one in tables.cut.skipped if one.check == "slices"),
            *(
                f"{name}: no value with {tables.min_support} samples, and as many others"
                for name in tables.cut.attributes
                if name not in names
            ),
        ),
    )


def of_run(folder: RunFolder) -> Tables:
    """The samples of a finished run, to be judged with its own settings.

    Raises:
        DataError: result or predictions are not what the audit wrote.
    """
    folder.refuse_if_altered()
    result, path = folder.read_result(), folder.path / PREDICTIONS
    config = result.provenance.config
    classes = [record.name for record in result.classes]
    own = {*COLUMNS, "status", "sha256", "phash", *(f"p:{name}" for name in classes)}
    attributes = [
        name
        for name in pq.read_schema(path).names
        if name not in own and not name.startswith(PREFIX)
    ]
    return _tables(
        path,
        classes,
        attributes,
        SliceSection.model_validate(config.get("slices", {})),
        _checks(config.get("checks", {})),
        JudgeSection.model_validate(config.get("judge", {})).alpha,
        result.provenance.seed,
    )


def of_config(config: AuditConfig) -> Tables:
    """Predicts the samples of a configuration; nothing is kept.

    Raises:
        UsageError: the caller's mistake, as the audit itself would meet it.
    """
    prepared = prepare(config)
    checks = {
        name: False if options is False else options.model_dump()
        for name, options in config.checks.items()
    }
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder.begin(Path(place) / "run")
        predict(
            prepared.dataset,
            prepared.codes,
            prepared.classifier.module,
            prepared.classes,
            prepared.preprocess,
            device=prepared.device,
            batch_size=config.batch_size,
            workers=config.workers,
            shards=folder.shards("predictions"),
            advance=lambda _pieces: None,
        )
        return _tables(
            folder.merge_predictions(),
            prepared.classes,
            prepared.dataset.attributes,
            config.slices,
            _checks(checks),
            config.judge.alpha,
            config.seed,
        )


def _tables(
    predictions: Path,
    classes: Sequence[str],
    attributes: Sequence[str],
    section: SliceSection,
    checks: Mapping[str, Check],
    alpha: float,
    seed: int,
) -> Tables:
    mined = mine(predictions, classes, attributes, section.computed)
    return Tables.of(
        mined.usable,
        classes,
        attributes,
        checks,
        section,
        alpha=alpha,
        computed=section.computed,
        probabilities=mined.probabilities,
        seed=seed,
    )


def _checks(options: Mapping[str, Any]) -> dict[str, Check]:
    """The checks that were on, with their options."""
    chosen: dict[str, Check] = {}
    for name, plugin in registry.all_of("check").items():
        given = options.get(name, {})
        check = None if given is False else plugin.model_validate(given)
        if isinstance(check, Check):
            chosen[name] = check
    return chosen


def _codes(column: pd.Series[Any]) -> Integers:
    return np.asarray(column.cat.codes, dtype=np.int64)
