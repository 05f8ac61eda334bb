"""The fonts of documents: fallbacks for other scripts, and characters that no installed font has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from auditor import resources
from auditor.phrasing import plural

_FALLBACKS = re.compile(r"--fallbacks:\s*([^;]+);")
_NAMED = 5
"""Characters that a message names."""
_PACKAGES: Mapping[str, str] = {
    "fonts-noto-cjk": "Chinese, Japanese, Korean",
    "fonts-noto-color-emoji": "emoji",
    "fonts-noto-core": "other scripts and symbols",
}
"""Debian packages, and what their fonts are for."""
_CJK = ((0x1100, 0x11FF), (0x2E80, 0xA4CF), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xF900, 0xFAFF))
_CJK_WIDE = ((0xFE30, 0xFE4F), (0xFF00, 0xFFEF), (0x20000, 0x3FFFF))
_EMOJI = ((0x1F000, 0x1FAFF), (0x2600, 0x27BF), (0xFE0F, 0xFE0F))


def fallback_families() -> tuple[str, ...]:
    """The font families for scripts that the first font lacks: ``--fallbacks`` of the style tokens."""
    tokens = (resources.folder("templates") / "shared" / "tokens.css").read_text(encoding="utf-8")
    found = _FALLBACKS.search(tokens)
    return () if found is None else tuple(one.strip(' "\n') for one in found[1].split(","))


def missing_fonts_text(characters: Iterable[str]) -> str:
    """Which characters no installed font has, and what to install; empty if there are none.

    Args:
        characters: those that a document shows as boxes.
    """
    shown = sorted(set(characters))
    if not shown:
        return ""
    named = ", ".join(f"{one} (U+{ord(one):04X})" for one in shown[:_NAMED])
    more = ", …" if len(shown) > _NAMED else ""
    packages = {_package(one) for one in shown}
    needed = ", ".join(f"{name} for {what}" for name, what in _PACKAGES.items() if name in packages)
    return (
        f"no installed font has {plural(len(shown), 'character')} of this report, which the PDF shows as "
        f"boxes: {named}{more}. Install fonts, and render it again; on Debian and Ubuntu: "
        f"`apt install {' '.join(name for name in _PACKAGES if name in packages)}` ({needed})"
    )


def _package(character: str) -> str:
    code = ord(character)
    if _within(code, (*_CJK, *_CJK_WIDE)):
        return "fonts-noto-cjk"
    return "fonts-noto-color-emoji" if _within(code, _EMOJI) else "fonts-noto-core"


def _within(code: int, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(first <= code <= last for first, last in ranges)
