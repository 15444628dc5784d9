"""All that accounts consist of, wired once: `services.accounts`, and `proffer accounts`."""

from __future__ import annotations

from typing import Self

from msgspec import Struct

from control_plane.accounts.api_keys import ApiKeys
from control_plane.accounts.logins import Logins
from control_plane.accounts.users import Users
from control_plane.settings import Settings
from control_plane.storage.database import Database
from control_plane.storage.writer import Writer


class Accounts(Struct, frozen=True, kw_only=True):
    users: Users
    keys: ApiKeys
    logins: Logins

    @classmethod
    def open(cls, settings: Settings, database: Database, writer: Writer, secret: bytes) -> Self:
        """From `secret` comes what keys the little that is kept of addresses."""
        tenant = settings.tenant
        return cls(
            users=Users(tenant, database, writer),
            keys=ApiKeys(tenant, database, writer),
            logins=Logins(settings, database, writer, secret),
        )
