"""The outputs of a network that returns more than one tensor: a dict, a tuple or a dataclass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from torch import Tensor

from auditor.errors import ModelError

_USUAL = ("logits", "logit", "output", "outputs", "out", "pred", "preds", "scores", "probs")
"""Names of the outputs of classifiers, the most usual one first."""


def plain_output(output: object, key: str | int | None = None) -> object:
    """The tensor with the outputs, where a network returns it inside of something else.

    Args:
        output: what the network returned: a tensor, a mapping, a tuple, a list, or a dataclass such as
            ``ModelOutput`` of transformers.
        key: name or position of the entry that holds the outputs. None chooses the entry ``logits`` or
            another usual name, and otherwise the only one that has one row of numbers per image.

    Returns:
        The tensor; or ``output`` itself where it is none of these.

    Raises:
        ModelError: the entry does not exist, or it is not clear which one it is.
    """
    if isinstance(output, Tensor):
        if key is not None:
            raise ModelError(
                f"model.output_key: expected a network that returns a dict or tuple; it returns one tensor "
                f"{tuple(output.shape)}: leave `output_key` ({key!r}) out"
            )
        return output
    entries = dict(_entries(output))
    if key is not None:
        if key not in entries:
            raise ModelError(
                "model.output_key: expected an entry of what the network returns, "
                f"{_shown(output, entries)}; "
                f"got {key!r}"
            )
        return entries[key]
    rows = {name: one for name, one in entries.items() if _is_rows(one)}
    usual = [name for name in _USUAL if name in rows]
    if usual:
        return rows[usual[0]]
    if len(rows) == 1:
        return next(iter(rows.values()))
    if not entries:
        return output
    raise ModelError(
        f"model: expected one tensor (N, K) of outputs; the network returns {_shown(output, entries)}: "
        f"set `model.output_key` to the entry that holds the logits"
    )


def _entries(output: object) -> Iterator[tuple[str | int, object]]:
    """Name or position, and value, of each entry."""
    if isinstance(output, Mapping):
        yield from ((str(name), one) for name, one in output.items())
    elif isinstance(output, tuple) and hasattr(output, "_fields"):
        yield from zip(output._fields, output, strict=True)
    elif isinstance(output, tuple | list):
        yield from enumerate(output)
    elif is_dataclass(output) and not isinstance(output, type):
        yield from ((one.name, getattr(output, one.name)) for one in fields(output))


def _is_rows(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim in {1, 2} and value.is_floating_point()


def _shown(output: object, entries: Mapping[str | int, object]) -> str:
    """The type of an output and the shapes of its entries."""
    parts = [
        f"{name}: {tuple(one.shape) if isinstance(one, Tensor) else type(one).__name__}"
        for name, one in entries.items()
    ]
    return f"{type(output).__name__} ({', '.join(parts)})"
