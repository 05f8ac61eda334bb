"""State of a model: copied, frozen while it is explained, and restored afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from threading import Lock, RLock
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from auditor.errors import ModelError

_locks: WeakKeyDictionary[nn.Module, RLock] = WeakKeyDictionary()
_locks_lock = Lock()


def unwrap(model: nn.Module) -> nn.Module:
    """Removes ``torch.compile``, ``DataParallel`` and ``DistributedDataParallel`` wrappers.

    Args:
        model: any module.

    Returns:
        The innermost module; ``model`` itself where it is not wrapped.
    """
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model


@contextmanager
def frozen_eval(model: nn.Module) -> Iterator[None]:
    """Keeps a model in evaluation mode and its parameters out of the graph inside the ``with``.

    The flags are set one by one instead of by ``model.eval()``, which may do more in a subclass
    (freeze layers, merge adapters). With the parameters out of the graph, only operations that
    depend on the images are recorded: branches that depend on parameters alone (such as Swin-v2's
    position bias) are not mistaken for activations of the image.

    Args:
        model: an unwrapped module.

    Raises:
        ModelError: a parameter was created under ``torch.inference_mode``, so that autograd can't
            use it.
    """
    for name, parameter in model.named_parameters():
        if parameter.is_inference():
            raise ModelError(
                f"expected parameters that autograd can use; {name!r} was created under "
                "torch.inference_mode(): build or load the model outside of it"
            )
    training = [module for module in model.modules() if module.training]
    tracked = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with ExitStack() as stack:
        if any(getattr(m, "_compiled_call_impl", None) is not None for m in model.modules()):
            # A compiled part would be one opaque node; in eager mode, its operations are recorded.
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.enable_grad())
        try:
            for module in training:
                module.training = False
            for parameter in tracked:
                parameter.requires_grad_(False)
            yield
        finally:
            for module in training:
                module.training = True
            for parameter in tracked:
                parameter.requires_grad_(True)


@contextmanager
def left_unchanged(model: nn.Module) -> Iterator[None]:
    """Restores a model of the caller after the ``with``, also after an exception.

    Restored are the training mode of every submodule, the buffers and their values, and of every
    parameter its device, its gradient and whether it requires one. Values of parameters are not
    copied: nothing changes them. Another thread that would change the same model waits.

    Args:
        model: a module with values; inside, it may be moved to another device and put into
            evaluation mode.
    """
    with _lock_of(unwrap(model)), _restored(model):
        yield


@contextmanager
def _restored(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    modes = [(module, module.training) for module in model.modules()]
    parameters = [_SavedParameter(parameter) for parameter in model.parameters()]
    buffers = [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        if not isinstance(module, torch.jit.ScriptModule)
        for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False)
    ]
    try:
        yield
    finally:
        if was_training and not model.training:
            model.train()  # undoes what a subclass does in `eval`, such as merging adapters
        for module, training in modes:
            module.training = training
        for saved in parameters:
            saved.restore()
        for module, name, buffer, values in buffers:
            module._buffers[name] = buffer  # noqa: SLF001 - `register_buffer` refuses a known name
            if not torch.equal(buffer, values):
                with torch.inference_mode():  # allows changes of buffers created in this mode, too
                    buffer.copy_(values)


def _lock_of(model: nn.Module) -> RLock:
    with _locks_lock:
        return _locks.setdefault(model, RLock())


class _SavedParameter:
    """Device, gradient and flag of a parameter, to be restored."""

    def __init__(self, parameter: nn.Parameter) -> None:
        self._parameter = parameter
        self._values = parameter.data
        self._tracked = parameter.requires_grad
        self._gradient = parameter.grad
        self._slope = None if parameter.grad is None else parameter.grad.data

    def restore(self) -> None:
        parameter = self._parameter
        if parameter.device != self._values.device:
            parameter.grad = None  # it is on the other device, too
            parameter.data = self._values
        if self._gradient is not None and self._slope is not None:
            if self._gradient.device != self._slope.device:
                self._gradient.data = self._slope
            parameter.grad = self._gradient
        if parameter.requires_grad != self._tracked:
            parameter.requires_grad_(self._tracked)


def copy_of(model: nn.Module) -> nn.Module:
    """A copy of a model that shares no tensor with it.

    ``deepcopy`` refuses tensors that are part of a graph, such as the maps of the last forward pass
    that a network keeps as ``self.maps``. In the copy, these are detached.

    Args:
        model: any module; left unchanged.

    Raises:
        Exception: whatever a part of the network raises when it is copied.
    """
    with _DetachedCopies():
        return deepcopy(model)


class _DetachedCopies(TorchFunctionMode):
    """Copies tensors that are part of a graph without their graph."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        _types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            original, memo = args
            # The memo keeps two references to one tensor references to one copy.
            return memo.setdefault(id(original), original.detach().clone())
        return func(*args, **(kwargs or {}))
