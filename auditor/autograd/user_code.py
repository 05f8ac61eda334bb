"""The boundary around the network: whatever its code raises becomes one error that says how to fix it.

The network is the user's code and may raise anything. Every place that runs it does so inside
``user_code``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from auditor.autograd.device_memory import is_out_of_memory
from auditor.autograd.model_state import unwrap
from auditor.autograd.shared_parts import SharedParts
from auditor.errors import AuditorError, ModelError
from auditor.traceback_file import one_line, place_of, text_of

_SIZE = (
    "the size of the images probably differs from what it was built for: set preprocess.resize and "
    "preprocess.crop to the size that it was trained with"
)
_DTYPE = (
    "the images are float32: convert the network with `.float()`, or cast its input at the beginning "
    "of its forward"
)
_OTHER_DTYPE = (
    "pass the images in the dtype of the network's weights, usually float32 (`images.float()`)"
)
_FIXES: tuple[tuple[str, str], ...] = (
    (
        r"to have (?P<n>\d+) channels, but got 3",
        (
            "its first layer takes {n} channels, and the images have 3 (RGB): set `preprocess.channels` to "
            "`grey` for one channel, or to `rgba` for four"
        ),
    ),
    (
        r"to have (?P<n>\d+) channels, but got \d+",
        "pass images with {n} channels, as many as its first layer takes",
    ),
    (
        r"missing \d+ required positional argument|required keyword-only argument",
        (
            "its forward takes more than the images: wrap it in a module whose forward takes only the "
            "images and passes the rest"
        ),
    ),
    (r"same dtype|scalar type|Input type .* and (weight|bias) type", _DTYPE),
    (
        r"register a hook on a tensor that doesn't require grad",
        (
            "predictions are computed without gradients: register the hook only "
            "`if tensor.requires_grad`"
        ),
    ),
    (
        r"torch\.utils\.checkpoint",
        "switch gradient checkpointing off: it saves memory only in training",
    ),
    (
        r"^No module named",
        (
            "import it at the top of the file: the folder of your code is on the import path only while the "
            "network is built. Or install it"
        ),
    ),
    (
        r"on the same device",
        "keep its tensors as buffers (`register_buffer`), which move with it to another device",
    ),
    (
        (
            r"shapes cannot be multiplied|doesn't match model|Wrong image (height|width)|"
            r"must match the size of tensor|size mismatch|too small|can't be greater than actual|"
            r"is invalid for input of size|normalized_shape|different number of features"
        ),
        _SIZE,
    ),
)
"""Pattern of a message of torch, torchvision or timm, and the fix."""
_OTHERWISE = "the error comes from the network's own code: run it on a float32 tensor of this shape"
_NO_MEMORY = "set a smaller preprocess.resize and crop, a smaller batch_size, or another device"


@contextmanager
def user_code(module: nn.Module, images: Tensor, *, memory: bool = False) -> Iterator[None]:
    """Turns what a network raises inside the ``with`` into a ``ModelError``.

    Args:
        module: the network.
        images: its input.
        memory: whether running out of memory is an error, too; otherwise it is raised as it is, so
            that the caller can try again with fewer images.

    Raises:
        ModelError: it names the network, the place in its code, the input's shape, the original
            message and a fix.
    """
    try:
        yield
    except (AuditorError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # the exit code of `sys.exit` would mean a verdict
        full = is_out_of_memory(error)
        if full and not memory:
            raise
        dtype = str(images.dtype).removeprefix("torch.")
        fix = _NO_MEMORY if full else _fix(error, images)
        raise ModelError(
            f"model: {network_name(module)} raised {type(error).__name__}{place_of(error)} on an input "
            f"of shape {tuple(images.shape)}, {dtype}: {one_line(error) or 'no message'}: {fix}"
        ) from error


def require_module(model: object) -> nn.Module:
    """What the caller passed as the model, if it is a network.

    Raises:
        ModelError: it is something else, such as its class or its weights.
    """
    if isinstance(model, nn.Module):
        return model
    kind, fix = type(model).__name__, "pass the network itself"
    if isinstance(model, type):
        kind, fix = f"the class {model.__name__}", f"create it, as in `{model.__name__}(…)`"
    elif isinstance(model, Mapping):
        fix = "load its weights into a network, with `network.load_state_dict(…)`"
    elif isinstance(model, str | Path):
        fix = "load it first, or use a configuration file and `auditor run`"
    elif callable(model):
        fix = "wrap it in a torch.nn.Module whose forward calls it"
    raise ModelError(f"model: expected a torch.nn.Module; got {kind}: {fix}")


def require_runnable(module: nn.Module) -> None:
    """Checks what can be known without running a network.

    Args:
        module: the network, before it is moved to a device.

    Raises:
        ModelError: its weights are not there yet, or it is compiled to TorchScript.
    """
    network = unwrap(module)
    if isinstance(network, torch.jit.ScriptModule):
        raise ModelError(
            "model: expected a network in Python, whose layers can be recorded; got a TorchScript "
            "module: load its Python class with the same weights"
        )
    for name, tensor in chain(network.named_parameters(), network.named_buffers()):
        if is_lazy(tensor):
            raise ModelError(
                f"model: expected initialised parameters; {name!r} of {network_name(network)} gets its shape "
                "from the first input: load its weights, or run it once on an image before the audit"
            )
        if tensor.is_meta:
            raise ModelError(
                f"model: expected weights; {name!r} of {network_name(network)} is on the device 'meta', "
                "which holds no values: load the weights first, with `load_state_dict(…, assign=True)`"
            )


def network_name(module: nn.Module) -> str:
    """The class name of the network that the caller passed."""
    network = unwrap(module)
    while isinstance(network, SharedParts):  # known by the name of what is inside
        network = network.audited_network
    return type(network).__name__


def _fix(error: BaseException, images: Tensor) -> str:
    text = text_of(error)
    for pattern, fix in _FIXES:
        found = re.search(pattern, text, re.IGNORECASE)
        if found and fix is _DTYPE and images.dtype != torch.float32:
            return _OTHER_DTYPE
        if found:
            return fix.format(**found.groupdict())
    return _OTHERWISE
