"""`Idempotency-Key`: what was asked twice happens once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import func, insert, select, update

from control_plane.accounts.actor import LOCAL
from control_plane.api.idempotency import LIFE_S, Repeats
from control_plane.errors import Refused
from control_plane.services import Services
from control_plane.storage.tables_api import idempotency as table
from control_plane.storage.writer import StorageUnavailable
from tests.control_plane.notes_api import Notes, serving
from tests.control_plane.test_app import assert_canonical

pytestmark = pytest.mark.anyio
KEY = {"Idempotency-Key": "2f1e6d1c-0001"}


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
async def client(notes: Notes, services: Services) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(notes, services) as client:
        yield client


async def add(client: httpx.AsyncClient, text: str = "one", **more: str) -> httpx.Response:
    return await client.post("/v1/notes", json={"text": text}, headers=KEY | more)


def kept(services: Services) -> int:
    with services.database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


async def test_asked_again_the_answer_is_the_same_and_nothing_happens(
    client: httpx.AsyncClient, notes: Notes
):
    first, again = await add(client), await add(client)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for name in ("etag", "location", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len(notes.kept) == 1


async def test_without_a_key_the_same_request_happens_twice(
    client: httpx.AsyncClient, notes: Notes, services: Services
):
    for _ in range(2):
        assert (await client.post("/v1/notes", json={"text": "x"})).status_code == 201
    assert (len(notes.kept), kept(services)) == (2, 0)


async def test_a_key_belongs_to_its_request(client: httpx.AsyncClient, notes: Notes):
    await add(client)
    assert_canonical(await add(client, "two"), "key-reused")
    edit: dict[str, Any] = {"json": {"text": "one"}, "headers": KEY | {"If-Match": '"1"'}}
    assert_canonical(await client.put("/v1/notes/1", **edit), "key-reused")
    assert notes.kept[1].version == 1 and len(notes.kept) == 1


async def test_a_key_belongs_to_its_actor(
    client: httpx.AsyncClient, notes: Notes, services: Services
):
    await add(client)
    key = services.accounts.keys.add(LOCAL, "other", ["edit"], None).secret
    answer = await add(client, "theirs", Authorization=f"Bearer {key}")
    assert (answer.status_code, answer.json()["id"]) == (201, 2)


async def test_while_the_first_is_running_the_second_is_told_to_wait(
    client: httpx.AsyncClient, notes: Notes
):
    notes.holding.clear()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        first = group.create_task(add(client))
        await notes.started.wait()
        second = await add(client)
        assert_canonical(second, "key-in-flight")
        assert second.headers["retry-after"] == "2"
        notes.holding.set()
    assert first.result().status_code == 201
    assert (await add(client)).content == first.result().content


@pytest.mark.parametrize(
    "refusal", [Refused("name-taken", "it is there"), StorageUnavailable("disk full")], ids=str
)
async def test_what_was_refused_may_be_tried_again_under_its_key(
    client: httpx.AsyncClient, notes: Notes, refusal: Exception
):
    notes.breaks = refusal
    assert (await add(client)).status_code in (409, 503)
    notes.breaks = None
    assert (await add(client)).status_code == 201


async def test_what_broke_is_not_done_a_second_time_since_nobody_knows_how_far_it_came(
    client: httpx.AsyncClient, notes: Notes
):
    notes.breaks = RuntimeError("after the commit, maybe")
    assert_canonical(await add(client), "internal")
    notes.breaks = None
    assert_canonical(await add(client), "key-in-flight")
    assert notes.kept == {}


async def test_a_row_lives_for_a_day(client: httpx.AsyncClient, services: Services):
    await add(client)
    services.writer.run(lambda c: c.execute(update(table).values(expires_s=1)).close())
    again = await add(client)
    assert (again.status_code, again.json()["id"]) == (201, 2)
    with services.database.reading() as connection:
        row = connection.execute(select(table)).one()
    assert row.expires_s > LIFE_S


async def test_another_shop_in_the_same_database_has_its_own_keys(
    client: httpx.AsyncClient, services: Services
):
    await add(client)
    copy = select(table)
    with services.database.reading() as connection:
        row = connection.execute(copy).one()._asdict() | {"tenant": "another", "digest": "0"}
    services.writer.run(lambda c: c.execute(insert(table), row).close())
    assert (await add(client)).headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    "key", ["", "k" * 256, "a\tb", "a b", "é"], ids=["none", "long", "tab", "blank", "é"]
)
async def test_what_is_no_key_is_refused(client: httpx.AsyncClient, notes: Notes, key: str):
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    answer = await client.post("/v1/notes", json={"text": "x"}, headers=headers)
    assert "Idempotency-Key" in assert_canonical(answer, "malformed-request").detail
    assert notes.kept == {}


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    client: httpx.AsyncClient, notes: Notes, monkeypatch: pytest.MonkeyPatch
):
    async def full(*_: object) -> None:
        raise StorageUnavailable("disk full")

    monkeypatch.setattr(Repeats, "keep", full)
    assert (await add(client)).status_code == 201
    assert_canonical(await add(client), "key-in-flight")
    assert len(notes.kept) == 1


async def test_neither_the_key_nor_the_request_is_kept_in_the_clear(
    client: httpx.AsyncClient, services: Services
):
    await client.post("/v1/notes", json={"text": "x" * 40}, headers=KEY)
    with services.database.reading() as connection:
        row = connection.execute(select(table)).one()
    assert KEY["Idempotency-Key"] not in repr(row)
    assert len(row.key) == len(row.digest) == 64
