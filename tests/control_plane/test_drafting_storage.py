"""Drafts on both kinds of database: steps, races, damage, and where a draft stands."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update

from control_plane.drafting.desk import Desk
from control_plane.drafting.drafts import Draft
from control_plane.errors import Refused
from control_plane.services import Services
from control_plane.storage import tables_drafts as t
from control_plane.storage.objects import Tampered
from control_plane.storage.tables_audit import audit
from tests.control_plane.desks import ANN, BOB, begin, publish, retitle, write
from tests.control_plane.homes import BOTH

HOMES = BOTH


@pytest.fixture
def desk(services: Services) -> Desk:
    return services.desk


def audited(services: Services, subject: str) -> list[tuple[str, str]]:
    query = select(audit.c.actor, audit.c.action).where(audit.c.subject == subject)
    with services.database.reading() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(audit.c.number))]


def test_every_step_is_kept_with_who_made_it_from_what(services: Services) -> None:
    desk = services.desk
    draft = begin(desk)
    edited = retitle(desk, draft, "Autumn")
    twice = retitle(desk, edited, "Winter", BOB)
    steps = desk.drafts.history(draft.id, 10)
    assert [(step.version, step.kind, step.actor) for step in steps] == [
        (3, "edit", "user:bob"), (2, "edit", "user:ann"), (1, "create", "user:ann"),
    ]  # fmt: skip
    assert [(step.parent, step.content_hash) for step in steps[:2]] == [
        (edited.head, twice.head), (draft.head, edited.head),
    ]  # fmt: skip
    assert steps[0].paths == ["catalog.yaml"] and steps[0].message == "to Winter"
    assert b"Winter" in desk.file(twice.head, "catalog.yaml")
    assert b"Autumn" in desk.file(edited.head, "catalog.yaml")
    assert audited(services, f"draft/{draft.id}") == [
        ("user:ann", "draft.create"), ("user:ann", "draft.edit"), ("user:bob", "draft.edit"),
    ]  # fmt: skip


@pytest.mark.parametrize("wildcard", [False, True])
def test_of_many_who_edit_the_same_version_at_once_one_wins(desk: Desk, wildcard: bool) -> None:
    draft = begin(desk)
    etag = "*" if wildcard else draft.etag

    def edit(number: int) -> Draft | str:
        try:
            return write(desk, draft, ANN, etag, **{f"f{number}": b"groups: {}\n"})
        except Refused as refused:
            return refused.name

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(edit, range(8)))
    won = [each for each in outcomes if isinstance(each, Draft)]
    assert all(each == "precondition-failed" for each in outcomes if not isinstance(each, Draft))
    # nobody's edit is gone: each winner's file is there, and one step was made for each
    held = desk.drafts.files(draft.id)[1].keys() - {"catalog.yaml"}
    assert len(held) == len(won) == desk.drafts.get(draft.id).version - 1
    assert won and (wildcard or len(won) == 1)


def test_a_file_that_somebody_changed_in_the_database_is_found(services: Services) -> None:
    desk = services.desk
    draft = retitle(desk, begin(desk), "Autumn")
    with services.database.writing() as connection:
        connection.execute(update(t.catalog_files).values(content=b"shop: {}"))
    with pytest.raises(Tampered):
        desk.drafts.revision_files(draft.head)
    with pytest.raises(Tampered):
        desk.file(draft.head, "catalog.yaml")


def test_a_draft_goes_from_editing_to_published_and_is_behind_after_the_next_one(
    services: Services,
) -> None:
    desk = services.desk
    draft = begin(desk)
    other = begin(desk, BOB, "winter")
    assert desk.status(draft).state == "editing"
    draft = retitle(desk, draft, "Autumn")
    assert desk.status(draft).state == "ready-for-review"
    publish(services, draft.head)
    assert desk.live() == draft.head and desk.status(draft).state == "published"
    # edited on, it departs from what it made live itself
    again = retitle(desk, draft, "Late autumn")
    assert desk.status(again).state == "ready-for-review"
    # the other departs from what was live before
    other = retitle(desk, other, "Five!", BOB, "five-off")
    assert desk.status(other).state == "out-of-date"
    hint = desk.rebase_hint(other)
    assert (hint.onto, hint.is_needed, hint.conflicts) == (draft.head, True, [])
    rebased = desk.rebase(BOB, other.id, other.etag, {}, "")
    assert rebased.base == draft.head and desk.status(rebased).state == "ready-for-review"
    text = desk.file(rebased.head, "catalog.yaml").decode()
    assert "title: Autumn" in text and "Five!" in text
