"""Downloads of weights: none unless the configuration or the command line allows them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from auditor.errors import MissingDependencyError, ModelError

ALLOW = (
    "nothing is downloaded unless you allow it: run again with `--allow-download`, or set "
    "`model.allow_download: true`"
)
_PATTERNS = ("*.json", "*.safetensors", "*.txt")
_SECONDS = 10.0


def required_library(name: str, extra: str) -> Any:
    """Imports an optional library.

    Args:
        name: of its module.
        extra: of this distribution, which installs it.

    Raises:
        MissingDependencyError: it is not installed; the message has the install line.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"model.adapter: {name} is not installed: `pip install 'classifier-auditor[{extra}]'`"
        ) from error


@contextmanager
def hub_offline() -> Iterator[None]:
    """Keeps ``huggingface_hub`` from using the network inside the ``with``.

    The environment variable ``HF_HUB_OFFLINE`` is read only when that library is imported.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def hub_folder(name: str, revision: str | None, place: str, *, allow_download: bool) -> Path:
    """The folder of a model of the Hugging Face Hub, in its cache on disk.

    Only configurations and safetensors are downloaded: no code, and nothing that is unpickled.

    Args:
        name: such as ``microsoft/resnet-18``.
        revision: branch, tag or commit; None: the main branch.
        place: key of the configuration, for messages.
        allow_download: whether to download what is not on disk.

    Raises:
        ModelError: the model is not on disk, and can't or may not be downloaded.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
        if not allow_download or any(folder.glob("*.safetensors")):
            return folder
    except HFValidationError as error:
        raise ModelError(f"{place}: expected a name such as owner/model; got {name!r}") from error
    except LocalEntryNotFoundError as error:
        if not allow_download:
            raise ModelError(
                f"{place}: expected {name} in the cache of Hugging Face on this machine; it is not there, "
                f"and {ALLOW}"
            ) from error
    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=list(_PATTERNS),
                etag_timeout=_SECONDS,
            )
        )
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        first = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"{place}: expected to download {name} from the Hugging Face Hub; {first}: check the name, "
            "or download it on a machine with internet access and copy its folder"
        ) from error
