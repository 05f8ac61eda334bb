"""Solar cells: an inspection model that learned the cell type instead of the defect.

The images are the ELPV data set: 2,624 electroluminescence photographs of cells from 44 modules,
provided by the distribution ``elpv-dataset`` (CC-BY-NC-SA-4.0; they are not part of this package).

Reference:
    Deitsch et al., "Automatic classification of defective photovoltaic module cells in
    electroluminescence images", Solar Energy 185 (2019). Buerhop-Lutz et al., "A benchmark for
    visual identification of defective solar cells in electroluminescence imagery", EU PVSEC 2018.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from string import Template
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from auditor import resources
from auditor.errors import MissingDependencyError
from auditor.imaging.raster_formats import open_raster

CLASSES = ("functional", "defective")
LABEL_RULE = "defective: a defect probability of at least 0.5 in ELPV's labels; functional: below"

SIDE = 128
MEAN = 0.6
STD = 0.16
"""Input of the network: side in pixels; mean and standard deviation of values in 0…1."""

EPOCHS = 14
RATE = 3e-3
SEED = 0
"""Training recipe of the shipped weights."""

WEIGHTS = Path(__file__).with_name("solar.safetensors")

SPLIT_RULE = (
    "within each cell type and label the cells stand in the order of the SHA-256 of their file "
    "names; the audited cells are the first, the training cells the next ones"
)

Counts = Mapping[tuple[str, str], int]

# Defects are equally frequent among mono and poly cells: 29 %, close to the 31 % of the data set.
_AUDITED: Counts = {
    ("mono", "defective"): 129,
    ("mono", "functional"): 315,
    ("poly", "defective"): 286,
    ("poly", "functional"): 698,
}
# As if defective cells had been collected from one product line and functional ones from another.
_CARELESS: Counts = {
    ("mono", "defective"): 240,
    ("mono", "functional"): 30,
    ("poly", "defective"): 30,
    ("poly", "functional"): 400,
}
# As many cells of each type and of each label as above, but cell type and label are independent.
_BALANCED: Counts = {
    ("mono", "defective"): 104,
    ("mono", "functional"): 166,
    ("poly", "defective"): 166,
    ("poly", "functional"): 264,
}


class Splits(NamedTuple):
    """Rows of `table`: the audited cells, and two training sets without them.

    All splits draw cells from the same modules, because ELPV does not publish which cell belongs to
    which module. Accuracy on new modules may therefore be lower than on the audited cells; this does
    not explain the difference between the cell types.
    """

    audited: pd.DataFrame
    careless: pd.DataFrame
    balanced: pd.DataFrame


def prepare(folder: Path, log: Callable[[str], None]) -> Path:
    """Writes manifests, weights and configuration.

    Args:
        folder: where to write; the images are not copied.
        log: called with a line of text at the start of each step.

    Returns:
        The path of the configuration.

    Raises:
        MissingDependencyError: the images are not installed.
    """
    images_at = images_folder()
    log("solar: photographs of solar cells from elpv-dataset (CC-BY-NC-SA-4.0)")
    audited, careless, _ = splits()
    folder.mkdir(parents=True, exist_ok=True)
    audited.to_csv(folder / "audited.csv", index=False)
    careless.to_csv(folder / "training.csv", index=False)
    shutil.copyfile(WEIGHTS, folder / WEIGHTS.name)
    template = resources.folder("configs") / "demo-solar.yaml"
    text = Template(template.read_text(encoding="utf-8")).substitute(
        # JSON quoting is valid YAML for any characters in the path.
        images=json.dumps(str(images_at))
    )
    path = folder / "audit.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def images_folder() -> Path:
    """The folder to which the file names of `table` are relative.

    Raises:
        MissingDependencyError: ``elpv-dataset`` is not installed, or incomplete.
    """
    spec = importlib.util.find_spec("elpv_dataset")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        folder = Path(place) / "data"
        if (folder / "labels.csv").is_file() and (folder / "images").is_dir():
            return folder.resolve()
    raise MissingDependencyError(
        "the solar cell example needs the images of the distribution elpv-dataset; "
        f"{'it is not installed' if spec is None else 'its data folder is missing'}: "
        "pip install elpv-dataset (or run `auditor demo --case digits`, which needs no download)"
    )


def table() -> pd.DataFrame:
    """All cells of ELPV.

    Returns:
        2,624 rows in the order of the file names, with the columns ``file``, ``label`` (see
        `LABEL_RULE`), ``cell_type`` (``mono``, ``poly``) and ``annotation`` (``sure`` for a defect
        probability of 0 or 1, ``doubtful`` for 1/3 or 2/3).

    Raises:
        MissingDependencyError: the images are not installed.
    """
    raw = pd.read_csv(
        images_folder() / "labels.csv",
        sep=r"\s+",
        header=None,
        names=["file", "probability", "cell_type"],
    )
    return pd.DataFrame(
        {
            "file": raw["file"],
            "label": np.where(raw["probability"] >= 0.5, "defective", "functional"),
            "cell_type": raw["cell_type"],
            "annotation": np.where(raw["probability"].isin([0.0, 1.0]), "sure", "doubtful"),
        }
    ).sort_values("file", ignore_index=True)


def splits() -> Splits:
    """The audited cells and the two training sets, by `SPLIT_RULE`.

    Raises:
        MissingDependencyError: the images are not installed.
    """
    cells = table()
    shuffled = cells.iloc[
        sorted(
            range(len(cells)),
            key=lambda row: hashlib.sha256(cells["file"][row].encode()).hexdigest(),
        )
    ]
    nothing = dict.fromkeys(_AUDITED, 0)
    return Splits(
        audited=_take(shuffled, nothing, _AUDITED),
        careless=_take(shuffled, _AUDITED, _CARELESS),
        balanced=_take(shuffled, _AUDITED, _BALANCED),
    )


def counts(cells: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Number of cells by type and label."""
    return {
        str(cell_type): {name: int((part["label"] == name).sum()) for name in CLASSES}
        for cell_type, part in cells.groupby("cell_type")
    }


def targets(cells: pd.DataFrame) -> NDArray[np.int64]:
    """Class indices (N,) of rows of `table`."""
    return cells["label"].map(CLASSES.index).to_numpy(dtype=np.int64)


def images(files: Iterable[str]) -> NDArray[np.uint8]:
    """Reads images at the network's size.

    Args:
        files: names as in `table`.

    Returns:
        (N, 128, 128) grey values.

    Raises:
        MissingDependencyError: the images are not installed.
    """
    folder = images_folder()
    read = []
    for name in files:
        with (folder / name).open("rb") as stream, open_raster(stream) as image:
            # Pillow's bilinear filter is antialiased, like the resize of the audit.
            small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            read.append(np.asarray(small))
    return np.stack(read)


def _take(shuffled: pd.DataFrame, skip: Counts, take: Counts) -> pd.DataFrame:
    parts = []
    for (cell_type, label), number in take.items():
        rows = shuffled[(shuffled["cell_type"] == cell_type) & (shuffled["label"] == label)]
        begin = skip[cell_type, label]
        parts.append(rows.iloc[begin : begin + number])
    return pd.concat(parts).sort_values("file", ignore_index=True)
