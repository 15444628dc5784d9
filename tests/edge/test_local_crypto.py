"""Ed25519 in CPython, against the vectors of RFC 8032, section 7.1."""

from __future__ import annotations

import asyncio

import pytest

from edge.local_crypto import verify_ed25519

VECTORS = {
    "no message": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "two bytes": (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
}
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS.keys())
def test_the_vectors_of_the_standard_verify(vector: tuple[str, str, str]) -> None:
    key, message, signature = map(bytes.fromhex, vector)
    assert verify(key, message, signature)
    assert not verify(key, message + b"!", signature)
    assert not verify(bytes(32), message, signature)


def test_the_same_signature_in_another_shape_is_refused() -> None:
    """S + L would verify by careless arithmetic, and give a signed file a second digest."""
    key, message, signature = map(bytes.fromhex, VECTORS["two bytes"])
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert not verify(key, message, signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize(("key_bytes", "signature_bytes"), [(31, 64), (33, 64), (32, 63), (0, 0)])
def test_nonsense_is_no_signature_and_no_error(key_bytes: int, signature_bytes: int) -> None:
    assert not verify(b"\x01" * key_bytes, b"message", bytes(signature_bytes))


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    return asyncio.run(verify_ed25519(key, message, signature))
