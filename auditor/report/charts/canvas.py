"""Charts as SVG text: colours, axes and texts that all charts share.

matplotlib draws with placeholder colours. They become CSS variables in HTML, so that a chart follows
light and dark mode, and fixed colours in the PDF. Texts stay texts. Equal input gives equal bytes.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

Width = Literal["narrow", "wide"]

TEXT_SIZE = 9.0
"""In points; a chart is shown at its own size or a little larger."""
_INCHES: Mapping[Width, float] = {"narrow": 3.7, "wide": 7.6}
_POINTS_PER_INCH = 72
_MARGIN = 0.045
"""Share of a narrow chart on either side of its axis: room for half a number below the axis."""
_HANGING = 7
"""Points by which names and notes of a narrow chart stand out over its axis."""
_LONGEST_NAME = 36
"""Of the name of a row, in widths of a lower-case letter."""

# Placeholders, all different and in no palette; `Chart.themed` replaces them.
INK, MUTED, RULE, MAIN, STRONG = "#010203", "#010305", "#010507", "#01070b", "#010b0d"
PLACEHOLDERS: Mapping[str, str] = {
    "ink": INK,
    "muted": MUTED,
    "rule": RULE,
    "main": MAIN,
    "strong": STRONG,
}
"""Placeholder colours by role."""

VARIABLES: Mapping[str, str] = {role: f"var(--chart-{role})" for role in PLACEHOLDERS}
"""Colours of a chart inside HTML, defined in the shared style sheet for light and dark mode."""
FIXED: Mapping[str, str] = {
    "ink": "#1b2530",
    "muted": "#566270",
    "rule": "#d9dde2",
    "main": "#2b5c8a",
    "strong": "#c2500a",
}
"""Colours of a chart on white paper; blue and orange also differ in lightness."""


@dataclass(frozen=True)
class Chart:
    """A drawing with its texts.

    Attributes:
        name: unique in the document.
        title: what it shows, as its caption.
        description: what can be read from it, for readers who cannot see it.
        svg: the drawing with placeholder colours.
        legend: what its colours mean; empty where there is only one.
    """

    name: str
    title: str
    description: str
    svg: str
    legend: str = ""

    def themed(self, colours: Mapping[str, str]) -> str:
        """The drawing in colours by role, see `VARIABLES` and `FIXED`."""
        svg = self.svg
        for role, placeholder in PLACEHOLDERS.items():
            svg = svg.replace(placeholder, colours[role])
        return svg


def canvas(n_rows: int, width: Width, *, notes: bool) -> tuple[Any, Any]:
    """A figure and its axes with one row at each of 0, -1, -2 …; all rows have the same height.

    Args:
        n_rows: how many rows.
        width: narrow charts have the names above their rows, wide ones beside them.
        notes: whether a wide chart needs room for notes at the right.
    """
    from matplotlib.figure import Figure

    narrow = width == "narrow"
    below = 0.52
    height = (0.42 if narrow else 0.27) * max(n_rows, 1) + below + 0.1
    figure = Figure(figsize=(_INCHES[width], height), dpi=_POINTS_PER_INCH)
    left = _MARGIN if narrow else 0.38
    right = 0.88 if notes and not narrow else 1 - _MARGIN
    axes = figure.add_axes((left, below / height, right - left, 1 - (below + 0.05) / height))
    axes.set_ylim(-(n_rows - 0.45), 0.78 if narrow else 0.6)
    axes.set_yticks([])
    _style(figure, axes, ("x",))
    return figure, axes


def plane(height: float = 2.5, below: float = 0.5) -> tuple[Any, Any]:
    """A narrow figure and its axes for points of a plane.

    Args:
        height: of the figure, in inches.
        below: height of the space below the axes, in inches.
    """
    from matplotlib.figure import Figure

    width = _INCHES["narrow"]
    figure = Figure(figsize=(width, height), dpi=_POINTS_PER_INCH)
    left, bottom = 0.5 / width, below / height
    axes = figure.add_axes((left, bottom, 0.98 - left, 0.96 - bottom))
    _style(figure, axes, ("x", "y"))
    return figure, axes


def square_grid(names: Sequence[str]) -> tuple[Any, Any]:
    """A wide figure and its axes with a square for each pair of names: rows from the top, and columns.

    Args:
        names: of the rows and columns, at least one.
    """
    from matplotlib.figure import Figure

    width, room = _INCHES["wide"], 1.5
    side = min(0.2 * len(names), width - room - 0.1)
    height = side + room
    figure = Figure(figsize=(width, height), dpi=_POINTS_PER_INCH)
    axes = figure.add_axes((room / width, (room - 0.1) / height, side / width, side / height))
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    places = range(len(names))
    axes.set_xticks(places, names, rotation=90, parse_math=False)
    axes.set_yticks(places, names, parse_math=False)
    _style(figure, axes, ("x", "y"))
    axes.tick_params(labelsize=TEXT_SIZE - 2, length=0)
    return figure, axes


def _style(figure: Any, axes: Any, scales: tuple[Literal["x", "y"], ...]) -> None:
    """Colours of the axes, without a frame; a grid for each axis with a scale."""
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    for scale in scales:
        axes.tick_params(axis=scale, colors=MUTED, labelsize=TEXT_SIZE - 1, length=3)
        axes.grid(axis=scale, color=RULE, lw=0.6)
    axes.set_axisbelow(True)
    axes.patch.set_alpha(0)
    figure.patch.set_alpha(0)


def row_name(axes: Any, text: str, y: float, width: Width, *, strong: bool = False) -> None:
    """Writes the name of a row above or beside it."""
    narrow = width == "narrow"
    axes.annotate(
        shortened(text),
        (0, y + (0.42 if narrow else 0)),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-_HANGING if narrow else -8, 0),
        textcoords="offset points",
        ha="left" if narrow else "right",
        va="center",
        color=INK,
        fontsize=TEXT_SIZE,
        fontweight="bold" if strong else "normal",
        annotation_clip=False,
        parse_math=False,
    )


def row_note(axes: Any, text: str, y: float, width: Width) -> None:
    """Writes a note at the right end of a row."""
    narrow = width == "narrow"
    axes.annotate(
        text,
        (1, y + (0.42 if narrow else 0)),
        xycoords=axes.get_yaxis_transform(),
        xytext=(_HANGING if narrow else 8, 0),
        textcoords="offset points",
        ha="right" if narrow else "left",
        va="center",
        color=MUTED,
        fontsize=TEXT_SIZE - 1,
        annotation_clip=False,
    )


def axis_name(axes: Any, text: str, width: Width) -> None:
    """Writes what the horizontal axis shows; narrow charts break the line at a semicolon."""
    axes.set_xlabel(
        text.replace("; ", "\n") if width == "narrow" else text,
        color=MUTED,
        fontsize=TEXT_SIZE - 1,
        labelpad=3,
        parse_math=False,
    )


def finished(figure: Any, name: str, title: str, description: str, legend: str = "") -> Chart:
    """The figure as a chart.

    Args:
        figure: from `canvas`.
        name: unique in the document.
        title: what it shows.
        description: what can be read from it.
        legend: what its colours mean; empty where there is only one.
    """
    import matplotlib as mpl

    style: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "path.simplify": False}
    stream = io.StringIO()
    with mpl.rc_context(style), warnings.catch_warnings():
        # Texts stay texts and are drawn with the reader's fonts; those here may lack a glyph.
        warnings.filterwarnings(
            "ignore", message="Glyph .* missing from font", category=UserWarning
        )
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    # A style sheet in the SVG would apply to the whole document.
    svg = re.sub(r"<style.*?</style>\s*", "", svg, flags=re.DOTALL)
    # Ids must be unique among all charts of a document.
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", svg)
    svg = re.sub(r"font: ((?:bold )?[\d.]+px) [^;\"]*", r"font: \1 var(--sans)", svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", svg)
    title, description = _one_line(title), _one_line(description)
    label = escape(f"{title}. {description}", quote=True)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return Chart(name, title, description, svg, legend)


def shortened(text: str, most: int = _LONGEST_NAME) -> str:
    """A name on one line; one that is too long keeps its beginning and its end.

    Args:
        text: the name.
        most: its largest width, in widths of a lower-case letter.
    """
    line = _one_line(text)
    if _width(line) <= most:
        return line
    tail = _fitting(line[::-1], most // 3)[::-1]
    return f"{_fitting(line, most - most // 3 - 1)}…{tail}"


def _fitting(text: str, most: float) -> str:
    """The longest beginning of a text that is at most so wide."""
    end = 0
    while end < len(text) and _width(text[: end + 1]) <= most:
        end += 1
    return text[:end]


def _width(text: str) -> float:
    """Width of a text in widths of a lower-case letter, without knowing the reader's font."""
    return sum(map(_width_of_one, text))


def _width_of_one(character: str) -> float:
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 2.0
    return 1.3 if character.isupper() else 1.0


def _one_line(text: str) -> str:
    """A text on one line, without characters that XML forbids or that change its direction."""
    return " ".join("".join(one for one in text if one.isprintable() or one.isspace()).split())
