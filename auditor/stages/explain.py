"""Explain: compute the attribution maps of the selected samples, and draw and store them.

An image that can no longer be read, or whose maps can't be computed or are not finite, is left out and
counted; the others are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.autograd.passes import forget_recorded
from auditor.autograd.precision import Accelerated, accelerate
from auditor.config import ExplainSection
from auditor.evaluated_samples import EvaluatedSamples
from auditor.explainers.api import explain_batch, explain_or_grad_cam
from auditor.explainers.guided_grad_cam import GuidedGradCam
from auditor.explanation_files import MapWriter, MeanMaps, SampleMaps
from auditor.judging.broken_parts import BrokenPart, BrokenParts, result_of
from auditor.progress import Advance
from auditor.records import Cell, Job, PreflightRecord, SampleSelection
from auditor.records.predictions import OK, SAMPLE
from auditor.stages.explained_blocks import (
    GIVE_UP,
    CellMaps,
    ExplainedBlock,
    Raised,
    Some,
    blocks_of,
    complete_blocks,
    fingerprints,
)
from auditor.stages.merged_explanations import (
    NAME,
    NOTHING_EXPLAINED,
    Explained,
    merge_explanations,
)

_COMPARED = 4
"""Images on which a faster copy of the network is compared with it."""


def explain_samples(
    samples: EvaluatedSamples,
    selection: SampleSelection,
    section: ExplainSection,
    folder: Path,
    advance: Advance,
    broken: BrokenParts,
) -> Explained:
    """Computes, draws and stores the maps of the selected samples.

    Args:
        samples: the evaluated samples, with the model.
        selection: what to explain.
        section: the explainer of the detail view, and the precision. Grad-CAM is always computed.
        folder: ``explanations/`` of the run; blocks that are complete there are not computed again.
        advance: called after each batch with its number of samples.
        broken: collects why the maps of some images could not be computed.

    Returns:
        What was explained, and the maps that the checks compare.
    """
    numbers = range(len(blocks_of(len(selection.jobs))))
    explain_blocks(samples, selection, section, folder, numbers, advance)
    exact = section.precision == "exact"
    return merge_explanations(samples, selection, folder, broken, exact=exact)


def explain_blocks(
    samples: EvaluatedSamples,
    selection: SampleSelection,
    section: ExplainSection,
    folder: Path,
    numbers: Iterable[int],
    advance: Advance,
) -> None:
    """Computes, draws and stores the maps of some blocks of the selected samples.

    Args:
        samples: the evaluated samples, with the model.
        selection: what to explain.
        section: see ``explain_samples``.
        folder: ``explanations/`` of the run; blocks that are complete there are not computed again.
        numbers: of the blocks.
        advance: called after each batch with its number of samples.
    """
    cut = blocks_of(len(selection.jobs))
    wanted = fingerprints(samples, selection)
    complete = complete_blocks(folder, wanted)
    missing = sorted(set(numbers) - set(complete))
    for number in sorted(set(numbers) & set(complete)):
        advance(len(cut.rows(number)))
    if any(one.gave_up for one in complete.values()):
        return
    rows = np.array([job.row for job in selection.jobs], dtype=np.int64)
    lengths = cut.batch_lengths(missing, samples.model.batch_size)
    explainer = _BatchExplainer(samples, section, rows)
    before = _n_failed_before(min(missing, default=0), complete)
    with closing(samples.read_present(rows[cut.rows_of(missing)], lengths)) as batches:
        for number in missing:
            jobs = [selection.jobs[k] for k in cut.rows(number)]
            block = _OpenBlock(
                samples,
                selection.cells,
                explainer,
                MapWriter(folder, number, samples.model.classes),
            )
            while block.n_tried < len(jobs):
                images, status = next(batches)
                block.add(jobs[block.n_tried : block.n_tried + len(status)], images, status)
                advance(len(status))
                failed = None if before is None else before + block.n_raised_first
                if failed is not None and block.none_explained and failed >= GIVE_UP:
                    block.write(folder, number, wanted[number], gave_up=True)
                    return
            block.write(folder, number, wanted[number])
            before = None if before is None or not block.none_explained else before + block.n_tried


def _n_failed_before(first: int, complete: Mapping[int, ExplainedBlock]) -> int | None:
    """Images before a block, if the maps of none of them could be computed; None otherwise, or if unknown."""
    before = [complete[number] for number in range(first) if number in complete]
    if len(before) < first or any(one.n_raised_first < one.n_tried for one in before):
        return None
    return sum(one.n_tried for one in before)


_SampleArrays = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Grad-CAMs (t, h, w) and detail views (t, 1 or 3, H, W) of the targets of one sample."""


