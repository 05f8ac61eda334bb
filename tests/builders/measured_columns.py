"""The columns of ``predictions.parquet`` that hold what was measured of the images."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from auditor.imaging.properties import HUES
from auditor.records.image_properties import NAMES, WORDS
from auditor.records.predictions import PHASH, SHA256, property_column


def measured_columns(n: int) -> dict[str, Any]:
    """Fingerprints and properties of ``n`` images, all different.

    Args:
        n: how many.

    Returns:
        The columns by name, ``n`` values each.
    """
    columns: dict[str, Any] = {
        SHA256: [f"{k:064x}" for k in range(n)],
        PHASH: [hashlib.sha256(str(k).encode()).hexdigest()[:16] for k in range(n)],
    }
    for name in NAMES:
        numbers = np.linspace(0, 1, n, dtype=np.float32)
        words = [HUES[k % len(HUES)] for k in range(n)]
        columns[property_column(name)] = words if name in WORDS else numbers
    return columns
