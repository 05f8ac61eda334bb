"""Configurations that fuzzing found."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.config.loading import apply_override
from auditor.errors import ConfigError


@pytest.mark.parametrize("key", ["na\udce7me", "data.attributes.\udcff", "\ud800.x"])
def test_override_with_a_key_that_is_no_utf_8_is_refused(key: str) -> None:
    raw: dict[str, Any] = {}
    with pytest.raises(ConfigError, match="expected a key in UTF-8"):
        apply_override(raw, f"{key}=1")
    assert not raw
