"""Checkpoints: loads the weights of a file into a network."""

from __future__ import annotations

import difflib
import re
from collections import Counter, OrderedDict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.classifiers.weight_files import Weights, read_weights
from auditor.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

_SHOWN = 5
_COUNTERS = frozenset({"n_averaged", "total_ops", "total_params"})
"""Of averaged models, and of tools that count operations."""
_LOSSES = frozenset({"criterion", "loss", "loss_fn", "loss_func", "loss_function", "criterion_fn"})
"""Names of the loss in a training module."""
_COMPILED = "_orig_mod."
_INNER = ("module.", "model.", "net.")
"""Prefixes inside of another one, as in ``model.module.``."""
_SHARD = re.compile(r"-\d+-of-\d+")


def load_weights(module: nn.Module, path: Path, key: str | None = None) -> str:
    """Loads a file of weights, which must contain exactly the weights of the network.

    A prefix that all names in the file share, and that the network does not have, is removed:
    ``module.`` of DataParallel, ``_orig_mod.`` of ``torch.compile``, ``model.`` of a training
    framework. Where several networks are in the file, that with all weights is read.
    Tied weights, which share memory, need to be in the file only once.

    Args:
        module: the network; its weights are overwritten in place.
        path: safetensors, or a state dict (see `weight_files`).
        key: the entry of the file that contains the weights; None if there is only one.

    Returns:
        For the report: the name of the file, and how its weights were adapted.

    Raises:
        ModelError: the file can't be read safely, or does not fit the network. The message lists
            the first weights that are missing, unexpected or of another shape.
    """
    weights = read_weights(path, key)
    expected = module.state_dict()
    weights, left_out = _without_companions(weights, expected)
    weights, prefix, others = _without_prefix(weights, expected)
    other_shape = [
        f"{name}: {_shape(expected[name])} in the model, {_shape(tensor)} in the file"
        for name, tensor in weights.tensors.items()
        if name in expected and expected[name].shape != tensor.shape
    ]
    if other_shape:
        missing: Collection[str] = expected.keys() - weights.tensors.keys()
        unexpected: Collection[str] = weights.tensors.keys() - expected.keys()
    else:
        missing, unexpected = _put(module, weights, path)
    missing = _untied(missing, expected, weights.tensors)
    if missing or unexpected or other_shape:
        raise ModelError(
            _mismatch(path, expected, weights.tensors, missing, unexpected, other_shape)
        )
    notes = [
        weights.note,
        (left_out or others) and f"without {_few([*left_out, *others])}",
        prefix,
        _cast(expected, weights),
    ]
    extra = ", ".join(note for note in notes if note)
    return f"{path.name} ({extra})" if extra else path.name


def _without_companions(
    weights: Weights, expected: Mapping[str, Tensor]
) -> tuple[Weights, list[str]]:
    """Leaves out what training tools store beside the weights, unless the network has it, too."""

    def is_companion(name: str) -> bool:
        parts = name.split(".")
        if any(".".join(parts[start:]) in expected for start in range(len(parts))):
            return False
        return parts[-1] in _COUNTERS or not _LOSSES.isdisjoint(parts[:2])

    left_out = [name for name in weights.tensors if is_companion(name)]
    kept = {name: one for name, one in weights.tensors.items() if name not in set(left_out)}
    return Weights(kept, weights.versions, weights.note), left_out


