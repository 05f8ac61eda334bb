"""What a whole audit costs: processor time, images forwarded and memory, by stage and by check.

    python -m benchmarks.cost [--only solar digits mobilenet tiny] [--out FOLDER] [--set KEY=VALUE]

Each audit runs in its own process, with the settings of the command line. Processor time is that of
the process and of the workers that have ended. An image that is forwarded and differentiated counts as
one image forwarded, and in "with gradient" too. Memory is the peak of the process (``VmHWM``),
minus what it held before predicting (Python, libraries, data set, model).

Targets: the whole audit takes at most 2 × (predict + explain), and 1.5 GB above the model.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from benchmarks.costing.cases import CASES

if TYPE_CHECKING:
    from auditor.model_opening import OpenedModel
    from auditor.preparation import Prepared
    from auditor.progress import Advance

_REFERENCE = ("predict", "explain")


@dataclass
class Part:
    """What one stage or check took; memory is the peak of the process so far, in MB."""

    seconds: float = 0.0
    images: int = 0
    with_gradient: int = 0
    peak: float = 0.0


@dataclass
class Meter:
    """Attributes processor time and images to the parts of an audit."""

    parts: dict[str, Part] = field(default_factory=dict)
    before: float = 0.0
    _name: str = "prepare"
    _since: float = 0.0

    def __deepcopy__(self, _memo: dict[int, object]) -> Meter:
        """The same meter: images are counted in copies of the network, too, such as those of searches."""
        return self

    def switch(self, name: str) -> None:
        """What follows belongs to another part."""
        now, part = _processor_seconds(), self.parts.setdefault(self._name, Part())
        part.seconds += now - self._since
        part.peak = _peak()
        self._name, self._since = name, now

    def forwarded(self, _module: nn.Module, inputs: tuple[object, ...]) -> None:
        """A hook that counts the images of one forward pass."""
        images = inputs[0]
        if isinstance(images, Tensor) and images.ndim == 4:
            part = self.parts.setdefault(self._name, Part())
            part.images += len(images)
            part.with_gradient += len(images) * torch.is_grad_enabled()


class MeteredProgress:
    """Tells the meter which stage and which check come next."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """See ``auditor.progress.Progress``."""
        del total
        self._meter.switch(name)
        yield lambda _items: None
        self._meter.switch("between stages")

    def doing(self, item: str) -> None:
        """See ``auditor.progress.Progress``."""
        self._meter.switch(item)

    def message(self, text: str) -> None:
        """See ``auditor.progress.Progress``."""


def main() -> None:
    """Prints a table for each case, and a summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--out", type=Path, help="keep inputs, results and measurements here")
    parser.add_argument("--set", nargs="*", default=[], help="settings, as KEY.PATH=VALUE")
    parser.add_argument("--one", type=Path, help="measure only the audit of this configuration")
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(_measured(options.one, options.set)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        summary = []
        for name in options.only:
            folder = (options.out or Path(temporary)) / name
            config = folder / "audit.yaml"
            if not config.is_file():
                CASES[name](folder)
            measured = _in_own_process(config, options.set)
            (folder / "cost.json").write_text(json.dumps(measured, indent=1), encoding="utf-8")
            print(f"\n## {name}\n\n{_table(measured)}\n", flush=True)
            for check, reason in measured["skipped"]:
                if "checks.budget" in reason:
                    print(f"{check}: {reason}", flush=True)
            summary.append(f"| {name} | {_summary(measured)} |")
    print("| audit | CPU seconds | ratio | images by checks | MB above the model | findings |")
    print("|---|---|---|---|---|---|\n" + "\n".join(summary))


def _in_own_process(config: Path, settings: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.cost", "--one", str(config), "--set", *settings]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - own
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measured(path: Path, settings: list[str]) -> dict[str, object]:
    from auditor.allocator import keep_freed_memory

    keep_freed_memory()
    from auditor import runner
    from auditor.config import AuditConfig
    from auditor.preparation import prepare

    meter = Meter(_since=_processor_seconds())
    _watch(meter)
    prepared = prepare(AuditConfig.load(path, settings))
    start = time.perf_counter()
    folder = runner.audit(
        prepared, path.with_suffix(".run"), overwrite=True, progress=MeteredProgress(meter)
    )
    wall = time.perf_counter() - start
    meter.switch("end")
    result = folder.read_result()
    findings = [
        [one.check, one.slice.model_dump(exclude_defaults=True), one.severity, one.verdict]
        for finding in result.findings
        for one in (finding, *finding.supporting)
    ]
    return {
        "parts": {name: asdict(part) for name, part in meter.parts.items()},
        "before": meter.before,
        "peak": _peak(),
        "wall": wall,
        "n": result.summary.n_samples,
        "failures": result.summary.n_failures,
        "findings": findings,
        "skipped": [[one.check, one.reason] for one in result.skipped],
    }


def _watch(meter: Meter) -> None:
    """Makes the audits of this process tell the meter what begins, stages that show no progress too."""
    from auditor import runner
    from auditor.stages.choose_thresholds import open_with_thresholds

    opening, clock = open_with_thresholds, runner._Clock  # noqa: SLF001 - the measured stages
    clock_stage = clock.stage

    def opened_and_watched(prepared: Prepared) -> tuple[Prepared, OpenedModel]:
        meter.switch("open model")
        prepared, opened = opening(prepared)
        opened.model.module.register_forward_pre_hook(meter.forwarded)
        meter.before = _resident()
        meter.switch("trials")
        return prepared, opened

    @contextmanager
    def stage(self: Any, name: str, total: int | None = None) -> Iterator[Any]:
        meter.switch(name)
        with clock_stage(self, name, total) as advance:
            yield advance
        meter.switch("between stages")

    for owner, name, value in (
        (runner, "open_with_thresholds", opened_and_watched),
        (clock, "stage", stage),
    ):
        setattr(owner, name, value)


def _table(measured: dict[str, Any]) -> str:
    lines = [
        "| part | CPU seconds | images | with gradient | peak MB |",
        "|---|---|---|---|---|",
    ]
    for name, part in measured["parts"].items():
        if part["seconds"] >= 0.2 or part["images"]:
            lines.append(
                f"| {name} | {part['seconds']:.1f} | {part['images']:,} | {part['with_gradient']:,} | "
                f"{part['peak']:.0f} |"
            )
    return "\n".join(lines)


def _summary(measured: dict[str, Any]) -> str:
    parts: dict[str, dict[str, float]] = measured["parts"]
    total = sum(part["seconds"] for part in parts.values())
    reference = sum(parts[name]["seconds"] for name in _REFERENCE if name in parts)
    others = sum(int(part["images"]) for name, part in parts.items() if name not in _REFERENCE)
    above = measured["peak"] - measured["before"]
    return (
        f"{total:.0f} ({reference:.0f} predict + explain) | {total / reference:.2f} | {others:,} | "
        f"{above:.0f} | {len(measured['findings'])}"
    )


def _processor_seconds() -> float:
    used = [resource.getrusage(one) for one in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak() -> float:
    """Peak resident memory of this program in MB; ``ru_maxrss`` would include the parent's before exec."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _resident() -> float:
    """Resident memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
