"""The stages after predicting: one that raises an exception is listed, and the audit goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from auditor.allocator import return_freed_memory
from auditor.audited_model import AuditedModel
from auditor.batch_dependence import BatchDependence
from auditor.check_budget import sanity_samples
from auditor.checks import Check
from auditor.comparisons.chosen_metrics import ChosenMetrics
from auditor.config import AuditConfig
from auditor.engines.local import BlockComputer
from auditor.evaluated_samples import EvaluatedSamples
from auditor.judging.broken_parts import BrokenParts
from auditor.judging.criteria.examine import ExaminedCriteria, examine_criteria
from auditor.preparation import Prepared
from auditor.progress import Advance, ignore
from auditor.records import (
    AuditData,
    ContactSheet,
    CriterionResult,
    FailureMap,
    Finding,
    MatchedImageRecord,
    OutcomeReason,
    SampleSelection,
    Skipped,
    Summary,
    UnitRecord,
)
from auditor.records.forward_budget import ForwardBudget
from auditor.records.predictions import NOT_FINITE
from auditor.run_folder import RunFolder
from auditor.stages.contact_sheets import contact_sheets
from auditor.stages.dissect import dissect
from auditor.stages.explain import explain_samples
from auditor.stages.failure_map import failure_map
from auditor.stages.judge import Judgement, judge
from auditor.stages.map_sanity import MapSanity, measure_map_sanity
from auditor.stages.matched_images import store_matched_images
from auditor.stages.measure import Measurements, measure_metrics
from auditor.stages.merged_explanations import Explained
from auditor.stages.predict import predict
from auditor.stages.predicted_blocks import blocks_of
from auditor.statistics import Integers
from auditor.thumbnails import Thumbnails


@dataclass(frozen=True)
class IsolatedStages:
    """The stages of one audit whose failure must not discard the rest.

    Attributes:
        config: settings of the audit.
        folder: of the run.
        limits: what is known before predicting, such as that predictions depend on the batch.
        broken: collects the stages that raise an exception.
        left_out: collects the parts of stages that could not be done, such as single images.
    """

    config: AuditConfig
    folder: RunFolder
    limits: Sequence[BatchDependence] = ()
    broken: BrokenParts = field(default_factory=BrokenParts)
    left_out: list[Skipped] = field(default_factory=list)

    @property
    def skipped(self) -> list[Skipped]:
        """What could not be done so far."""
        return [*(one.skipped for one in self.limits), *self.left_out, *self.broken.skipped]

    @property
    def reasons(self) -> list[OutcomeReason]:
        """Why the audit cannot be judged, as far as the stages know."""
        return [*(one.reason for one in self.limits), *self.broken.reasons]

    def predict(
        self, prepared: Prepared, model: AuditedModel, computer: BlockComputer, advance: Advance
    ) -> Path:
        """The predictions of all samples; images on which the network raises are left out."""
        blocks = self.folder.predicted
        computer.predict(blocks, advance)
        failed = predict(model, prepared.dataset, prepared.codes, blocks, ignore)
        model.forget_passes()  # which blocks were computed here does not matter to what follows
        self.left_out.extend(failed)
        return self.folder.merge_predictions(len(blocks_of(len(prepared.dataset))))

    def explain(
        self,
        samples: EvaluatedSamples,
        selection: SampleSelection,
        computer: BlockComputer,
        advance: Advance,
    ) -> Explained:
        """The maps; none where computing them raises an exception."""

        def compute() -> Explained:
            section, files = self.config.explain, self.folder.explanations
            computer.explain(samples, selection, files, advance)
            return explain_samples(samples, selection, section, files, ignore, self.broken)

        explained = self.broken.attempt("explain", "map", compute, Explained())
        samples.model.forget_passes()
        self.left_out.extend(explained.skipped)
        return explained

    def map_sanity(self, samples: EvaluatedSamples, selection: SampleSelection) -> MapSanity:
        """How far the maps can be trusted; nothing where measuring it raises an exception."""

        def measure() -> MapSanity:
            n_samples, seed = sanity_samples(self.config, samples, selection), self.config.seed
            return measure_map_sanity(
                samples, self.folder.explanations, n_samples=n_samples, seed=seed
            )

        return self.broken.attempt("map sanity", "map", measure, MapSanity())

    def judge(
        self,
        checks: Mapping[str, Check],
        audit: AuditData,
        budget: ForwardBudget,
        advance: Advance,
        doing: Callable[[str], object],
    ) -> Judgement:
        """The findings; checks that raise an exception are left out."""
        kept = Thumbnails(self.folder.explanations, "interventions")
        audit = replace(audit, keeper=kept, budget=budget)

        def begin(name: str) -> None:
            return_freed_memory()
            doing(name)

        judgement = judge(checks, audit, self.config.gate, advance, self.broken, begin)
        budget.lift()
        kept.write()
        return judgement

    def measure(self, audit: AuditData, chosen: ChosenMetrics) -> Measurements:
        """The metrics; those that raise an exception are left out."""

        def measure() -> Measurements:
            return measure_metrics(audit, chosen, self.broken)

        return self.broken.attempt("metrics", "outcome", measure, Measurements())

    def criteria(self, audit: AuditData, summary: Summary) -> list[CriterionResult]:
        """The acceptance criteria; those that raise an exception are left out."""
        n_not_finite = sum(summary.unusable.get(status, 0) for status in NOT_FINITE)
        gate = self.config.gate

        def examine() -> ExaminedCriteria:
            return examine_criteria(
                audit, n_not_finite, gate.criteria, self.config.criteria, gate.blocking, self.broken
            )

        examined = self.broken.attempt("criteria", "outcome", examine, ExaminedCriteria())
        self.left_out.extend(examined.skipped)
        return list(examined.results)

    def behind_findings(
        self,
        samples: EvaluatedSamples,
        findings: Sequence[Finding],
        audit: AuditData,
        failures: Integers,
    ) -> dict[str, object]:
        """What explanations have beyond maps; nothing of a part that raises an exception.

        Args:
            samples: the evaluated samples.
            findings: the most severe first.
            audit: what the checks examined.
            failures: positions of all failures.

        Returns:
            Fields of the record of the explanations: the units behind the findings, the images of
            copies, the contact sheets of slices and the map of the failures.
        """
        section, files = self.config.explain, self.folder.explanations

        def units() -> list[UnitRecord]:
            return dissect(samples, findings, section, files, self.config.seed)

        def matches() -> list[MatchedImageRecord]:
            return store_matched_images(samples, findings, files)

        def sheets() -> list[ContactSheet]:
            return contact_sheets(samples, audit, findings, files)

        def plane() -> FailureMap | None:
            return failure_map(samples, audit, failures, findings)

        attempt = self.broken.attempt
        found: list[UnitRecord] = attempt("dissect", "map", units, [])
        matched: list[MatchedImageRecord] = attempt("matched images", "data", matches, [])
        drawn: list[ContactSheet] = attempt("contact sheets", "outcome", sheets, [])
        mapped = attempt("failure map", "map", plane, None)
        return {"units": found, "matches": matched, "sheets": drawn, "failure_map": mapped}
