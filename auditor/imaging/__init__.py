"""Images in and out: decode, bring to the network's input size, draw maps. NumPy and Pillow only."""

from auditor.imaging.images import (
    Box,
    Geometry,
    damage_explained,
    decode,
    guided_view,
    jpeg,
    open_image,
    overlay,
    prepare,
    resize_geometry,
    thumbnail,
    upright_rgb,
    upsample,
)

__all__ = [
    "Box",
    "Geometry",
    "damage_explained",
    "decode",
    "guided_view",
    "jpeg",
    "open_image",
    "overlay",
    "prepare",
    "resize_geometry",
    "thumbnail",
    "upright_rgb",
    "upsample",
]
