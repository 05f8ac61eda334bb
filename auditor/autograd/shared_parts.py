"""A module around a network that shares its parts under their own names."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from torch import nn

from auditor.autograd.model_state import unwrap

_SHARED = ("_modules", "_parameters", "_buffers")


class SharedParts(nn.Module):
    """Base of modules that change what goes into a network or comes out of it.

    The parts of the network keep their dotted names, and its weights their fingerprint.

    Args:
        network: stays as it is; wrappers such as ``torch.compile`` are removed.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        network = unwrap(network)
        self._share(network)
        self.training = network.training

    def _share(self, network: nn.Module) -> None:
        self.__dict__["_network"] = network  # not a part: it would add a prefix to the names
        for name in _SHARED:
            self.__dict__[name] = vars(network)[name]

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedParts:
        """A copy around a copy of the network, which decides itself how it is copied."""
        copied = self.__class__.__new__(self.__class__)
        memo[id(self)] = copied
        own = {name: one for name, one in vars(self).items() if name not in {"_network", *_SHARED}}
        vars(copied).update(deepcopy(own, memo))
        copied._share(deepcopy(self.audited_network, memo))  # noqa: SLF001 - of this class
        return copied

    def train(self, mode: bool = True) -> SharedParts:
        """Sets the mode of the network, too."""
        super().train(mode)
        self.__dict__["_network"].train(mode)
        return self

    @property
    def audited_network(self) -> nn.Module:
        """The network itself, by whose name messages call it."""
        network: nn.Module = self.__dict__["_network"]
        return network
