"""Leases: a row that one process holds for a while, so that work is done once.

A lease that is not renewed runs out by itself; a process that died needs no clean-up.
"""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, delete, or_

from control_plane.storage.database import insert_into
from control_plane.storage.tables import leases


class Lease(Struct, frozen=True):
    """The lease called `name`, as `holder` asks for it."""

    tenant: str
    name: str
    holder: str

    def take(self, connection: Connection, *, now_s: int, life_s: int) -> bool:
        """Take or renew it; whether it is ours for the next `life_s` seconds."""
        ours = {"holder": self.holder, "until_s": now_s + life_s}
        statement = (
            insert_into(connection, leases)
            .on_conflict_do_update(
                index_elements=["tenant", "name"],
                set_=ours,
                where=or_(leases.c.holder == self.holder, leases.c.until_s <= now_s),
            )
            .returning(leases.c.holder)
        )
        row = {"tenant": self.tenant, "name": self.name, **ours}
        return connection.execute(statement, row).one_or_none() is not None

    def release(self, connection: Connection) -> None:
        """Give it back, if it is ours."""
        connection.execute(
            delete(leases).where(
                leases.c.tenant == self.tenant,
                leases.c.name == self.name,
                leases.c.holder == self.holder,
            )
        )