class _OpenBlock:
    """A block that is being computed.

    Attributes:
        n_tried: samples so far.
        n_raised_first: those of the first batches, as long as the maps of none of them could be computed.
    """

    def __init__(
        self,
        samples: EvaluatedSamples,
        cells: Sequence[Cell],
        explainer: _BatchExplainer,
        writer: MapWriter,
    ) -> None:
        self.n_tried = self.n_raised_first = 0
        self._ids = samples.table[SAMPLE].to_numpy()
        self._classes = samples.model.classes
        self._means = MeanMaps(cells)
        self._explainer = explainer
        self._writer = writer
        self._cell_maps = CellMaps()
        self._lost: dict[str, list[str]] = {}
        self._not_finite: list[str] = []
        self._without_detail: list[str] = []
        self._raised: list[tuple[str, BrokenPart]] = []
        explainer.begin_block()

    @property
    def none_explained(self) -> bool:
        """Whether computing the maps has raised an exception for every sample so far."""
        return len(self._raised) == self.n_tried

    def add(self, asked: Sequence[Job], images: Tensor, status: Sequence[str]) -> None:
        """Explains a batch, of which the images that can be read are given."""
        self.n_tried += len(asked)
        for job, word in zip(asked, status, strict=True):
            if word != OK:
                self._lost.setdefault(word, []).append(str(self._ids[job.row]))
        jobs = [job for job, word in zip(asked, status, strict=True) if word == OK]
        views = images.permute(0, 2, 3, 1).contiguous().numpy()
        for view, job, found in zip(views, jobs, self._explainer.each(images, jobs), strict=True):
            arrays = self._usable(str(self._ids[job.row]), found)
            if arrays is not None:
                self._store(job, view, *arrays)
        if self.none_explained:
            self.n_raised_first = self.n_tried

    def write(self, folder: Path, number: int, jobs: str, *, gave_up: bool = False) -> None:
        """Writes the files of the block."""
        first = self._raised[0] if self._raised else None
        facts = ExplainedBlock(
            number=number,
            jobs=jobs,
            n_tried=self.n_tried,
            n_explained=self._writer.write(),
            n_raised_first=self.n_raised_first,
            gave_up=gave_up,
            lost={word: Some(n=len(found), first=found[0]) for word, found in self._lost.items()},
            not_finite=_some(self._not_finite),
            without_detail=_some(self._without_detail),
            raised=None
            if first is None
            else Raised(
                n=len(self._raised),
                first=first[0],
                reason=first[1].reason,
                traceback=first[1].traceback,
            ),
            explainer=self._explainer.method,
            preflight=self._explainer.preflight,
        )
        self._cell_maps.write(facts, folder)

    def _usable(self, sample: str, found: _SampleArrays | BrokenPart) -> _SampleArrays | None:
        """The maps of a sample; None where they can't be used."""
        if isinstance(found, BrokenPart):
            self._raised.append((sample, found))
            return None
        cams, details = found
        if not np.isfinite(cams).all():
            self._not_finite.append(sample)
            return None
        if not np.isfinite(details).all():
            self._without_detail.append(sample)
            details = np.zeros_like(details)
        return cams, details

    def _store(
        self,
        job: Job,
        view: NDArray[np.uint8],
        cams: NDArray[np.float32],
        details: NDArray[np.float32],
    ) -> None:
        if job.kind != "mean":
            sample, method = str(self._ids[job.row]), self._explainer.method
            self._writer.add(job, SampleMaps(sample, view, cams, details, method))
        for (_, code), cam in zip(job.targets, cams, strict=True):
            if self._means.needs(job.row, self._classes[code]):
                self._cell_maps.add(job.row, self._classes[code], cam, view)


