"""Checkpoints are written beside the server, by one process at a time; changes are logged."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from control_plane.audit.checkpoints import each, name_of, newest
from control_plane.audit.keeping import Keeper
from control_plane.audit.log import Entry, append
from control_plane.audit.reading import Wanted, newest_first
from control_plane.audit.verifying import Report, verify_log
from control_plane.cli import run
from control_plane.publishing import PublishRefused
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage.objects import ObjectError
from control_plane.storage.tables_audit import audit
from tests.control_plane.conftest import Running, running
from tests.control_plane.homes import BOTH

HOMES = BOTH
HOUR_S = 3600


def change(services: Services, note: str = "") -> None:
    """Something that is logged."""
    entry = Entry(
        tenant=services.settings.tenant, actor="user:1", action="a", subject="s", note=note
    )
    services.writer.run(lambda connection: append(connection, entry))


def verified(services: Services) -> Report:
    with services.database.reading() as connection:
        return verify_log(connection, services.store, services.settings.tenant)


def logged(services: Services) -> list[tuple[str, str, str]]:
    """Who did what to what, oldest first."""
    with services.database.reading() as connection:
        rows = newest_first(connection, services.settings.tenant, Wanted(), 1000)
    return [(row.actor, row.action, row.subject) for row in reversed(rows)]


# --- checkpoints --------------------------------------------------------------


def test_a_checkpoint_is_written_every_hour_in_which_something_happened(
    services: Services,
) -> None:
    now = [1_790_000_000]
    keeper = Keeper(services, lambda: now[0])
    first = keeper.keep()
    assert first is not None and first.sequence == 1  # the first publish
    now[0] += HOUR_S
    assert keeper.keep() is None  # nothing happened
    change(services)
    now[0] = first.at_s + HOUR_S - 1
    assert keeper.keep() is None  # it is not time
    now[0] += 1
    second = keeper.keep()
    assert second is not None
    assert (second.sequence, second.number, second.count) == (2, first.number + 1, second.number)
    change(services)
    assert keeper.keep(due=True) is not None  # a server stops
    report = verified(services)
    assert (report.ok, report.checkpoints, report.covered) == (True, 3, report.row)


def test_processes_that_want_one_at_a_time_write_one(services: Services) -> None:
    for _ in range(3):
        change(services)
        gate, made = threading.Barrier(4), []

        def keep(gate: threading.Barrier = gate, made: list[Any] = made) -> None:
            keeper = Keeper(services)
            gate.wait()
            made.append(keeper.keep(due=True))

        threads = [threading.Thread(target=keep) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len([one for one in made if one]) == 1
    assert [stored.sequence for stored in each(services.store)] == [1, 2, 3]
    assert verified(services).ok


def test_a_dead_store_loses_nothing_and_the_next_one_is_written_later(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(*_: object) -> None:
        raise ObjectError("the bucket cannot be reached")

    keeper = Keeper(services)
    with monkeypatch.context() as patch:
        patch.setattr(services.store, "put", dead)
        with pytest.raises(ObjectError):
            keeper.keep()
    assert newest(services.store) is None
    assert keeper.keep() is not None


def test_rows_that_were_changed_since_the_last_checkpoint_are_an_alarm(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = Keeper(services)
    keeper.keep()
    change(services, "good")
    change(services, "good")
    services.writer.run(
        lambda c: c.execute(update(audit).where(audit.c.note == "good").values(note="bad")).rowcount
    )
    assert keeper.keep(due=True) is not None
    assert "ALARM: the audit log was tampered with: row" in caplog.text
    assert not verified(services).ok


@pytest.mark.anyio
async def test_a_server_writes_one_when_it_starts_and_when_it_stops(settings: Settings) -> None:
    async with running(settings) as plane:
        services = plane.services
        for _ in range(200):
            if await asyncio.to_thread(newest, services.store) is not None:
                break
            await asyncio.sleep(0.02)
        started = newest(services.store)
        assert started is not None
        await asyncio.to_thread(change, services)
        store = services.store
    stopped = newest(store)
    assert stopped is not None
    assert stopped.sequence > started.sequence
    assert stopped.read()[0].number > started.read()[0].number


# --- what is logged -----------------------------------------------------------


@pytest.mark.anyio
async def test_every_change_of_a_channel_is_logged_with_before_and_after(plane: Running) -> None:
    services, publisher = plane.services, plane.services.publisher
    first = publisher.live()
    assert first is not None
    publisher.pause("a-mug", actor="user:7")
    publisher.resume("a-mug", actor="user:8")
    publisher.roll_back(first.bundle, actor="user:9")
    publisher.resign()
    services.collector.replay_quarantine("user:7")  # nothing is there: nothing was done
    channel = "channel/production"
    happened = [one for one in logged(services) if one[2] == channel]
    assert happened[-4:] == [
        ("user:7", "channel.pause", channel),
        ("user:8", "channel.resume", channel),
        ("user:9", "channel.roll-back", channel),
        ("clock", "channel.resign", channel),
    ]
    with services.database.reading() as connection:
        wanted = Wanted(action="channel.pause")
        (paused,) = newest_first(connection, services.settings.tenant, wanted, 2)
    before, after = json.loads(paused.before), json.loads(paused.after)
    assert (before["sequence"], after["sequence"]) == (first.sequence, first.sequence + 1)
    assert before["says"]["paused"]["offers"] == []
    assert after["says"]["paused"]["offers"] == ["a-mug"]
    assert after["says"]["bundle"] == first.bundle


@pytest.mark.anyio
async def test_trying_quarantined_events_again_is_logged_without_what_is_in_them(
    plane: Running,
) -> None:
    await plane.client.post(
        "/v1/beacons",
        content=b'[{"type": "canary-4711"}]',
        headers={"Content-Type": "application/cloudevents-batch+json"},
    )
    await asyncio.to_thread(plane.services.collector.replay_quarantine, "user:7")
    with plane.services.database.reading() as connection:
        (row,) = newest_first(connection, "tinyshop", Wanted(action="quarantine.replay"), 2)
    assert (row.actor, row.subject) == ("user:7", "quarantine")
    assert json.loads(row.after) == {"accepted": 0, "duplicates": 0, "quarantined": 1}
    assert "4711" not in str(row)


def test_a_change_that_is_refused_is_not_logged(services: Services) -> None:
    before = logged(services)
    with pytest.raises(PublishRefused):
        services.publisher.pause("nothing", actor="user:1")
    assert logged(services) == before


# --- over HTTP ----------------------------------------------------------------


async def get(client: httpx.AsyncClient, **query: Any) -> Any:
    answer = await client.get("/v1/audit", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.anyio
async def test_the_log_is_read_in_pages_newest_first(plane: Running) -> None:
    for number in range(5):
        await asyncio.to_thread(change, plane.services, str(number))
    page = await get(plane.client, limit=2, actor="user:1")
    assert [item["note"] for item in page["items"]] == ["4", "3"]
    page = await get(plane.client, limit=2, actor="user:1", after=page["next"])
    assert [item["note"] for item in page["items"]] == ["2", "1"]
    page = await get(plane.client, limit=2, actor="user:1", after=page["next"])
    assert ([item["note"] for item in page["items"]], page["next"]) == (["0"], None)
    everything = (await get(plane.client, limit=200))["items"]
    assert [item["number"] for item in everything] == list(range(len(everything), 0, -1))
    published = (await get(plane.client, action="channel.publish"))["items"][0]
    assert published["before"] is None
    assert published["after"]["says"]["paused"]["all"] is False


@pytest.mark.anyio
async def test_a_bad_query_is_refused(plane: Running) -> None:
    for query in ({"after": "nonsense"}, {"limit": 0}, {"since_s": "soon"}, {"actor": "a\0"}):
        answer = await plane.client.get("/v1/audit", params=query)
        assert answer.status_code == 400, query


# --- the command line ---------------------------------------------------------


def command(settings: Settings, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setenv("PROFFER_DATA", str(settings.data))
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    return run(["audit", *words])


def test_the_command_verifies_shows_and_exports(
    services: Services,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    change(services, "look here")
    checkpoint = Keeper(services).keep()
    assert checkpoint is not None
    assert command(settings, monkeypatch, "verify", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["tenant"], said["covered"]) == (True, "tinyshop", checkpoint.number)
    assert command(settings, monkeypatch, "show", "--plain", "--actor", "user:1") == 0
    assert "look here" in capsys.readouterr().out
    lines = tmp_path / "log.jsonl"
    assert command(settings, monkeypatch, "export", "-o", str(lines)) == 0
    kept = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["number"] for row in kept] == list(range(1, checkpoint.number + 1))
    assert kept[-1]["hash"] == checkpoint.hash


def test_the_command_names_the_first_row_that_is_wrong(
    services: Services,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(services)
    checkpoint = Keeper(services).keep()
    assert checkpoint is not None
    last = audit.c.number == checkpoint.number
    services.writer.run(lambda c: c.execute(update(audit).where(last).values(actor="x")).rowcount)
    assert command(settings, monkeypatch, "verify", "--json") == 1
    out, error = capsys.readouterr()
    (flaw,) = json.loads(out)["flaws"]
    assert flaw["row"] == checkpoint.number
    assert f"row {checkpoint.number} does not hold what its hash says" in error
    assert command(settings, monkeypatch, "verify", "--since", "1", "--plain") == 0
    assert command(settings, monkeypatch, "verify", "--since", "9") == 2
    (services.settings.objects / name_of(1)).unlink()
    assert command(settings, monkeypatch, "verify", "--plain") == 1


def test_the_command_makes_nothing_where_nothing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert run(["audit", "verify", "--data", str(tmp_path / "none")]) == 3
    assert "there is no database" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
