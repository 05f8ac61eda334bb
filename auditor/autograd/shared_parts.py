"""A module around a network that shares its parts under their own names."""

from __future__ import annotations

from torch import nn

from auditor.autograd.model_state import unwrap


class SharedParts(nn.Module):
    """Base of modules that change what goes into a network or comes out of it.

    The parts of the network keep their dotted names, and its weights their fingerprint.

    Args:
        network: stays as it is; wrappers such as ``torch.compile`` are removed.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        network = unwrap(network)
        self.__dict__["_network"] = network  # not a part: it would add a prefix to the names
        for shared in ("_modules", "_parameters", "_buffers"):
            self.__dict__[shared] = vars(network)[shared]
        self.training = network.training

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
