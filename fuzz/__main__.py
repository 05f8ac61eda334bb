"""``python -m fuzz --minutes 30``: searches for inputs that readers do not survive."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fuzz import corpus
from fuzz.search import Searched, load_targets, search
from fuzz.targets import NAMES


def main() -> int:
    """Searches with the chosen targets in turn.

    Returns:
        1 if anything was found, else 0.
    """
    options = _options()
    names = options.targets or list(NAMES)
    try:
        targets = load_targets(names, guided=not options.blind)
    except ModuleNotFoundError as error:
        if error.name != "atheris":
            raise
        print(
            "fuzz: expected atheris: `pip install 'classifier-auditor[fuzz]'`, or add --blind",
            file=sys.stderr,
        )
        return 2
    seconds = options.seconds or 60 * options.minutes
    print(f"{'target':<16}{'inputs':>9}{'per s':>8}{'reached':>16}{'finds':>7}")
    results = []
    for target in targets:
        folder = options.out / target.name
        results.append(
            search(
                target,
                folder,
                seconds / len(targets),
                options.seed,
                guided=not options.blind,
            )
        )
        _print(results[-1])
        if options.keep:
            corpus.write(target.name, folder / "corpus", target.seeds(), target.kept)
    print(f"{'all':<16}{sum(one.inputs for one in results):>9}")
    found = [(one.name, find) for one in results for find in one.finds]
    for name, find in found:
        print(f"{name}: {find}")
    return 1 if found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *NAMES], help="default: all")
    time = parser.add_mutually_exclusive_group()
    time.add_argument("--minutes", type=float, default=30, help="of all targets together")
    time.add_argument("--seconds", type=float, help="the same in seconds")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations")
    parser.add_argument(
        "--out", type=Path, default=Path("fuzz-results"), help="inputs that were found"
    )
    parser.add_argument("--blind", action="store_true", help="faster: count no branches")
    parser.add_argument("--keep", action="store_true", help="add what was reached to fuzz/corpus")
    return parser.parse_args()


def _print(one: Searched) -> None:
    rate = one.inputs / max(one.seconds, 1e-9)
    reached = f"{one.reached[0]} → {one.reached[1]}"
    print(f"{one.name:<16}{one.inputs:>9}{rate:>8.0f}{reached:>16}{len(one.finds):>7}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
