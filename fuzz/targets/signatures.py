"""Signature files and public keys."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from auditor.signature import read_public_key, read_signature, sign_seal, signature_fault
from fuzz.edits import mutate_json
from fuzz.target import Reader, Target

_SEAL = "0" * 64
_BETWEEN = b"\n\n"


def _open(folder: Path) -> Reader:
    signature, key = folder / "run.sig", folder / "public.pem"

    def read(data: bytes) -> None:
        first, _, second = data.partition(_BETWEEN)
        signature.write_bytes(first)
        key.write_bytes(second)
        signature_fault(read_signature(signature), _SEAL, read_public_key(key))

    return read


def _seeds() -> Iterator[bytes]:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = private.public_key().public_bytes(*form)
    for seal in (_SEAL, "1" * 64):
        yield sign_seal(seal, private).model_dump_json().encode() + _BETWEEN + key
    other = ec.derive_private_key(3, ec.SECP256R1()).public_key().public_bytes(*form)
    yield sign_seal(_SEAL, private).model_dump_json().encode() + _BETWEEN + other


def _mutate(data: bytes, rng: random.Random) -> bytes:
    first, _, second = data.partition(_BETWEEN)
    return mutate_json(first, rng) + _BETWEEN + second


TARGET = Target(
    name="signatures",
    about="a signature file and a public key → `read_signature`, `read_public_key`, `signature_fault`",
    open=_open,
    seeds=_seeds,
    mutate=_mutate,
    longest=2048,
)
