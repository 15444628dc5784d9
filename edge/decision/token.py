"""The offer token: what a visitor carries from the page to the checkout.

    base64url(payload JSON) "." base64url(HMAC-SHA256)

At most 1 KiB of ASCII.  The MAC is over the text before the dot, after a label
that keeps it apart from everything else this secret signs.  A token holds no
code: it names a decision, and whoever redeems it checks cart, margin and caps
again.  `id` is the id of the decision and can be redeemed once; `subject` is the
unit it was issued to, and `subject_kind` says what that is: a visitor, a customer,
or, without consent to either, only this page.  A page's token is for whoever holds it.
"""

from __future__ import annotations

import hmac
from typing import Literal

import msgspec
from msgspec import Struct, structs

from .errors import TokenError
from .hashing import is_part
from .jws import from_base64url, read_json, to_base64url

SIZE_LIMIT_BYTES = 1024
SECRET_BYTES_MIN = 32
LABEL = b"proffer-offer-token."

SubjectKind = Literal["visitor", "customer", "page"]


class Token(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An offer promised to a subject.  `bundle` is a digest, hexadecimal."""

    tenant: str
    id: str
    offer: str
    rung: str
    placement: str
    subject: str
    issued_s: int
    expires_s: int
    bundle: str
    subject_kind: SubjectKind = "visitor"


def issue_token(secret: bytes, token: Token) -> str:
    """The text of a token.  Raises `TokenError` MALFORMED if it has no form or is too long.

    Raises `ValueError` for a secret of fewer than 32 bytes.
    """
    _check_texts(token)
    payload = to_base64url(msgspec.json.encode(token))
    text = payload + b"." + to_base64url(_mac(secret, payload))
    _check_size(len(text))
    return text.decode()


def read_token(secret: bytes, text: str, tenant: str, now_s: int) -> Token:
    """The token in `text`, if all checks hold: form, signature, tenant, expiry.

    Raises `TokenError`, and `ValueError` for a secret of fewer than 32 bytes.
    """
    payload, mac = _split(text)
    _check_signature(secret, payload, mac)
    token = _read_payload(payload)
    _check_tenant(token, tenant)
    _check_expiry(token, now_s)
    return token


def _mac(secret: bytes, payload: bytes) -> bytes:
    if len(secret) < SECRET_BYTES_MIN:
        raise ValueError(f"a token secret has at least {SECRET_BYTES_MIN} bytes")
    return hmac.digest(secret, LABEL + payload, "sha256")


def _split(text: str) -> tuple[bytes, bytes]:
    _check_size(len(text))
    try:
        payload, mac = text.encode("ascii").split(b".")
        return payload, from_base64url(mac)
    except ValueError:
        raise TokenError("MALFORMED", "not two parts of base64url") from None


def _check_size(size_bytes: int) -> None:
    if size_bytes > SIZE_LIMIT_BYTES:
        raise TokenError("MALFORMED", f"{size_bytes} bytes; at most {SIZE_LIMIT_BYTES}")


def _check_signature(secret: bytes, payload: bytes, mac: bytes) -> None:
    if not hmac.compare_digest(mac, _mac(secret, payload)):
        raise TokenError("SIGNATURE", "not issued here, or changed since")


def _read_payload(payload: bytes) -> Token:
    """Only bytes with our MAC come here; these may still be of another version."""
    try:
        token = read_json(from_base64url(payload), Token)
    except ValueError as error:
        raise TokenError("MALFORMED", str(error)) from None
    _check_texts(token)
    return token


def _check_texts(token: Token) -> None:
    for name, value in structs.asdict(token).items():
        if isinstance(value, str) and not is_part(value):
            raise TokenError("MALFORMED", f"{name} is empty or holds control characters")


def _check_tenant(token: Token, tenant: str) -> None:
    if token.tenant != tenant:
        raise TokenError("TENANT", f"is for {token.tenant!r}, not for {tenant!r}")


def _check_expiry(token: Token, now_s: int) -> None:
    if now_s >= token.expires_s:
        raise TokenError("EXPIRED", f"expired {now_s - token.expires_s} s ago")
