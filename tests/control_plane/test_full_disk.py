"""A disk that is full: SQLite says so as on a real one, and nothing is half stored."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.event import listen

from control_plane.storage import tables as t
from tests.control_plane.conftest import Running
from tests.control_plane.shop import event, send

pytestmark = pytest.mark.anyio
SHOWN = {"decision": "a" * 32, "placement": "hero", "time_s": int(time.time())}


class PageLimit:
    """A disk that is full after so many pages; below what there is, it is full at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pages = 0
        listen(engine, "connect", self._prepare)

    def set(self, pages: int) -> None:
        self._pages = pages
        self._engine.dispose()

    def _prepare(self, connection: Any, record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={self._pages}").close()


def stored(plane: Running) -> int:
    with plane.services.database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(t.events)) or 0


async def test_a_full_disk_is_told_with_retry_after_and_the_same_batch_counts_later(
    plane: Running,
):
    limit = PageLimit(plane.services.database.engine)
    events = [event("shop.proffer.exposure", f"e{n}" + "x" * 200, SHOWN) for n in range(900)]
    limit.set(1)
    answer = await send(plane.client, events)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["type"] == "/problems/storage-unavailable"
    assert "full" in answer.json()["detail"]
    assert stored(plane) == 0
    limit.set(1 << 30)
    again = await send(plane.client, events)
    assert again.json()["accepted"] == stored(plane) == 900
