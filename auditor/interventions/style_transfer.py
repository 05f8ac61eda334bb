"""Style transfer: gives images the brightness and colours, the sharpness or the fine texture of others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from auditor.interventions.regions import ImageArray
from auditor.statistics import Floats, Integers

Floats32 = NDArray[np.float32]

_NEIGHBOURHOOD = 1.5
"""Standard deviation, in pixels, of the neighbourhood that orders pixels of equal level."""
_DETAIL_WIDTH = 1 / 96
"""Standard deviation that separates the fine texture from the rest, as a share of the shorter side;
at least one pixel."""
_CHUNK = 16
"""Images that are changed at a time, to bound the memory."""


@dataclass(frozen=True)
class StyleTransfer:
    """A method that transfers one aspect of style from donor images.

    Attributes:
        style: what is transferred, in words that can follow *the*.
        transfer: takes images (n, 3, H, W) and donors of the same shape, and returns new images.
    """

    style: str
    transfer: Callable[[ImageArray, ImageArray], ImageArray]

    def __call__(self, images: ImageArray, donors: ImageArray) -> ImageArray:
        """Transfers the style to any number of images, a few at a time.

        Args:
            images: (n, 3, H, W), at least one.
            donors: (n, 3, H, W), one an image.

        Returns:
            New images (n, 3, H, W).
        """
        starts = range(0, len(images), _CHUNK)
        chunks = [slice(start, start + _CHUNK) for start in starts]
        return np.concatenate([self.transfer(images[one], donors[one]) for one in chunks])


def colours(images: ImageArray, donors: ImageArray) -> ImageArray:
    """Gives each channel the donor's histogram: its brightness, contrast and colour cast.

    The order of the pixels is kept. Pixels of equal level, as in a uniform background, are ordered by
    the average of their neighbourhood; otherwise they would all get the same of the donor's levels.

    Args:
        images: (n, 3, H, W).
        donors: (n, 3, H, W).

    Returns:
        New images (n, 3, H, W) with exactly the donors' histograms; an image that is its own donor is
        unchanged.

    Reference:
        D. Coltuc, P. Bolon and J.-M. Chassery, "Exact histogram specification", IEEE Transactions on
        Image Processing 15 (2006) 1143-1152, section III; here with one Gaussian average in place of
        their growing neighbourhoods.
    """
    shape = images.shape
    flat = (shape[0] * shape[1], shape[2] * shape[3])
    # Less than half a level, so that it orders pixels within a level and never across levels.
    within = _smoothed(images, _NEIGHBOURHOOD) / 512
    # The position in the low bits makes every key unique: the order is the same on every machine, and
    # sorting the keys is several times faster than argsort.
    keys = np.rint((images + within) * 2**16).astype(np.uint64).reshape(flat) << np.uint64(32)
    keys |= np.arange(flat[1], dtype=np.uint64)
    keys.sort(axis=1)
    order = (keys & np.uint64(2**32 - 1)).astype(np.int64)
    levels = np.sort(donors.reshape(flat), axis=1)
    changed: ImageArray = np.empty(flat, dtype=np.uint8)
    np.put_along_axis(changed, order, levels, axis=1)
    return changed.reshape(shape)


def sharpness(images: ImageArray, donors: ImageArray) -> ImageArray:
    """Gives each channel the donor's energy at each spatial frequency, in all directions together.

    Blur, grain and regular texture determine how much energy each frequency has. The content of an
    image is in its phases and directions, which are kept, as is its mean.

    Args:
        images: (n, 3, H, W).
        donors: (n, 3, H, W).

    Returns:
        New images (n, 3, H, W), rounded and clipped to 0 to 255.

    Reference:
        Amplitudes of the donor, phases of the image: Y. Yang and S. Soatto, "FDA: Fourier domain
        adaptation for semantic segmentation", CVPR 2020, eq. 3; here at all frequencies but zero, and
        scaled ring by ring instead of replaced one by one.
    """
    own, other = (fft.rfft2(each.astype(np.float32), axes=(2, 3)) for each in (images, donors))
    ring = _rings(*images.shape[2:])
    own_energy, wanted = (_ring_energy(one, ring, images.shape[3]) for one in (own, other))
    ratio = np.divide(wanted, own_energy, out=np.zeros_like(wanted), where=own_energy > 0)
    gain = np.sqrt(ratio)
    gain[..., 0] = 1.0
    spectrum = own * gain.astype(np.float32)[..., ring]
    return _to_levels(fft.irfft2(spectrum, images.shape[2:], axes=(2, 3)))


def detail(images: ImageArray, donors: ImageArray) -> ImageArray:
    """Replaces the fine texture of each image by that of the donor, position by position.

    Compression artefacts and faint patterns are part of it. They depend on their position, which no
    statistic of the whole image preserves.

    Args:
        images: (n, 3, H, W).
        donors: (n, 3, H, W).

    Returns:
        New images (n, 3, H, W), rounded and clipped to 0 to 255.

    Reference:
        The finest level of P. J. Burt and E. H. Adelson, "The Laplacian pyramid as a compact image
        code", IEEE Transactions on Communications 31 (1983) 532-540, eq. 2, without subsampling.
    """
    width = max(1.0, _DETAIL_WIDTH * min(images.shape[2:]))
    return _to_levels(_smoothed(images, width) + donors - _smoothed(donors, width))


def colours_and_sharpness(images: ImageArray, donors: ImageArray) -> ImageArray:
    """Transfers the donor's `sharpness`, and then its `colours`.

    Args:
        images: (n, 3, H, W).
        donors: (n, 3, H, W).

    Returns:
        New images (n, 3, H, W).
    """
    return colours(sharpness(images, donors), donors)


STYLE_TRANSFERS = (
    StyleTransfer("brightness and colours", colours),
    StyleTransfer("sharpness and grain", sharpness),
    StyleTransfer("fine texture", detail),
    StyleTransfer("brightness, colours and sharpness", colours_and_sharpness),
)
"""The methods that `appearance-reliance` chooses from."""


@lru_cache(maxsize=8)
def _rings(height: int, width: int) -> Integers:
    """The nearest integer to each frequency (H, W // 2 + 1), in cycles over the shorter side."""
    shorter = min(height, width)
    down, across = fft.fftfreq(height, 1 / shorter), fft.rfftfreq(width, 1 / shorter)
    rings: Integers = np.rint(np.hypot(down[:, None], across)).astype(np.int64)
    # Frequencies along the longer side may round to 0, but only the first one is the mean.
    rings = np.maximum(rings, 1)
    rings[0, 0] = 0
    rings.flags.writeable = False  # the cache returns the same array to every caller
    return rings


def _ring_energy(spectrum: NDArray[np.complex64], ring: Integers, width: int) -> Floats:
    """Sums (n, 3, R) of squared amplitudes over rings."""
    n, channels = spectrum.shape[:2]
    size = int(ring.max()) + 1
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float64)
    # The transform of a real image holds one of two opposite frequencies, except in the first column
    # and, for an even width, the last.
    power[..., 1 : (width + 1) // 2] *= 2
    bins = np.arange(n * channels)[:, None] * size + ring.ravel()
    sums = np.bincount(bins.ravel(), power.ravel(), n * channels * size)
    return np.asarray(sums, dtype=np.float64).reshape(n, channels, size)


def _smoothed(images: ImageArray, width: float) -> Floats32:
    smoothed: Floats32 = ndimage.gaussian_filter(
        images.astype(np.float32), (0, 0, width, width), mode="reflect"
    )
    return smoothed


def _to_levels(values: Floats32) -> ImageArray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
