"""What is taken out of a copy of a run that leaves the house."""

from __future__ import annotations

from typing import Literal

from auditor.registry import Options


class RedactSection(Options):
    """What a redacted copy of the run does not contain."""

    images: Literal["blur", "drop", "keep"] = "blur"
    """`blur`: pixelated and blurred, but images of up to 64 pixels a side are dropped; `drop`: a grey area
    under the maps; `keep`: as they are."""
    paths: bool = True
    """Whether paths, file names and the machine are taken out."""
    ids: bool = True
    """Whether ids of samples and groups become keyed pseudonyms."""
