"""Drafts in the database: no update is lost, nothing is overwritten, and the status is true."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from control_plane.drafting.content import Files
from control_plane.drafting.desk import Desk
from control_plane.drafting.drafts import Change, Draft
from control_plane.drafting.folders import read_folder
from control_plane.errors import Refused
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage import tables_drafts as t
from tests.control_plane.desks import ANN, BOB, begin, copied, publish, retitle, seeded, write
from tests.control_plane.shop import CATALOG


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return seeded(tmp_path_factory.mktemp("seed"))


@pytest.fixture
def settings(seed: Settings, tmp_path: Path) -> Settings:
    return copied(seed, tmp_path)


@pytest.fixture
def desk(services: Services) -> Desk:
    return services.desk


# --- beginning ----------------------------------------------------------------


def test_the_folder_of_a_new_shop_is_the_first_revision_and_is_live(
    services: Services, settings: Settings
) -> None:
    desk = services.desk
    (first,) = desk.log(10)
    assert settings.catalog is not None
    assert desk.drafts.revision_files(first.id) == read_folder(settings.catalog)
    assert (first.parent, first.author) == ("", "process:start")
    assert desk.trunk() == desk.live() == first.id
    assert services.desk.begin(settings.catalog) == ""


def test_what_is_published_from_the_folder_later_becomes_a_revision(
    services: Services, settings: Settings
) -> None:
    draft = begin(services.desk)
    assert settings.catalog is not None
    text = CATALOG.replace("Ten percent off", "A tenth off")
    (settings.catalog / "catalog.yaml").write_text(text)
    services.catalog.publish(actor="user:pat")
    assert services.desk.status(draft).state == "out-of-date"
    assert (
        services.desk.drafts.revision_files(services.desk.live())["catalog.yaml"] == text.encode()
    )


# --- editing ------------------------------------------------------------------


def test_an_older_revision_comes_back_as_a_step_of_its_own(desk: Desk) -> None:
    draft = retitle(desk, begin(desk), "Autumn")
    later = write(desk, draft, extra=b"groups: {}\n")

    def restore(_: Draft, files: Files) -> Change:
        return Change(kind="restore", files=desk.drafts.revision_files(draft.head), message="")

    back = desk.drafts.change(ANN, draft.id, later.etag, restore)
    assert back.head == draft.head and back.version == 4 and back.etag != draft.etag


def test_an_edit_of_an_older_version_is_refused_with_the_etag_of_now(desk: Desk) -> None:
    draft = begin(desk)
    edited = retitle(desk, draft, "Autumn")
    with pytest.raises(Refused) as refused:
        retitle(desk, draft, "Winter", BOB)
    assert refused.value.name == "precondition-failed"
    assert refused.value.headers["ETag"] == edited.etag
    assert desk.drafts.get(draft.id) == edited


def test_an_edit_that_changes_nothing_is_no_step(desk: Desk) -> None:
    draft = begin(desk)
    assert retitle(desk, draft, "Ten percent off") == draft


def test_a_discarded_draft_takes_no_edits(desk: Desk) -> None:
    draft = begin(desk)
    gone = desk.drafts.discard(ANN, draft.id, draft.etag)
    with pytest.raises(Refused) as refused:
        retitle(desk, gone, "Autumn")
    assert refused.value.name == "draft-closed"
    assert desk.status(gone).state == "discarded"
    assert desk.drafts.newest(10, state="open") == []


# --- checking -----------------------------------------------------------------


def test_what_the_compiler_says_is_kept_by_content(services: Services) -> None:
    desk = services.desk
    draft = begin(desk)
    bad = write(desk, draft, bad=b"offers:\n  - {id: x, title: X}\n")
    check = desk.checker.check(bad.head)
    assert check.errors and not check.bundle and desk.status(bad).state == "invalid"
    assert "bad.yaml" in {each.file for each in check.diagnostics}
    assert all(each.code and each.line and each.help for each in check.diagnostics)
    with services.database.reading() as connection:
        kept = set(connection.scalars(select(t.catalog_checks.c.content_hash)))
    assert bad.head in kept
    good = desk.checker.check(draft.head)
    assert (good.errors, good.tenant) == (0, "tinyshop") and good.bundle


# --- where a draft stands -----------------------------------------------------


def test_a_rebase_with_a_conflict_waits_for_a_decision(services: Services) -> None:
    desk = services.desk
    mine, theirs = begin(desk), begin(desk, BOB)
    mine, theirs = retitle(desk, mine, "Mine"), retitle(desk, theirs, "Theirs", BOB)
    publish(services, theirs.head)
    (conflict,) = desk.rebase_hint(mine).conflicts
    with pytest.raises(Refused, match=f"{conflict.path}:{conflict.line}") as refused:
        desk.rebase(ANN, mine.id, mine.etag, {}, "")
    assert refused.value.name == "merge-conflict"
    rebased = desk.rebase(ANN, mine.id, mine.etag, {conflict.path: "mine"}, "")
    assert rebased.head == mine.head and desk.status(rebased).state == "ready-for-review"


def test_an_old_content_that_is_brought_back_wants_a_review_like_any_other(
    services: Services,
) -> None:
    desk = services.desk
    first = desk.live()
    publish(services, retitle(desk, begin(desk), "Autumn").head)
    draft = begin(desk, BOB)

    def restore(_: Draft, files: Files) -> Change:
        return Change(kind="restore", files=desk.drafts.revision_files(first), message="")

    back = desk.drafts.change(BOB, draft.id, draft.etag, restore)
    assert desk.status(back).state == "ready-for-review"


def test_offers_tell_whether_they_run_and_what_the_draft_does(services: Services) -> None:
    desk = services.desk
    services.publisher.pause("a-mug", actor="user:pat")
    draft = retitle(desk, begin(desk), "Autumn")
    new = b"""offers:
  - {id: new, title: New, kind: gift, placements: [hero], rungs: [{id: a, unit_cost: 1}]}
