"""The worker's variables, secrets and bindings, and what the edge is told by them.

variable                  meaning                                             default
PROFFER_TENANT            the shop's name in its manifests
PROFFER_ROOT              the pinned root, the text of `keys/root.N.jws`
PROFFER_SECRETS           secret: JSON with `edge_secret` and `cookie_secret`
                          (base64, 32 bytes or more) and `shop_key`
PROFFER_CHANNEL           the channel                                         production
PROFFER_ORIGIN_URL        the shop's own server; without it requests go where they
                          were addressed to, as they do for a worker on a route
PROFFER_CONTROL_URL       the control plane: takes events, has the signed files
PROFFER_REFRESH_S         how old what is known of the manifest may be        15
PROFFER_ORIGIN_TIMEOUT_S  how long the origin may take to begin its answer    10
PROFFER_EDGE_HEADERS      JSON: header -> attribute of source `edge`          {}
PROFFER_DEFAULT_CONSENT   full, contextual or none                            full
PROFFER_CONSENT_COOKIE    the cookie that says more                           proffer_consent
PROFFER_REQUEST_LIMIT_BYTES  of a body that goes on to the origin             67108864
PROFFER_OFREP             false: `/ofrep/` is the origin's                    true

binding        kind   meaning
POLICY_BUCKET  R2     has the signed files; goes before the next two
POLICY_KV      KV     has them instead; else PROFFER_CONTROL_URL has
EDGE_KV        KV     keeps what must survive an isolate: floor, roots, last bundles
BEACONS        Queue  takes events, for the worker to hand on; else they go straight
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from edge.settings import Settings, read_secrets

REFRESH_S = 15.0
ORIGIN_TIMEOUT_S = 10.0
REQUEST_LIMIT_BYTES = 64 << 20


class SettingsError(ValueError):
    """A variable or binding cannot be used; the message says which and why."""


class Addresses(Struct, frozen=True, kw_only=True):
    """Without a `/` at the end; "" where there is none."""

    origin_url: str = ""
    control_url: str = ""
    origin_timeout_s: float = ORIGIN_TIMEOUT_S


Lookup = Callable[[str], Any]
"""A variable or binding by its name; None if there is none."""


def read_settings(lookup: Lookup) -> Settings:
    """Raises `SettingsError`."""
    headers = _text(lookup, "PROFFER_EDGE_HEADERS", "{}")
    try:
        return Settings(
            tenant=_text(lookup, "PROFFER_TENANT"),
            channel=_text(lookup, "PROFFER_CHANNEL", "production"),
            pinned_root=_text(lookup, "PROFFER_ROOT").strip().encode(),
            secrets=read_secrets(_text(lookup, "PROFFER_SECRETS").encode()),
            refresh_s=_number(lookup, "PROFFER_REFRESH_S", REFRESH_S),
            edge_headers=msgspec.json.decode(headers, type=dict[str, str]),
            default_consent=_text(lookup, "PROFFER_DEFAULT_CONSENT", "full"),
            consent_cookie=_text(lookup, "PROFFER_CONSENT_COOKIE", "proffer_consent"),
            request_limit_bytes=int(
                _number(lookup, "PROFFER_REQUEST_LIMIT_BYTES", REQUEST_LIMIT_BYTES)
            ),
            ofrep=_flag(lookup, "PROFFER_OFREP", True),
        )
    except msgspec.MsgspecError as error:
        raise SettingsError(f"PROFFER_EDGE_HEADERS must be an object of texts: {error}") from None
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError(str(error)) from None


def read_addresses(lookup: Lookup) -> Addresses:
    """Raises `SettingsError`."""
    return Addresses(
        origin_url=_address(lookup, "PROFFER_ORIGIN_URL"),
        control_url=_address(lookup, "PROFFER_CONTROL_URL"),
        origin_timeout_s=_number(lookup, "PROFFER_ORIGIN_TIMEOUT_S", ORIGIN_TIMEOUT_S),
    )


def _text(lookup: Lookup, name: str, default: str | None = None) -> str:
    value = lookup(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{name} is missing: set it as a text, in wrangler.toml or as a secret")
    return value


def _number(lookup: Lookup, name: str, default: float) -> float:
    value = lookup(name)
    if value is None:
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < float("inf"):
        raise SettingsError(f"{name} is {value!r}; it must be a number, more than 0")
    return number


def _flag(lookup: Lookup, name: str, default: bool) -> bool:
    value = lookup(name)
    if value is None:
        return default
    words = {"true": True, "false": False}
    if value not in words:
        raise SettingsError(f"{name} is {value!r}; it must be true or false")
    return words[value]


def _address(lookup: Lookup, name: str) -> str:
    value = _text(lookup, name, "") if lookup(name) else ""
    if value and not value.startswith(("http://", "https://")):
        raise SettingsError(f"{name} is {value!r}; it must begin with http:// or https://")
    return value.rstrip("/")
