"""Small real audits through a configuration file, for the tests of classifier adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from auditor import runner
from auditor.config import AuditConfig
from auditor.records import AuditResult

N_IMAGES = 24


def image_folder(tmp_path: Path, size: int = 32, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    """A folder with a subfolder of noisy images for each class."""
    folder = tmp_path / "images"
    generator = np.random.default_rng(0)
    for k in range(N_IMAGES):
        place = folder / classes[k % len(classes)] / f"{k:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        low = generator.integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(low).resize((size, size), Image.Resampling.BICUBIC).save(place)
    return folder


def audit_with(
    tmp_path: Path, model: dict[str, Any], size: int = 32, **settings: Any
) -> AuditResult:
    """Audits a classifier of a configuration on two classes of small images.

    Args:
        tmp_path: folder of the configuration, to which paths are relative.
        model: its section ``model``.
        size: of the images.
        settings: further sections.
    """
    data = image_folder(tmp_path, size)
    config = {
        "name": "adapter",
        "model": model,
        "data": {"adapter": "folder", "path": str(data)},
        "report": {"formats": []},
        "explain": {"trust_samples": 2},
        "workers": 0,
        "device": "cpu",
    } | settings
    path = tmp_path / "audit.yaml"
    path.write_text(yaml.safe_dump(config))
    return runner.run(AuditConfig.load(path), tmp_path / "run").read_result()
