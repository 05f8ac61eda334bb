"""What a report reads of a run folder, with the names that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow.parquet as pq

from auditor.about_file import read_statements, with_statements
from auditor.disclosure.result import Disclosed, disclosed
from auditor.previous_audit import read_previous
from auditor.records import AuditResult
from auditor.records.decision_table import read_decisions
from auditor.records.display_names import DisplayNames
from auditor.records.prediction_file import require_predictions
from auditor.records.predictions import SAMPLE, attribute_columns, is_reserved, usable_rows
from auditor.records.previous_audit import PreviousAudit
from auditor.report.view.displayed import table_with_display_names, with_display_names
from auditor.report.view.probabilities import Probabilities, top_probabilities
from auditor.report.view.review_decisions import ReviewView, review_view
from auditor.run_folder import PREDICTIONS, RunFolder


@dataclass(frozen=True)
class RunData:
    """A result and its samples.

    Attributes:
        result: with the names that are shown.
        names: the display names.
        config: the configuration as it was given.
        evaluated: the samples or decisions that could be evaluated.
        attributes: names of the attributes.
        sample_attributes: those of them that are shown for single samples: not the sensitive ones.
        disclosed: what the result shows of sensitive attributes.
        explained: those of them that have maps, by their ids.
        probabilities: their largest probabilities by sample.
        review: the decisions on its findings.
        previous: what is stored about the previous audit; None if nothing is.
    """

    result: AuditResult
    names: DisplayNames
    config: Mapping[str, object]
    evaluated: pd.DataFrame
    attributes: tuple[str, ...]
    sample_attributes: tuple[str, ...]
    disclosed: Disclosed
    explained: pd.DataFrame
    probabilities: Mapping[str, Probabilities]
    review: ReviewView
    previous: PreviousAudit | None


def read_run(run: RunFolder, *, names_of_data: bool = False) -> RunData:
    """Reads a finished run.

    Args:
        run: its folder.
        names_of_data: whether names stay as they are where the configuration has display names.

    Raises:
        DataError: the folder has no result that this version can read, or not its predictions.
    """
    stored = with_statements(run.read_result(), read_statements(run.path))
    found = disclosed(stored)
    names = DisplayNames() if names_of_data else stored.provenance.stated.display_names
    path = run.path / PREDICTIONS
    require_predictions(path, stored)
    table = read_decisions(path, stored.decision, [one.name for one in stored.classes])
    columns = attribute_columns(pq.read_schema(path).names)
    evaluated = table_with_display_names(table[usable_rows(table)], columns, names)
    maps = (*stored.explanations.failures, *stored.explanations.contrasts)
    explained = evaluated[evaluated[SAMPLE].isin({one.sample for one in maps})].set_index(SAMPLE)
    largest = top_probabilities(path, stored, explained.index)
    return RunData(
        result=found.result if names_of_data else with_display_names(found.result, names),
        names=names,
        config=stored.provenance.config,
        evaluated=evaluated,
        attributes=tuple(map(names.of_attribute, _attributes(columns, stored))),
        sample_attributes=tuple(
            names.of_attribute(name) for name in columns if name not in found.sensitive
        ),
        disclosed=found,
        explained=explained,
        probabilities={
            sample: tuple((names.of_class(one), value) for one, value in values)
            for sample, values in largest.items()
        },
        review=review_view(run.path),
        previous=read_previous(run.path),
    )


def _attributes(columns: Sequence[str], result: AuditResult) -> tuple[str, ...]:
    """Attributes of the samples, and sensitive ones that only the slices of a redacted copy have."""
    known = {name for one in result.slices for name in one.attributes}
    removed = (one for one in result.provenance.stated.about.sensitive if one in known)
    return tuple(dict.fromkeys((*columns, *(one for one in removed if not is_reserved(one)))))
