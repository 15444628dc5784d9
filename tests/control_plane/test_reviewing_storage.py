"""Reviews on both kinds of database: the constraint, the races, and what is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from control_plane.accounts.actor import PERMISSIONS, Actor
from control_plane.drafting.content import Files
from control_plane.drafting.desk import Desk
from control_plane.drafting.drafts import Change, Draft
from control_plane.errors import Refused
from control_plane.reviewing.reviews import Review
from control_plane.services import Services
from control_plane.storage import tables_drafts as t
from control_plane.storage.tables_accounts import api_keys
from control_plane.storage.tables_audit import audit
from tests.control_plane.desks import ANN, BOB, CARA, approval, ask, begin, decide, refusal, retitle
from tests.control_plane.homes import BOTH

HOMES = BOTH


@pytest.fixture
def desk(services: Services) -> Desk:
    return services.desk


@pytest.fixture
def draft(desk: Desk) -> Draft:
    """Ann's, with one change."""
    return retitle(desk, begin(desk), "Autumn")


def key_of(services: Services, key: str, owner: str) -> Actor:
    row = {
        "tenant": services.settings.tenant, "id": key, "hash": "", "name": key, "scopes": "",
        "owner": owner, "created_s": 0,
    }  # fmt: skip
    services.writer.run(lambda connection: connection.execute(insert(api_keys), row).rowcount)
    return Actor(id=f"key:{key}", name=key, permissions=frozenset(PERMISSIONS))


def test_a_draft_is_approved_by_another_person(services: Services, draft: Draft) -> None:
    desk = services.desk
    review = ask(desk, draft)
    assert desk.status(draft).state == "in-review" and approval(services, draft.head) is None
    decide(desk, review)
    assert desk.status(draft).state == "approved"
    found = approval(services, draft.head)
    assert found is not None
    assert (found.approvers, found.against, found.review) == (
        ("user:bob",), desk.live(), review.id,
    )  # fmt: skip
    assert approval(services, draft.head, needed=2) is None
    with services.database.reading() as connection:
        query = select(audit.c.actor, audit.c.action).where(
            audit.c.subject == f"review/{review.id}"
        )
        assert [tuple(row) for row in connection.execute(query.order_by(audit.c.number))] == [
            ("user:ann", "review.ask"), ("user:bob", "review.approve"),
        ]  # fmt: skip


def test_a_new_review_ends_the_one_before(services: Services, draft: Draft) -> None:
    desk = services.desk
    first = ask(desk, draft)
    decide(desk, first)
    edited = retitle(desk, draft, "Winter")
    second = ask(desk, edited)
    assert second.id != first.id and second.number == first.number + 1
    assert desk.reviews.get(first.id).state == "superseded"
    assert approval(services, draft.head) is None
    assert ask(desk, edited) == second


def test_an_unpublished_revision_keeps_its_authors_in_another_draft(
    desk: Desk, draft: Draft
) -> None:
    on_top = desk.drafts.create(BOB, "on top", base=draft.head)
    on_top = retitle(desk, on_top, "Five!", BOB, "five-off")
    assert refusal(decide, desk, ask(desk, on_top, BOB), ANN) == "own-work"

    copy = begin(desk, BOB, "copy")

    def restore(_: Draft, files: Files) -> Change:
        return Change(kind="restore", files=desk.drafts.revision_files(draft.head), message="")

    copy = desk.drafts.change(BOB, copy.id, copy.etag, restore)
    assert refusal(decide, desk, ask(desk, copy, BOB), ANN) == "own-work"


def test_a_key_is_its_owner(services: Services, draft: Draft) -> None:
    desk = services.desk
    key = key_of(services, "k1", ANN.id)
    assert refusal(decide, desk, ask(desk, draft), key) == "own-work"
    of_key = key_of(services, "k2", "key:k1")
    mine = retitle(desk, begin(desk, BOB), "By key", of_key)
    assert refusal(decide, desk, ask(desk, mine, BOB), ANN) == "own-work"
    decide(desk, ask(desk, mine, BOB), CARA)


WRONG = [
    {"authors": "|user:bob|"}, {"authors": "|user:ann|user:bob|"}, {"authors": ""},
    {"authors": "|user:bob|user:zed|"}, {"person": "process:start"}, {"person": ""},
    {"person": "user:b|ob"}, {"verdict": "maybe"},
]  # fmt: skip


def test_the_database_itself_refuses_an_author_who_approves(
    services: Services, draft: Draft
) -> None:
    review = ask(services.desk, draft)
    row = {
        "tenant": "tinyshop", "review": review.id, "content_hash": draft.head, "against": "",
        "verdict": "approve", "actor": "user:bob", "person": "user:bob", "authors": "|user:ann|",
        "at_s": 1, "comment": "",
    }  # fmt: skip
    for wrong in WRONG:
        with pytest.raises(IntegrityError), services.database.writing() as connection:
            connection.execute(insert(t.review_verdicts), row | wrong)
    with services.database.writing() as connection:
        connection.execute(insert(t.review_verdicts), row)


def test_a_verdict_and_an_edit_never_cross(services: Services, desk: Desk, draft: Draft) -> None:
    for number in range(6):
        review = ask(desk, draft)
        start = Barrier(2)

        def approve(review: Review = review, start: Barrier = start) -> str:
            start.wait()
            try:
                decide(desk, review)
            except Refused as refused:
                return refused.name
            return "approved"

        def edit(number: int = number, draft: Draft = draft, start: Barrier = start) -> Draft:
            start.wait()
            return retitle(desk, draft, f"Title {number}")

        with ThreadPoolExecutor(2) as threads:
            verdict, edited = threads.submit(approve), threads.submit(edit)
        assert verdict.result() in ("approved", "content-moved")
        # whoever came first: what the draft holds now is approved by nobody
        draft = edited.result()
        assert approval(services, draft.head) is None
        assert desk.status(draft).voided


def test_people_talk_and_their_words_stay(desk: Desk, draft: Draft) -> None:
    review = ask(desk, draft)
    desk.reviews.comment(BOB, review.id, "Why?", "offer ten-off")
    desk.reviews.withdraw(ANN, review.id)
    desk.reviews.comment(ANN, review.id, "A mistake.")
    said = desk.reviews.comments(review.id, 10)
    assert [(each.actor, each.about, each.text) for each in said] == [
        ("user:bob", "offer ten-off", "Why?"), ("user:ann", "", "A mistake."),
    ]  # fmt: skip
    assert desk.reviews.comments(review.id, 10, said[0].number) == said[1:]