"""
    draft = write(desk, draft, z=new)
    found = {each.id: (each.state, each.edited) for each in desk.offers(draft)}
    assert found == {
        "ten-off": ("live", "changed"), "five-off": ("live", "same"),
        "once-each": ("live", "same"), "a-mug": ("paused", "same"),
        "new": ("draft-only", "added"),
    }  # fmt: skip


def test_windows_decide_what_is_scheduled_and_what_has_ended(services: Services) -> None:
    desk = services.desk
    text = CATALOG
    for offer, window in (
        ("ten-off", '{start: "2100-01-01T00:00"}'), ("a-mug", '{until: "2020-01-01T00:00"}'),
    ):  # fmt: skip
        text = text.replace(f"  - id: {offer}\n", f"  - id: {offer}\n    window: {window}\n")
    draft = write(desk, begin(desk), catalog=text.encode())
    assert desk.checker.check(draft.head).errors == 0
    publish(services, draft.head)
    found = {each.id: each for each in desk.offers(draft)}
    assert found["ten-off"].state == "scheduled" and (found["ten-off"].starts_s or 0) > 4e9
    assert found["a-mug"].state == "ended"


def test_two_contents_are_compared_in_files_and_in_business_words(desk: Desk) -> None:
    draft = begin(desk)
    edited = retitle(desk, draft, "Autumn")
    found = desk.compare(edited.head)
    assert found == desk.compare(edited.head, draft.base)
    (change,) = found.policy or []
    assert change.text == "title: Ten percent off -> Autumn"
    (file,) = found.files or []
    assert "+    title: Autumn" in file.text
    broken = write(desk, edited, bad=b"offers: {}")
    assert desk.compare(broken.head).policy is None


def test_a_folder_of_a_revision_is_there_while_it_is_used(desk: Desk) -> None:
    with desk.folder_of(desk.trunk()) as folder:
        assert read_folder(folder) == desk.drafts.revision_files(desk.trunk())
    assert not Path(folder).exists()
