"""Samples of a run or a configuration, sliced once and judged with simulated outcomes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor.attributes.types_of_run import types_of_run
from auditor.checks import Check
from auditor.comparisons.clusters import clusters_of
from auditor.config import AuditConfig, JudgeSection, SliceSection, loading
from auditor.errors import ConfigError
from auditor.manifest import require_unaltered
from auditor.preparation import prepare, select_checks
from auditor.records import AttributeSpec, AuditData, Clusters
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.records.prediction_file import require_predictions
from auditor.records.predictions import codes
from auditor.run_folder import PREDICTIONS, RunFolder
from auditor.stages.choose_thresholds import open_with_thresholds
from auditor.stages.find_failures import find_failures
from auditor.stages.judge import Judgement, judge
from auditor.stages.predict import predict
from auditor.stages.predicted_blocks import blocks_of
from auditor.stages.slicing import Slicing, slice_samples

Integers = NDArray[np.int64]
_STATED = "audit.json: provenance.config"


@dataclass(frozen=True)
class Outcomes:
    """What a model predicted for each sample.

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
        """The outcomes of other samples: position k gets that of ``rows[k]``."""
        return Outcomes(
            self.predicted[rows],
            self.confidence[rows],
            self.loss[rows],
            None if self.probabilities is None else self.probabilities[rows],
        )


@dataclass(frozen=True)
class Tables:
    """Samples that are sliced once and judged with simulated outcomes.

    Attributes:
        cut: the slices.
        classes: class names in index order.
        outcomes: what the model really did.
        checks: by name; those that need a model, maps, images or training data are left out.
        alpha: false discovery rate.
        min_support: smallest support.
        seed: of the checks.
        clusters: which samples belong together; None where all are independent.
    """

    cut: Slicing
    classes: tuple[str, ...]
    outcomes: Outcomes
    checks: Mapping[str, Check]
    alpha: float
    min_support: int
    seed: int
    clusters: Clusters | None = None

    @classmethod
    def of(  # noqa: PLR0913 - options are keyword-only
        cls,
        usable: pd.DataFrame,
        classes: Sequence[str],
        attributes: Sequence[str],
        checks: Mapping[str, Check],
        section: SliceSection,
        *,
        alpha: float = 0.05,
        computed: Sequence[str] = (),
        types: Mapping[str, AttributeSpec] | None = None,
        probabilities: NDArray[np.float32] | None = None,
        seed: int = 0,
    ) -> Tables:
        """Slices samples as an audit does.

        Args:
            usable: as `find_failures` returns them.
            classes: class names in index order.
            attributes: names of the annotated attributes' columns.
            checks: by name; those with needs are left out.
            section: how to slice.
            alpha: false discovery rate.
            computed: names of the computed properties' columns.
            types: types of the attributes; those of all others are guessed.
            probabilities: (n, K), or None.
            seed: of the checks.
        """
        return cls(
            cut=slice_samples(usable, None, classes, attributes, section, computed, types),
            classes=tuple(classes),
            outcomes=Outcomes(
                codes(usable["predicted"]),
                usable["confidence"].to_numpy(dtype=np.float64),
                usable["loss"].to_numpy(dtype=np.float64),
                probabilities,
            ),
            checks={name: check for name, check in checks.items() if not check.needs},
            alpha=alpha,
            min_support=section.min_support,
            seed=seed,
        )

    def in_clusters(self, name: str | None) -> Tables:
        """The same samples in the clusters of their column ``data.group``.

        Args:
            name: of the clusters; None leaves samples independent.
        """
        clusters = None if name is None else clusters_of(self.cut.predictions, name)
        independent = clusters is None or clusters.independent
        return self if independent else replace(self, clusters=clusters)

    @property
    def label(self) -> Integers:
        """(n,) indices of the classes."""
        return codes(self.cut.predictions["label"])

    def audit_data(self, outcomes: Outcomes) -> AuditData:
        """What the checks see with these outcomes."""
        predictions = self.cut.predictions.assign(
            predicted=pd.Categorical.from_codes(outcomes.predicted, pd.Index(list(self.classes))),
            confidence=outcomes.confidence,
            loss=outcomes.loss,
            failure=outcomes.predicted != self.label,
        )
        audit_data = self.cut.audit_data(
            self.classes,
            alpha=self.alpha,
            min_support=self.min_support,
            seed=self.seed,
            probabilities=outcomes.probabilities,
            clusters=self.clusters,
        )
        return replace(audit_data, predictions=predictions)

    def judgement(self, outcomes: Outcomes) -> Judgement:
        """The judgement with these outcomes."""
        return judge(self.checks, self.audit_data(outcomes))

    def testable(self, name: str) -> list[str]:
        """Values of an attribute with enough samples in them and in the rest to be compared."""
        sizes = self.cut.predictions[name].value_counts(sort=False)
        rest = len(self.cut.predictions) - sizes
        enough = (sizes >= self.min_support) & (rest >= self.min_support)
        return [str(value) for value in sizes.index[enough]]

    def member(self, name: str, value: str) -> NDArray[np.bool_]:
        """(n,) whether a sample has that value."""
        return np.asarray(self.cut.predictions[name] == value, dtype=np.bool_)


