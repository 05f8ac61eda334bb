"""The command line with small blocks, so that a tiny audit has several: `python small_blocks.py run …`."""

from __future__ import annotations

from builders.sharded_audits import BLOCK

from auditor import blocks
from auditor.cli import main

if __name__ == "__main__":
    blocks.PREDICTED_SAMPLES = blocks.EXPLAINED_SAMPLES = BLOCK
    main()
