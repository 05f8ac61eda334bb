"""Fuzzing: random and mutated files for every reader of files that come from other people.

``python -m fuzz --minutes 30`` searches; ``docs/fuzzing.md`` says what is tried and what was found.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))  # the builders of run folders, which seeds are made with