def of_run(folder: RunFolder) -> Tables:
    """The samples of a finished run with its settings.

    Raises:
        DataError: result or predictions were altered or damaged.
        ConfigError: the configuration in the result is not valid.
    """
    require_unaltered(folder.path, maps=False)
    result, path = folder.read_result(), folder.path / PREDICTIONS
    _require_one_class(result.decision.task)
    require_predictions(path, result)
    config = result.provenance.config
    classes = [record.name for record in result.classes]
    return _tables(
        path,
        classes,
        types_of_run(result, path),
        loading.validate(SliceSection, config.get("slices", {}), None, f"{_STATED}.slices."),
        select_checks(result.provenance.stated.checks)[0],
        loading.validate(JudgeSection, config.get("judge", {}), None, f"{_STATED}.judge.").alpha,
        result.provenance.seed,
    ).in_clusters(None if result.clusters is None else result.clusters.name)


def of_config(config: AuditConfig) -> Tables:
    """Predicts the samples of a configuration; nothing is kept.

    Raises:
        UsageError: the configuration, data or model is not usable.
    """
    _require_one_class(config.task)
    prepared, opened = open_with_thresholds(prepare(config))
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder.begin(Path(place) / "run")
        try:
            predict(
                opened.model,
                prepared.dataset,
                prepared.codes,
                folder.predicted,
                lambda _pieces: None,
            )
            return _tables(
                folder.merge_predictions(len(blocks_of(len(prepared.dataset)))),
                prepared.classes,
                prepared.attributes,
                config.slices,
                prepared.checks,
                config.judge.alpha,
                config.seed,
            ).in_clusters(prepared.dataset.group)
        finally:
            folder.release()


def _require_one_class(task: TaskName) -> None:
    if task not in ONE_CLASS:
        raise ConfigError(
            f"expected an audit with one class per sample; the self-test does not support {task} "
            "classifiers"
        )


def _tables(
    predictions: Path,
    classes: Sequence[str],
    types: Mapping[str, AttributeSpec],
    section: SliceSection,
    checks: Mapping[str, Check],
    alpha: float,
    seed: int,
) -> Tables:
    there = set(pq.read_schema(predictions).names)
    computed = [name for name in section.computed if name in there]
    analysis = find_failures(predictions, classes, tuple(types), computed)
    return Tables.of(
        analysis.usable,
        classes,
        tuple(types),
        checks,
        section,
        alpha=alpha,
        computed=computed,
        types=types,
        probabilities=analysis.probabilities,
        seed=seed,
    )
