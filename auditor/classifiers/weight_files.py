"""Reads a file of weights into tensors by name, and never runs code that a file carries.

Two formats are read: safetensors, and what ``torch.save(model.state_dict(), path)`` writes (the ZIP
format of today and the older one), the latter with ``weights_only=True``. What a file is, its first
bytes decide, not its suffix. Everything else is named and refused with the way to convert it.
"""

from __future__ import annotations

import os
import pickle
import re
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from auditor.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

_TORCH_MAGIC = b"l\xfc\x9cF\xf9 j\xa8P\x19"  # the long integer that opens torch.save's older files
_UNTRUSTED = re.compile(r"GLOBAL (\S+)")
_SAVE = (
    "`torch.save(model.state_dict(), 'weights.pt')` or "
    "`safetensors.torch.save_model(model, 'weights.safetensors')`"
)


@dataclass(frozen=True)
class Weights:
    """The tensors of a file.

    Attributes:
        tensors: by name, on the CPU, in the file's order.
        versions: version numbers of the modules that saved them (``_metadata`` of a state dict).
        note: which entry of the file they were taken from, or an empty string.
    """

    tensors: dict[str, Tensor]
    versions: Mapping[str, Any] | None
    note: str


def read_weights(path: Path, key: str | None = None) -> Weights:
    """Reads a file of weights.

    Args:
        path: safetensors, or a state dict; the state dict may be one entry of a training checkpoint.
        key: the entry that holds the weights; None if there is only one that can be meant.

    Returns:
        The tensors by name.

    Raises:
        ModelError: no such file, damaged, another format, a file that would have to be unpickled,
            or several entries that could be meant.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if _format_of(path) == "safetensors":
        try:
            tensors: dict[str, Tensor] = load_file(path)
        except (SafetensorError, OSError) as error:
            raise ModelError(_damaged(path, error)) from error
        return _pick(path, tensors, key)
    return _pick(path, _read_state_dict(path), key)


def _format_of(path: Path) -> Literal["safetensors", "torch"]:
    """Names the format by the first bytes; raises ModelError for all but the two that are read."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError as error:
        raise ModelError(
            f"expected a file of weights at {path}; there is none: correct `checkpoint` (a relative "
            "path starts from the configuration's folder)"
        ) from error
    except OSError as error:
        raise ModelError(
            f"expected a readable file of weights at {path}; {error.strerror or error}"
        ) from error
    if size == 0:
        raise ModelError(f"expected weights in {path}; the file is empty: copy it again")
    if head.startswith(b"version https://git-lfs"):
        raise ModelError(
            f"expected weights in {path}; it is a Git LFS pointer: fetch the file with `git lfs pull`"
        )
    if head.startswith(b"PK\x03\x04"):
        _require_state_dict_archive(path)
        return "torch"
    if _is_safetensors(head, size):
        return "safetensors"
    if head.startswith(b"\x80") and _TORCH_MAGIC in head[:32]:
        return "torch"
    kind = _other_kind(path, head)
    raise ModelError(
        f"expected weights in {path}, as safetensors or as a state dict; it is {kind}: in the "
        f"program that can read it, save the weights alone with {_SAVE}"
    )


def _is_safetensors(head: bytes, size: int) -> bool:
    """Eight bytes of header length, then a JSON object; a cut-off file counts, to be told as damaged."""
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 2 <= length <= max(size, 100_000_000)


def _other_kind(path: Path, head: bytes) -> str:
    if head.startswith(b"\x89HDF\r\n"):
        return "an HDF5 file, as Keras writes it"
    if head.startswith(b"\x80"):
        return "a pickle that torch.save did not write; reading it could run any code"
    if head.lstrip()[:1] == b"<":
        return "a page of HTML or XML, as a failed download leaves it"
    if tarfile.is_tarfile(path):
        return "a tar archive, such as PyTorch before 0.1.10 or a packed download"
    if path.suffix == ".onnx":
        return "an ONNX model"
    return f"of an unknown format (first bytes {head[:8]!r}), or damaged"


