"""The gates: all findings at once, and the ways around them that there must and must not be."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from control_plane.accounts.actor import Actor
from control_plane.drafting.desk import Desk
from control_plane.drafting.drafts import Draft
from control_plane.issuing import PublishRefused
from control_plane.releasing.candidates import Origin
from control_plane.releasing.gates import GATES, Candidate, Finding, GatesClosed, findings_of
from control_plane.releasing.making import Made, hash_of_folder, make_folder
from control_plane.releasing.promotion import promote
from control_plane.releasing.switches import Switch, of_paused
from control_plane.reviewing.reviews import Review
from control_plane.services import Services
from control_plane.settings import Settings
from policy_compiler.selftests import failures
from tests.control_plane.desks import ANN, BOB, begin, write
from tests.control_plane.shop import CATALOG, write_catalog
from tests.support.bundles import tiny_bundle

NOW_S = 1_795_000_000
DEARER = CATALOG.replace("unit_cost: 4.00", "unit_cost: 5.00")
CHEAPER = CATALOG.replace("unit_cost: 4.00", "unit_cost: 3.00")
TESTS = """
tests:
  rugs-are-never-cheaper:
    at: 2026-11-27T10:00
    request:
      attributes: {cart.total: 60.00, cart.categories: [rugs], cart.updated_at: -3600}
    expect: {hero: [none, a-mug, five-off]}
  an-old-cart:
    request:
      attributes:
        {cart.total: "60", cart.margin: 20, cart.categories: [lamps], cart.updated_at: -61,
         visit.kind: new}
    expect: {hero: [none, ten-off]}
"""
WRONG = TESTS.replace("[none, ten-off]", "ten-off/p10").replace("[none, a-mug, five-off]", "none")


@pytest.fixture
def strict(settings: Settings) -> Settings:
    """Approvals are needed, and there is a second channel."""
    return replace(settings, require_approval=True, channels=("staging",))


@pytest.fixture
def services(strict: Settings):
    services = Services.open(strict)
    yield services
    services.close()


def made(folder: Path, text: str) -> Made:
    return make_folder(write_catalog(folder, text))


def approve(services: Services, text: str = DEARER) -> Review:
    """The way that people take: Ann's draft of this catalog, asked for and approved by Bob."""
    draft = write(services.desk, begin(services.desk), catalog=text.encode())
    return ask_and_approve(services.desk, draft)


def ask_and_approve(desk: Desk, draft: Draft) -> Review:
    review = desk.ask(ANN, draft.id, draft.etag, "please")
    return desk.reviews.decide(BOB, review.id, review.content_hash, "approve", "")


# --- the list -----------------------------------------------------------------


def test_the_gates_are_a_list_that_can_be_read():
    assert [gate.__name__ for gate in GATES] == [
        "it_opens_as_a_policy_of_this_shop",
        "it_is_within_the_limits_of_an_edge",
        "it_passes_its_own_tests",
        "its_catalog_is_approved",
    ]


def test_all_findings_come_at_once_each_with_what_where_and_what_to_do(
    services: Services, tmp_path: Path
):
    wrong = made(tmp_path / "wrong", DEARER + WRONG)
    with pytest.raises(GatesClosed) as caught:
        services.publisher.publish(wrong.compiled.data, actor="test", origin=wrong.origin)
    findings = caught.value.findings
    assert [(finding.gate, finding.where) for finding in findings] == [
        ("tests", 'tests["an-old-cart"].expect.hero'),
        ("tests", 'tests["rugs-are-never-cheaper"].expect.hero'),
        ("approval", f"catalog/{wrong.origin.content_hash}"),
    ]
    assert "hero may show none" in findings[0].what and "only ten-off/p10" in findings[0].what
    assert all(finding.help for finding in findings)
    assert "is not approved" in str(caught.value)


