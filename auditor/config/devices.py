"""Names of devices."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

_NAMES = r"auto|cpu|cuda(:\d{1,3})?|mps"


def checked_device(name: str) -> str:
    """Refuses what is no name of a device.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(_NAMES, name, re.ASCII):
        raise ValueError("expected auto, cpu, cuda, one of several GPUs such as cuda:1, or mps")
    return name


Device = Annotated[
    str,
    AfterValidator(checked_device),
    WithJsonSchema({"type": "string", "pattern": f"^({_NAMES})$"}),
]
"""``auto``, ``cpu``, ``cuda``, ``cuda:K`` or ``mps``."""
