"""Replays that the control plane runs by itself: started, followed, stopped, started again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from control_plane.accounts.actor import PERMISSIONS, Actor
from control_plane.drafting import revisions
from control_plane.errors import Refused
from control_plane.reviewing import replay_worker
from control_plane.reviewing.replay_rows import Replay, Wish
from control_plane.reviewing.replaying import Decide, in_python
from control_plane.reviewing.replays import Replays
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage import tables as t
from control_plane.storage.tables_audit import audit
from control_plane.storage.tables_replay import replays as rows
from edge.decision.bundle import Bundle
from tests.control_plane.conftest import running
from tests.control_plane.homes import BOTH, StorageHome
from tests.control_plane.replay_shop import LIVE, NEVER_NEW, insert_records, made
from tests.control_plane.shop import write_catalog

HOMES = BOTH
COUNT = 120
ANN = Actor(id="user:ann", name="Ann", permissions=frozenset(PERMISSIONS))
PATIENCE_S = 60


@pytest.fixture
def settings(tmp_path: Path, home: StorageHome) -> Settings:
    catalog = write_catalog(tmp_path / "catalog", LIVE)
    return home.settings(tmp_path / "var", tenant="tinyshop", catalog=catalog, open_console=True)


@pytest.fixture
def shop(services: Services) -> Services:
    """With records."""
    bundle = services.publisher.live_bundle()
    assert bundle is not None
    insert_records(services, made(bundle, COUNT))
    return services


def revision(services: Services, text: str) -> str:
    """The content hash of a draft's catalog."""
    made_by = revisions.Made(parent="", author=ANN.id, message="", at_s=1)
    files = {"catalog.yaml": text.encode()}
    return services.writer.run(
        lambda c: revisions.store(c, services.settings.tenant, files, made_by)
    )


def ended(replays: Replays, id: str) -> Replay:
    until = time.monotonic() + PATIENCE_S
    while (found := replays.get(id)).state == "running":
        assert time.monotonic() < until, found
        time.sleep(0.02)
    return found


class Gate:
    """Lets decisions through only once it is open."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def decider(self, bundle: Bundle) -> Decide:
        decide = in_python(bundle)

        def wait(block: bytes, request: bytes) -> bytes:
            self.reached.set()
            assert self.open.wait(PATIENCE_S)
            return decide(block, request)

        return wait


@pytest.fixture
def gate(shop: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Every replay of the shop waits at it; every page shows a sign of life."""
    monkeypatch.setattr(replay_worker, "BEAT_S", 0.0)
    gate = Gate()
    shop.replays.decider = gate.decider
    yield gate
    gate.open.set()


def test_a_revision_is_compiled_replayed_and_its_result_kept(shop: Services) -> None:
    draft = revision(shop, NEVER_NEW)
    asked = shop.replays.ask(ANN, Wish(draft=draft))
    assert (asked.state, asked.draft, asked.records) == ("running", draft, COUNT)
    found = ended(shop.replays, asked.id)
    assert (found.state, found.done, found.asked_by) == ("done", COUNT, "user:ann")
    report = shop.replays.report(asked.id)
    assert report is not None and report.replayed == COUNT and report.totals.lost > 0
    assert report.draft == found.bundle == shop.desk.compile(draft).digest


def test_a_published_bundle_is_replayed_by_its_digest(shop: Services) -> None:
    live = shop.publisher.live()
    assert live is not None
    found = ended(shop.replays, shop.replays.ask(ANN, Wish(draft=live.bundle)).id)
    report = shop.replays.report(found.id)
    assert report is not None and report.identical == COUNT and report.slots.changed == 0


def test_one_runs_at_a_time_and_is_told_how_to_be_found(shop: Services, gate: Gate) -> None:
    draft = revision(shop, NEVER_NEW)
    first = shop.replays.ask(ANN, Wish(draft=draft))
    assert gate.reached.wait(PATIENCE_S)
    with pytest.raises(Refused, match=first.id) as refused:
        shop.replays.ask(ANN, Wish(draft=draft))
    assert refused.value.name == "replay-busy"
    gate.open.set()
    assert ended(shop.replays, first.id).state == "done"


def test_a_cancelled_replay_stops_and_can_be_started_again(shop: Services, gate: Gate) -> None:
    asked = shop.replays.ask(ANN, Wish(draft=revision(shop, NEVER_NEW)))
    assert gate.reached.wait(PATIENCE_S)
    assert shop.replays.cancel(ANN, asked.id).state == "cancelled"
    gate.open.set()
    assert wait_until_free(shop, asked.id).state == "cancelled"
    assert shop.replays.report(asked.id) is None
    with pytest.raises(Refused, match="is cancelled"):
        shop.replays.cancel(ANN, asked.id)
    assert shop.replays.restart(ANN, asked.id).state == "running"
    assert ended(shop.replays, asked.id).state == "done"
    with pytest.raises(Refused, match="is done"):
        shop.replays.restart(ANN, asked.id)


