"""Time, memory and size of the documents against the number of failures.

    python -m benchmarks.report [--failures 100 500 1000 5000 20000] [--pdf 60 1000] [--browser]

The runs consist of drawn images of 224 pixels (60 different ones, repeated). Each document is
rendered in its own process, so that the peak memory is its own. With ``--browser`` (Playwright and
Chromium), each report is also opened from disk: the median of three times until its load event.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from builders.synthetic_run import Plan, build_run

from auditor.report.renderers.html import HtmlReport
from auditor.report.renderers.pdf import PdfReport
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder

_FAILURE_RATE = 0.14
_MEGA = 1e6


def main() -> None:
    """Prints one line a document."""
    parser = argparse.ArgumentParser(description="Time, memory and size of the documents")
    parser.add_argument("--failures", type=int, nargs="+", default=[100, 500, 1000, 5000, 20000])
    parser.add_argument("--pdf", type=int, nargs="+", default=[60, 1000])
    parser.add_argument("--browser", action="store_true", help="also time the first screen")
    parser.add_argument("--render", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.render:
        _render(*options.render)
        return
    print(
        "document    failures   seconds   CPU seconds   peak MB   first file MB   all files MB"
        "   bytes/failure"
    )
    with tempfile.TemporaryDirectory() as folder:
        for n in options.failures:
            run = _run(Path(folder) / str(n), n)
            _measure("html", n, run, n)
            if options.browser:
                _time_browser(run / "report.html")
        largest = _run(Path(folder) / "pdf", max(options.pdf))
        for n in options.pdf:
            _measure("pdf", n, largest, n)


def _time_browser(path: Path) -> None:
    """Time until the first paint of a report and until it is loaded."""
    from playwright.sync_api import sync_playwright

    loaded, painted = [], []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"))
        for _ in range(3):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(path.as_uri())
            entry = "performance.getEntriesByType"
            loaded.append(page.evaluate(f"{entry}('navigation')[0].loadEventEnd"))
            painted.append(page.evaluate(f"{entry}('paint').at(-1)?.startTime ?? null"))
            page.close()
        browser.close()
    seen = sorted(one for one in painted if one is not None)
    first = f"{seen[len(seen) // 2] / 1000:.2f} s" if seen else "not reported"
    print(
        f"          opened in Chromium: first paint {first}, loaded {sorted(loaded)[1] / 1000:.2f} s"
    )


def _run(path: Path, failures: int) -> Path:
    """A run with about that many failures."""
    plan = Plan(samples=round(failures / _FAILURE_RATE / 1.07), side=224, drawn=60)
    return build_run(path, plan).path


def _measure(document: str, failures: int, run: Path, argument: int) -> None:
    # Our own module in a fresh interpreter, with arguments made above.
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "benchmarks.report", "--render", document, str(run), str(argument)],
        check=True,
        capture_output=True,
        text=True,
    )
    found = json.loads(done.stdout)
    print(
        f"{document:<9} {failures:>10,} {found['seconds']:>9.1f} {found['cpu']:>13.1f} {found['peak']:>9.0f} "
        f"{found['first']:>15.1f} {found['all']:>14.1f} "
        f"{found['all'] * _MEGA / failures:>15,.0f}"
    )


def _render(document: str, run: str, argument: str) -> None:
    folder = Path(run)
    start = time.perf_counter()
    view = build_view(RunFolder.open(folder))
    renderer = HtmlReport() if document == "html" else PdfReport(failures=int(argument))
    path = renderer.render(view, folder)
    seconds = time.perf_counter() - start
    pages = (folder / "failures").glob("page-*.html") if document == "html" else []
    first = path.stat().st_size
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu": time.process_time(),
                "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "first": first / _MEGA,
                "all": (first + sum(page.stat().st_size for page in pages)) / _MEGA,
            }
        )
    )


if __name__ == "__main__":
    main()
