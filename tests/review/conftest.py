"""The browser of the tests of the report."""

from __future__ import annotations

from builders.browser_visits import browser  # noqa: F401 - a fixture
