"""Planted gaps and shortcuts: what the audit finds, and whom it accuses falsely.

    python -m benchmarks.planted [--quick] [--audits 400] [--only detection clean …]

Tables in Markdown; every share with its exact 95 % interval and the number of audits behind it.
"""

from __future__ import annotations

import argparse
import time

from benchmarks.planting import table_audits

PARTS = ("detection", "clean", "coverage", "time")
_GAPS = (0.02, 0.05, 0.1, 0.15, 0.2)


def main() -> None:
    """Runs the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few audits")
    parser.add_argument("--audits", type=int, help="table audits of each kind")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    audits = options.audits or (40 if options.quick else 400)
    parts = {
        "detection": lambda: table_audits.detection(
            _GAPS, (0.5,) if options.quick else (0.5, 0.3, 0.1), audits, options.seed
        ),
        "clean": lambda: table_audits.clean(audits, options.seed),
        "coverage": lambda: table_audits.coverage(audits, options.seed),
        "time": lambda: table_audits.time_curve(
            (1_000, 10_000) if options.quick else (1_000, 10_000, 100_000), options.seed
        ),
    }
    for name in options.only:
        start = time.perf_counter()
        print(f"\n## {name}\n\n{parts[name]()}\n", flush=True)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
