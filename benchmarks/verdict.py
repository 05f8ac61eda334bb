"""Every measurement behind the verdict, one after another.

    python -m benchmarks.verdict [PART…] [--audits N]

The parts are the modules of `benchmarks.verdicts`; each is a command of its own.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import subprocess
import sys

from benchmarks import verdicts


def parts() -> list[str]:
    """Names of the modules that are commands."""
    names = [one.name for one in pkgutil.iter_modules(verdicts.__path__)]
    return [
        name
        for name in names
        if hasattr(importlib.import_module(f"{verdicts.__name__}.{name}"), "main")
    ]


def main() -> None:
    """Runs the parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", choices=[*parts(), []], default=parts())
    parser.add_argument("--audits", type=int, help="number of simulated audits of each kind")
    options = parser.parse_args()
    for name in options.parts:
        print(f"\n# {name}\n", flush=True)
        command = [sys.executable, "-m", f"{verdicts.__name__}.{name}"]
        audits = [] if options.audits is None else ["--audits", str(options.audits)]
        subprocess.run([*command, *audits], check=True)  # noqa: S603 - our own modules


if __name__ == "__main__":
    main()
