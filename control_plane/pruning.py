"""Names of events are forgotten when they are no longer needed.

A name is kept so that the same event does not count twice.  What is older than
`EVENT_AGE_LIMIT_S` when it comes does not count anyway, so after a day more than that its name
has done its work.  Orders and returns have ids of their own, which are kept.

There is no index by time, which every event would pay for: once a day all names are looked
through in the order in which they are stored, some at a time, and old ones deleted by name.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, bindparam, delete, select, tuple_

from control_plane.services import Services
from control_plane.storage import tables as t
from control_plane.storage.database import Database
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.writer import Writer
from control_plane.telemetry.pulse import beat
from edge.decision.events import EVENT_AGE_LIMIT_S

log = logging.getLogger(__name__)

DAY_S = 86400
NAMES_KEPT_S = EVENT_AGE_LIMIT_S + DAY_S
EVERY_S = DAY_S
FIRST_AFTER_S = 600.0
"""A server that starts has better things to do."""
CHUNK = 5000
TOGETHER = 250
"""Names that one transaction deletes: whoever writes meanwhile waits for it."""
REST_S = 0.02
"""Between chunks, so that those who write and read are not in its shadow."""

e = t.events.c
Name = tuple[str, str, str]
NAME = ("trust", "source", "id")


async def keep_pruned(services: Services) -> None:
    """For ever, once a day."""
    await asyncio.sleep(FIRST_AFTER_S)
    while True:
        try:
            tenant, before_s = services.settings.tenant, int(time.time()) - NAMES_KEPT_S
            await asyncio.to_thread(prune, services.database, services.writer, tenant, before_s)
            beat()
        except StorageUnavailable as error:
            log.warning("names of old events were not forgotten yet: %s", error)
        await asyncio.sleep(EVERY_S)


def prune(database: Database, writer: Writer, tenant: str, before_s: int) -> int:
    """Forget names of events that came before; how many.  Blocks.

    Raises `StorageUnavailable`; what was forgotten by then stays so.
    """
    forgotten = 0
    for old in _old_names(database, tenant, before_s):
        for first in range(0, len(old), TOGETHER):
            some = old[first : first + TOGETHER]
            writer.run(lambda c, some=some: _delete(c, tenant, some))
        forgotten += len(old)
        time.sleep(REST_S)
    return forgotten


def _old_names(database: Database, tenant: str, before_s: int) -> Iterator[list[Name]]:
    """Those of each chunk of all names."""
    last: Name = ("", "", "")
    while True:
        query = (
            select(e.trust, e.source, e.id, e.received_s)
            .where(e.tenant == tenant, tuple_(e.trust, e.source, e.id) > last)
            .order_by(e.trust, e.source, e.id)
            .limit(CHUNK)
        )
        with database.reading() as connection:
            rows = connection.execute(query).all()
        if not rows:
            return
        last = (rows[-1].trust, rows[-1].source, rows[-1].id)
        yield [(r.trust, r.source, r.id) for r in rows if r.received_s < before_s]


def _delete(connection: Connection, tenant: str, names: Sequence[Name]) -> None:
    query = delete(t.events).where(e.tenant == tenant)
    query = query.where(*(e[name] == bindparam(f"its_{name}") for name in NAME))
    rows = [{f"its_{name}": part for name, part in zip(NAME, n, strict=True)} for n in names]
    connection.execute(query, rows)
