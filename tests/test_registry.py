from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import ClassVar

import pytest
from pydantic import ValidationError

from auditor import registry
from auditor.errors import ConfigError


@pytest.mark.parametrize("kind", list(registry.PACKAGES))
def test_get_built_in_plugin_is_in_the_file_of_its_name(kind: registry.Kind) -> None:
    plugins = registry.all_of(kind)
    assert plugins
    for name, plugin in plugins.items():
        if plugin.__module__.startswith("auditor."):
            assert plugin.__module__.rsplit(".", 1)[1] == name.replace("-", "_")
        assert registry.get(kind, name) is plugin
        assert plugin.plugin_name == name


@pytest.mark.parametrize("kind", list(registry.PACKAGES))
def test_every_plugin_and_option_has_a_docstring(kind: registry.Kind) -> None:
    for plugin in registry.all_of(kind).values():
        assert plugin.__doc__
        assert plugin.__doc__.strip().endswith((".", "?", ")", '"'))
        for name, field in plugin.model_fields.items():
            assert field.description, f"{plugin.__qualname__}.{name} has no docstring"


def test_get_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"got 'foldr'; did you mean 'folder'\?"):
        registry.get("dataset", "foldr")


def test_plugin_name_registered_twice_raises() -> None:
    with pytest.raises(ConfigError, match=r"'folder' is already the name of auditor\.datasets"):

        @registry.plugin("dataset", "folder")
        class Other(registry.Options):
            """Another data set."""


def test_get_broken_entry_point_names_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "no_such_module", "auditor.datasets")
    monkeypatch.setattr(registry, "entry_points", lambda **_: [broken])
    with pytest.raises(ConfigError, match=r"auditor\.datasets: no_such_module of an unknown"):
        registry.get("dataset", "broken")


class Renamed(registry.Options):
    """Options of which one has changed its name."""

    renamed: ClassVar[Mapping[str, str]] = {"max_pictures": "max_images"}

    max_images: int = 3
    """Maximum number of images."""


def test_options_former_name_is_accepted_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="max_pictures is now called max_images"):
        options = Renamed.model_validate({"max_pictures": 5})
    assert options.max_images == 5


def test_options_former_and_current_name_together_raise() -> None:
    with pytest.raises(ValidationError, match="got both"):
        Renamed.model_validate({"max_pictures": 5, "max_images": 6})
