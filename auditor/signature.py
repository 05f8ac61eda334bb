"""Detached signatures of a run: Ed25519 over its seal.

A seal shows whether a run is the one that was noted; a signature also shows who vouches for it. The signed
message is ``auditor run signature, version 1``, a line feed, the full seal, and a line feed: the same key
never signs the same bytes for another purpose, and `openssl` can check a signature, too.

Reference: Josefsson, Liusvaara: Edwards-Curve Digital Signature Algorithm (EdDSA). RFC 8032, 2017.
"""

from __future__ import annotations

import base64
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from auditor.errors import DataError, MissingDependencyError
from auditor.file_system import refusal
from auditor.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

_PREFIX = "auditor run signature, version 1\n"
"""Start of what is signed."""
_LARGEST_FILE = 1 << 16
"""Bytes of a key or a signature; both are far smaller."""
_SIGNATURE_BYTES = 64
_MAKE_KEY = "`openssl genpkey -algorithm ed25519 -out private.pem` makes one"
_MAKE_PUBLIC = "`openssl pkey -in private.pem -pubout -out public.pem` writes it"


class RunSignature(Record):
    """Content of a signature file."""

    kind: Literal["auditor run signature"] = "auditor run signature"
    version: Literal[1] = 1
    algorithm: Literal["ed25519"] = "ed25519"
    seal: str
    """The full seal that was signed. Only for messages: a check takes the seal of the files as they are."""
    signature: str
    """64 bytes in base64."""


def message_of(seal: str) -> bytes:
    """The bytes that are signed for a full seal of 64 hexadecimal digits."""
    return f"{_PREFIX}{seal}\n".encode()


def sign_seal(seal: str, key: Ed25519PrivateKey) -> RunSignature:
    """Signs the full seal of a run."""
    signature = base64.b64encode(key.sign(message_of(seal))).decode()
    return RunSignature(seal=seal, signature=signature)


def signature_fault(signature: RunSignature, seal: str, key: Ed25519PublicKey) -> str | None:
    """What is wrong with a signature; None where it is right.

    Args:
        signature: the content of the signature file.
        seal: the full seal of the files as they are now.
        key: the key of the person who is said to have signed.
    """
    from cryptography.exceptions import InvalidSignature

    raw = base64.b64decode(signature.signature)
    try:
        key.verify(raw, message_of(seal))
    except InvalidSignature:
        if signature.seal == seal:
            return "the signature was not made with the private part of this key, or it was changed"
        return f"the signature is for a run with the seal {signature.seal}; this one has {seal}"
    return None


def read_signature(path: Path) -> RunSignature:
    """Reads a signature file.

    Raises:
        DataError: it is missing, truncated, or something else.
    """
    try:
        signature = RunSignature.model_validate_json(_read(path, "a signature file"))
        raw = base64.b64decode(signature.signature, validate=True)
    except ValueError as error:  # of pydantic, or of base64, also for text that is no ASCII
        raise DataError(_not_a_signature(path)) from error
    if len(raw) != _SIGNATURE_BYTES:
        raise DataError(_not_a_signature(path))
    return signature


def write_signature(signature: RunSignature, path: Path) -> None:
    """Writes a signature file; an existing file is never replaced.

    Raises:
        DataError: there is a file of that name.
    """
    try:
        stream = path.open("x", encoding="utf-8")
    except FileExistsError:
        raise DataError(
            f"{path}: expected a free place for the signature; there is a file, which may be the signature "
            "of somebody else: name another one with --out"
        ) from None
    try:
        with stream:
            stream.write(signature.model_dump_json(indent=1) + "\n")
    except OSError:
        path.unlink()
        raise


def read_private_key(path: Path, ask_password: Callable[[], bytes]) -> Ed25519PrivateKey:
    """Reads a private key in PEM.

    Args:
        path: the file.
        ask_password: called where the key is encrypted.

    Raises:
        DataError: the file is missing, is no Ed25519 private key, or the password is wrong.
        MissingDependencyError: ``cryptography`` is not installed.
    """
    require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(path, "a private key")
    if b"PUBLIC KEY-----" in data:
        raise DataError(f"{path}: expected a private key to sign with; got a public one")
    password: bytes | None = None
    try:
        try:
            key = load_pem_private_key(data, None)
        except TypeError:  # the key is encrypted
            password = ask_password()
            key = load_pem_private_key(data, password)
    except (ValueError, UnsupportedAlgorithm) as error:
        if password is not None:
            raise DataError(
                f"{path}: the password does not decrypt the key, or the file is damaged"
            ) from error
        raise DataError(
            f"{path}: expected an Ed25519 private key in PEM; it can't be read: {_MAKE_KEY}"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise DataError(
            f"{path}: expected an Ed25519 key; got one of another algorithm ({_algorithm(key)}): {_MAKE_KEY}"
        )
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Reads a public key in PEM.

    Raises:
        DataError: the file is missing, or is no Ed25519 public key.
        MissingDependencyError: ``cryptography`` is not installed.
    """
    require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data = _read(path, "a public key")
    if b"PRIVATE KEY-----" in data:
        raise DataError(
            f"{path}: expected a public key; got a private one, which only its owner should have: "
            f"{_MAKE_PUBLIC}"
        )
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DataError(
            f"{path}: expected an Ed25519 public key in PEM; it can't be read: {_MAKE_PUBLIC}"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise DataError(
            f"{path}: expected an Ed25519 key; got one of another algorithm ({_algorithm(key)}): {_MAKE_KEY}"
        )
    return key


def require_cryptography() -> None:
    """Makes sure that the library for signatures is installed.

    Raises:
        MissingDependencyError: it is not.
    """
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise MissingDependencyError(
            "signatures need cryptography, which is not installed: run "
            "pip install 'classifier-auditor[signature]'"
        ) from None


def _algorithm(key: object) -> str:
    """Such as ``RSA`` for an ``RSAPrivateKey``."""
    return type(key).__name__.strip("_").removesuffix("PrivateKey").removesuffix("PublicKey")


def _not_a_signature(path: Path) -> str:
    return (
        f"{path}: expected a file that `auditor sign` wrote; it is truncated or something else: give the "
        "signature file, or sign the run again"
    )


def _read(path: Path, what: str) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST_FILE:
            raise DataError(
                f"{path}: expected {what}; it is no regular file, or larger than {_LARGEST_FILE} bytes: "
                "correct the path"
            )
        return path.read_bytes()
    except OSError as error:
        raise refusal(error, path) or error from error