def _few(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (
        f" and {len(names) - _SHOWN} more" if names[_SHOWN:] else ""
    )


def _without_prefix(
    weights: Weights, expected: Mapping[str, Tensor]
) -> tuple[Weights, str, list[str]]:
    """Removes what wrappers add to the names, and leaves out the weights beside the network's.

    Returns:
        The weights, a note on the prefix, and the names that are left out.
    """
    weights, inside = _without_compilation(weights, expected)
    names = list(weights.tensors)
    prefix = ""
    while not any(name[len(prefix) :] in expected for name in names):
        heads = Counter(
            "".join(name[len(prefix) :].partition(".")[:2])
            for name in names
            if name.startswith(prefix)
        )
        complete = [head for head in heads if head.endswith(".") and len(heads) == 1]
        complete += [
            head for head in heads if len(heads) > 1 and _covers(names, prefix + head, expected)
        ]
        if len(complete) != 1:
            return weights, inside, []
        prefix += complete[0]
    if not prefix:
        return weights, inside, []
    kept = {
        name[len(prefix) :]: one for name, one in weights.tensors.items() if name.startswith(prefix)
    }
    versions = {
        name[len(prefix) :]: version
        for name, version in (weights.versions or {}).items()
        if name.startswith(prefix)
    }
    others = [name for name in names if not name.startswith(prefix)]
    note = ", ".join(one for one in (inside, f"prefix {prefix!r} removed") if one)
    return Weights(kept, versions or None, weights.note), note, others


def _without_compilation(weights: Weights, expected: Mapping[str, Tensor]) -> tuple[Weights, str]:
    """Removes ``_orig_mod.``, which ``torch.compile`` adds to the names of the parts that it compiles."""
    added = [name for name in weights.tensors if _COMPILED in name and name not in expected]
    if not added or any(_COMPILED in name for name in expected):
        return weights, ""
    head = added[0].partition(_COMPILED)[0] + _COMPILED
    if all(name.startswith(head) for name in weights.tensors):
        return weights, ""  # a prefix of all names
    tensors = {name.replace(_COMPILED, ""): one for name, one in weights.tensors.items()}
    versions = {
        name.replace(_COMPILED, "").removesuffix("_orig_mod").removesuffix("."): version
        for name, version in (weights.versions or {}).items()
    }
    return Weights(tensors, versions or None, weights.note), f"{_COMPILED!r} removed from the names"


def _covers(names: Collection[str], prefix: str, expected: Collection[str]) -> bool:
    """Whether the file has all weights of the network behind a prefix, which may be longer."""
    inside = [name[len(prefix) :] for name in names if name.startswith(prefix)]
    return any({head + name for name in expected} <= set(inside) for head in ("", *_INNER))


def _put(module: nn.Module, weights: Weights, path: Path) -> tuple[list[str], list[str]]:
    """Copies the tensors; modules may convert the names of their older versions."""
    state = OrderedDict(weights.tensors)
    if weights.versions is not None:
        state._metadata = weights.versions  # type: ignore[attr-defined]  # noqa: SLF001
    try:
        missing, unexpected = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ModelError(f"{path} does not fit the model: {error}") from error
    return list(missing), list(unexpected)


def _untied(
    missing: Collection[str], expected: Mapping[str, Tensor], given: Mapping[str, Tensor]
) -> list[str]:
    """The missing names, without those that share memory with a name in the file."""

    def memory(name: str) -> tuple[object, ...]:
        tensor = expected[name]
        return (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)

    loaded = {memory(name) for name in given if name in expected and expected[name].numel()}
    return [name for name in missing if name not in expected or memory(name) not in loaded]


def _mismatch(
    path: Path,
    expected: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    missing: Collection[str],
    unexpected: Collection[str],
    other_shape: list[str],
) -> str:
    parts = []
    if missing:
        spare = sorted(unexpected)
        parts.append(
            _listed(
                "missing in the file",
                [
                    f"{name} {_shape(expected.get(name))}{_nearest(name, spare)}"
                    for name in sorted(missing)[:_SHOWN]
                ],
                len(missing),
            )
        )
    if unexpected:
        parts.append(
            _listed(
                "unknown to the model",
                [f"{name} {_shape(given.get(name))}" for name in sorted(unexpected)[:_SHOWN]],
                len(unexpected),
            )
        )
    if other_shape:
        parts.append(_listed("of another shape", other_shape[:_SHOWN], len(other_shape)))
    fix = "State the architecture and the number of classes that these weights were trained with"
    if missing and _SHARD.search(path.name):
        fix = "The file is one of several parts of the weights: merge them into one file"
    return f"{path} does not fit the model: {'; '.join(parts)}. {fix}"


def _listed(what: str, shown: list[str], total: int) -> str:
    more = f" and {total - len(shown)} more" if total > len(shown) else ""
    return (
        f"{total} {'weight is' if total == 1 else 'weights are'} {what}: {', '.join(shown)}{more}"
    )


def _nearest(name: str, spare: list[str]) -> str:
    near = difflib.get_close_matches(name, spare, n=1, cutoff=0.7)
    return f" (similar: {near[0]})" if near else ""


def _shape(tensor: Tensor | None) -> str:
    return "" if tensor is None else f"({', '.join(map(str, tensor.shape))})"


def _cast(expected: Mapping[str, Tensor], weights: Weights) -> str:
    """Which dtypes of the file were converted to those of the network."""
    types = sorted(
        {
            f"{str(tensor.dtype).removeprefix('torch.')} → "
            f"{str(expected[name].dtype).removeprefix('torch.')}"
            for name, tensor in weights.tensors.items()
            if name in expected and tensor.dtype != expected[name].dtype
        }
    )
    return f"cast {', '.join(types)}" if types else ""
