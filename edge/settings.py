"""What an edge is told when it starts, whatever home it runs in."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from edge.decision.request import CONSENTS

SECRET_BYTES_MIN = 32


class Secrets(Struct, frozen=True, kw_only=True):
    """`edge_secret` MACs records and offer tokens, `cookie_secret` cookies and receipts;
    with `shop_key` the shop signs what it vouches for; `metrics_token` opens the numbers
    (empty: to programs on the same machine only)."""

    edge_secret: bytes
    cookie_secret: bytes
    shop_key: str
    metrics_token: str = ""

    def __post_init__(self) -> None:
        if min(len(self.edge_secret), len(self.cookie_secret)) < SECRET_BYTES_MIN:
            raise ValueError(f"secrets of the edge have at least {SECRET_BYTES_MIN} bytes")
        if not self.shop_key:
            raise ValueError("the shop's key is empty")

    def __repr__(self) -> str:
        """Without the secrets: this ends up in logs and tracebacks."""
        return "Secrets(...)"


class _SecretsFile(Struct, frozen=True):
    edge_secret: bytes
    cookie_secret: bytes
    shop_key: str
    metrics_token: str = ""


def read_secrets(data: bytes) -> Secrets:
    """JSON with `edge_secret` and `cookie_secret` (base64), `shop_key`, maybe `metrics_token`.

    More keys are passed over, so the development keys' own file will do.  Raises
    `ValueError`, which never quotes a secret.
    """
    try:
        file = msgspec.json.decode(data, type=_SecretsFile)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"these are no secrets of an edge: {error}") from None
    return Secrets(
        edge_secret=file.edge_secret,
        cookie_secret=file.cookie_secret,
        shop_key=file.shop_key,
        metrics_token=file.metrics_token,
    )


class Settings(Struct, frozen=True, kw_only=True):
    """Raises `ValueError` for what cannot work."""

    tenant: str
    channel: str = "production"
    pinned_root: bytes
    """The first root (`keys/root.N.jws`); everything else is believed because of it."""
    secrets: Secrets
    refresh_s: float = 5.0
    """How often the manifest is looked for; the old policy decides meanwhile."""
    edge_headers: Mapping[str, str] = {}
    """Header of a proxy in front -> attribute of source `edge`, such as
    {"CF-IPCountry": "geo.country"}.  Only headers that the proxy always sets itself:
    the edge believes them."""
    default_consent: str = "full"
    """While neither the page, nor a cookie, nor the shop says anything."""
    consent_cookie: str = "proffer_consent"
    request_limit_bytes: int = 64 << 20
    """Of the body of a request that goes on to the origin."""
    ofrep: bool = True
    """Whether `/ofrep/` is answered here; else it is the origin's, like any address."""

    def __post_init__(self) -> None:
        if self.default_consent not in CONSENTS:
            raise ValueError(f"default_consent must be one of {', '.join(CONSENTS)}")
        if not self.refresh_s > 0:
            raise ValueError("refresh_s must be positive")
