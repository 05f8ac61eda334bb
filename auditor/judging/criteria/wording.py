"""The texts of a configured criterion: its name, and its result in one or two sentences."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.comparisons.chosen_metrics import written_unit
from auditor.comparisons.metrics import MeasuredMetric
from auditor.config.criteria import Criterion
from auditor.judging.criteria.more_samples import MoreSamples
from auditor.judging.criteria.questions import Question
from auditor.phrasing import (
    amount,
    attribute_name,
    condition,
    count,
    limits,
    quoted,
    sentence_start,
    several,
    size,
)
from auditor.phrasing.clusters import cluster_count
from auditor.records import Unit
from auditor.statistics.criterion_family import JudgedSlice


@dataclass(frozen=True)
class Wording:
    """The texts of one criterion.

    Attributes:
        criterion: of the configuration.
        unit: of its numbers.
        clusters: name of the column with the clusters; None for independent samples.
    """

    criterion: Criterion
    unit: Unit
    clusters: str | None

    @classmethod
    def of(cls, criterion: Criterion, clusters: str | None) -> Wording:
        """The texts of a criterion.

        Args:
            criterion: of the configuration.
            clusters: name of the column with the clusters; None for independent samples.
        """
        unit = written_unit(criterion.measured)
        return cls(criterion, "points" if criterion.is_gap and unit == "share" else unit, clusters)

    @property
    def whole(self) -> str:
        """The criterion in a few words, or its name."""
        one = self.criterion
        if one.name is not None:
            return one.name
        what = self._what(None if one.class_name in {None, "each"} else one.class_name)
        if one.class_name == "each":
            what += " of each class"
        of = (
            ""
            if one.attributes is None
            else f" of {several([attribute_name(name) for name in one.attributes], 5)}"
        )
        if one.is_gap:
            return f"{what}{of} {self._bound}"
        where = f" in every slice{of}" if one.per_slice else _of_slice(one.one_slice)
        return f"{what} {self._bound}{where}" if one.per_slice else f"{what}{where} {self._bound}"

    def name(self, question: Question) -> str:
        """The criterion for one class and slice in a few words."""
        return f"{self._subject(question)} {self._bound}"

    def statement(
        self,
        question: Question,
        measured: MeasuredMetric,
        judged: JudgedSlice,
        more: MoreSamples,
        number: int,
    ) -> str:
        """The result for one class and slice.

        Args:
            question: class and slice.
            measured: the number at the confidence of the criterion.
            judged: its state.
            more: how many more samples would decide it.
            number: classes and slices that are judged together.
        """
        what = self._subject(question)
        if measured.value is None:
            return f"{sentence_start(what)} could not be judged ({measured.reason})."
        confidence = f"{100 * self.criterion.confidence:.4g} %"
        clusters = ""
        if self.clusters is not None:
            clusters = f" in {cluster_count(measured.n_clusters, self.clusters, named=False)}"
        text = (
            f"{sentence_start(what)} is {amount(measured.value.value, self.unit)} ({confidence} interval "
            f"{limits(measured.value, self.unit)}; n = {measured.support}{clusters}); the criterion "
            f"requires {self._bound}{' in either direction' if self.criterion.is_gap else ''}."
        )
        if judged.status == "undecided":
            text += self._undecided(judged, more, number, question.class_name)
        return text

    def _undecided(
        self, judged: JudgedSlice, more: MoreSamples, number: int, class_name: str | None
    ) -> str:
        text = ""
        if judged.alone != "undecided":
            text = (
                f" By itself it would be {judged.alone}, but not after the correction for {number} "
                "comparisons."
            )
        if more.samples is None:
            return (
                f"{text} It is too close to the limit for any feasible number of samples to decide."
            )
        clusters = ""
        if more.clusters is not None:
            clusters = f" ({cluster_count(_rounded_up(more.clusters), self.clusters)})"
        kind = self._kind_of_samples(class_name)
        return (
            f"{text} If it stays as measured, about {count(_rounded_up(more.samples))} more {kind}"
            f"{clusters} would decide it."
        )

    def _kind_of_samples(self, class_name: str | None) -> str:
        """The samples on which the metric rests."""
        if self.criterion.is_gap:
            return "samples of slice and rest"
        positive = "positive" if class_name is None else quoted(class_name)
        kinds = {
            "sensitivity": f"{positive} samples",
            "specificity": f"samples that are not {positive}",
            "ppv": f"samples predicted as {positive}",
            "npv": f"samples not predicted as {positive}",
        }
        return kinds.get(self.criterion.measured.name, "samples")

    @property
    def _bound(self) -> str:
        least = self.criterion.at_least is not None
        return f"{'at least' if least else 'at most'} {size(self.criterion.limit, self.unit)}"

    def _what(self, class_name: str | None) -> str:
        of = "" if class_name is None else f" of {quoted(class_name)}"
        return f"{self._metric}{of}"

    @property
    def _metric(self) -> str:
        """The metric as the configuration spells it if that is a synonym, otherwise its title."""
        spelled = self.criterion.metric.removesuffix("-gap")
        title = self.criterion.measured.title
        name = title if spelled == self.criterion.measured.name else spelled
        return f"gap in {name}" if self.criterion.is_gap else name

    def _subject(self, question: Question) -> str:
        return self._what(question.class_name) + _of_slice(question.key.attributes)


def _of_slice(attributes: dict[str, str]) -> str:
    return "".join(f", {condition(name, value)}" for name, value in attributes.items())


def _rounded_up(number: int) -> int:
    """A number with two significant digits: more would pretend a precision that it lacks."""
    unit = int(10 ** max(len(str(number)) - 2, 0))
    return -(-number // unit) * unit
