"""The result of ``auditor.explain``: maps that draw themselves."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from auditor import imaging
from auditor.errors import ConfigError
from auditor.explainers.explanation import Explanation
from auditor.notebook_progress import in_notebook
from auditor.phrasing.methods import method_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROWS = 8
"""Images that are drawn unless another number is asked for."""
_SIDE = 2.6
"""Side of an image in inches."""


@dataclass(frozen=True, eq=False)
class ExplainedImages(Explanation):
    """Attribution maps with the images that they explain.

    Attributes:
        images: (N, H, W, 3) uint8: the original images, resized and cropped; preprocessed tensors from their
            lowest to their highest value.
        names: of the images: the file name, or the position.
        classes: names of the classes, or None.
    """

    images: NDArray[np.uint8]
    names: tuple[str, ...]
    classes: tuple[str, ...] | None

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = "×".join(str(side) for side in self.maps.shape)
        return f"{type(self).__name__}({self.explainer}, maps {shape}, targets {self.targets.tolist()})"

    def figure(self, rows: int = _ROWS) -> Figure:
        """Draws each image beside its map.

        Args:
            rows: how many images at most, the first ones.

        Returns:
            A matplotlib figure that belongs to no window: ``.savefig("maps.png")`` writes it.
        """
        from matplotlib.figure import Figure

        figure = Figure()
        self._draw(figure, rows)
        return figure

    def show(self, rows: int = _ROWS) -> None:
        """Shows the figure: below the cell of a notebook, or in a window.

        Args:
            rows: how many images at most, the first ones.

        Raises:
            ConfigError: there is neither a notebook nor a display.
        """
        if in_notebook():
            from IPython import display

            display.display(display.Image(self._png(rows)))  # type: ignore[no-untyped-call]
            return
        from matplotlib import pyplot as plt

        figure = plt.figure()
        if getattr(figure.canvas, "required_interactive_framework", None) is None:
            plt.close(figure)
            raise ConfigError(
                f"show: expected a notebook or a display; matplotlib uses {plt.get_backend()!r}, which has "
                "no windows: write the figure to a file, as in `explanation.figure().savefig('maps.png')`"
            )
        self._draw(figure, rows)
        plt.show()

    def _repr_png_(self) -> bytes:
        return self._png(_ROWS)

    def _png(self, rows: int) -> bytes:
        stream = io.BytesIO()
        self.figure(rows).savefig(stream, format="png", dpi=90)
        return stream.getvalue()

    def _draw(self, figure: Figure, rows: int) -> None:
        """Draws on an empty figure."""
        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
            raise ConfigError(f"rows: expected a number of images of at least 1; got {rows!r}")
        n = min(rows, len(self))
        height, width = self.images.shape[1:3]
        figure.set_size_inches(2 * _SIDE * max(1, width / height), n * (_SIDE + 0.4) + 0.3)
        figure.set_layout_engine("constrained")
        axes = figure.subplots(n, 2, squeeze=False)
        for row in range(n):
            title = f"{method_title(self.explainer)} for {self._target(row)}"
            drawn, note = self._map(row)
            for place, image, text in (
                (axes[row, 0], self.images[row], self.names[row]),
                (axes[row, 1], drawn, title + note),
            ):
                place.imshow(image, interpolation="nearest")
                place.set_axis_off()
                place.set_title(text, fontsize=9, parse_math=False, wrap=True)
        if self.preflight.status == "undefined":
            reason = f"Grad-CAM instead of a guided map, which is undefined here: {self.preflight.reason}"
            figure.supxlabel(reason, fontsize=8, parse_math=False, wrap=True)

    def _target(self, row: int) -> str:
        target = int(self.targets[row])
        return f"class {target}" if self.classes is None else self.classes[target]

    def _map(self, row: int) -> tuple[NDArray[np.uint8], str]:
        """The drawn map, and what is special about it."""
        values = self.maps[row].detach().float().cpu().numpy()
        if not np.isfinite(values).all():
            return np.full_like(self.images[row], 128), ": its values are not finite"
        if len(values) == 1:
            empty = ": empty, nothing raises the output" if values.max() <= 0 else ""
            return imaging.overlay(self.images[row], values[0]), empty
        return imaging.guided_view(values[:3]), ""
