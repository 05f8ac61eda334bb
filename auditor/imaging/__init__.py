"""Images: decode files, bring them to the network's input size, measure them, draw maps over them.

NumPy and Pillow only.
"""

from auditor.imaging.decode import (
    decode_image,
    open_image,
    translate_decoding_errors,
    upright_rgb,
)
from auditor.imaging.draw import guided_view, jpeg, overlay, upsample
from auditor.imaging.geometry import Box, Geometry, Interpolation, prepare, resize_geometry

__all__ = [
    "Box",
    "Geometry",
    "Interpolation",
    "decode_image",
    "guided_view",
    "jpeg",
    "open_image",
    "overlay",
    "prepare",
    "resize_geometry",
    "translate_decoding_errors",
    "upright_rgb",
    "upsample",
]
