from __future__ import annotations

import pytest

from auditor import registry
from auditor.errors import ConfigError


@pytest.mark.parametrize("kind", list(registry.PACKAGES))
def test_every_plugin_is_found_by_its_own_file(kind: registry.Kind) -> None:
    plugins = registry.all_of(kind)
    assert plugins
    for name, plugin in plugins.items():
        if plugin.__module__.startswith("auditor."):
            assert plugin.__module__.rsplit(".", 1)[1] == name.replace("-", "_")
        assert registry.get(kind, name) is plugin
        assert plugin.plugin_name == name


@pytest.mark.parametrize("kind", list(registry.PACKAGES))
def test_every_plugin_and_option_describes_itself(kind: registry.Kind) -> None:
    for plugin in registry.all_of(kind).values():
        assert plugin.__doc__
        assert plugin.__doc__.strip().endswith((".", "?", ")", '"'))
        for name, field in plugin.model_fields.items():
            assert field.description, f"{plugin.__qualname__}.{name} says nothing"


def test_an_unknown_name_gets_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"got 'foldr'; did you mean 'folder'\?"):
        registry.get("dataset", "foldr")


def test_a_third_party_plugin_comes_through_its_entry_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class EntryPoint:
        @staticmethod
        def load() -> None:
            @registry.plugin("dataset", "from-elsewhere")
            class FromElsewhere(registry.Options):
                """Another distribution's data set."""

    monkeypatch.setattr(
        registry,
        "entry_points",
        lambda group: [EntryPoint] if group == "auditor.datasets" else [],
    )
    monkeypatch.setitem(registry._registered, "dataset", dict(registry._registered["dataset"]))
    assert registry.get("dataset", "from-elsewhere").__doc__ == "Another distribution's data set."
