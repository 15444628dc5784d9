"""The keys of a shop: signing keys, and the secrets that edge, shop and cookies use.

On one machine they are made on first run, in one file that only its owner may
read.  Production keeps root keys offline and brings its own online key.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Literal, Protocol, Self

import msgspec
from joserfc.jwk import OKPKey
from msgspec import Struct, structs

from edge.decision.claims import Key
from edge.decision.jws import from_base64url

KEYS_FILE = "development-keys.json"
SECRET_BYTES = 32


class SigningError(ValueError):
    """Keys that cannot be used, or content that must not be signed; `help` says what to do."""

    def __init__(self, problem: str, help: str) -> None:
        super().__init__(f"{problem}  {help}")
        self.problem = problem
        self.help = help


class SigningKey:
    """An Ed25519 private key.  `kid` is its thumbprint (RFC 7638), so equal keys share an id."""

    def __init__(self, jwk: OKPKey) -> None:
        self.jwk = jwk
        self.kid = jwk.thumbprint()

    @classmethod
    def generate(cls) -> Self:
        while True:
            key = cls(OKPKey.generate_key("Ed25519"))
            if not key.kid.startswith("-"):  # on a command line it would be an option
                return key

    def public(self, role: str) -> Key:
        """The key as a root lists it."""
        x = self.jwk.as_dict(private=False)["x"]
        return msgspec.convert({"kty": "OKP", "crv": "Ed25519", "x": x, "role": role}, Key)

    def __repr__(self) -> str:
        return f"SigningKey({self.kid})"


class OnlineKeys(Protocol):
    """Whatever holds the key that signs manifests."""

    @property
    def online(self) -> SigningKey: ...


class _PrivateKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A private Ed25519 key as a JSON Web Key (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    d: str


class _KeysFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file's JSON; byte fields are base64."""

    root: _PrivateKey
    online: _PrivateKey
    edge_secret: bytes
    cookie_secret: bytes
    shop_key: str


class DevelopmentKeys(Struct, frozen=True, kw_only=True):
    """All secrets of a shop on one machine.

    `root` and `online` sign; `edge_secret` MACs records and offer tokens, and
    `cookie_secret` cookies (32 bytes each); with `shop_key` the shop's server
    calls the control plane.
    """

    root: SigningKey
    online: SigningKey
    edge_secret: bytes
    cookie_secret: bytes
    shop_key: str

    @classmethod
    def generate(cls) -> Self:
        return cls(
            root=SigningKey.generate(),
            online=SigningKey.generate(),
            edge_secret=secrets.token_bytes(SECRET_BYTES),
            cookie_secret=secrets.token_bytes(SECRET_BYTES),
            shop_key=f"shop_{secrets.token_urlsafe(SECRET_BYTES)}",
        )

    @classmethod
    def load_or_create(cls, folder: Path) -> DevelopmentKeys:
        """The keys in `folder`; on first run new ones, folder 0700, file 0600.

        Safe against a second process that does the same: both get the same keys.
        Raises `SigningError` for a file that others may read, or that is damaged.
        """
        path = folder / KEYS_FILE
        if not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create_once(path, _pack(cls.generate()))
        _check_private(path)
        return _unpack(path)

    def __repr__(self) -> str:
        """Without the secrets: this ends up in logs and tracebacks."""
        return f"DevelopmentKeys(root={self.root.kid}, online={self.online.kid})"


def _create_once(path: Path, data: bytes) -> None:
    """Write `data` unless the file is there by now; nobody ever sees half of it."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _check_private(path: Path) -> None:
    """Where there are POSIX modes, nobody else may read the file or exchange it."""
    if os.name != "posix":
        return
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SigningError(f"Others may read {path}.", f"Make it yours alone: chmod 600 {path}")
    if stat.S_IMODE(path.parent.stat().st_mode) & 0o022:
        raise SigningError(
            f"Others may exchange files in {path.parent}.",
            f"Make it yours alone: chmod 700 {path.parent}",
        )


def _pack(keys: DevelopmentKeys) -> bytes:
    file = _KeysFile(
        root=_private(keys.root),
        online=_private(keys.online),
        edge_secret=keys.edge_secret,
        cookie_secret=keys.cookie_secret,
        shop_key=keys.shop_key,
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def _private(key: SigningKey) -> _PrivateKey:
    return msgspec.convert(key.jwk.as_dict(private=True), _PrivateKey)


def _unpack(path: Path) -> DevelopmentKeys:
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_KeysFile)
        return DevelopmentKeys(
            root=_signing_key(file.root),
            online=_signing_key(file.online),
            edge_secret=_secret(file.edge_secret),
            cookie_secret=_secret(file.cookie_secret),
            shop_key=file.shop_key,
        )
    except ValueError as error:
        raise SigningError(
            f"{path} holds no usable keys: {error}.",
            "Restore it from a backup.  Without one, move it away: new keys are made,"
            " and every edge must pin the new root.",
        ) from None


def _signing_key(key: _PrivateKey) -> SigningKey:
    jwk = OKPKey.import_key(structs.asdict(key))
    private, public = jwk.private_key, from_base64url(key.x.encode())
    # joserfc does not compare the halves; the id would be of one, the signatures of the other
    if private is None or private.public_key().public_bytes_raw() != public:
        raise ValueError("the public half of a key does not belong to its private half")
    return SigningKey(jwk)


def _secret(value: bytes) -> bytes:
    if len(value) < SECRET_BYTES:
        raise ValueError(f"a secret has {len(value)} bytes, not {SECRET_BYTES}")
    return value