def test_a_later_gate_is_one_more_line_and_is_asked_with_the_others(tmp_path: Path):
    seen: list[bytes] = []

    def it_is_friday(candidate: Candidate):
        seen.append(candidate.data)
        yield Finding(gate="friday", what="it is Friday", where="the calendar", help="Wait.")

    candidate = Candidate(
        data=b"", tenant="shop", bundle=None, trouble="empty", now_s=NOW_S,
        needs_approval=True, hashes=frozenset(), live_hashes=frozenset(), approval=lambda _: None,
        was_live=lambda _: False,
    )  # fmt: skip
    found = findings_of(candidate, [*GATES, it_is_friday])
    assert [finding.gate for finding in found] == ["opens", "approval", "friday"]
    assert seen == [b""]


# --- self-tests ---------------------------------------------------------------


def test_self_tests_are_in_the_bundle_and_pass_whoever_asks(tmp_path: Path):
    bundle = made(tmp_path / "right", CATALOG + TESTS).compiled.bundle
    assert [test.name for test in bundle.notes.tests] == ["an-old-cart", "rugs-are-never-cheaper"]
    for now_s in (NOW_S, NOW_S + 86400 * 300):
        assert list(failures(bundle, now_s)) == []


def test_a_self_test_fails_for_an_arm_that_could_be_drawn_whatever_was_drawn(tmp_path: Path):
    text = CATALOG + TESTS.replace("[none, ten-off]", "[none, ten-off/p10]")
    bundle = made(tmp_path / "wrong", text).compiled.bundle
    (failure,) = failures(bundle, NOW_S)
    assert "hero may show ten-off/p20" in failure.told


# --- approval -----------------------------------------------------------------


def test_a_new_shop_begins_with_its_catalog_and_learning_goes_on_with_it(services: Services):
    live = services.publisher.live()
    assert live is not None and live.actor == "start"
    again = services.catalog.publish(actor="test")  # the same catalog: it was let in before
    assert again.signing.sequence == live.sequence + 1


def test_another_catalog_needs_an_approval_of_that_very_content(
    services: Services, strict: Settings
):
    assert strict.catalog is not None
    write_catalog(strict.catalog, DEARER)
    with pytest.raises(GatesClosed, match="is not approved"):
        services.catalog.publish(actor="test")
    approve(services)
    services.catalog.publish(actor="test")
    write_catalog(strict.catalog, DEARER + "# an edit voids it\n")
    assert services.publisher.gatehouse.findings(
        tiny_bundle("tinyshop"), Origin(content_hash=hash_of_folder(strict.catalog))
    )


def test_bytes_that_nobody_knows_are_not_published(services: Services):
    with pytest.raises(GatesClosed, match="nobody knows its catalog"):
        services.publisher.publish(tiny_bundle("tinyshop"), actor="test")


def test_going_back_and_switches_ask_no_gate(services: Services, strict: Settings):
    assert strict.catalog is not None
    first = services.publisher.live()
    assert first is not None
    write_catalog(strict.catalog, DEARER)
    approve(services)
    services.catalog.publish(actor="test")
    services.publisher.switch_off(Switch(all=True), actor="test")
    services.publisher.roll_back(first.bundle, actor="test")
    live = services.publisher.live()
    assert live is not None and live.bundle == first.bundle and live.manifest.paused.all


def test_an_approval_that_something_else_has_overtaken_opens_no_gate(
    services: Services, strict: Settings
):
    """Both were compared with what was live when they were asked for; publishing the second
    would undo the first."""
    assert strict.catalog is not None
    for text in (DEARER, CHEAPER):
        approve(services, text)
    write_catalog(strict.catalog, DEARER)
    services.catalog.publish(actor="test")
    services.desk.catch_up()
    write_catalog(strict.catalog, CHEAPER)
    with pytest.raises(GatesClosed, match="something else is live now"):
        services.catalog.publish(actor="test")
    approve(services, CHEAPER)
    services.catalog.publish(actor="test")


def test_as_many_must_approve_as_the_shop_wants_by_now(services: Services, strict: Settings):
    assert strict.catalog is not None
    approve(services)
    new = make_folder(write_catalog(strict.catalog, DEARER))
    assert not services.publisher.gatehouse.findings(new.compiled.data, new.origin)
    stricter = Services.open(replace(strict, approvals_needed=2))
    (found,) = stricter.publisher.gatehouse.findings(new.compiled.data, new.origin)
    stricter.close()
    assert found.gate == "approval" and "is not approved" in found.what


