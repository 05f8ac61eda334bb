from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from auditor.demo import train
from auditor.demo.networks import digits_net


def _fit(seed: int) -> nn.Module:
    generator = np.random.default_rng(0)
    return train.fit(
        digits_net,
        generator.integers(0, 256, (64, 8, 8), dtype=np.uint8),
        generator.integers(0, 10, 64),
        train.TrainingRecipe(mean=0.5, std=0.25, epochs=1, rate=1e-3, seed=seed, augment=True),
        lambda _line: None,
    )


def test_fit_same_seed_gives_the_same_file_and_restores_torch(tmp_path: Path) -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        train.save(_fit(seed), tmp_path / name, {"seed": 0, "rate": 1e-3})

    assert (tmp_path / "one").read_bytes() == (tmp_path / "again").read_bytes()
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_mirror_and_transpose_gives_all_symmetries_of_the_square() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3)
    transformed = train.mirror_and_transpose(
        image.repeat(200, 1, 1, 1), torch.Generator().manual_seed(0)
    )

    rotations = [torch.rot90(image[0], k, (1, 2)) for k in range(4)]
    symmetries = {tuple(each.flatten().tolist()) for each in rotations}
    symmetries |= {tuple(each.flip(2).flatten().tolist()) for each in rotations}
    assert {tuple(each.flatten().tolist()) for each in transformed} == symmetries


def test_measure_equals_hand_count() -> None:
    cells = pd.DataFrame(
        {
            "cell_type": ["mono"] * 4 + ["poly"] * 4,
            "label": ["defective", "defective", "functional", "functional"] * 2,
        }
    )
    predicted = np.array([1, 1, 1, 0, 0, 1, 0, 0])

    assert train.measure(cells, predicted) == {
        "accuracy": 0.75,
        "mono": {"recall": 1.0, "false_alarms": 0.5},
        "poly": {"recall": 0.5, "false_alarms": 0.0},
    }
