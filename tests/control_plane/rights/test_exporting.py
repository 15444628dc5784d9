"""Exporting: what the document says.  `test_erasing.py` holds that nothing is missing in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from control_plane.errors import Refused
from control_plane.rights.exporting import Export
from control_plane.rights.subjects import Subject
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage.tables_audit import audit
from tests.control_plane.rights.person import (
    CUSTOMER,
    ORDER,
    PERSON,
    VISITOR,
    Story,
    is_in,
    opened,
)
from tests.control_plane.shop import Decided, write_catalog


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    place: Path = tmp_path_factory.mktemp("exporting")
    catalog = write_catalog(place / "catalog")
    services = Services.open(Settings(data=place / "var", tenant="tinyshop", catalog=catalog))
    yield opened(services)
    services.close()


@pytest.fixture(scope="module")
def visits(story: Story) -> list[Decided]:
    asyncio.run(story.crowd(2))
    return asyncio.run(story.live())


@pytest.fixture(scope="module")
def document(story: Story, visits: list[Decided]) -> Export:
    return story.rights.export("local", PERSON)


def test_the_document_says_what_happened_in_clear(document: Export, visits: list[Decided]):
    slot = visits[0].slots[0]
    by_id = {row["id"]: row for row in document.decisions}
    assert by_id[slot.id]["shown_arm"] == slot.arm
    request = document.requests[0]
    assert (request["visitor"], request["customer"]) == (VISITOR, CUSTOMER)
    assert (request["consent"], request["placements"]) == ("full", ["hero"])
    assert request["attributes"]["cart.total"] == "60.00"
    assert request["attributes"]["cart.categories"] == ["lamps"]
    (order,) = document.orders
    assert (order["order_id"], order["decisions"]) == (ORDER, [slot.id])
    assert document.redemptions[0]["subject"] == CUSTOMER
    assert document.redemption_limits[0]["count"] == 1


def test_a_record_in_quarantine_is_unpacked_even_without_its_bundle(document: Export):
    packed = [row["event"]["request"] for row in document.quarantined if "request" in row["event"]]
    assert [each["visitor"] for each in packed] == [VISITOR]
    assert packed[0]["placements"] == [1]  # a row: its name is in the bundle


def test_the_document_is_json(document: Export):
    answer = msgspec.json.decode(msgspec.json.encode(document))
    assert answer["subject"] == {"visitors": [VISITOR], "customers": [CUSTOMER]}


def test_ids_that_came_together_are_told_not_followed(story: Story, visits: list[Decided]):
    document = story.rights.export("local", Subject(customers=[CUSTOMER]))
    assert document.linked.visitors == [VISITOR] and document.linked.customers == []
    assert document.subject.visitors == []


def test_of_a_stranger_it_says_where_was_looked(story: Story, visits: list[Decided]):
    document = story.rights.export("local", Subject(visitors=["nobody"]))
    assert len(document.looked) > 10 and not any(each.found for each in document.looked)


def test_exports_are_logged_without_names(story: Story, document: Export):
    with story.services.database.reading() as connection:
        rows = connection.execute(select(audit).where(audit.c.action == "subject.export")).all()
    assert rows and not is_in(repr(rows).encode())


@pytest.mark.parametrize("subject", [Subject(), Subject(visitors=["a\0b"])])
def test_nobody_is_refused(story: Story, subject: Subject):
    with pytest.raises(Refused) as refused:
        story.rights.export("local", subject)
    assert refused.value.name == "malformed-request"
