"""Everything that can be set, with its default; the environment is read once, at start.

The setting `attribution_s` is the variable PROFFER_ATTRIBUTION_S, and so on.  The database's
address may also stand in DATABASE_URL, where hosts put it.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

PREFIX = "PROFFER_"
DAY_S = 86400


class SettingsError(ValueError):
    """A variable of the environment does not hold what it should; the message names it."""


Name = Annotated[str, Meta(min_length=1, max_length=256)]
Channel = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9-]{0,62}\Z")]
Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[int, Meta(ge=1)]
DatabaseUrl = Annotated[str, Meta(pattern=r"\A(postgres(ql)?(\+psycopg)?://\S+)?\Z")]
ObjectStoreUrl = Annotated[
    str, Meta(pattern=r"\A(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?)?\Z")
]
Share = Annotated[str, Meta(pattern=r"\A(0(\.[0-9]{1,6})?|1(\.0{1,6})?)?\Z")]
Hosts = Annotated[tuple[str, ...], Meta(min_length=1)]
Channels = tuple[Channel, ...]


WANTED: dict[object, str] = {
    DatabaseUrl: "expected postgresql://user@host/database, or nothing for SQLite",
    Share: "expected a share such as 0.35",
    ObjectStoreUrl: "expected s3://bucket or s3://bucket/prefix, or nothing for a folder",
}
"""What to say instead of a pattern."""


class Settings(Struct, frozen=True, kw_only=True):
    """Where things are and how long they last.  Durations are whole seconds."""

    data: Path = Path("var")
    """Folder with the database, the published objects and the keys."""
    database_url: DatabaseUrl = ""
    """Address of a PostgreSQL database, which several processes may share; "": SQLite."""
    object_store: ObjectStoreUrl = ""
    """`s3://bucket/prefix`, which several processes may share; "": in the data folder."""
    event_log: Literal["database", "objects"] = "database"
    """Where events are kept first: in the database at once, or in a log of objects before it."""
    log_store: ObjectStoreUrl = ""
    """`s3://bucket/prefix` of the log, which nobody else may read; "": in the data folder."""
    log_wait_ms: Annotated[int, Meta(ge=1, le=10_000)] = 250
    """How long a segment of the log is filled, before it is written and acknowledged."""
    log_fold_every_ms: Annotated[int, Meta(ge=10, le=60_000)] = 1000
    """How often the log is looked through for new segments while there are none."""
    log_kept_s: Seconds = 7 * DAY_S
    """Segments that were folded into the database are deleted after so long."""
    log_spill_bytes: Annotated[int, Meta(ge=0)] = 1 << 30
    """What each process keeps in its data folder while the log's bucket is away; then 503."""
    tenant: Name = "shop"
    """The shop this control plane serves; must be the tenant of its catalog."""
    online_key_file: Path | None = None
    """Private key (PEM) that signs manifests, or a folder of `online*.pem`."""
    edge_secret_file: Path | None = None
    """Secrets of the edges, base64, one per line; all of them are believed."""
    shop_key_file: Path | None = None
    """Keys of the shop's server, one per line; all of them are believed."""
    webhook_secret_file: Path | None = None
    """Secrets that the shop's order webhook is signed with, one per line; all are believed."""
    channel: Channel = "production"
    """The environment that the catalog's folder and learning publish to."""
    channels: Channels = ()
    """Further environments, such as staging; people publish and promote to them."""
    require_approval: bool | None = None
    """Whether only approved catalogs are published; None: unless `open_console`."""
    approvals_needed: Annotated[int, Meta(ge=1, le=10)] = 1
    """How many people must approve a content, none of them among its authors."""
    catalog: Path | None = None
    """Folder with the catalog that the console's publish button compiles."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8700
    console_hosts: Hosts = ("127.0.0.1", "localhost", "[::1]")
    """Host names under which the console answers; guards against DNS rebinding."""
    open_console: bool = False
    """No login: whoever reaches the console may do everything.  Only where `host` is loopback."""
    session_idle_s: Seconds = 8 * 3600
    """A login that is not used for so long ends."""
    session_life_s: Seconds = 7 * DAY_S
    """A login ends after so long, used or not."""
    setup_life_s: Seconds = DAY_S
    """How long a link that sets a password can be used."""
    argon2_passes: Annotated[int, Meta(ge=1, le=100)] = 3
    """How often a password's hash goes over its memory."""
    argon2_memory_kib: Annotated[int, Meta(ge=8, le=4 << 20)] = 64 << 10
    """How much memory a password's hash takes; four are computed at once, at most."""
    manifest_life_s: Annotated[int, Meta(ge=4, le=DAY_S)] = DAY_S
    """A manifest that edges cannot refresh expires after this long."""
    resign_every_s: Seconds = 4 * 3600
    """How often the manifest is signed anew, at least four times in its life."""
    attribution_s: Seconds = 7 * DAY_S
    """An order counts for what its unit saw at most this long before."""
    margin_share: Share = ""
    """An order's margin as a share of its revenue, for GA4 and Segment, which do not tell it."""
    reservation_life_s: Seconds = 3600
    """A reservation that is not committed by then is released."""
    learn_every_s: Annotated[int, Meta(ge=0)] = 0
    """How often weights are learned and published; 0: never."""
    compact_every_s: Annotated[int, Meta(ge=0)] = 0
    """How often the tables for analysis are brought up to date; 0: only by hand."""
    calls_per_s: Annotated[int, Meta(ge=0)] = 100
    """API calls per second of one known caller, in each process; 0: no limit."""
    public_calls_per_s: Annotated[int, Meta(ge=0)] = 500
    """Calls per second from one address that nobody is known at, in each process; 0: no limit."""
    log: Literal["text", "json"] = "text"
    """How the log is written: for people, or one JSON object per line and one line per request."""
    audit_checkpoint_every_s: Seconds = 3600
    """How often the audit log's newest hash is signed into the object store, if it changed."""

    def __post_init__(self) -> None:
        if self.open_console and not is_loopback(self.host):
            raise SettingsError(
                f"PROFFER_OPEN_CONSOLE=true with PROFFER_HOST={self.host!r}: without a login the"
                " console must stay on this machine; listen on 127.0.0.1, or leave it out"
            )

    def __repr__(self) -> str:
        """Without the database's password: this ends up in logs and tracebacks."""
        return f"Settings(data={str(self.data)!r}, tenant={self.tenant!r})"

    @property
    def all_channels(self) -> tuple[str, ...]:
        """Every environment, once; the first is the one of the catalog's folder."""
        return tuple(dict.fromkeys((self.channel, *self.channels)))

    @property
    def needs_approval(self) -> bool:
        return not self.open_console if self.require_approval is None else self.require_approval

    @property
    def database(self) -> Path:
        """SQLite's file, where there is no `database_url`."""
        return self.data / "proffer.db"

    @property
    def objects(self) -> Path:
        """The folder of the published files, where there is no `object_store`."""
        return self.data / "objects"

    @property
    def log_folder(self) -> Path:
        """The folder of the event log, where there is no `log_store`."""
        return self.data / "eventlog"

    @property
    def spill(self) -> Path:
        """What waits for the event log's bucket."""
        return self.data / "spill"

    @property
    def analysis(self) -> Path:
        """The folder of the tables for analysis that the server keeps."""
        return self.data / "analysis"

    @property
    def keys(self) -> Path:
        return self.data / "keys"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on it."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def read_settings(environ: Mapping[str, str], **overrides: object) -> Settings:
    """Settings from the environment.  Raises `SettingsError` naming the variable."""
    found: dict[str, object] = {}
    for field in msgspec.structs.fields(Settings):
        variable = PREFIX + field.name.upper()
        if field.name == "database_url" and variable not in environ:
            variable = "DATABASE_URL"
        if variable in environ:
            found[field.name] = _read(variable, environ[variable], field.type)
    return Settings(**found | overrides)  # type: ignore[arg-type]


def _read(variable: str, text: str, kind: object) -> object:
    value: object = text
    if kind in (Hosts, Channels):
        value = tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        # an address may hold a password
        shown = "(hidden)" if kind == DatabaseUrl else repr(text)
        raise SettingsError(f"{variable}={shown}: {WANTED.get(kind, error)}") from None


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise msgspec.ValidationError("expected the path of a folder")
