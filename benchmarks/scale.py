"""Memory and time of a whole audit against the number of samples.

    python -m benchmarks.scale --samples 1000 10000 100000 1000000
        [--classes 10] [--attributes 4] [--failures 0.2] [--maps 500] [--clusters] [--table]
        [--commands] [--keep FOLDER]

Each audit runs in its own process, and decodes in that process, so that its peak is that of the audit.
The images are computed from their row: a grid of noise in which the cell of the predicted class is
bright, and a network of one convolution finds it. Images of one shape and size are not the point here;
the tables, statistics and documents are. One slice is misclassified more often than the others.

Resident memory is that of the process in MB: right after the network and the libraries of an audit are
loaded, and at the peak, both as the kernel counts them. Target: 1,500 MB above the first at 1,000,000
samples. With ``--table``, a table of logits stands in for the predict stage, which decodes image after
image in constant memory. ``--commands`` also measures `render`, `verify` and `compare` of the finished
run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from auditor.records import Dataset, DecodedImage

if TYPE_CHECKING:
    from torch import nn

    from auditor.config import AuditConfig

_CELL = 4
"""Side of a grid cell in pixels."""
_SITES = 8
_PER_PATIENT = 5
_COMMANDS = {
    "render": ("render", "{run}"),
    "verify": ("verify", "{run}"),
    "compare": ("compare", "{run}", "{run}"),
}


@dataclass(frozen=True)
class GridImages:
    """Images whose bright cell is the class that the network will predict.

    Attributes:
        predicted: (n,) uint16.
        grid: cells per side.
    """

    predicted: NDArray[np.uint16]
    grid: int

    def __len__(self) -> int:
        return len(self.predicted)

    def __getitem__(self, index: int) -> DecodedImage:
        """Noise from the hash of the row, and the bright cell."""
        side = self.grid * _CELL
        noise = hashlib.shake_128(index.to_bytes(8, "big")).digest(3 * side * side)
        pixels = np.frombuffer(noise, np.uint8).reshape(side, side, 3) >> 1
        y, x = divmod(int(self.predicted[index]), self.grid)
        # The middle of the cell, so that the border of the image says nothing about the class.
        rows, columns = (slice(_CELL * at + 1, _CELL * (at + 1) - 1) for at in (y, x))
        pixels[rows, columns] += 128
        return DecodedImage(Image.fromarray(pixels), hashlib.sha256(pixels.tobytes()).hexdigest())


def network(classes: int) -> nn.Module:
    """Averages the middle of each cell, and selects the cell of each class."""
    import torch
    from torch import nn

    grid = _grid(classes)
    mean = nn.Conv2d(3, 1, _CELL, stride=_CELL)
    select = nn.Linear(grid * grid, classes)
    with torch.no_grad():
        mean.weight.zero_()
        inner = mean.weight[:, :, 1:-1, 1:-1]
        inner.fill_(1 / inner.numel())
        mean.bias.zero_()  # type: ignore[union-attr]
        select.weight.copy_(8 * torch.eye(classes, grid * grid))
        select.bias.zero_()
    return nn.Sequential(mean, nn.ReLU(), nn.Flatten(), select)


def samples(n: int, classes: int, attributes: int, failures: float, seed: int = 0) -> Dataset:
    """A data set with one attribute of two values, one of eight, a number, and further ones."""
    random = np.random.default_rng(seed)
    label = random.integers(0, classes, n)
    columns: dict[str, Any] = {
        "sex": _texts(["female", "male"], random.integers(0, 2, n)),
        "site": _texts([f"site-{k}" for k in range(_SITES)], random.integers(0, _SITES, n)),
        "age": random.integers(18, 90, n),
    }
    for k in range(3, attributes):
        columns[f"tag-{k}"] = _texts(list("abcdef"), random.integers(0, 6, n))
    columns = dict(list(columns.items())[:attributes])
    rate = np.full(n, failures)
    if "site" in columns:
        rate[np.asarray(columns["site"] == "site-3", dtype=bool)] += 0.1
    wrong = random.random(n) < rate
    predicted = np.where(wrong, (label + random.integers(1, classes, n)) % classes, label)
    # From generators: lists of a million texts would stay in the memory of the process.
    names = pd.Index(pa.array((f"{row:09d}" for row in range(n)), size=n).to_pandas())
    paths = (f"images/{row // 1000:06d}/{row:09d}.png" for row in range(n))
    path = pa.array(paths, size=n).to_pandas().array
    frame = pd.DataFrame({"path": path, "label": label, **columns}, index=names.rename("sample"))
    images = GridImages(predicted.astype(np.uint16), _grid(classes))
    return Dataset(frame, images, tuple(columns), "benchmark")


def _texts(values: list[str], code: NDArray[np.int64]) -> Any:
    """A column of text, as tables are read."""
    column: pd.Series[str] = pa.array(values).take(pa.array(code)).to_pandas()
    return column.array


def main() -> None:
    """Prints one line per size, then the seconds of each stage."""
    parser = argparse.ArgumentParser(description="Memory and time against the number of samples")
    parser.add_argument("--samples", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--attributes", type=int, default=4)
    parser.add_argument("--failures", type=float, default=0.2)
    parser.add_argument("--maps", type=int, default=500, help="failures with maps")
    parser.add_argument("--clusters", action="store_true", help="samples belong to patients")
    parser.add_argument("--table", action="store_true", help="predictions from a table of logits")
    parser.add_argument("--commands", action="store_true", help="measure the other commands too")
    parser.add_argument("--keep", type=Path, help="folder for the runs; default: a temporary one")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_audit(json.loads(options.one))))
        return
    print(
        "  samples  failures  loaded MB  peak MB  above MB  seconds  CPU seconds  run MB  audit.json MB"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        for n in options.samples:
            given = {**vars(options), "samples": n, "keep": None, "out": str(folder / f"scale-{n}")}
            _print_audit(n, _in_own_process("benchmarks.scale", "--one", json.dumps(given)))
            if options.commands:
                _print_commands(folder / f"scale-{n}")


def _print_audit(n: int, found: dict[str, Any]) -> None:
    print(
        f"{n:9,d} {found['failures']:9,d} {found['loaded']:10.0f} {found['peak']:8.0f} "
        f"{found['peak'] - found['loaded']:9.0f} {found['seconds']:8.0f} {found['cpu']:12.0f} "
        f"{found['size']:7.1f} {found['json']:14.1f}"
    )
    stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in found["stages"].items())
    print(f"          seconds: {stages}", flush=True)


def _print_commands(run: Path) -> None:
    """Time and peak of the commands that read the finished run."""
    for name, arguments in _COMMANDS.items():
        words = [one.format(run=run) for one in arguments]
        code = (
            "import json,resource,sys,time\nfrom auditor.cli import main\nstart=time.perf_counter()\n"
            "try:\n main()\nexcept SystemExit as left:\n code=left.code\n"
            "use=resource.getrusage(resource.RUSAGE_SELF)\n"
            "print(json.dumps({'seconds':time.perf_counter()-start,'cpu':use.ru_utime+use.ru_stime,"
            "'peak':use.ru_maxrss/1024,'code':code}))"
        )
        found = _last_line([sys.executable, "-c", code, *words])
        print(
            f"          {name}: exit {found['code']}, {found['seconds']:.1f} s, "
            f"{found['cpu']:.1f} CPU seconds, peak {found['peak']:.0f} MB",
            flush=True,
        )


def _in_own_process(module: str, *arguments: str) -> dict[str, Any]:
    return _last_line([sys.executable, "-m", module, *arguments])


def _last_line(command: list[str]) -> dict[str, Any]:
    # Our own modules in a fresh interpreter, with arguments made above.
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _audit(given: dict[str, Any]) -> dict[str, Any]:
    """Runs one audit in this process."""
    from auditor import runner
    from auditor.allocator import keep_freed_memory
    from auditor.classifiers import Classifier
    from auditor.preparation import match

    keep_freed_memory()  # as the command line does
    module = network(given["classes"])
    loaded = _resident()
    start = time.perf_counter()
    classifier = Classifier(module=module, adapter="benchmark", description="a grid of cells")
    if given["table"]:
        _predict_from_table()
    # Held by nobody else, as on the command line.
    folder = runner.audit(
        match(_config(given), _dataset(given), classifier), Path(given["out"]), overwrite=True
    )
    seconds, cpu = time.perf_counter() - start, time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    files = [one for one in folder.path.rglob("*") if one.is_file()]
    result = folder.read_result()  # after the peak was taken
    return {
        "failures": result.summary.n_failures,
        "loaded": loaded,
        "peak": peak,
        "seconds": seconds,
        "cpu": cpu,
        "size": sum(one.stat().st_size for one in files) / 1e6,
        "json": (folder.path / "audit.json").stat().st_size / 1e6,
        "stages": result.provenance.seconds,
    }


def _predict_from_table() -> None:
    """Replaces the predict stage in this process."""
    from auditor.audited_model import AuditedModel
    from auditor.engines.local import BlockComputer
    from auditor.isolated_stages import IsolatedStages
    from auditor.preparation import Prepared
    from auditor.progress import Advance
    from benchmarks.logit_table import write_predictions

    def predict(
        self: IsolatedStages,
        prepared: Prepared,
        model: AuditedModel,
        computer: BlockComputer,
        advance: Advance,
    ) -> Path:
        del computer
        dataset = prepared.dataset
        assert isinstance(dataset.images, GridImages)
        advance(len(dataset))
        predicted = dataset.images.predicted
        return write_predictions(self.folder, dataset, model.rule, prepared.codes, predicted)

    IsolatedStages.predict = predict  # type: ignore[method-assign]


def _dataset(given: dict[str, Any]) -> Dataset:
    found = samples(*(given[key] for key in ("samples", "classes", "attributes", "failures")))
    return _with_patients(found) if given["clusters"] else found


def _config(given: dict[str, Any]) -> AuditConfig:
    from auditor.config import AuditConfig, DataSection, ModelSection, loading

    names = tuple(f"class-{k}" for k in range(given["classes"]))
    model = {"adapter": "benchmark", "classes": names, "target_layer": "0", "output": "logits"}
    return AuditConfig.parse(
        {
            "name": f"{given['samples']} samples",
            "model": loading.validate(ModelSection, model, None),
            "data": loading.validate(DataSection, {"adapter": "benchmark"}, None),
            "preprocess": {},
            "explain": {"max_failures": given["maps"]},
            "batch_size": 256,
            "workers": 0,
            "device": "cpu",
        }
    )


def _with_patients(dataset: Dataset) -> Dataset:
    """The data set, of which each patient has a few successive samples."""
    from dataclasses import replace

    from auditor.records.predictions import GROUP

    n = len(dataset)
    names = pa.array((f"patient-{row // _PER_PATIENT:07d}" for row in range(n)), size=n)
    column = {GROUP: names.to_pandas().array}
    return replace(dataset, samples=dataset.samples.assign(**column), group="patient")


def _grid(classes: int) -> int:
    return math.ceil(math.sqrt(classes))


def _resident() -> float:
    """Resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