def _some(samples: Sequence[str]) -> Some | None:
    return Some(n=len(samples), first=samples[0]) if samples else None


class _BatchExplainer:
    """Computes the maps of one batch after another.

    Attributes:
        method: the explainer that made the last detail views; ``none`` before the first batch.
        preflight: its verdict.
    """

    def __init__(
        self, samples: EvaluatedSamples, section: ExplainSection, rows: NDArray[np.int64]
    ) -> None:
        self._samples = samples
        self._model = samples.model
        self._section = section
        self._rows = rows
        self._accelerated: Accelerated | None = None
        self.begin_block()

    def begin_block(self) -> None:
        """Forgets the verdict on earlier batches, and how many images fitted into memory."""
        self._model.forget_passes()
        if self._accelerated is not None:
            forget_recorded(self._accelerated.module)
        self.method = NOTHING_EXPLAINED.explainer
        self.preflight = NOTHING_EXPLAINED.preflight

    def each(self, images: Tensor, jobs: Sequence[Job]) -> list[_SampleArrays | BrokenPart]:
        """The maps of each image; where the batch raises an exception, of its halves, down to one."""
        if not jobs:
            return []
        found = result_of(NAME, "map", partial(self._maps, images, jobs))
        if not isinstance(found, BrokenPart):
            return list(found)
        if len(jobs) == 1:
            return [found]
        half = len(jobs) // 2
        return [*self.each(images[:half], jobs[:half]), *self.each(images[half:], jobs[half:])]

    def _maps(self, images: Tensor, jobs: Sequence[Job]) -> list[_SampleArrays]:
        layer = self._model.layer
        inputs = self._model.inputs(images)
        pairs = [(k, code) for k, job in enumerate(jobs) for _, code in job.targets]
        if self._accelerated is None:
            self._accelerated = self._faster(inputs)
        module = self._accelerated.module
        found = explain_batch(module, inputs, pairs, layer)
        details, method = found.maps, found.detail
        if self._section.explainer != GuidedGradCam.plugin_name:
            rows, targets = torch.tensor(pairs, device=inputs.device).T
            other = explain_or_grad_cam(
                module, inputs[rows], targets, self._section.explainer, layer
            )
            # Where it is undefined for this network, Grad-CAM is shown beside the detail view anyway.
            if other.explainer == self._section.explainer:
                details, method = other.maps.cpu(), other.explainer
        verdict = self._accelerated.annotate(found.preflight)
        self.preflight = PreflightRecord(status=verdict.status, reason=verdict.reason)
        self.method = method
        ends = np.cumsum([len(job.targets) for job in jobs])
        return list(
            zip(
                np.split(found.cams.numpy(), ends[:-1]),
                np.split(details.numpy(), ends[:-1]),
                strict=True,
            )
        )

    def _faster(self, inputs: Tensor) -> Accelerated:
        """The network to explain, chosen on the first images of the audit, whichever blocks are computed."""
        precision = self._section.precision
        if precision != "exact":
            parts = np.split(self._rows, range(_COMPARED, len(self._rows), _COMPARED))
            found = (part for rows in parts for part, _ in self._samples.read_present(rows))
            inputs = self._model.inputs(next(images for images in found if len(images)))
        return accelerate(self._model.module, inputs, precision, self._model.layer)
