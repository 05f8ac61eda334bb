"""Weight files: reads tensors by name, and never runs code from the file.

Two formats are supported: safetensors, and what ``torch.save(model.state_dict(), path)`` writes (the
current ZIP format and the older one), which is read with ``weights_only=True``. The format is recognised
by the first bytes, not by the suffix. For any other format, the error message says how to convert it.
"""

from __future__ import annotations

import os
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from auditor.classifiers.harmless_types import harmless_types
from auditor.classifiers.other_formats import describe_other_format
from auditor.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

_TORCH_MAGIC = b"l\xfc\x9cF\xf9 j\xa8P\x19"  # the magic number of the older format
_SUFFIXES = frozenset({".pt", ".pth", ".bin", ".ckpt", ".safetensors"})
_NESTED = 3
"""Levels of a checkpoint that are searched for weights."""
_UNTRUSTED = re.compile(r"GLOBAL (\S+)")
_SAVE = (
    "`torch.save(model.state_dict(), 'weights.pt')` or "
    "`safetensors.torch.save_model(model, 'weights.safetensors')`"
)


@dataclass(frozen=True)
class Weights:
    """The tensors of a weight file.

    Attributes:
        tensors: by name, on the CPU, in the order of the file.
        versions: version numbers of the modules that saved them (``_metadata`` of a state dict).
        note: the entry of the file that they were read from, or an empty string.
    """

    tensors: dict[str, Tensor]
    versions: Mapping[str, Any] | None
    note: str


def read_weights(path: Path, key: str | None = None) -> Weights:
    """Reads a file of weights.

    Args:
        path: safetensors, or a state dict, which may be one entry of a training checkpoint.
        key: the entry that contains the weights; None if there is only one.

    Returns:
        The tensors by name.

    Raises:
        ModelError: the file does not exist, is damaged, has another format, would have to be
            unpickled, or has several entries with weights.
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


def require_intact(path: Path) -> None:
    """Checks a file of safetensors before a library reads it, whose own message would not help.

    Raises:
        ModelError: the file does not exist, is no safetensors, or is damaged.
    """
    from safetensors import SafetensorError, safe_open

    _format_of(path)
    try:
        with safe_open(path, "pt"):
            return
    except (SafetensorError, OSError) as error:
        raise ModelError(_damaged(path, error)) from error


def _format_of(path: Path) -> Literal["safetensors", "torch"]:
    """Recognises the format by the first bytes; raises ModelError if it is not supported."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError as error:
        raise ModelError(
            f"expected a file of weights at {path}; it does not exist: correct `checkpoint` (relative "
            "paths start at the folder of the configuration)"
        ) from error
    except IsADirectoryError as error:
        inside = sorted(one.name for one in path.iterdir() if one.suffix in _SUFFIXES)
        found = f"one of {', '.join(inside[:5])}" if inside else "none lies in it"
        raise ModelError(
            f"expected a file of weights at {path}; it is a folder: name the file in it ({found})"
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(
            f"expected a readable file of weights at {path}; {getattr(error, 'strerror', None) or error}"
        ) from error
    if size == 0:
        raise ModelError(f"expected weights in {path}; the file is empty: copy it again")
    if head.startswith(b"version https://git-lfs"):
        raise ModelError(f"expected weights in {path}; it is a Git LFS pointer: run `git lfs pull`")
    if head.startswith(b"PK\x03\x04"):
        _require_state_dict_archive(path)
        return "torch"
    if _is_safetensors(head, size):
        return "safetensors"
    if head.startswith(b"\x80") and _TORCH_MAGIC in head[:32]:
        return "torch"
    content = describe_other_format(path, head)
    raise ModelError(
        f"expected weights in {path}, as safetensors or as a state dict; it is {content}: in a program "
        f"that can read it, save only the weights with {_SAVE}"
    )


def _is_safetensors(head: bytes, size: int) -> bool:
    """Eight bytes of header length, then JSON; also for truncated files, which are damaged."""
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 2 <= length <= max(size, 100_000_000)


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
            f"it with `torch.save(torch.jit.load('{path.name}').state_dict(), 'weights.pt')`"
        )
    if "data.pkl" in inner:
        return
    if any(name.endswith("archive_format") for name in names):
        content = "an exported program of torch.export"
    elif "model.weights.h5" in names:
        content = "a Keras model"
    elif names and all(name.endswith(".npy") for name in names):
        content = "a ZIP archive of NumPy arrays"
    else:
        content = f"a ZIP archive of other content ({', '.join(names[:3]) or 'empty'})"
    raise ModelError(
        f"expected weights in {path}, as safetensors or as a state dict; it is {content}: in a program "
        f"that can read it, save only the weights with {_SAVE}"
    )


