"""Planted gaps and shortcuts: what the audit finds, and whom it accuses falsely.

    python -m benchmarks.planted [--quick] [--only detection clean coverage time hidden-null images]
        [--audits 400] [--pools digits mnist fashion elpv] [--folder DIR] [--seeds 3]
        [--shortcuts "corner mark" …] [--strengths 0 0.5 1] [--training 800] [--audited 1000]

Tables in Markdown; every share with its exact 95 % interval and the number of audits behind it.
Table audits judge drawn predictions; image audits train a small network for each case and audit it
twice, once told who carries what was planted (annotated) and once not (hidden).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.planting import image_audits, image_tables, pools, table_audits
from benchmarks.planting.cases import planted
from benchmarks.planting.hidden_null import hidden_null
from benchmarks.planting.shortcuts import SHORTCUTS

PARTS = ("detection", "clean", "coverage", "time", "hidden-null", "images")
_GAPS = (0.02, 0.05, 0.1, 0.15, 0.2)


def main() -> None:
    """Runs the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few audits")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--audits", type=int, help="table audits of each kind")
    parser.add_argument("--pools", nargs="+", choices=pools.POOLS, default=["digits"])
    parser.add_argument("--folder", type=Path, help="further images, one folder a class")
    parser.add_argument("--seeds", type=int, default=1, help="image cases of each kind")
    parser.add_argument("--shortcuts", nargs="+", choices=SHORTCUTS, default=list(SHORTCUTS))
    parser.add_argument("--strengths", nargs="+", type=float, default=[0.0, 1.0])
    parser.add_argument("--training", type=int, default=797, help="images to train on")
    parser.add_argument("--audited", type=int, default=1000, help="images to audit")
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
        "hidden-null": lambda: _hidden_null(options),
        "images": lambda: _images(options),
    }
    for name in options.only:
        start = time.perf_counter()
        print(f"\n## {name}\n\n{parts[name]()}\n", flush=True)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)


def _pools(options: argparse.Namespace) -> dict[str, pools.Pool]:
    named = {name: pools.POOLS[name]() for name in options.pools}
    if options.folder is not None:
        named[options.folder.name] = pools.folder(options.folder)
    return named


def _hidden_null(options: argparse.Namespace) -> str:
    cases = (
        planted(
            pool,
            SHORTCUTS["corner mark"],
            0.0,
            seed,
            training=options.training,
            audited=options.audited,
        )
        for seed in range(options.seed, options.seed + options.seeds)
        for pool in _pools(options).values()
    )
    return hidden_null(cases, 20 if options.quick else 100)


def _images(options: argparse.Namespace) -> str:
    named = _pools(options)
    records = []
    # Seed by seed, so that a run that is stopped has some of everything.
    for seed in range(options.seed, options.seed + options.seeds):
        for pool_name, pool in named.items():
            for shortcut in options.shortcuts:
                for strength in options.strengths:
                    record = image_audits.measured(
                        pool_name,
                        pool,
                        SHORTCUTS[shortcut],
                        strength,
                        seed,
                        training=options.training,
                        n_audited=options.audited,
                    )
                    image_audits.told(record)
                    records.append(record)
    repeats = 20 if options.quick else 200
    noise = image_audits.noise_on_uneven_classes(repeats, options.seed)
    return f"{image_tables.summary(records)}\n\n{noise}"


if __name__ == "__main__":
    main()
