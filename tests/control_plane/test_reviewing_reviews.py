"""Reviews: four eyes, one content, and no verdict that crosses an edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.accounts.actor import LOCAL, PERMISSIONS, Actor, process
from control_plane.drafting.desk import Desk
from control_plane.drafting.drafts import Draft
from control_plane.services import Services
from control_plane.settings import Settings
from tests.control_plane.desks import (
    ANN,
    BOB,
    CARA,
    approval,
    ask,
    begin,
    copied,
    decide,
    publish,
    refusal,
    retitle,
    seeded,
    write,
)


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return seeded(tmp_path_factory.mktemp("seed"))


@pytest.fixture
def settings(seed: Settings, tmp_path: Path) -> Settings:
    return copied(seed, tmp_path)


@pytest.fixture
def desk(services: Services) -> Desk:
    return services.desk


@pytest.fixture
def draft(desk: Desk) -> Draft:
    """Ann's, with one change."""
    return retitle(desk, begin(desk), "Autumn")


# --- approving ----------------------------------------------------------------


def test_an_edit_voids_the_approval_and_taking_it_back_restores_it(
    services: Services, draft: Draft
) -> None:
    desk = services.desk
    review = ask(desk, draft)
    decide(desk, review)
    edited = retitle(desk, draft, "Winter")
    status = desk.status(edited)
    assert (status.state, status.voided, status.approvals) == ("ready-for-review", True, 0)
    assert approval(services, edited.head) is None
    assert refusal(decide, desk, review, CARA) == "content-moved"
    back = retitle(desk, edited, "Autumn")
    assert back.head == draft.head and desk.status(back).state == "approved"


def test_a_rejection_ends_the_review_and_a_wish_for_changes_holds_it(
    services: Services, draft: Draft
) -> None:
    desk = services.desk
    review = ask(desk, draft)
    decide(desk, review, BOB)
    decide(desk, review, CARA, "request-changes")
    assert desk.status(draft).state == "changes-requested"
    assert approval(services, draft.head) is None
    decide(desk, review, CARA, "approve")
    assert desk.status(draft).state == "approved"
    decide(desk, review, CARA, "reject")
    assert desk.status(draft).state == "rejected"
    assert approval(services, draft.head) is None
    assert refusal(decide, desk, review) == "review-closed"
    again = ask(desk, draft)
    assert desk.status(draft).state == "in-review" and again.id != review.id


def test_withdrawing_and_discarding_leave_nothing_approved(
    services: Services, draft: Draft
) -> None:
    desk = services.desk
    review = ask(desk, draft)
    decide(desk, review)
    desk.reviews.withdraw(ANN, review.id)
    assert approval(services, draft.head) is None
    assert desk.status(draft).state == "ready-for-review"
    decide(desk, ask(desk, draft))
    assert approval(services, draft.head) is not None
    desk.drafts.discard(ANN, draft.id, draft.etag)
    assert approval(services, draft.head) is None


def test_a_draft_that_is_not_ready_cannot_be_asked_about(services: Services, draft: Draft) -> None:
    desk = services.desk
    assert refusal(ask, desk, begin(desk, BOB)) == "not-reviewable"
    assert refusal(ask, desk, write(desk, draft, bad=b"offers: {}")) == "not-reviewable"
    assert refusal(ask, desk, draft) in ("precondition-failed", "not-reviewable")
    publish(services, retitle(desk, begin(desk, CARA), "Late").head)
    other = desk.drafts.get(draft.id)
    assert refusal(ask, desk, other) == "not-reviewable"


# --- four eyes ----------------------------------------------------------------


def test_nobody_approves_what_they_had_a_hand_in(desk: Desk, draft: Draft) -> None:
    both = retitle(desk, draft, "Five!", BOB, "five-off")
    review = ask(desk, both)
    assert refusal(decide, desk, review, ANN) == "own-work"
    assert refusal(decide, desk, review, BOB) == "own-work"
    assert refusal(decide, desk, review, process("start")) == "own-work"
    decide(desk, review, CARA)


def test_whoever_edits_and_takes_it_back_or_only_asks_is_an_author_too(
    desk: Desk, draft: Draft
) -> None:
    helped = retitle(desk, retitle(desk, draft, "Winter", BOB), "Autumn", ANN)
    assert helped.head == draft.head
    review = ask(desk, helped, CARA)
    assert refusal(decide, desk, review, BOB) == "own-work"
    assert refusal(decide, desk, review, CARA) == "own-work"


def test_authors_of_what_was_published_are_free_to_approve_the_next_change(
    services: Services, draft: Draft
) -> None:
    desk = services.desk
    publish(services, draft.head)
    review = ask(desk, retitle(desk, begin(desk, BOB), "Winter", BOB), BOB)
    decide(desk, review, ANN)


def test_opening_a_draft_makes_nobody_an_author(desk: Desk, draft: Draft) -> None:
    desk.drafts.create(BOB, "to try", base=draft.head)
    decide(desk, ask(desk, draft), BOB)


def test_everyone_at_an_open_console_is_one_person(desk: Desk) -> None:
    draft = retitle(desk, begin(desk, LOCAL), "Autumn", LOCAL)
    assert refusal(decide, desk, ask(desk, draft, LOCAL), LOCAL) == "own-work"


def test_names_that_begin_alike_are_not_the_same_person(desk: Desk, draft: Draft) -> None:
    short = Actor(id="user:an", name="an", permissions=frozenset(PERMISSIONS))
    decide(desk, ask(desk, draft), short)


# --- racing -------------------------------------------------------------------


# --- talking ------------------------------------------------------------------