def _require_state_dict_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError(_damaged(path, error)) from error
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        raise ModelError(
            f"expected weights in {path}; it is a TorchScript archive, which is a program: convert "
            f"it once with `torch.save(torch.jit.load('{path.name}').state_dict(), 'weights.pt')`"
        )
    if "data.pkl" in inner:
        return
    if any(name.endswith("archive_format") for name in names):
        kind = "an exported program of torch.export"
    elif "model.weights.h5" in names:
        kind = "a Keras model"
    elif names and all(name.endswith(".npy") for name in names):
        kind = "an archive of NumPy arrays"
    else:
        kind = f"a ZIP archive of something else (it holds {', '.join(names[:3]) or 'nothing'})"
    raise ModelError(
        f"expected weights in {path}, as safetensors or as a state dict; it is {kind}: in the "
        f"program that can read it, save the weights alone with {_SAVE}"
    )


def _read_state_dict(path: Path) -> Any:
    import torch

    try:
        with path.open("rb") as file, warnings.catch_warnings():
            # Of other pickle protocols: what can't be read of them ends in an error below.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            # An open file, because by a path torch.load decides on the format by its suffix.
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        culprit = _UNTRUSTED.search(str(error))
        if culprit is None:
            raise ModelError(
                _damaged(path, "its structure can't be read; or another pickle protocol than 2")
            ) from None
        # torch's own text is left out: it advises to switch the protection off.
        raise ModelError(
            f"{path} holds more than tensors: reading it would call `{culprit[1]}`, and code that a "
            "file carries is not run. Where you trust the file, convert it once: for a whole model "
            f"{_SAVE}; for a training checkpoint `torch.save(torch.load('{path.name}', "
            "weights_only=False)['state_dict'], 'weights.pt')`"
        ) from None
    except (
        RuntimeError,
        EOFError,
        OSError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        AssertionError,
        OverflowError,
        MemoryError,
        struct.error,
    ) as error:
        # Any of these comes out of the reader when bytes are missing or changed.
        raise ModelError(_damaged(path, error)) from error


def _damaged(path: Path, reason: object) -> str:
    first = str(reason).strip().partition(os.linesep)[0][:200] or type(reason).__name__
    return (
        f"expected whole weights in {path}; the file is damaged or cut off ({first}): copy it again"
    )


def _pick(path: Path, content: Any, key: str | None) -> Weights:
    """Takes the state dict out of what a file holds."""
    import torch

    if not isinstance(content, Mapping):
        raise ModelError(
            f"expected a state dict in {path}, tensors by name; got {type(content).__name__}: save "
            f"the weights with {_SAVE}"
        )
    if key is not None:
        if key not in content:
            raise ModelError(
                f"checkpoint_key: expected an entry of {path.name}, one of "
                f"{', '.join(map(str, list(content)[:10]))}; got {key!r}"
            )
        if not _is_state_dict(content[key]):
            raise ModelError(
                f"checkpoint_key: expected tensors by name in entry {key!r} of {path.name}; got "
                f"{type(content[key]).__name__}"
            )
        return _weights(content[key], f"entry {key!r}")
    if _is_state_dict(content):
        return _weights(content, "")
    entries = [str(name) for name, value in content.items() if _is_state_dict(value)]
    if len(entries) == 1:
        return _weights(content[entries[0]], f"entry {entries[0]!r}")
    if entries:
        raise ModelError(
            f"{path} holds several sets of weights ({', '.join(entries)}): say which with "
            f"`checkpoint_key: {entries[0]}`"
        )
    odd = [
        f"{name}: {type(value).__name__}"
        for name, value in content.items()
        if not isinstance(value, torch.Tensor)
    ]
    raise ModelError(
        f"expected tensors by name in {path}, or one entry that holds them; got "
        f"{', '.join(odd[:5]) or 'nothing'}{f' and {len(odd) - 5} more' if len(odd) > 5 else ''}: "
        f"save the weights with {_SAVE}"
    )


def _is_state_dict(value: object) -> bool:
    import torch

    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in value.items())
    )


def _weights(tensors: Mapping[str, Tensor], note: str) -> Weights:
    return Weights(dict(tensors), getattr(tensors, "_metadata", None), note)
