"""A record translated to a draft decides as the original words would have, or is not replayed."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from control_plane.reviewing.reading import Reader
from control_plane.reviewing.replaying import Recorded, Replayer
from control_plane.reviewing.tallying import Tally
from control_plane.reviewing.translating import Translator
from edge.decision.bundle import Bundle
from edge.decision.decide import decide
from edge.decision.manifest import unpack_manifest
from edge.decision.request import pack_request, unpack_request
from edge.decision.request_json import encode_fields
from policy_compiler.catalog import Attribute, Derived, Offer, Placement, Rung
from policy_compiler.tree import Compare, Has, Node, Or
from tests.control_plane.replay_stories import Story, Told, stories
from tests.support.policies import ATTRIBUTES, a_catalog, bundle_of
from tests.support.requests import RequestMaker

NOW_S = 1_772_625_600
RUNG = Rung(id="r", amount=Decimal(5), expected_profit=Decimal(1))


def outcome(story: Story, told: Told, translator: Translator, reader: Reader) -> str:
    """What became of one record; `wrong` if it was replayed and decides otherwise."""
    block = told.record.manifest_block
    found = translator.translate(unpack_request(told.record.request))
    manifest = unpack_manifest(block)
    if reader.matter(manifest, found.request, found.doubts):
        return "not held"
    if found.taken_doubt and not reader.gives_defaults(manifest, found.request):
        return "taken unknown"
    verdict = decide(story.draft, block, pack_request(found.request))
    if verdict != decide(story.draft, block, told.truth):
        return "wrong"
    return "doubts that do not matter" if found.doubts else "no doubts"


def test_what_is_replayed_is_what_the_original_request_would_have_been_decided_as() -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(14):
        story = stories(seed, requests=30)
        translator, reader = Translator(story.old, story.draft), Reader(story.draft)
        outcomes.update(outcome(story, told, translator, reader) for told in story.told)
    assert not outcomes["wrong"], outcomes
    assert min(outcomes[kind] for kind in ("not held", "no doubts")) > 40, outcomes
    assert outcomes["doubts that do not matter"] > 40, outcomes


def test_under_its_own_bundle_a_record_is_the_same_bytes_again() -> None:
    for seed in range(3):
        story = stories(seed, requests=30)
        translator = Translator(story.old, story.old)
        replayer = Replayer(story.old, lambda digest, old=story.old: old)
        tally = Tally()
        for told in story.told:
            found = translator.translate(unpack_request(told.record.request))
            assert pack_request(found.request) == told.record.request
            replayer.replay(Recorded("", told.data), tally)
        assert tally.identical == tally.replayed == len(story.told) > 20
        assert tally.slots.changed == 0
        assert all(line.before == line.after for line in tally.lines.values())


# --- one attribute at a time --------------------------------------------------


def policy(attribute: Attribute | None, rule: Node | None = None, **more: Any) -> Bundle:
    """One offer in each of two placements; the one in `list` has the rule."""
    offers = [
        Offer(id=name, title=name, kind="fixed", placements=[place],
              rungs=[RUNG])
        for name, place in (("ruled", "list"), ("free", "other"))
    ]  # fmt: skip
    attributes = dict(ATTRIBUTES)
    if attribute is not None:
        attributes["x"] = attribute
    catalog = a_catalog(
        attributes=attributes | more,
        offers=offers,
        placements={"list": Placement(title="List", rank=1), "other": Placement(title="O", rank=2)},
    )
    return bundle_of(catalog, {"ruled": rule} if rule else {})


def missing(old: Bundle, draft: Bundle, sent: dict[str, Any], **fields: Any) -> set[str]:
    """The attributes for which a record of these attributes is not replayable."""
    asked = {
        "visitor": "v", "nonce": "n", "consent": "full", "now_s": NOW_S,
        "placements": ["list"], "attributes": sent,
    } | fields  # fmt: skip
    data = encode_fields(old, asked).data
    found = Translator(old, draft).translate(unpack_request(data))
    block = RequestMaker(draft, 1).manifest(
        all_paused=False, issued_s=NOW_S - 60, expires_s=NOW_S + 60
    )
    rows = Reader(draft).matter(block, found.request, found.doubts)
    return {draft.text(draft.tables.attribute_name[row]) for row in rows}


def up_to(most: int) -> Attribute:
    return Attribute(type="int", maximum=Decimal(most))


WHOLE = Attribute(type="int")
AT_LEAST = Compare(attribute="x", op=">=", value=5)


def test_an_attribute_that_the_old_policy_did_not_know_is_missing() -> None:
    assert missing(policy(None), policy(WHOLE, AT_LEAST), {}) == {"x"}


def test_an_attribute_that_no_rule_reads_is_not_missed() -> None:
    assert missing(policy(None), policy(WHOLE), {}) == set()


def test_an_attribute_that_only_other_placements_read_is_not_missed() -> None:
    draft = policy(WHOLE, AT_LEAST)
    assert missing(policy(None), draft, {}, placements=["other"]) == set()
    assert missing(policy(None), draft, {}, placements=["list", "other"]) == {"x"}


def test_without_consent_nothing_is_missed() -> None:
    assert missing(policy(None), policy(WHOLE, AT_LEAST), {}, consent="none") == set()


def test_a_personal_attribute_is_not_missed_of_a_page_session() -> None:
    personal = Attribute(type="int", labels=["personal"])
    draft = policy(personal, AT_LEAST)
    assert missing(policy(None), draft, {}, consent="contextual") == set()
    assert missing(policy(None), draft, {}) == {"x"}


def test_an_attribute_is_not_missed_where_the_rest_of_its_rule_fails_or_suffices() -> None:
    phone = Compare(attribute="a.device", op="==", value="phone")
    either = policy(WHOLE, Or(parts=(AT_LEAST, phone)))
    assert missing(policy(None, phone), either, {"a.device": "phone"}) == set()
    assert missing(policy(None, phone), either, {"a.device": "tablet"}) == {"x"}


def test_what_a_missing_attribute_is_made_into_is_missed_under_its_own_name() -> None:
    derived = Attribute(type="int", derived=Derived(sum=("x", "a.count")))
    draft = policy(WHOLE, Compare(attribute="y", op=">=", value=5), y=derived)
    assert missing(policy(None, Has(attribute="a.count")), draft, {}) == {"x"}


@pytest.mark.parametrize(
    ("before", "after", "sent", "doubtful"),
    [
        (Attribute(type="decimal", scale=2), Attribute(type="decimal", scale=3), "1.20", False),
        (Attribute(type="decimal", scale=2), Attribute(type="decimal", scale=1), "1.25", False),
        # "1.20" and "1.2" are the same number in a record, and only one of them has one digit
        (Attribute(type="decimal", scale=2), Attribute(type="decimal", scale=1), "1.20", True),
        (Attribute(type="decimal", scale=2), WHOLE, "1.25", False),
        (Attribute(type="decimal", scale=2), WHOLE, "7.00", True),
        (up_to(9), up_to(8), 99, False),
        (up_to(9), up_to(20), 99, True),
        (up_to(9), up_to(20), 5, False),
        (WHOLE, Attribute(type="timestamp"), 5, False),
        (WHOLE, Attribute(type="bool"), 5, False),
        (WHOLE, Attribute(type="int", source="signed"), 5, True),
        (WHOLE, Attribute(type="int", source="signed"), None, False),
        (Attribute(type="int", source="signed"), WHOLE, 5, False),
        (Attribute(type="int", source="signed"), WHOLE, None, True),
    ],
)  # fmt: skip
def test_a_change_of_declaration_makes_doubtful_what_the_record_cannot_tell(
    before: Attribute, after: Attribute, sent: object, doubtful: bool
) -> None:
    old, draft = policy(before, Has(attribute="x")), policy(after, Has(attribute="x"))
    assert missing(old, draft, {"x": sent}) == ({"x"} if doubtful else set())


def test_a_longer_enumeration_makes_invalid_words_doubtful_and_keeps_the_others() -> None:
    few = Attribute(type="string", values=["a", "b"])
    more = Attribute(type="string", values=["a", "b", "c"])
    short, long = policy(few, Has(attribute="x")), policy(more, Has(attribute="x"))
    assert missing(short, long, {"x": "c"}) == {"x"}
    assert missing(short, long, {"x": "a"}) == set()
    assert missing(long, short, {"x": "c"}) == set()


def test_an_arm_of_unknown_name_is_only_harmless_if_the_draft_has_no_new_arm() -> None:
    taken: Any = [{"placement": "list", "slot": 0, "arm": "late/r"}]
    data = encode_fields(
        policy(None),
        {"visitor": "v", "nonce": "n", "consent": "full", "now_s": NOW_S,
         "placements": ["list"], "taken": taken},
    ).data  # fmt: skip
    request = unpack_request(data)
    offer = Offer(
        id="late", title="Late", kind="fixed", placements=["list"],
        rungs=[RUNG],
    )  # fmt: skip
    newer = bundle_of(a_catalog(offers=[offer]))
    assert Translator(policy(None), newer).translate(request).taken_doubt
    assert not Translator(policy(None), policy(WHOLE)).translate(request).taken_doubt
