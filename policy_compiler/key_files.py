"""Keys and secrets in files of their own, in forms that other tools read and write, too.

    private key   PKCS #8 in PEM, maybe under a password; several blocks may follow each other
    public key    SPKI in PEM
    secrets       text, one per line, the one in use first: base64 of 32 bytes or more

    openssl genpkey -algorithm ed25519 -out online.pem
    openssl pkey -in online.pem -pubout -out online.pub
    openssl rand -base64 32 > edge-secret

A private file that others may read is refused.  Its group may read it: so hosts hand
secrets to a service's user.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets as chance
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from joserfc.jwk import OKPKey
from msgspec import Struct

from edge.decision.claims import Key
from edge.decision.jws import to_base64url

from .keys import SECRET_BYTES, SigningError, SigningKey

PRIVATE_BLOCK = re.compile(
    rb"-----BEGIN (?:ENCRYPTED )?PRIVATE KEY-----.*?-----END [A-Z ]+-----", re.S
)
ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
SHOP_KEY_CHARS_MIN = 16
WEBHOOK_PREFIX = "whsec_"
WEBHOOK_BYTES_MIN, WEBHOOK_BYTES_MAX = 24, 64


class PublicKey(Struct, frozen=True):
    """The public half: its id, and its 32 bytes in base64url."""

    kid: str
    x: str

    def listed(self, role: str) -> Key:
        """The key as a root lists it."""
        return Key(x=self.x, role="root" if role == "root" else "online")


def public_of(key: SigningKey) -> PublicKey:
    return PublicKey(key.kid, key.public("online").x)


# --- private keys -------------------------------------------------------------


def write_private(path: Path, key: SigningKey, password: bytes | None = None) -> None:
    """A new file for its owner alone.  Raises `SigningError` if there is one of that name."""
    private = key.jwk.private_key
    assert isinstance(private, Ed25519PrivateKey)
    shut = BestAvailableEncryption(password) if password else NoEncryption()
    write_new(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, shut), 0o600)


def read_private(path: Path, password: bytes | None = None) -> SigningKey:
    """The one key in the file.  Raises `SigningError`."""
    keys = read_all_private(path, password)
    if len(keys) != 1:
        raise SigningError(f"{path} holds {len(keys)} private keys.", "Name a file with one.")
    return keys[0]


def read_all_private(path: Path, password: bytes | None = None) -> tuple[SigningKey, ...]:
    """All keys in the file, in their order; at least one.  Raises `SigningError`."""
    blocks = PRIVATE_BLOCK.findall(read_secret_file(path))
    if not blocks:
        raise SigningError(
            f"{path} holds no private key.",
            "It must be PKCS #8 in PEM: -----BEGIN PRIVATE KEY-----",
        )
    return tuple(_private(path, block, password) for block in blocks)


def is_encrypted(path: Path) -> bool:
    return ENCRYPTED in read_secret_file(path)


def _private(path: Path, block: bytes, password: bytes | None) -> SigningKey:
    shut = block.startswith(ENCRYPTED)
    if shut and not password:
        raise SigningError(f"{path} is under a password.", "Give it with --password-file.")
    try:
        key = load_pem_private_key(block, password if shut else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        why = "is damaged, or the password is wrong" if shut else "is damaged"
        raise SigningError(f"{path} {why}.", "Take the right password, or a copy.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(f"{path} holds a key of another kind.", "Proffer signs with Ed25519.")
    return from_private(key)


def from_private(key: Ed25519PrivateKey) -> SigningKey:
    x, d = key.public_key().public_bytes_raw(), key.private_bytes_raw()
    return SigningKey(OKPKey.import_key(_jwk(x) | {"d": to_base64url(d).decode()}))


def _jwk(x: bytes) -> dict[str, str | list[str]]:
    return {"kty": "OKP", "crv": "Ed25519", "x": to_base64url(x).decode()}


# --- public keys --------------------------------------------------------------


def write_public(path: Path, key: PublicKey) -> None:
    """A new file that everybody may read.  Raises `SigningError` if there is one."""
    x = base64.urlsafe_b64decode(key.x + "=")
    public = Ed25519PublicKey.from_public_bytes(x)
    spki = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_new(path, spki, 0o644)


def read_public(path: Path) -> PublicKey:
    """The public key in the file.  Raises `SigningError`."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise SigningError(f"{path} cannot be read: {error.strerror}.", "Name a file.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise SigningError(
            f"{path} holds no public key.", "It must be in PEM: -----BEGIN PUBLIC KEY-----"
        ) from None
    if not isinstance(key, Ed25519PublicKey):
        raise SigningError(f"{path} holds a key of another kind.", "Proffer signs with Ed25519.")
    jwk = _jwk(key.public_bytes_raw())
    return PublicKey(OKPKey.import_key(jwk).thumbprint(), str(jwk["x"]))