# --- channels -----------------------------------------------------------------


def test_promoting_takes_the_very_bytes_and_their_approval(services: Services, tmp_path: Path):
    staging, production = services.channels["staging"], services.publisher
    new = made(tmp_path / "new", DEARER)
    desk, review = services.desk, approve(services)
    tried = staging.publish(new.compiled.data, actor="test", origin=new.origin)
    desk.reviews.decide(BOB, review.id, review.content_hash, "reject", "on second thoughts")
    assert production.live() != staging.live()
    with pytest.raises(GatesClosed, match="is not approved"):
        promote(staging, production, tried.bundle, actor="test")
    ask_and_approve(desk, desk.drafts.get(review.draft))
    promoted = promote(staging, production, tried.bundle, actor="user:ann", note="looks well")
    assert (promoted.bundle, promoted.reason) == (tried.bundle, "promote")
    assert promoted.note == f"from staging, sequence {tried.sequence}: looks well"
    assert services.store.get("channels/staging/edge.jws") == tried.signed
    assert services.store.get("channels/production/edge.jws") == promoted.signed
    assert services.published("channels/staging/edge.jws") == tried.signed


def test_only_what_was_live_there_is_promoted(services: Services):
    with pytest.raises(PublishRefused, match="was never live on staging"):
        promote(services.channels["staging"], services.publisher, "0" * 64, actor="test")


def test_each_channel_has_its_own_sequence_pauses_and_history(services: Services, tmp_path: Path):
    production, staging = services.publisher, services.channels["staging"]
    assert staging.live() is None
    approve(services)
    new = made(tmp_path / "new", DEARER)
    staging.publish(new.compiled.data, actor="test", origin=new.origin)
    staging.switch_off(Switch(placements=("hero",), rungs=("ten-off/p10",)), actor="test")
    there, here = staging.live(), production.live()
    assert there is not None and here is not None
    assert (there.sequence, here.sequence) == (2, 1)
    assert there.manifest.paused.placements == ("hero",) and not here.manifest.paused.placements


# --- kill switches ------------------------------------------------------------


def test_switches_hold_over_publishes_and_roll_backs_until_they_are_taken_back(
    services: Services,
):
    publisher, ann = services.publisher, Actor(id="user:ann", name="ann", permissions=frozenset())
    first = publisher.live()
    assert first is not None
    everything = Switch(
        all=True, offers=("ten-off",), rungs=("five-off/a5",), placements=("hero", "checkout")
    )
    publisher.switch_off(everything, actor=ann.id)
    services.catalog.publish(actor="test")
    publisher.roll_back(first.bundle, actor="test")
    publisher.resign()
    told = publisher.live()
    assert told is not None and of_paused(told.manifest.paused).told == (
        "everything, offer 'ten-off', size 'five-off/a5', placement 'checkout', placement 'hero'"
    )
    publisher.switch_on(Switch(all=True, placements=("hero",)), actor=ann.id)
    live = publisher.live()
    assert live is not None and live.manifest.paused.all is False
    assert live.manifest.paused.placements == ("checkout",)
    assert live.manifest.paused.offers == ("ten-off",)


@pytest.mark.parametrize(
    "switch",
    [Switch(offers=("nine-off",)), Switch(rungs=("ten-off/p99",)), Switch(placements=("attic",))],
)
def test_names_that_nothing_has_are_refused(services: Services, switch: Switch):
    with pytest.raises(PublishRefused, match="in the live policy"):
        services.publisher.switch_off(switch, actor="test")
    with pytest.raises(PublishRefused, match="is not paused"):
        services.publisher.switch_on(switch, actor="test")


def test_a_switch_works_although_the_live_policy_cannot_be_read(services: Services):
    live = services.publisher.live()
    assert live is not None
    file = services.settings.objects / "bundles" / live.bundle
    file.chmod(0o644)
    file.write_bytes(b"damaged")
    services.policies._kept.clear()
    services.publisher.switch_off(Switch(offers=("ten-off",)), actor="test")
    after = services.publisher.live()
    assert after is not None and after.manifest.paused.offers == ("ten-off",)
