from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from builders.networks import Residual, Written, random_images
from torch import Tensor, nn

from auditor.errors import ModelError
from auditor.explainers import explain, find_layer


@pytest.mark.parametrize(
    ("name", "layer", "geometry"),
    [
        ("resnet18", "layer4", (512, 2, 2)),
        ("vgg11", "features.19", (512, 4, 4)),  # not the pooling after it
        ("densenet121", "features", (1024, 2, 2)),
        ("mobilenet_v2", "features", (1280, 2, 2)),
        ("squeezenet1_1", "classifier.2", (1000, 3, 3)),
    ],
)
def test_find_layer_of_a_convolutional_network_returns_the_last_map(
    name: str, layer: str, geometry: tuple[int, int, int]
) -> None:
    found = find_layer(torchvision.models.get_model(name), random_images(1, 64))
    assert (found.name, found.layout) == (layer, "NCHW")
    assert (found.channels, found.height, found.width) == geometry
    assert "last layer" in found.why


class TinyTransformer(nn.Module):
    """Class tokens before or after the image tokens, which `order` shuffles."""

    def __init__(self, order: list[int] | None = None, where: str = "before") -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, 4)
        self.special = nn.Parameter(torch.randn(1, 2, 8))
        self.position = nn.Parameter(torch.randn(1, 14, 8))
        self.order = order or list(range(12))
        self.where = where
        self.norm = nn.LayerNorm(8)
        self.mix = nn.MultiheadAttention(8, 2, batch_first=True)
        self.last = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)[:, self.order]
        special = self.special.expand(len(x), -1, -1)
        parts = [special, tokens] if self.where == "before" else [tokens, special]
        x = self.norm(torch.cat(parts, 1) + self.position)
        x = self.last(x + self.mix(x, x, x)[0])
        logits: Tensor = self.head(x[:, 0 if self.where == "before" else -1])
        return logits


@pytest.mark.parametrize("where", ["before", "after"])
def test_find_layer_with_shuffled_tokens_recovers_their_places(where: str) -> None:
    torch.manual_seed(0)
    order = torch.randperm(12).tolist()
    model = TinyTransformer(order, where)
    images = torch.randn(2, 3, 12, 16)
    layer = find_layer(model, images)
    assert (layer.name, layer.layout) == ("norm", "tokens")  # the tokens of `last` are not read
    assert (layer.channels, layer.height, layer.width) == (8, 3, 4)
    first = 2 if where == "before" else 0
    assert layer.tokens is not None
    for token, place in enumerate(order):
        assert int(layer.tokens[place]) == token + first
    assert "class token" in layer.why
    maps = explain(model, images, explainer="grad-cam").maps
    assert maps.shape == (2, 1, 12, 16)
    assert maps.abs().max() > 0


def test_find_layer_by_the_name_of_an_unread_layer_raises() -> None:
    torch.manual_seed(0)
    with pytest.raises(ModelError, match="gradient there is zero"):
        find_layer(TinyTransformer(), torch.randn(1, 3, 12, 16), "last")


class ChannelsLast(nn.Module):
    """A map with channels last, as in Swin."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 4, 4)
        self.mix = nn.Linear(5, 7)
        self.head = nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.mix(self.stem(x).permute(0, 2, 3, 1))
        logits: Tensor = self.head(mixed.relu().mean((1, 2)))
        return logits


def test_find_layer_with_channels_last_reads_it_as_nhwc() -> None:
    torch.manual_seed(0)
    model = ChannelsLast()
    layer = find_layer(model, torch.randn(1, 3, 12, 20))
    assert (layer.name, layer.layout) == ("mix", "NHWC")
    assert (layer.channels, layer.height, layer.width) == (7, 3, 5)
    assert explain(model, torch.randn(2, 3, 12, 20)).maps.shape == (2, 3, 12, 20)


def test_find_layer_of_a_timm_transformer_leaves_out_its_class_tokens() -> None:
    torch.manual_seed(0)
    images = torch.randn(1, 3, 64, 64)
    model = timm.create_model("deit_tiny_distilled_patch16_224", img_size=64, num_classes=5)
    layer = find_layer(model, images)
    assert (layer.name, layer.height, layer.width) == ("blocks.11.norm1", 4, 4)
    assert layer.tokens is not None
    assert layer.tokens.tolist() == list(range(2, 18))


def test_find_layer_by_an_unknown_name_lists_similar_names() -> None:
    with pytest.raises(ModelError, match=r"no 'layers'; similar names: layer"):
        find_layer(Residual(), random_images(), "layers")


def test_find_layer_by_the_name_of_a_layer_without_map_lists_others() -> None:
    with pytest.raises(ModelError, match=r"'head' to return a map.*layer"):
        find_layer(Residual(), random_images(), "head")


def test_find_layer_of_a_model_without_maps_raises() -> None:
    with pytest.raises(ModelError, match="none among"):
        find_layer(nn.Sequential(nn.Flatten(), nn.Linear(432, 2)), random_images())


def test_find_layer_by_name_returns_a_layer_in_the_middle() -> None:
    torch.manual_seed(0)
    layer = find_layer(Written(torch.relu), random_images(), "first")
    assert (layer.name, layer.height, layer.why) == ("first", 12, "named by the configuration")
