"""The look of one image given to another: brightness and colours, sharpness, fine detail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from auditor.statistics import Floats, Integers

ImageArray = NDArray[np.uint8]
Shades = NDArray[np.float32]

_NEAR = 1.5
"""Standard deviation in pixels of the surroundings that order pixels of one level."""
_FINE = 1 / 96
"""Standard deviation that parts detail from the rest, as a part of the shorter side; at least one
pixel."""
_AT_ONCE = 16
"""Images that are changed together: bounds the memory."""


@dataclass(frozen=True)
class Transfer:
    """A way to give images the look of others.

    Attributes:
        name: in a claim's evidence.
        look: what is given, in words that follow *the*.
        change: takes images (n, 3, H, W) and donors of the same shape, and returns new images.
    """

    name: str
    look: str
    change: Callable[[ImageArray, ImageArray], ImageArray]

    def __call__(self, images: ImageArray, donors: ImageArray) -> ImageArray:
        """Changes many images, a few at a time.

        Args:
            images: (n, 3, H, W), at least one.
            donors: (n, 3, H, W), one an image.
        """
        starts = range(0, len(images), _AT_ONCE)
        chunks = [slice(start, start + _AT_ONCE) for start in starts]
        return np.concatenate([self.change(images[at], donors[at]) for at in chunks])


def colours(images: ImageArray, donors: ImageArray) -> ImageArray:
    """Gives each channel the donor's levels: its brightness, contrast and colour cast.

    Pixels keep their order. Those of one level, as in an even background, are ordered by their
    surroundings, or else they would all get the same of the donor's levels.

    Args:
        images: (n, 3, H, W).
        donors: (n, 3, H, W).

    Returns:
        (n, 3, H, W), with exactly the donors' levels, each as often; an image that is its own
        donor comes back unchanged.

    Reference:
        D. Coltuc, P. Bolon and J.-M. Chassery, "Exact histogram specification", IEEE Transactions on
        Image Processing 15 (2006) 1143-1152, section III; here with one Gaussian average in place of
        their growing neighbourhoods.
    """
    shape = images.shape
    flat = (shape[0] * shape[1], shape[2] * shape[3])
    # A part of a level, below one: orders within levels and never across them.
    within = _smoothed(images, _NEAR) / 512
    # With the place behind it no key occurs twice: the order is the same on every machine, and
    # sorting numbers is several times faster than sorting places by them.
    keys = np.rint((images + within) * 2**16).astype(np.uint64).reshape(flat) << np.uint64(32)
    keys |= np.arange(flat[1], dtype=np.uint64)
    keys.sort(axis=1)
    order = (keys & np.uint64(2**32 - 1)).astype(np.int64)
    levels = np.sort(donors.reshape(flat), axis=1)
    given: ImageArray = np.empty(flat, dtype=np.uint8)
    np.put_along_axis(given, order, levels, axis=1)
    return given.reshape(shape)


def sharpness(images: ImageArray, donors: ImageArray) -> ImageArray:
    """Gives each channel the donor's energy at each spatial frequency, whatever its direction.

    Blur, grain and regular texture are in how much there is of each frequency; what an image shows
    is in the phases and in the directions, which are its own, as is its mean.

    Args:
        images: (n, 3, H, W).
        donors: (n, 3, H, W).

    Returns:
        (n, 3, H, W), rounded and cut off at 0 and 255.

    Reference:
        Amplitudes of the donor, phases of the image: Y. Yang and S. Soatto, "FDA: Fourier domain
        adaptation for semantic segmentation", CVPR 2020, eq. 3; here of all frequencies but zero, and
        scaled ring by ring, not replaced one by one.
    """
    own, other = (fft.rfft2(some.astype(np.float32), axes=(2, 3)) for some in (images, donors))
    ring = _rings(*images.shape[2:])
    had, has = (_energy(waves, ring, images.shape[3]) for waves in (own, other))
    gain = np.sqrt(np.divide(has, had, out=np.zeros_like(has), where=had > 0))
    gain[..., 0] = 1.0
    waves = own * gain.astype(np.float32)[..., ring]
    return _levels(fft.irfft2(waves, images.shape[2:], axes=(2, 3)))


def detail(images: ImageArray, donors: ImageArray) -> ImageArray:
    """Puts the donor's finest detail in the place of the image's own.

    Traces of compression and faint patterns lie there, at their places, which no statistic of the
    whole image keeps.

    Args:
        images: (n, 3, H, W).
        donors: (n, 3, H, W).

    Returns:
        (n, 3, H, W), rounded and cut off at 0 and 255.

    Reference:
        The finest level of P. J. Burt and E. H. Adelson, "The Laplacian pyramid as a compact image
        code", IEEE Transactions on Communications 31 (1983) 532-540, eq. 2, without its thinning out.
    """
    width = max(1.0, _FINE * min(images.shape[2:]))
    return _levels(_smoothed(images, width) + donors - _smoothed(donors, width))


def everything(images: ImageArray, donors: ImageArray) -> ImageArray:
    """Gives the donor's `sharpness`, and then its `colours`.

    Args:
        images: (n, 3, H, W).
        donors: (n, 3, H, W).

    Returns:
        (n, 3, H, W).
    """
    return colours(sharpness(images, donors), donors)


TRANSFERS = (
    Transfer("colours", "brightness and colours", colours),
    Transfer("sharpness", "sharpness and grain", sharpness),
    Transfer("detail", "finest detail", detail),
    Transfer("everything", "brightness, colours and sharpness", everything),
)


@lru_cache(maxsize=8)
def _rings(height: int, width: int) -> Integers:
    """The whole number nearest to each frequency (H, W // 2 + 1), in turns over the shorter side."""
    shorter = min(height, width)
    down, across = fft.fftfreq(height, 1 / shorter), fft.rfftfreq(width, 1 / shorter)
    rings: Integers = np.rint(np.hypot(down[:, None], across)).astype(np.int64)
    # Frequencies along the longer side may be nearer to 0 than to 1, and are no mean.
    rings = np.maximum(rings, 1)
    rings[0, 0] = 0
    rings.flags.writeable = False  # one array serves every caller
    return rings


def _energy(waves: NDArray[np.complex64], ring: Integers, width: int) -> Floats:
    """Sums (n, 3, R) of squared amplitudes over rings."""
    n, channels = waves.shape[:2]
    size = int(ring.max()) + 1
    power = (waves.real**2 + waves.imag**2).astype(np.float64)
    # Of two opposite frequencies the transform of a real image holds one, but for the first and,
    # where the width is even, the last column.
    power[..., 1 : (width + 1) // 2] *= 2
    places = np.arange(n * channels)[:, None] * size + ring.ravel()
    sums = np.bincount(places.ravel(), power.ravel(), n * channels * size)
    return np.asarray(sums, dtype=np.float64).reshape(n, channels, size)


def _smoothed(images: ImageArray, width: float) -> Shades:
    shades: Shades = ndimage.gaussian_filter(
        images.astype(np.float32), (0, 0, width, width), mode="reflect"
    )
    return shades


def _levels(values: Shades) -> ImageArray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
