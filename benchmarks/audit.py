"""Where the time of a whole audit goes, and how it grows with the number of images.

    python -m benchmarks.audit [--images 1000 10000] [--failures 0.2] [--model resnet18] [--side 224]

The images are generated JPEGs of about 500 × 375 pixels, the network has random weights with calibrated
batch normalisation, and the labels are its predictions except for the share that is to fail. Each audit
runs in its own process, with the default settings and an HTML report; ``--set`` changes settings. CPU times
include the worker processes. Afterwards, the parts run alone in the same process: decoding and predicting,
decoding and explaining, drawing the maps; on at most 1,000 images, and scaled. The last line compares the
audit with decoding, predicting and explaining alone (target: at least 70 % of their throughput).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from auditor import runner
from auditor.allocator import keep_freed_memory
from auditor.config import AuditConfig
from auditor.engines.local import BlockComputer
from auditor.evaluated_samples import EvaluatedSamples
from auditor.explainers import explain_batch
from auditor.isolated_stages import IsolatedStages
from auditor.progress import Advance, Silent
from auditor.records import Job, SampleSelection
from auditor.stages.merged_explanations import Explained
from benchmarks.drawing import draw_maps
from benchmarks.generated_images import write_audit
from benchmarks.spent import Spent, timed

MOST = 1000
"""Images on which the parts are run alone."""


@dataclass
class Stages(Silent):
    """A progress display that measures the stages."""

    spent: dict[str, Spent] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Measures one stage."""
        with super().stage(name, total) as advance, timed(self.spent.setdefault(name, Spent())):
            yield advance


@dataclass(frozen=True)
class Watched(IsolatedStages):
    """Remembers what was explained."""

    asked: ClassVar[list[tuple[EvaluatedSamples, SampleSelection]]] = []

    def explain(
        self,
        samples: EvaluatedSamples,
        selection: SampleSelection,
        computer: BlockComputer,
        advance: Advance,
    ) -> Explained:
        """Explains as in any audit."""
        self.asked[:] = [(samples, selection)]
        return super().explain(samples, selection, computer, advance)


def main() -> None:
    """Prints a table for each number of images."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--failures", type=float, default=0.2)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--set", nargs="*", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        _measure(options)
        return
    for count in options.images:
        command = [sys.executable, "-m", "benchmarks.audit", "--one", "--images", str(count)]
        command += ["--failures", str(options.failures), "--model", options.model]
        command += ["--side", str(options.side), "--set", *options.settings]
        subprocess.run(command, check=True)  # noqa: S603 - this file


def _measure(options: argparse.Namespace) -> None:
    """One audit, then its parts alone."""
    vars(runner)["IsolatedStages"] = Watched  # a subclass that also remembers
    keep_freed_memory()  # as the command does
    (count,) = options.images
    with tempfile.TemporaryDirectory() as folder:
        path = write_audit(Path(folder), count, options.failures, options.model, options.side)
        config = AuditConfig.load(path, options.settings)
        progress, whole = Stages(), Spent()
        with timed(whole):
            run = runner.run(config, Path(folder) / "run", progress=progress)
        summary = run.read_result().summary
        ((samples, selection),) = Watched.asked
        print(
            f"\n{count:,} images, {summary.n_failures:,} failures, {len(selection.jobs):,} explained, "
            f"{options.model} at {options.side} pixels, torch {torch.__version__} with "
            f"{torch.get_num_threads()} threads, {os.cpu_count()} cores; "
            f"checks ran {samples.budget.used:,} images\n"
        )
        rest = Spent(
            whole.wall - sum(one.wall for one in progress.spent.values()),
            whole.cpu - sum(one.cpu for one in progress.spent.values()),
        )
        rows = {**progress.spent, "everything else": rest, "whole audit": whole}
        print(_table(rows, whole, count))
        parts = _alone(samples, selection.jobs)
        floor = Spent(
            *(sum(one) for one in zip(*map(astuple, list(parts.values())[:2]), strict=True))
        )
        print(_table({**parts, "predict and explain alone": floor}, whole, count))
        print(
            f"throughput of the audit / of decoding, predicting and explaining alone: "
            f"{floor.wall / whole.wall:.2f} (wall), {floor.cpu / whole.cpu:.2f} (CPU)",
            flush=True,
        )


def _table(rows: dict[str, Spent], whole: Spent, count: int) -> str:
    lines = ["| part | wall s | CPU s | CPU ms per image | share of CPU |", "|---|---|---|---|---|"]
    for name, spent in rows.items():
        lines.append(
            f"| {name} | {spent.wall:.1f} | {spent.cpu:.1f} | {1000 * spent.cpu / count:.2f} | "
            f"{spent.cpu / whole.cpu:.0%} |"
        )
    return "\n".join([*lines, ""])


def _alone(samples: EvaluatedSamples, jobs: Sequence[Job]) -> dict[str, Spent]:
    """The parts on some of the images, scaled to all."""
    model, n = samples.model, len(samples.dataset)
    rows = np.arange(min(n, MOST), dtype=np.int64)
    some = jobs[: MOST // 2]
    predicting, explaining, drawing, decoding, measuring = (Spent() for _ in range(5))
    with timed(predicting):
        for batch in model.batches(samples.dataset, rows):
            model.logits(batch.images)
    with timed(decoding):
        for _ in model.batches(samples.dataset, rows):
            pass
    with timed(measuring):
        for _ in model.batches(samples.dataset, rows, measured=True):
            pass
    done = 0
    with timed(explaining):
        for images in samples.read(np.array([job.row for job in some], dtype=np.int64)):
            own = some[done : done + len(images)]
            done += len(images)
            pairs = [(k, code) for k, job in enumerate(own) for _, code in job.targets]
            found = explain_batch(model.module, model.inputs(images), pairs, model.layer)
            with timed(drawing):
                shown = [job.kind != "mean" for job in own]
                draw_maps(images.permute(0, 2, 3, 1).numpy(), found, shown)
    explaining.wall -= drawing.wall
    explaining.cpu -= drawing.cpu
    scale = n / len(rows)
    return {
        "decoding and predicting": predicting.times(scale),
        "decoding and explaining": explaining.times(len(jobs) / len(some)),
        "drawing the maps": drawing.times(len(jobs) / len(some)),
        "decoding, all images": decoding.times(scale),
        "decoding and measuring, all images": measuring.times(scale),
    }


if __name__ == "__main__":
    main()
