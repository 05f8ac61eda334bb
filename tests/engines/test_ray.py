"""Ray: an actor that dies changes nothing, and a missing library is named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from builders.sharded_audits import Sharded, content, small_blocks
from typer.testing import CliRunner

from auditor.cli import app
from auditor.engines.ray import require_ray
from auditor.errors import MissingDependencyError


def test_missing_ray_is_named_with_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'classifier-auditor\[ray\]'"):
        require_ray(None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--actors", "2"], "--actors: expected it with `--engine ray` only"),
        (["--address", "10.0.0.1:6379"], "--address: expected it with `--engine ray` only"),
        (["--engine", "ray", "--shard", "1/2"], "--shard: expected it without `--engine ray`"),
        (["--shard", "3/2"], "--shard: expected i/n with 1 ≤ i ≤ n"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(
    sharded: Sharded, tmp_path: Path, options: list[str], message: str
) -> None:
    out = tmp_path / "run"
    done = CliRunner().invoke(app, ["run", str(sharded.config), "--out", str(out), *options])
    assert done.exit_code == 2
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_two_actors_of_which_one_is_killed_equal_one_process(
    sharded: Sharded, tmp_path: Path
) -> None:
    kill = sharded.config.with_name("kill-one-actor")
    kill.touch()
    out = tmp_path / "run"
    options = ["--engine", "ray", "--actors", "2"]
    done = small_blocks(["run", str(sharded.config), "--out", str(out), *options])
    assert done.returncode == 1, done.stderr  # the audit does not pass
    assert "Ray: up to 2 actors on this computer" in done.stderr
    assert not kill.exists()  # an actor found it, and died
    addresses = sharded.config.with_name("listening").read_text(encoding="utf-8").split()
    assert addresses
    # 127.0.0.1 as the system writes it, alone or as an IPv6 address.
    assert {one.removeprefix("0000000000000000FFFF0000") for one in addresses} == {"0100007F"}
    assert content(out) == content(sharded.alone)
