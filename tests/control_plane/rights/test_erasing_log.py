"""Erasing where events wait: segments that were folded and that were not, a spill, damage."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from control_plane.eventlog.segments import frame
from control_plane.eventlog.spill_file import SpillFile
from control_plane.eventlog.store import Batch
from control_plane.rights.subjects import Subject
from control_plane.settings import Settings
from control_plane.storage import tables as t
from control_plane.storage.objects import DirectoryStore, ObjectError
from tests.control_plane.homes import StorageHome
from tests.control_plane.rights.person import CUSTOMER, ORDER, PERSON, VISITOR, Story
from tests.control_plane.shop import Decided, order_event, write_catalog

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(tmp_path: Path, home: StorageHome) -> Settings:
    return home.settings(
        tmp_path / "var",
        tenant="tinyshop",
        catalog=write_catalog(tmp_path / "catalog"),
        event_log="objects",
        log_wait_ms=5,
    )


def batch(story: Story, *events: Any) -> Batch:
    raw = tuple(each if isinstance(each, bytes) else msgspec.json.encode(each) for each in events)
    return Batch(events=raw, from_shop=True, received_s=story.now_s)


async def keep(story: Story, *events: Any) -> None:
    await story.services.events.keep(batch(story, *events))


async def fold(story: Story) -> None:
    assert story.services.folding is not None
    await story.services.folding.fold_whole()


def told(story: Story, visitor: str, order: str, customer: str) -> tuple[Decided, list[Any]]:
    decided = story.edge.decide(visitor, story.now_s, customer=customer)
    return decided, [
        story.edge.decision_event(decided),
        story.edge.shown_event(decided.slots[0], story.now_s),
        order_event(order, visitor, story.now_s, customer=customer),
    ]


async def spread(story: Story) -> list[Decided]:
    """Of the person: folded, not folded, in a dead process's spill, and broken."""
    story.now_s = int(time.time())
    first, folded = told(story, VISITOR, ORDER, CUSTOMER)
    _, others = told(story, "ann", "o-ann", "anna")
    await keep(story, *folded, *others)
    await fold(story)
    second, new = told(story, VISITOR, f"{ORDER}-2", CUSTOMER)
    _, more = told(story, "bob", "o-bob", "bobby")
    exposure = new.pop(1)
    await keep(story, exposure, *more)  # before its decision: only that tells whose it is
    await keep(story, *new, b'{"visitor": "%s"' % VISITOR.encode())
    left = SpillFile.make(story.services.settings.spill)
    third, spilled = told(story, VISITOR, f"{ORDER}-3", CUSTOMER)
    left.append(frame(batch(story, *spilled)))
    left.close()
    return [first, second, third]


def stored(story: Story) -> bytes:
    files = story.services.settings.log_folder.rglob("*")
    return b"".join(path.read_bytes() for path in files if path.is_file())


async def test_an_export_holds_what_waits_and_an_erasure_leaves_nothing(story: Story):
    visits = await spread(story)
    document = await asyncio.to_thread(story.rights.export, "local", PERSON)
    found = {each.where: each.found for each in document.looked}
    assert found["the event log's spill on this machine"] == 3
    assert found["the event log"] == 3 + 3 + 1
    done = await asyncio.to_thread(story.rights.erase, "local", PERSON)
    assert done.logged == 3 + 3 + 1 + 3
    assert story.holding() == []
    assert not any(visit.slots[0].id.encode() in stored(story) for visit in visits)
    await fold(story)
    assert story.rows_holding() == {}
    with story.services.database.reading() as connection:
        units = set(connection.scalars(select(t.order_units.c.unit)))
    assert {"v:ann", "v:bob", "c:anna", "c:bobby"} <= units


async def test_while_the_log_is_away_nothing_is_half_erased(story: Story):
    await spread(story)
    await asyncio.to_thread(story.rights.erase, "local", Subject(visitors=["nobody"]))
    log = story.services.log
    assert log is not None and isinstance(log.store, DirectoryStore)
    here, before = log.store.folder, story.rows_holding()
    log.store.folder = here / "offsets.json"
    (here / "offsets.json").write_bytes(b"")
    with pytest.raises(ObjectError):
        await asyncio.to_thread(story.rights.erase, "local", PERSON)
    assert {name: n for name, n in story.rows_holding().items() if name != "forgotten"} == before
    log.store.folder = here
    await asyncio.to_thread(story.rights.erase, "local", PERSON)
    assert story.holding() == []
