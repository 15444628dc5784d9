"""Random tokens: whoever shows one is believed; we keep only what recognises it.

They have 256 bits of chance, so a plain SHA-256 cannot be turned round, and looking a
token up by its hash tells nothing about how near a wrong one came.
"""

from __future__ import annotations

import secrets
from hashlib import sha256

ID_BYTES = 8


def new_token() -> str:
    return secrets.token_urlsafe(32)


def new_id() -> str:
    """A name for a row: no secret."""
    return secrets.token_hex(ID_BYTES)


def hash_of(token: str) -> str:
    return sha256(token.encode(errors="replace")).hexdigest()
