"""Everything that can be set, with its default; the environment is read once, at start.

The setting `attribution_s` is the variable PROFFER_ATTRIBUTION_S, and so on.  The database's
address may also stand in DATABASE_URL, where hosts put it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

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
Hosts = Annotated[tuple[str, ...], Meta(min_length=1)]


WANTED: dict[object, str] = {
    DatabaseUrl: "expected postgresql://user@host/database, or nothing for SQLite",
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
    tenant: Name = "shop"
    """The shop this control plane serves; must be the tenant of its catalog."""
    channel: Channel = "production"
    """The environment that is published to."""
    catalog: Path | None = None
    """Folder with the catalog that the console's publish button compiles."""
    host: str = "127.0.0.1"
    """Address to listen on.  The console has no login: keep it on this machine."""
    port: Port = 8700
    console_hosts: Hosts = ("127.0.0.1", "localhost", "[::1]")
    """Host names under which the console answers; guards against DNS rebinding."""
    manifest_life_s: Annotated[int, Meta(ge=4, le=DAY_S)] = DAY_S
    """A manifest that edges cannot refresh expires after this long."""
    resign_every_s: Seconds = 4 * 3600
    """How often the manifest is signed anew, at least four times in its life."""
    attribution_s: Seconds = 7 * DAY_S
    """An order counts for what its unit saw at most this long before."""
    reservation_life_s: Seconds = 3600
    """A reservation that is not committed by then is released."""
    learn_every_s: Annotated[int, Meta(ge=0)] = 0
    """How often weights are learned and published; 0: never."""

    def __repr__(self) -> str:
        """Without the database's password: this ends up in logs and tracebacks."""
        return f"Settings(data={str(self.data)!r}, tenant={self.tenant!r})"

    @property
    def database(self) -> Path:
        """SQLite's file, where there is no `database_url`."""
        return self.data / "proffer.db"

    @property
    def objects(self) -> Path:
        """The folder of the published files, where there is no `object_store`."""
        return self.data / "objects"

    @property
    def keys(self) -> Path:
        return self.data / "keys"


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
    if kind == Hosts:
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
