"""Returns as rows: each once, by its own id."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, insert, select

from control_plane.ingest.typed import Reason, Rejected, Return
from control_plane.storage import tables as t

r = t.returns.c


def store_return(connection: Connection, tenant: str, told: Return) -> bool:
    """Whether it was told before alike.  Raises `Rejected` CONFLICT."""
    before = _before(connection, tenant, told.return_id)
    if before is None:
        connection.execute(insert(t.returns), {"tenant": tenant, **msgspec.structs.asdict(told)})
        return False
    if before != told:
        raise Rejected(Reason.CONFLICT, f"return {told.return_id}")
    return True


def _before(connection: Connection, tenant: str, return_id: str) -> Return | None:
    columns = [r[name] for name in Return.__struct_fields__]
    query = select(*columns).where(r.tenant == tenant, r.return_id == return_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else Return(**row._mapping)
