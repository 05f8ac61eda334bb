"""Dissect: find the channels that carry the evidence behind a finding, and what activates them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from auditor import imaging
from auditor.config import ExplainSection
from auditor.errors import ModelError
from auditor.evaluated_samples import EvaluatedSamples
from auditor.map_metrics.units import unit_detail, unit_evidence, unit_maps
from auditor.records import Finding, UnitRecord
from auditor.records.predictions import LABEL, PREDICTED, SAMPLE, codes
from auditor.run_folder import EXPLANATIONS, ShardWriter

_FINDINGS = 5
"""How many findings are dissected, the most severe first."""
_IMAGES = 6
"""Images shown per unit."""


def dissect(
    samples: EvaluatedSamples,
    findings: Sequence[Finding],
    section: ExplainSection,
    folder: Path,
    seed: int,
) -> list[UnitRecord]:
    """Finds the units behind the most severe findings.

    For the predicted classes of a finding's samples, these are the channels that add most to the
    evidence (see `map_metrics.units`). Each is shown on the audited images that activate it most.

    Args:
        samples: the evaluated samples, with the model.
        findings: the most severe first.
        section: number of units, and of samples among which their images are searched.
        folder: ``explanations/`` of the run; receives the images.
        seed: of the draw of those samples.

    Returns:
        The units of each finding, the strongest first.
    """
    chosen = [one for one in findings if one.samples and one.verdict != "untestable"][:_FINDINGS]
    if not section.units or not chosen:
        return []
    units = [unit for finding in chosen for unit in _units(samples, finding, section.units)]
    drawn = np.random.default_rng(seed).permutation(len(samples.table))[: section.unit_samples]
    rows = np.sort(drawn).astype(np.int64)
    peaks = samples.peaks(rows)
    shards = ShardWriter(folder, "units")
    records: list[UnitRecord] = []
    table: list[dict[str, object]] = []
    shown: dict[int, list[str]] = {}
    for finding, channel, share in units:
        if channel not in shown:
            strongest = rows[np.argsort(-peaks[:, channel], kind="stable")[:_IMAGES]]
            first = len(table)
            table += _drawn(samples, strongest, channel)
            shown[channel] = [
                f"{EXPLANATIONS}/{shards.next_name}#{k}" for k in range(first, len(table))
            ]
        records.append(
            UnitRecord(finding=finding.id, channel=channel, share=share, images=shown[channel])
        )
    if table:
        shards.write(pa.Table.from_pylist(table))
    return records


def _units(
    samples: EvaluatedSamples, finding: Finding, most: int
) -> Iterator[tuple[Finding, int, float]]:
    """The strongest channels of one finding, with their share of the positive evidence."""
    column = samples.table[SAMPLE]
    among = np.flatnonzero(column.isin(finding.samples))
    row_of = dict(zip(column.iloc[among].astype(str), among.tolist(), strict=True))
    rows = np.array([row_of[sample] for sample in finding.samples], dtype=np.int64)
    targets = torch.from_numpy(codes(samples.table[PREDICTED])[rows])
    model = samples.model
    evidence = unit_evidence(model.module, samples.inputs(rows), targets, model.layer)
    positive = np.maximum(evidence.mean(0).double().numpy(), 0)
    strongest = np.argsort(-positive, kind="stable")[:most]
    for channel in strongest[positive[strongest] > 0]:
        yield finding, int(channel), float(positive[channel] / positive.sum())


def _drawn(
    samples: EvaluatedSamples, rows: NDArray[np.int64], channel: int
) -> list[dict[str, object]]:
    module, layer = samples.model.module, samples.model.layer
    inputs = samples.inputs(rows)
    maps = unit_maps(module, inputs, layer)[:, channel].clamp(min=0).numpy()
    views = samples.images(rows).transpose(0, 2, 3, 1)
    try:
        details = unit_detail(module, inputs, layer, channel).numpy()
    except ModelError:  # guided backpropagation is undefined for this network
        details = None
    table = samples.table.iloc[rows]
    return [
        {
            "sample": str(sample),
            "label": str(label),
            "channel": channel,
            "overlay": imaging.jpeg(imaging.overlay(np.ascontiguousarray(views[k]), maps[k])),
            "guided": None if details is None else imaging.jpeg(imaging.guided_view(details[k])),
        }
        for k, (sample, label) in enumerate(zip(table[SAMPLE], table[LABEL], strict=True))
    ]