def wait_until_free(shop: Services, id: str) -> Replay:
    """Its thread has ended, so the next one may begin."""
    running = shop.replays._running
    assert running is not None
    running._thread.join(PATIENCE_S)
    return shop.replays.get(id)


def test_a_stopping_server_interrupts_and_the_next_one_starts_it_again(
    shop: Services, gate: Gate, settings: Settings
) -> None:
    asked = shop.replays.ask(ANN, Wish(draft=revision(shop, NEVER_NEW)))
    assert gate.reached.wait(PATIENCE_S)
    threading.Timer(0.2, gate.open.set).start()
    shop.replays.close()
    assert shop.replays.get(asked.id).state == "interrupted"
    after = Services.open(settings)
    try:
        assert after.replays.restart(ANN, asked.id).state == "running"
        found = ended(after.replays, asked.id)
        assert (found.state, found.asked_s) == ("done", asked.asked_s)
    finally:
        after.close()


def test_a_server_that_died_is_told_by_its_silence(shop: Services, gate: Gate) -> None:
    asked = shop.replays.ask(ANN, Wish(draft=revision(shop, NEVER_NEW)))
    assert gate.reached.wait(PATIENCE_S)
    long_ago = update(rows).values(beat_s=1)
    shop.writer.run(lambda c: c.execute(long_ago).rowcount)
    assert shop.replays.get(asked.id).state == "interrupted"
    gate.open.set()


def test_another_process_that_takes_over_makes_the_first_one_stop(
    shop: Services, gate: Gate
) -> None:
    asked = shop.replays.ask(ANN, Wish(draft=revision(shop, NEVER_NEW)))
    assert gate.reached.wait(PATIENCE_S)
    shop.writer.run(lambda c: c.execute(update(rows).values(holder="another")).rowcount)
    gate.open.set()
    assert wait_until_free(shop, asked.id).state == "running"
    assert shop.replays.report(asked.id) is None


def test_records_that_come_later_are_not_replayed(shop: Services) -> None:
    later = update(t.records).where(t.records.c.digest > "8").values(received_s=1 << 40)
    left = COUNT - shop.writer.run(lambda c: c.execute(later).rowcount)
    found = ended(shop.replays, shop.replays.ask(ANN, Wish(draft=revision(shop, LIVE))).id)
    report = shop.replays.report(found.id)
    assert report is not None and 0 < report.records == left < COUNT


def test_starting_and_cancelling_stand_in_the_audit_log(shop: Services, gate: Gate) -> None:
    asked = shop.replays.ask(ANN, Wish(draft=revision(shop, NEVER_NEW)))
    shop.replays.cancel(ANN, asked.id)
    gate.open.set()
    wait_until_free(shop, asked.id)
    with shop.database.reading() as connection:
        query = select(audit.c.actor, audit.c.action).where(audit.c.subject == f"replay/{asked.id}")
        found = [tuple(row) for row in connection.execute(query.order_by(audit.c.number))]
    assert found == [("user:ann", "replay.start"), ("user:ann", "replay.cancel")]


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        (Wish(draft="0" * 64), "unknown-policy"),
        (Wish(draft="live", by="cart.categories"), "replay-refused"),
    ],
)
def test_what_cannot_be_replayed_is_refused_at_once(shop: Services, wish: Wish, name: str) -> None:
    live = shop.publisher.live()
    assert live is not None
    draft = live.bundle if wish.draft == "live" else wish.draft
    with pytest.raises(Refused) as refused:
        shop.replays.ask(ANN, Wish(draft=draft, by=wish.by))
    assert refused.value.name == name
    assert shop.replays.newest(10) == []


# --- over HTTP ----------------------------------------------------------------


async def followed(client: httpx.AsyncClient, address: str) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE_S
    while True:
        found = (await client.get(address)).json()
        if found["replay"]["state"] != "running":
            return found
        assert time.monotonic() < until


@pytest.mark.anyio
async def test_a_replay_is_started_followed_and_listed_over_http(settings: Settings) -> None:
    async with running(settings) as plane:
        client, services = plane.client, plane.services
        bundle = services.publisher.live_bundle()
        assert bundle is not None
        insert_records(services, made(bundle, COUNT))
        draft = revision(services, NEVER_NEW)
        started = await client.post("/v1/replays", json={"draft": draft, "by": "visit.kind"})
        assert started.status_code == 202, started.text
        found = await followed(client, started.headers["Location"])
        assert found["replay"]["state"] == "done" and found["report"]["replayed"] == COUNT
        assert {g["segment"] for g in found["report"]["segments"]} == {"known", "new"}
        listed = (await client.get("/v1/replays", params={"draft": draft})).json()
        assert [each["id"] for each in listed["items"]] == [found["replay"]["id"]]
        address = f"/v1/replays/{found['replay']['id']}"
        refused = await client.post(f"{address}/cancel")
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/replay-closed")
        assert (await client.get("/v1/replays/" + "0" * 16)).status_code == 404
        assert (await client.post("/v1/replays", json={"draft": "x"})).status_code == 400
        assert (await client.post("/v1/replays", json={"draft": "0" * 64})).status_code == 404
