"""Transformers that cut the image into patches without a convolution, and networks without maps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from auditor.autograd.target_layer import find_layer
from auditor.errors import ModelError
from auditor.explainers import explain

IMAGES = torch.rand(3, 3, 12, 8, generator=torch.Generator().manual_seed(0))


class Patches(nn.Module):
    """Tokens of the patches of side 4: cut out, or by a convolution with the same weights."""

    def __init__(self, *, convolution: bool, class_token: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.project = nn.Linear(48, 6)
        self.convolution = nn.Conv2d(3, 6, 4, stride=4) if convolution else None
        if self.convolution is not None:
            with torch.no_grad():
                self.convolution.weight.copy_(self.project.weight.view(6, 3, 4, 4))
                self.convolution.bias = self.project.bias
        self.start = nn.Parameter(torch.randn(1, 1, 6)) if class_token else None
        self.norm = nn.LayerNorm(6)
        self.mix = nn.TransformerEncoderLayer(6, 1, 8, dropout=0.0, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, images: Tensor) -> Tensor:
        n, _, height, width = images.shape
        if self.convolution is not None:
            tokens = self.convolution(images).flatten(2).transpose(1, 2)
        else:
            cut = images.view(n, 3, height // 4, 4, width // 4, 4).permute(0, 2, 4, 1, 3, 5)
            tokens = self.project(cut.reshape(n, -1, 48))
        if self.start is not None:
            tokens = torch.cat([self.start.expand(n, -1, -1), tokens], dim=1)
        mixed = self.mix(self.norm(tokens))
        logits: Tensor = self.head(mixed.mean(1))
        return logits


class Scrambled(Patches):
    """Mixes the tokens before any module sees them apart."""

    def forward(self, images: Tensor) -> Tensor:
        cut = images.view(len(images), 6, 48)
        mixed = self.mix(self.project(cut.cumsum(1)))
        logits: Tensor = self.head(mixed.mean(1))
        return logits


@pytest.mark.parametrize("class_token", [False, True])
def test_cut_patches_are_explained_like_those_of_a_convolution(class_token: bool) -> None:
    cut = Patches(convolution=False, class_token=class_token).eval()
    rewritten = Patches(convolution=True, class_token=class_token).eval()
    rewritten.load_state_dict({**rewritten.state_dict(), **cut.state_dict()})
    torch.testing.assert_close(cut(IMAGES), rewritten(IMAGES))
    layer, expected = find_layer(cut, IMAGES, "norm"), find_layer(rewritten, IMAGES, "norm")
    assert (layer.height, layer.width, layer.channels) == (3, 2, 6)
    assert layer.tokens is not None
    assert expected.tokens is not None
    assert layer.tokens.tolist() == expected.tokens.tolist()
    torch.testing.assert_close(
        explain(cut, IMAGES, 1, "grad-cam", layer).maps,
        explain(rewritten, IMAGES, 1, "grad-cam", expected).maps,
    )
    assert find_layer(cut, IMAGES).layout == "tokens"


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Scrambled(convolution=False), "nn.Conv2d(3, channels, patch, stride=patch)"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(288, 3)), "vectors only"),
        (
            lambda: nn.Sequential(nn.Conv2d(3, 4, (12, 8)), nn.Flatten(), nn.Linear(4, 3)),
            "larger images",
        ),
    ],
)
def test_network_without_a_layer_to_explain_names_what_helps(
    build: Callable[[], nn.Module], words: str
) -> None:
    with pytest.raises(ModelError) as caught:
        find_layer(build().eval(), IMAGES)
    assert words in str(caught.value)
    assert ("larger images" in str(caught.value)) == (words == "larger images")
