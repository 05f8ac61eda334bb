"""``--set key.path=value`` on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from auditor import registry
from auditor.config import AuditConfig
from auditor.errors import ConfigError
from fuzz.runs import remember
from fuzz.target import Reader, Target

_BASE = (
    b"name: fuzz\nmodel: {adapter: torchvision, architecture: resnet18, checkpoint: x.pt}\n"
    b"data: {adapter: manifest, path: x.csv}\n"
)

remember(registry, "all_of")
registry.all_of("check")  # imports the plug-ins


def _open(folder: Path) -> Reader:
    path = folder / "audit.yaml"
    path.write_bytes(_BASE)

    def read(data: bytes) -> None:
        # As the system hands arguments over: bytes that are no UTF-8 become lone surrogates.
        overrides = data.decode("utf-8", "surrogateescape").split("\n")
        AuditConfig.load(path, overrides).effective()

    return read


def _seeds() -> Iterator[bytes]:
    yield b"seed=3"
    yield b"data.attributes=[a, b]\nslices.min_support=10"
    yield b"data.attributes.site=categorical\nchecks.leakage=false"
    yield b"model.classes={a: 1}\nreport.formats=[html]"
    yield b"criteria=[{metric: sensitivity, at_least: 0.9}]"
    yield b".=\na..b=1\n=x\nname.x=1"
    yield b"name=\xff"


TARGET = Target(
    name="overrides",
    about="`--set` arguments → `AuditConfig.load`",
    open=_open,
    seeds=_seeds,
    allowed=(ConfigError,),
    longest=512,
)
