"""What `auditor list` reads from the source is what the imported classes say."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from auditor import registry
from auditor.cli import app
from auditor.plugin_descriptions import describe_plugins, of_class
from auditor.registry import PACKAGES, Kind


@pytest.mark.parametrize("kind", PACKAGES)
def test_source_describes_plugins_as_their_classes_do(kind: Kind) -> None:
    read = {one.name: one for one in describe_plugins(kind)}
    imported = {name: of_class(name, plugin) for name, plugin in registry.all_of(kind).items()}
    assert list(read) == list(imported)
    assert read == imported


def test_list_prints_every_plugin() -> None:
    done = CliRunner().invoke(app, ["list"])
    assert done.exit_code == 0
    for kind in PACKAGES:
        for name, plugin in registry.all_of(kind).items():
            assert f"  {name}  " in done.stdout
            for option in plugin.model_fields:
                assert f"      {option} (" in done.stdout