# --- secrets ------------------------------------------------------------------


def read_secrets(path: Path) -> tuple[bytes, ...]:
    """The secrets in the file, the one in use first.  Raises `SigningError`."""
    found = []
    for number, line in enumerate(_lines(path), 1):
        try:
            secret = base64.b64decode(line, validate=True)
        except (ValueError, binascii.Error):
            raise SigningError(f"{path}: line {number} is not base64.", MAKE_ONE) from None
        if len(secret) < SECRET_BYTES:
            why = f"{path}: line {number} has {len(secret)} bytes, not {SECRET_BYTES}."
            raise SigningError(why, MAKE_ONE)
        found.append(secret)
    return tuple(found)


MAKE_ONE = "Make one with `proffer keys secret`, or: openssl rand -base64 32"


def read_webhook_secrets(path: Path) -> tuple[bytes, ...]:
    """Secrets of webhooks in the file, as Standard Webhooks has them.  Raises `SigningError`."""
    found = []
    for number, line in enumerate(_lines(path), 1):
        try:
            secret = base64.b64decode(line.removeprefix(WEBHOOK_PREFIX), validate=True)
        except (ValueError, binascii.Error):
            raise SigningError(f"{path}: line {number} is not base64.", MAKE_ONE) from None
        if not WEBHOOK_BYTES_MIN <= len(secret) <= WEBHOOK_BYTES_MAX:
            sizes = f"{WEBHOOK_BYTES_MIN} to {WEBHOOK_BYTES_MAX}"
            raise SigningError(
                f"{path}: line {number} has {len(secret)} bytes, not {sizes}.", MAKE_ONE
            )
        found.append(secret)
    return tuple(found)


def read_shop_keys(path: Path) -> tuple[str, ...]:
    """The shop's keys in the file, the one in use first.  Raises `SigningError`."""
    found = tuple(_lines(path))
    if any(len(key) < SHOP_KEY_CHARS_MIN or not key.isprintable() for key in found):
        why = f"{path}: a shop key has {SHOP_KEY_CHARS_MIN} plain characters or more."
        raise SigningError(why, MAKE_ONE)
    return found


def add_secret(path: Path, secret: str, *, keep: int) -> int:
    """Put a secret before those in the file and keep so many of them; how many are there now.

    The file is exchanged in one step.  Raises `SigningError`.
    """
    before = _lines(path) if path.exists() else []
    lines = [secret, *before][: keep + 1]
    draft = path.with_name(f".{path.name}.{chance.token_hex(8)}")
    write_new(draft, "".join(f"{line}\n" for line in lines).encode(), 0o600)
    draft.replace(path)
    return len(lines)


def _lines(path: Path) -> list[str]:
    try:
        text = read_secret_file(path).decode()
    except UnicodeDecodeError:
        raise SigningError(f"{path} is no text.", MAKE_ONE) from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise SigningError(f"{path} is empty.", MAKE_ONE)
    return lines


# --- files --------------------------------------------------------------------


def read_secret_file(path: Path) -> bytes:
    """Its content, if it is kept from others.  Raises `SigningError`."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = path.read_bytes()
    except OSError as error:
        why = f"{path} cannot be read: {error.strerror}."
        raise SigningError(why, "Name a file that is there and yours.") from None
    if os.name == "posix" and mode & 0o037:
        raise SigningError(f"Others may read {path}.", f"Make it yours alone: chmod 600 {path}")
    return data


def write_new(path: Path, data: bytes, mode: int) -> None:
    """A file that was not there, durably.  Raises `SigningError` if it was."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise SigningError(
            f"{path} is there already.", "Nothing is written over: name another place."
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask
        file.write(data)
        file.flush()
        os.fsync(descriptor)
