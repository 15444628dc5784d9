"""What it takes to run an edge on this machine, and how it is read."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from edge.local_server import DRAIN_S
from edge.settings import Secrets, Settings, read_secrets


class SettingsError(ValueError):
    """A setting or a file that it names cannot be used; the message says which and why."""


class EdgeSettings(Struct, frozen=True, kw_only=True):
    """What it takes to run an edge on this machine; see `Settings` for what is not told here.

    `root`: file with the pinned root.  `secrets`: JSON file with `edge_secret` and
    `cookie_secret` (base64, 32 bytes or more) and `shop_key`; more keys are passed
    over, so the development keys' own file will do.  `data`: folder that survives.
    """

    tenant: str
    channel: str = "production"
    control_url: str
    origin_url: str
    root: Path
    secrets: Path
    data: Path
    refresh_s: float = 5.0
    edge_headers: dict[str, str] = {}
    default_consent: str = "full"
    consent_cookie: str = "proffer_consent"
    origin_timeout_s: float = 10.0
    request_limit_bytes: int = 64 << 20
    drain_s: float = DRAIN_S
    ofrep: bool = True


def read_settings(settings: EdgeSettings) -> Settings:
    """With the files read.  Raises `SettingsError`."""
    try:
        return Settings(
            tenant=settings.tenant,
            channel=settings.channel,
            pinned_root=settings.root.read_bytes(),
            secrets=_read_secrets(settings.secrets),
            refresh_s=settings.refresh_s,
            edge_headers=settings.edge_headers,
            default_consent=settings.default_consent,
            consent_cookie=settings.consent_cookie,
            request_limit_bytes=settings.request_limit_bytes,
            ofrep=settings.ofrep,
        )
    except (OSError, ValueError) as error:
        raise SettingsError(str(error)) from None


def _read_secrets(file: Path) -> Secrets:
    try:
        return read_secrets(file.read_bytes())
    except ValueError as error:
        raise SettingsError(f"{file}: {error}") from None
