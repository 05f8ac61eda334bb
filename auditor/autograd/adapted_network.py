"""Networks that take other channels or another dtype, or return their outputs inside of something else.

Everything else in this package passes float32 RGB images and reads one tensor.
"""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn

from auditor.autograd.model_free import ModelFreeNetwork
from auditor.autograd.network_output import plain_output
from auditor.autograd.shared_parts import SharedParts
from auditor.config import Channels, Preprocess

_GREY = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in a grey value (ITU-R 601-2), as in Pillow's mode ``L``."""
_HALF = frozenset({torch.float16, torch.bfloat16})


class AdaptedNetwork(SharedParts):
    """A network that takes normalised RGB images (N, 3, H, W), float32, and returns one tensor.

    Reordering and mixing of channels are part of the network here, so that maps of the input keep three
    channels. Grey values are mixed after the normalisation, which is the same for all channels.

    Attributes:
        is_needed: whether a forward pass so far differed from one of the network itself.
    """

    def __init__(
        self,
        network: nn.Module,
        preprocess: Preprocess | None = None,
        output_key: str | int | None = None,
    ) -> None:
        """Wraps a network.

        Args:
            network: stays as it is.
            preprocess: names the channels that the network takes; None: it takes the images as they are.
            output_key: entry of what the network returns; None: the obvious one.
        """
        chosen = False
        if output_key is not None and isinstance(network, ModelFreeNetwork):
            chosen = True  # its maps are those of the chosen outputs
            network = network.with_output(output_key)
        super().__init__(network)
        self._channels: Channels = "rgb" if preprocess is None else preprocess.channels
        self._opaque = 1.0 if preprocess is None else preprocess.opaque
        self._output_key = None if chosen else output_key
        self._dtype = _common_dtype(self.audited_network)
        self.is_needed = chosen or self._channels != "rgb"

    def forward(self, images: Tensor) -> Tensor:
        """What the network returns for its own channels and dtype; outputs in half precision as float32."""
        inputs = self._inputs(images)
        if self._dtype not in {None, inputs.dtype} and inputs.dtype not in _HALF:
            inputs = inputs.to(self._dtype)
            self.is_needed = True
        raw = self.audited_network(inputs)
        output = plain_output(raw, self._output_key)
        if isinstance(output, Tensor) and output.dtype in _HALF:
            output = output.float()
        if output is not raw:
            self.is_needed = True
        return output  # type: ignore[return-value]  # whatever else it is, the caller refuses it

    def _inputs(self, images: Tensor) -> Tensor:
        match self._channels:
            case "rgb":
                return images
            case "bgr":
                return images.flip(1)
            case "grey":
                shares = torch.tensor(_GREY, dtype=images.dtype, device=images.device)
                return (images * shares.view(1, 3, 1, 1)).sum(1, keepdim=True)
            case "rgba":
                opaque = torch.full_like(images[:, :1], self._opaque)
                return torch.cat((images, opaque), dim=1)


def _common_dtype(network: nn.Module) -> torch.dtype | None:
    """The dtype of all weights; None where they differ, or there are none."""
    kinds = {
        one.dtype
        for one in chain(network.parameters(), network.buffers())
        if one.is_floating_point()
    }
    return kinds.pop() if len(kinds) == 1 else None
