"""The two forms of signed file (JSON Web Signature, RFC 7515), read strictly.

    compact    header.payload.signature           one signature: manifests
    general    {"payload", "signatures": [        several: roots
                   {"protected", "signature"}]}

Each part is base64url without padding.  What is signed is the text
`header.payload`, so these bytes are verified before anything in the payload is
read.  There is one way to write each byte: other spellings of base64, unknown
fields, keys given twice and headers beyond `alg`, `typ` and `kid` are refused.
The reader, not the file, says which `alg` and `typ` it believes; a file never
brings a key along.  `token.py` uses the same base64 and JSON.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TypeVar

import msgspec
from msgspec import Struct

from .errors import TrustError

ALGORITHM = "Ed25519"
"""The fully specified name of RFC 9864; the older "EdDSA" also names other curves."""

SIZE_LIMIT_BYTES = 64 << 10
HEADER_LIMIT_BYTES = 512
SIGNATURES_LIMIT = 16
"""Bounds the work that an unsigned file can cause."""

Kind = TypeVar("Kind", bound=Struct)


class Header(Struct, frozen=True, forbid_unknown_fields=True):
    """The protected header, all of it."""

    alg: str
    typ: str
    kid: str


class Signature(Struct, frozen=True):
    """A signature that nobody has verified: `message` is what it claims to sign."""

    kid: str
    message: bytes
    signature: bytes


class Signed(Struct, frozen=True):
    """A file in good form.  Its payload is still anybody's."""

    payload: bytes
    signatures: tuple[Signature, ...]


class _Member(Struct, frozen=True, forbid_unknown_fields=True):
    protected: str
    signature: str


class _General(Struct, frozen=True, forbid_unknown_fields=True):
    payload: str
    signatures: tuple[_Member, ...]


def read_compact(raw: bytes, typ: str) -> Signed:
    """A compact JWS of this type.  Raises `TrustError` TOO_LARGE, MALFORMED or HEADER."""
    _check_size(raw)
    parts = raw.split(b".")
    if len(parts) != 3:
        raise TrustError("MALFORMED", f"a compact JWS has 3 parts, this has {len(parts)}")
    header, payload, signature = parts
    return Signed(_decode(payload), (_read_signature(header, payload, signature, typ),))


def read_general(raw: bytes, typ: str) -> Signed:
    """A JWS in general JSON form.  Raises `TrustError` TOO_LARGE, MALFORMED or HEADER."""
    _check_size(raw)
    try:
        general = read_json(raw, _General)
    except ValueError as error:
        raise TrustError("MALFORMED", f"no JWS in general JSON form: {error}") from None
    if not 1 <= len(general.signatures) <= SIGNATURES_LIMIT:
        raise TrustError("MALFORMED", f"{len(general.signatures)} signatures")
    payload = general.payload.encode()
    members = [(m.protected.encode(), m.signature.encode()) for m in general.signatures]
    return Signed(
        _decode(payload),
        tuple(_read_signature(header, payload, signature, typ) for header, signature in members),
    )


def _check_size(raw: bytes) -> None:
    if len(raw) > SIZE_LIMIT_BYTES:
        raise TrustError("TOO_LARGE", f"{len(raw)} bytes; at most {SIZE_LIMIT_BYTES}")


def _read_signature(header: bytes, payload: bytes, signature: bytes, typ: str) -> Signature:
    kid = _read_header(header, typ).kid
    return Signature(kid, header + b"." + payload, _decode(signature))


def _read_header(part: bytes, typ: str) -> Header:
    """The header allow-list: pinned `alg` and `typ`, a key id, and nothing else."""
    if len(part) > HEADER_LIMIT_BYTES:
        raise TrustError("HEADER", f"{len(part)} bytes; at most {HEADER_LIMIT_BYTES}")
    data = _decode(part)
    try:
        header = read_json(data, Header)
    except ValueError as error:
        raise TrustError("HEADER", f"only alg, typ and kid are read: {error}") from None
    if header.alg != ALGORITHM:
        raise TrustError("HEADER", f"alg is {header.alg!r}; only {ALGORITHM} is believed")
    if header.typ != typ:
        raise TrustError("HEADER", f"typ is {header.typ!r}, not {typ!r}")
    return header


def _decode(part: bytes) -> bytes:
    try:
        return from_base64url(part)
    except ValueError as error:
        raise TrustError("MALFORMED", str(error)) from None


def to_base64url(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def from_base64url(text: bytes) -> bytes:
    """The bytes that `to_base64url` writes as `text`.  Raises `ValueError` for other texts."""
    data = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    # Python's decoder passes over foreign characters and stray bits: encode again.
    if to_base64url(data) != text:
        raise ValueError("not base64url as it is written: alphabet, padding or stray bits")
    return data


def read_json(data: bytes, kind: type[Kind]) -> Kind:
    """UTF-8 JSON as a Struct, every key once.  Raises `ValueError`.

    `kind` forbids unknown fields and so bounds the depth before the second reader,
    which only looks for keys given twice.
    """
    value = msgspec.json.decode(data, type=kind)
    json.loads(data.decode(), object_pairs_hook=_each_once)
    return value


def _each_once(pairs: list[tuple[str, object]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} is given twice")
