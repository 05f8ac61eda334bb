from __future__ import annotations

import json

import pytest

from auditor import registry
from auditor.config import json_schema


@pytest.mark.parametrize("kind", ["classifier", "dataset", "check"])
def test_json_schema_contains_every_plugin_with_its_options(kind: registry.Kind) -> None:
    text = json.dumps(json_schema())
    for name, plugin in registry.all_of(kind).items():
        assert f'"{name}"' in text
        assert all(f'"{field}"' in text for field in plugin.model_fields)
