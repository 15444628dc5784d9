"""Ed25519 for homes in CPython; elsewhere WebCrypto does this."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


async def verify_ed25519(key_x: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) over `message` is by the key (32 bytes).  Never raises."""
    try:
        Ed25519PublicKey.from_public_bytes(key_x).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
