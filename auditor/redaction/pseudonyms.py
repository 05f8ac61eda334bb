"""Keyed pseudonyms of ids.

Without the key, an id cannot be found by hashing guesses. With it, the same id has the same pseudonym in
every copy.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Literal

from auditor.errors import DataError

Kind = Literal["sample", "group", "training"]

_PREFIXES: dict[Kind, str] = {"sample": "s", "group": "g", "training": "t"}
_DIGITS, _ALL = 12, 64
"""Hexadecimal digits of a pseudonym, and of the whole hash."""
_KEY_BYTES = 32


class Pseudonyms:
    """Pseudonyms of ids: the first digits of an HMAC-SHA-256.

    Reference:
        RFC 2104, "HMAC: Keyed-Hashing for Message Authentication", 1997. ENISA, "Pseudonymisation
        techniques and best practices", 2019, section 5.1.
    """

    def __init__(self, key: bytes) -> None:
        """Starts without a pseudonym.

        Args:
            key: at least 16 bytes.
        """
        self._key = key
        self._known: dict[tuple[Kind, str], str] = {}
        self._taken: set[str] = set()

    def of(self, kind: Kind, name: str) -> str:
        """The pseudonym of an id, such as ``s-3f2a9c0d11e4``; a longer one where two would be equal."""
        found = self._known.get((kind, name))
        if found is not None:
            return found
        text = f"{kind}\0{name}".encode("utf-8", "surrogatepass")
        digest = hmac.new(self._key, text, hashlib.sha256).hexdigest()
        shown = f"{_PREFIXES[kind]}-{digest[:_DIGITS]}"
        for n in range(_DIGITS + 1, _ALL + 1):
            if shown not in self._taken:
                break
            shown = f"{_PREFIXES[kind]}-{digest[:n]}"
        self._taken.add(shown)
        self._known[kind, name] = shown
        return shown


def read_or_make_key(path: Path) -> bytes:
    """The key in a file, which is made if it does not exist, readable for its owner only.

    Raises:
        DataError: the file holds no key.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(f"{secrets.token_hex(_KEY_BYTES)}\n", encoding="ascii")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (ValueError, OSError) as error:
        raise DataError(
            f"{path}: expected a key as hexadecimal digits; {error}: name the file that `auditor render "
            "--redact` wrote, or a new one"
        ) from error
    if len(key) < _KEY_BYTES // 2:
        raise DataError(
            f"{path}: expected a key of at least {_KEY_BYTES // 2} bytes; got {len(key)}: name another file"
        )
    return key
