"""What decoders raise on damaged bytes. Each format has its own parser, so the list is long."""

from __future__ import annotations

import struct
import zlib

DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
    Warning,
)
