"""Records without ids and paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from auditor.disclosure.texts import without_examples
from auditor.records import (
    ClaimRecord,
    CriterionResult,
    DataFaults,
    EmbeddedFailure,
    Finding,
    HeldFixed,
    ImagePrediction,
    InterventionExample,
    MapRecord,
    MatchedImageRecord,
    MetricValue,
    ModelProvenance,
    OutcomeReason,
    PanelRecord,
    Quantity,
    Record,
    SampleGroup,
    SampleGroups,
    SampleRef,
    SheetImage,
    Skipped,
    Summary,
    Table,
    TestedRecord,
    Unusable,
)
from auditor.records.attributes import AttributeRecord
from auditor.records.decisions import DecisionRecord
from auditor.records.explanations import PreflightRecord
from auditor.records.population import PopulationRecord
from auditor.redaction.pseudonyms import Kind

_TEXTS: Mapping[type[Record], tuple[str, ...]] = {
    ClaimRecord: ("title", "statement", "action", "limits"),
    CriterionResult: ("name", "statement", "criterion", "why"),
    DecisionRecord: ("source",),
    HeldFixed: ("sentences",),
    ImagePrediction: ("how",),
    MetricValue: ("reason",),
    ModelProvenance: ("target_layer_reason", "output", "description"),
    OutcomeReason: ("text",),
    PopulationRecord: ("not_estimated",),
    PreflightRecord: ("reason",),
    Quantity: ("name",),
    SampleGroup: ("note",),
    SampleGroups: ("title",),
    Table: ("title", "columns", "rows"),
    TestedRecord: ("title",),
}
"""Fields with sentences, which may name a sample."""
_NOTES: Mapping[type[Record], tuple[str, ...]] = {
    AttributeRecord: ("reason", "left_out"),
    Skipped: ("reason",),
    Unusable: ("reason",),
}
"""Fields with notes on the data, which quote files and cells as examples, and errors of other programs."""
_SAMPLES: Mapping[type[Record], tuple[str, ...]] = {
    EmbeddedFailure: ("sample",),
    Finding: ("samples",),
    ImagePrediction: ("donor",),
    InterventionExample: ("sample",),
    MapRecord: ("sample",),
    PanelRecord: ("sample",),
    SheetImage: ("sample",),
    Unusable: ("sample",),
}
"""Fields with ids of samples."""


@dataclass(frozen=True)
class Renaming:
    """What stands for ids, and for sentences.

    Attributes:
        of: the pseudonym of an id of a kind; the id itself where ids are kept.
        text: a sentence without ids and paths.
        several: whether the ids of a multi-label task name a label, too.
        keeps_paths: whether paths stay.
    """

    of: Callable[[Kind, str], str]
    text: Callable[[str], str]
    several: bool
    keeps_paths: bool

    def sample(self, name: str) -> str:
        """The pseudonym of a sample or decision."""
        if not self.several or " · " not in name:
            return self.of("sample", name)
        sample, _, label = name.rpartition(" · ")
        return f"{self.of('sample', sample)} · {label}"

    def note(self, text: str) -> str:
        """A note without its examples."""
        return self.text(without_examples(text))


def texts_of(value: Any) -> Iterator[str]:
    """The sentences and notes in a record or container."""
    if isinstance(value, Record):
        for name in (*_fields(value, _TEXTS), *_fields(value, _NOTES)):
            yield from _strings(getattr(value, name))
        for name in type(value).model_fields:
            yield from texts_of(getattr(value, name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts_of(one)


def renamed(value: Any, names: Renaming) -> Any:
    """A record, or a container of records, without ids and paths."""
    if isinstance(value, Record):
        return _renamed_record(value, names)
    if isinstance(value, list | tuple):
        return type(value)(renamed(one, names) for one in value)
    return value


def _renamed_record(record: Record, names: Renaming) -> Record:
    kind = type(record)
    fields = {name: renamed(getattr(record, name), names) for name in kind.model_fields}
    for table, change in ((_TEXTS, names.text), (_NOTES, names.note), (_SAMPLES, names.sample)):
        for name in _fields(record, table):
            fields[name] = _each(fields[name], change)
    fields |= _special(record, names)
    # A copy would keep the cached properties of the original.
    return kind.model_construct(record.model_fields_set, **fields)


def _special(record: Record, names: Renaming) -> dict[str, Any]:
    """Fields in which ids and paths stand otherwise."""
    if isinstance(record, SampleRef | MatchedImageRecord):
        audited = record.source == "audited"
        shown = names.sample(record.sample) if audited else names.of("training", record.sample)
        if isinstance(record, MatchedImageRecord) and not names.keeps_paths:
            return {"sample": shown, "path": ""}
        return {"sample": shown}
    if isinstance(record, Unusable) and not names.keeps_paths:
        return {"path": ""}
    if isinstance(record, DataFaults):
        return {"samples": {names.sample(one): checks for one, checks in record.samples.items()}}
    if isinstance(record, Summary):
        counts: dict[str, int] = {}
        for reason, n in record.unusable.items():
            counts[names.note(reason)] = counts.get(names.note(reason), 0) + n
        return {"unusable": counts}
    return {}


def _fields(record: Record, table: Mapping[type[Record], tuple[str, ...]]) -> list[str]:
    return [name for kind, names in table.items() if isinstance(record, kind) for name in names]


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list | tuple):
        return type(value)(_each(one, change) for one in value)
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)
