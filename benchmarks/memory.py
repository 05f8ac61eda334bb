"""Peak memory of a complete audit of 50,000 small images against one of 5,000.

    python -m benchmarks.memory [--few 5000] [--many 50000]

The images are those of the digits demo, repeated under different names. Its network misclassifies
about one in nine, and every failure is explained, so both parts of an audit grow. Each audit runs in
its own process; the peak is that of the process and of its largest worker (``ru_maxrss``). Target: a
difference of at most 200 MB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from auditor.demo import digits


def main() -> None:
    """Prints both peaks and their difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--few", type=int, default=5_000)
    parser.add_argument("--many", type=int, default=50_000)
    parser.add_argument("--one", type=Path, help="measure only the audit of this configuration")
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(_measured(options.one)))
        return
    with tempfile.TemporaryDirectory() as folder:
        config = digits.prepare(Path(folder) / "inputs", log=lambda _line: None)
        peaks = []
        for count in (options.few, options.many):
            peaks.append(_in_own_process(_repeated(config, count)))
            own, worker, failures = peaks[-1]
            print(
                f"{count:8,d} images, {failures:6,.0f} failures: peak {own:6.0f} MB, "
                f"a worker {worker:6.0f} MB",
                flush=True,
            )
    more = max(peaks[1][:2]) - max(peaks[0][:2])
    print(f"difference: {more:.0f} MB (target: at most 200)")


def _in_own_process(config: Path) -> tuple[float, float, float]:
    command = [sys.executable, "-m", "benchmarks.memory", "--one", str(config)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - own
    own, worker, failures = json.loads(done.stdout)
    return own, worker, failures


def _measured(path: Path) -> tuple[float, float, float]:
    """Peak resident memory of this process and of its largest worker in MB, and the failures."""
    from auditor.config import AuditConfig
    from auditor.runner import run

    folder = run(AuditConfig.load(path), path.with_suffix(".run"))
    failures = folder.read_result().summary.n_failures
    kilobytes = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    own, worker = (resource.getrusage(who).ru_maxrss / 1024 for who in kilobytes)
    return own, worker, failures


def _repeated(config: Path, count: int) -> Path:
    """The configuration of the demo for so many samples, which are links to its images."""
    inputs = config.parent
    rows = pd.read_csv(inputs / "audited.csv")
    repeated = rows.iloc[[position % len(rows) for position in range(count)]].copy()
    links = inputs / f"links-{count}"
    links.mkdir()
    names = [f"{links.name}/{position:08d}.png" for position in range(count)]
    for name, file in zip(names, repeated["file"], strict=True):
        (inputs / name).symlink_to(inputs / file)
    repeated["file"] = names
    repeated.to_csv(inputs / f"audited-{count}.csv", index=False)
    path = inputs / f"audit-{count}.yaml"
    path.write_text(
        config.read_text(encoding="utf-8").replace("audited.csv", f"audited-{count}.csv"),
        encoding="utf-8",
    )
    return path


if __name__ == "__main__":
    main()
