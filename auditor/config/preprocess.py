"""How an image becomes the input of a network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from auditor.registry import Options

_LARGEST_SIDE = 10_000  # pixels; one such image needs 300 MB
_LARGEST_NORM = 1e6  # of means, and of 1 / standard deviation: others overflow in float32
_FULL = 255.0

Channels = Literal["rgb", "bgr", "grey", "rgba"]

_N_CHANNELS: dict[str, int] = {"rgb": 3, "bgr": 3, "grey": 3, "rgba": 4}
"""Numbers of a mean; that of grey values is stored three times."""


class Preprocess(Options):
    """How an image becomes the network's input: resize, crop, divide by `scale`, normalise."""

    resize: int | tuple[int, int] | None = None
    """Length of the shorter side in pixels, or (height, width); null: no resize."""
    crop: int | tuple[int, int] | None = None
    """Side of the centre crop in pixels, or (height, width); null: no crop."""
    channels: Channels = "rgb"
    """Channels that the network takes: `rgb`; `bgr`; `grey`, one channel of 0.299 R + 0.587 G + 0.114 B; or
    `rgba`, with a fourth channel for opacity, which is full everywhere."""
    scale: float = Field(_FULL, gt=0, le=_LARGEST_NORM)
    """What pixel values from 0 to 255 are divided by: 255 gives 0…1, 127.5 gives 0…2, 1 leaves them as they
    are."""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Mean of each channel, in the order of `channels`, subtracted from the scaled values; a single number
    applies to all channels."""
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    """Standard deviation of each channel; a single number applies to all channels."""
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    """Interpolation of the resize; always antialiased."""

    @field_validator("resize", "crop", mode="after")
    @classmethod
    def _possible_sides(cls, value: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
        sides = (value,) if isinstance(value, int) else value or ()
        if any(not 1 <= side <= _LARGEST_SIDE for side in sides):
            raise ValueError(f"expected a number of pixels from 1 to {_LARGEST_SIDE:,}")
        return value

    @field_validator("mean", "std", mode="after")
    @classmethod
    def _one_per_channel(cls, value: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        channels = info.data.get("channels", "rgb")
        number = _N_CHANNELS[channels]
        if len(value) == 1:
            return value * number
        if len(value) != number:
            raise ValueError(f"expected 1 or {number} numbers, one per channel; got {len(value)}")
        if channels == "grey" and len(set(value)) > 1:
            raise ValueError("expected one number, for the only channel of grey values")
        return value

    @field_validator("std", mode="after")
    @classmethod
    def _positive(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if min(value) < 1 / _LARGEST_NORM:
            raise ValueError(
                f"expected standard deviations above 0, of at least {1 / _LARGEST_NORM:g}"
            )
        return value

    @field_validator("mean", "std", mode="after")
    @classmethod
    def _plausible(cls, value: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        if max(abs(one) for one in value) > _LARGEST_NORM:
            raise ValueError(f"expected numbers of at most {_LARGEST_NORM:,.0f}")
        scale = info.data.get("scale", _FULL)
        if info.field_name == "mean" and max(value) > max(_FULL / scale, 1):
            if scale != _FULL:
                raise ValueError(f"expected means of values from 0 to {_FULL / scale:g}")
            raise ValueError(
                "expected means of values from 0 to 1: divide mean and std by 255, or set `scale: 1`"
            )
        return value

    @property
    def rgb_mean(self) -> tuple[float, float, float]:
        """Means of red, green and blue values from 0 to 1."""
        return self._rgb(self.mean)

    @property
    def rgb_std(self) -> tuple[float, float, float]:
        """Standard deviations of red, green and blue values from 0 to 1."""
        return self._rgb(self.std)

    @property
    def opaque(self) -> float:
        """The normalised value of full opacity, the fourth channel of an ``rgba`` network."""
        mean, std = (*self.mean, 0.0)[3], (*self.std, 1.0)[3]
        return (_FULL / self.scale - mean) / std

    def stated(self, rgb: tuple[float, float, float]) -> tuple[float, ...]:
        """Means or deviations of RGB values from 0 to 1, as this configuration would state them."""
        ordered = {"bgr": rgb[::-1], "grey": rgb[:1]}.get(self.channels, rgb)
        return tuple(value * _FULL / self.scale for value in ordered)

    def _rgb(self, values: tuple[float, ...]) -> tuple[float, float, float]:
        factor = self.scale / _FULL
        red, green, blue = (value * factor for value in values[:3])
        return (blue, green, red) if self.channels == "bgr" else (red, green, blue)
