"""Images: decode files, bring them to the network's input size, measure them, draw maps over them.

NumPy and Pillow only.
"""

from auditor.imaging.decode import (
    decode_image,
    image_size,
    open_image,
    translate_decoding_errors,
    upright_rgb,
)
from auditor.imaging.draw import guided_view, jpeg, overlay, upsample
from auditor.imaging.geometry import Box, Geometry, Interpolation, prepare, resize_geometry
from auditor.imaging.masks import open_mask

__all__ = [
    "Box",
    "Geometry",
    "Interpolation",
    "decode_image",
    "guided_view",
    "image_size",
    "jpeg",
    "open_image",
    "open_mask",
    "overlay",
    "prepare",
    "resize_geometry",
    "translate_decoding_errors",
    "upright_rgb",
    "upsample",
]
