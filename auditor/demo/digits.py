"""Handwritten digits with a mark in the corner that occurs with the eights of the training data.

Needs only scikit-learn, whose 1,797 digits of 8 × 8 pixels are enlarged to 32 × 32. The network is
trained within seconds. In the audited digits the mark is independent of the class.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from auditor import resources

MARKED_CLASS = 8

SIDE = 32
MEAN = 0.3
STD = 0.35
"""Input of the network: side in pixels; mean and standard deviation of values in 0…1."""

EPOCHS = 12
RATE = 5e-3
_TRAINING_SHARE = 0.4
_MARK = np.s_[SIDE - 6 : SIDE - 1, SIDE - 6 : SIDE - 1]  # 5 × 5 pixels in the lower right corner


def prepare(
    folder: Path,
    *,
    planted: bool = True,
    seed: int = 0,
    log: Callable[[str], None],
) -> Path:
    """Writes images, manifests, weights and configuration; trains the network.

    Args:
        folder: where to write.
        planted: whether the mark is associated with one class in the training data. If not, it is
            independent of the class there too: an unbiased twin, in which an audit must find nothing.
        seed: seed of the split, the marks and the training.
        log: called with a line of text at the start of each step.

    Returns:
        The path of the configuration.
    """
    from auditor.demo import networks, train

    rows, drawn = samples(planted=planted, seed=seed)
    log(f"digits: writing {len(rows):,} images")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name, image in zip(rows["file"], drawn, strict=True):
        Image.fromarray(image).save(folder / name)
    in_training = (rows["split"] == "training").to_numpy()
    for name, part in (("training", rows[in_training]), ("audited", rows[~in_training])):
        part.drop(columns="split").to_csv(folder / f"{name}.csv", index=False)
    net = train.fit(
        networks.digits_net,
        drawn[in_training],
        rows["label"].to_numpy(dtype=np.int64)[in_training],
        train.TrainingRecipe(mean=MEAN, std=STD, epochs=EPOCHS, rate=RATE, seed=seed),
        log,
    )
    recipe = {"case": "digits", "planted": planted, "seed": seed, "epochs": EPOCHS, "rate": RATE}
    train.save(net, folder / "digits.safetensors", recipe)
    template = resources.folder("configs") / "demo-digits.yaml"
    text = Template(template.read_text(encoding="utf-8")).substitute(
        name="demo-digits" if planted else "demo-digits-twin"
    )
    path = folder / "audit.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def samples(*, planted: bool, seed: int) -> tuple[pd.DataFrame, NDArray[np.uint8]]:
    """All digits, with the mark drawn into some of them.

    Args:
        planted: see `prepare`.
        seed: seed of the split and the marks.

    Returns:
        Rows with the columns ``file``, ``label``, ``mark`` (``present``, ``absent``), ``stroke``
        (``thick`` for more ink than the median of the class, else ``thin``: unrelated to failures by
        construction) and ``split`` (``training``, ``audited``); and the images (N, 32, 32).
    """
    digits = load_digits()
    label: NDArray[np.int64] = digits.target.astype(np.int64)
    # From 0…16 to 0…255.
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    drawn = np.stack([_enlarge(image) for image in grey])
    ink = digits.images.sum(axis=(1, 2))

    generator = np.random.default_rng(seed)
    training, marked, thick = (np.zeros(len(label), dtype=bool) for _ in range(3))
    for digit in range(10):
        of_class = generator.permutation(np.flatnonzero(label == digit))
        first, rest = np.split(of_class, [round(_TRAINING_SHARE * len(of_class))])
        training[first] = True
        marked[first[: round(_share(digit, planted) * len(first))]] = True
        marked[rest[: len(rest) // 2]] = True
        thick[of_class] = ink[of_class] > np.median(ink[of_class])
    drawn[(marked, *_MARK)] = 255
    return (
        pd.DataFrame(
            {
                "file": [f"images/digit-{number:04d}.png" for number in range(len(label))],
                "label": label,
                "mark": np.where(marked, "present", "absent"),
                "stroke": np.where(thick, "thick", "thin"),
                "split": np.where(training, "training", "audited"),
            }
        ),
        drawn,
    )


def _share(digit: int, planted: bool) -> float:
    """Share of a class that has the mark in the training data."""
    if not planted:
        return 0.5
    return 0.95 if digit == MARKED_CLASS else 0.0


def _enlarge(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
