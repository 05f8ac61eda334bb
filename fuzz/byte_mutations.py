"""Changes of bytes, for targets whose own mutations keep the structure."""

from __future__ import annotations

import random

_TOKENS = (
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x80\0\0\0",
    b"{",
    b"[",
    b'"',
    b"<",
    b"\n",
    b"9" * 30,
)


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """Bytes with a few of them replaced, inserted, removed or repeated."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        place = rng.randrange(len(changed) + 1)
        end = place + rng.choice((1, 1, 2, 4, 16))
        what = rng.randrange(5)
        if what == 0 and place < len(changed):
            changed[place] ^= 1 << rng.randrange(8)
        elif what == 1 and place < len(changed):
            changed[place] = rng.randrange(256)
        elif what == 2:
            del changed[place:end]
        elif what == 3:
            changed[place:place] = rng.choice(_TOKENS)
        else:
            start = rng.randrange(len(changed) + 1)
            changed[place:end] = changed[start : start + end - place]
    return bytes(changed)
