"""``requirements.lock`` pins all direct dependencies, with hashes and without addresses."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[0-9][^ +;]*)(?: ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")
NOT_LOCKED = {"dev", "docs", "fuzz", "peers", "ray"}
"""Extras of those who develop the package; and Ray, whose version is that of the cluster."""

pytestmark = pytest.mark.skipif(not LOCK.is_file(), reason="not in the source distribution")


def pinned() -> dict[str, str]:
    found = map(PIN.fullmatch, LOCK.read_text().splitlines())
    return {canonicalize_name(one["name"]): one["version"] for one in found if one}


def test_lock_pins_every_direct_dependency_within_its_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    names = [one for extra in extras.keys() - NOT_LOCKED for one in extras[extra]]
    versions = pinned()
    for text in (*project["dependencies"], *names):
        wanted = Requirement(text)
        assert canonicalize_name(wanted.name) in versions, f"{wanted.name}: run `make lock`"
        assert versions[canonicalize_name(wanted.name)] in wanted.specifier


def test_lock_consists_of_pins_with_hashes() -> None:
    lines = [one for one in LOCK.read_text().splitlines() if not one.startswith("#")]
    assert all(PIN.fullmatch(one) or HASH.fullmatch(one) for one in lines if one)
    for line, following in pairwise(lines):
        if PIN.fullmatch(line):
            assert HASH.fullmatch(following), line


def test_lock_names_no_address_or_path() -> None:
    text = LOCK.read_text()
    assert not re.search(r"://|@|\bindex\b|--find-links|--trusted-host|/[a-z]", text)
