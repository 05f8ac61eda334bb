"""The threat model in SECURITY.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_security_page_names_existing_tests() -> None:
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    table = page[page.index("| file | who supplies it") : page.index("### Weight files")]
    named = re.findall(r"`((?:\w+/)?test_\w+\.py|\w+/)`", table)
    assert len(named) >= 12
    assert [one for one in named if not (ROOT / "tests" / one).exists()] == []
