"""The accuracy in the target population, in sentences for every document."""

from __future__ import annotations

from auditor.phrasing.names import several
from auditor.phrasing.numbers import count, limits, percent, plural
from auditor.records import PopulationRecord, Summary


def population_text(record: PopulationRecord | None, summary: Summary) -> str:
    """The accuracy in the target population and how it is estimated; empty if no population is given.

    Args:
        record: the target population of the audit.
        summary: accuracy and number of the evaluated samples.
    """
    if record is None:
        return ""
    if record.accuracy is None:
        return f"The accuracy in the target population cannot be estimated: {record.not_estimated}."
    raw = "" if summary.accuracy is None else f"; unweighted: {percent(summary.accuracy.value, 1)}"
    text = (
        f"The accuracy in the target population is {percent(record.accuracy.value, 1)} "
        f"({limits(record.accuracy, 'share')}{raw}). {_weights(record)}"
    )
    if record.effective_size is not None:
        text += f" Their effective sample size is {count(round(record.effective_size))}."
    if record.n_left_out:
        have, were = ("has", "was") if record.n_left_out == 1 else ("have", "were")
        text += (
            f" {plural(record.n_left_out, 'sample')} {have} no weight in the target population and "
            f"{were} left out of it."
        )
    return f"{text} All tests compare slices without weights."


def _weights(record: PopulationRecord) -> str:
    names = several(record.names, 4)
    if record.source == "weights":
        return f"Samples are weighted by {names}."
    how = "raked" if len(record.names) > 1 else "post-stratified"
    return f"Samples are weighted by its shares of {names} ({how})."