def _read_state_dict(path: Path) -> Any:
    import torch

    try:
        with path.open("rb") as file, warnings.catch_warnings():
            # About other pickle protocols: if they can't be read, an error follows below.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            # An open file: for a path, torch.load decides on the format by the suffix.
            with torch.serialization.safe_globals(harmless_types()):
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        culprit = _UNTRUSTED.search(str(error))
        if culprit is None:
            raise ModelError(
                _damaged(path, "its structure can't be read, or its pickle protocol is not 2")
            ) from None
        # The message of torch is left out: it suggests to disable the protection.
        raise ModelError(
            f"{path} contains more than tensors: reading it would call `{culprit[1]}`, and code in a "
            "weight file is never run. If you trust the file, convert it: for a whole model with "
            f"{_SAVE}; for a training checkpoint with `torch.save(torch.load('{path.name}', "
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
        # torch.load raises any of these if bytes are missing or changed.
        raise ModelError(_damaged(path, error)) from error


def _damaged(path: Path, reason: object) -> str:
    first = str(reason).strip().partition(os.linesep)[0][:200] or type(reason).__name__
    return (
        f"expected intact weights in {path}; the file is damaged or truncated ({first}): copy it "
        "again"
    )


def _pick(path: Path, content: Any, key: str | None) -> Weights:
    """Selects the state dict from the content of a file."""
    import torch

    if not isinstance(content, Mapping):
        raise ModelError(
            f"expected a state dict in {path}, tensors by name; got {type(content).__name__}: save "
            f"the weights with {_SAVE}"
        )
    found = dict(_state_dicts(content))
    if key is not None:
        if key not in content and key not in found:
            entries = list(found) or [str(name) for name in content]
            raise ModelError(
                f"checkpoint_key: expected an entry of {path.name}, one of "
                f"{', '.join(entries[:10])}; got {key!r}"
            )
        chosen = found[key] if key in found else content[key]
        if not _is_state_dict(chosen):
            raise ModelError(
                f"checkpoint_key: expected tensors by name in entry {key!r} of {path.name}; got "
                f"{type(chosen).__name__}"
            )
        return _weights(chosen, f"entry {key!r}")
    if _is_state_dict(content):
        return _weights(content, "")
    if len(found) == 1:
        (name,) = found
        return _weights(found[name], f"entry {name!r}")
    if found:
        raise ModelError(
            f"{path} contains several sets of weights ({', '.join(found)}): select one with "
            f"`checkpoint_key: {next(iter(found))}`"
        )
    tensors, others = _tensors_and_scalars(content)
    if tensors and not others:
        scalars = [str(name) for name in content if name not in tensors]
        return Weights(
            tensors, getattr(content, "_metadata", None), f"without {', '.join(scalars)}"
        )
    odd = [
        f"{name}: {type(value).__name__}"
        for name, value in content.items()
        if not isinstance(value, torch.Tensor)
    ]
    raise ModelError(
        f"expected tensors by name in {path}, or one entry that contains them; got "
        f"{', '.join(odd[:5]) or 'nothing'}{f' and {len(odd) - 5} more' if len(odd) > 5 else ''}: "
        f"save the weights with {_SAVE}"
    )


def _state_dicts(content: Mapping[Any, Any], depth: int = 1) -> Iterator[tuple[str, Any]]:
    """Sets of weights among the entries, and inside of these, with names such as ``model.state_dict``."""
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Mapping) or "optim" in name.lower():
            continue
        if _is_state_dict(value):
            if any(one.ndim for one in value.values()):  # others are scores, not weights
                yield name, value
        elif depth < _NESTED:
            yield from ((f"{name}.{inner}", one) for inner, one in _state_dicts(value, depth + 1))


def _tensors_and_scalars(content: Mapping[Any, Any]) -> tuple[dict[str, Tensor], list[object]]:
    """The tensors by name, and the values that are neither tensors nor plain numbers and texts."""
    import torch

    tensors: dict[str, Tensor] = {}
    others: list[object] = []
    for name, value in content.items():
        if isinstance(name, str) and isinstance(value, torch.Tensor):
            tensors[name] = value
        elif not (value is None or isinstance(value, bool | int | float | str)):
            others.append(value)
    return tensors, others


def _is_state_dict(value: object) -> bool:
    import torch

    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in value.items())
    )


def _weights(tensors: Mapping[str, Tensor], note: str) -> Weights:
    return Weights(dict(tensors), getattr(tensors, "_metadata", None), note)
