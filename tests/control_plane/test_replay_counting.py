"""What a replay counts: who gains and loses, what it costs, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import msgspec
import pytest

from control_plane.batch import lines_of
from control_plane.reviewing.regrouping import CannotRegroup
from control_plane.reviewing.replay_report import ReplayReport, report_of
from control_plane.reviewing.replaying import Decide, Recorded, ReplayBroken, Replayer
from control_plane.reviewing.tallying import Tally
from control_plane.reviewing.worth import Cartful, Prices
from edge.decision.beacon import pack_record, unpack_record, unpack_verdict
from edge.decision.bundle import Bundle
from edge.decision.candidacy import score_of
from edge.decision.decide import decide
from edge.decision.hashing import T
from edge.decision.request import unpack_request
from edge.decision.request_json import encode_fields
from edge.decision.scoring import deviation
from edge.decision.visit import Slot, begin
from tests.control_plane.replay_shop import (
    BLOCK,
    BY_VALUE,
    CHEAPER,
    LIVE,
    NEVER_NEW,
    READS_MORE,
    compiled,
    finder,
    made,
    record,
    visit,
)
from tests.support.policies import random_bundle
from tests.support.requests import RequestMaker

VISITS = 240


@pytest.fixture(scope="module")
def live() -> Bundle:
    return compiled().bundle


@pytest.fixture(scope="module")
def records(live: Bundle) -> list[bytes]:
    return made(live, VISITS)


def replayed(draft: Bundle, live: Bundle, records: list[bytes], by: str = "") -> ReplayReport:
    replayer, tally = Replayer(draft, finder(live), by=by), Tally()
    for data in records:
        replayer.replay(Recorded("", data), tally)
    return report_of(tally, draft, by=by)


def told(bundle: Bundle, records: list[bytes]) -> list[tuple[str, int, str, Decimal]]:
    """(request, slot, arm, its incentive), as the batch's own table has it."""
    lines = []
    for data in records:
        found = unpack_record(data)
        lines += lines_of(bundle, unpack_request(found.request), found)
    return [
        (f"{line.request}/{line.placement}", line.slot or 0,
         f"{line.offer}/{line.rung}" if line.offer else "none", Decimal(line.incentive or 0))
        for line in lines
    ]  # fmt: skip


@pytest.mark.parametrize("text", [CHEAPER, NEVER_NEW, BY_VALUE], ids=["size", "rule", "more"])
def test_gains_losses_and_cost_are_those_of_deciding_the_same_visits_anew(
    live: Bundle, records: list[bytes], text: str
) -> None:
    draft = compiled(text).bundle
    report = replayed(draft, live, records)
    before, after = told(live, records), told(draft, made(draft, VISITS))
    gained, lost, kept = Counter[str](), Counter[str](), Counter[str]()
    for (_, _, old, _), (_, _, new, _) in zip(before, after, strict=True):
        if old == new:
            kept[old] += 1
        else:
            lost[old] += 1
            gained[new] += 1
    assert report.replayed == report.records == VISITS and not report.left_out
    for line in report.arms:
        counts = (line.totals.gained, line.totals.lost, line.totals.kept)
        assert counts == (gained[line.arm], lost[line.arm], kept[line.arm]), line.arm
    assert report.slots.changed == gained.total()
    drawn = report.totals.before.drawn, report.totals.after.drawn
    spent = sum(row[3] for row in before), sum(row[3] for row in after)
    assert [side.incentive_micros for side in drawn] == [int(x * 10**6) for x in spent]
    assert spent[0] != spent[1]


def test_margins_differ_by_what_incentives_and_handling_cost(
    live: Bundle, records: list[bytes]
) -> None:
    fee = LIVE.replace("{id: a5, amount: 5.00,", "{id: a5, amount: 4.00, fixed_cost: 0.40,")
    report = replayed(compiled(fee).bundle, live, records)
    five = next(line.totals for line in report.arms if line.arm == "five-off/a5")
    before, after = report.totals.before.drawn, report.totals.after.drawn
    spent = after.incentive_micros - before.incentive_micros
    handled = 400_000 * five.after.shown
    assert spent < 0 < handled
    assert before.margin_micros - after.margin_micros == spent + handled


def test_segments_and_lines_add_up_to_the_whole(live: Bundle, records: list[bytes]) -> None:
    report = replayed(compiled(NEVER_NEW).bundle, live, records)
    assert report.totals.lost > 0
    for groups in (report.segments, report.placements):
        assert sum(group.totals.lost for group in groups) == report.totals.lost
        shown = sum(group.totals.after.shown for group in groups)
        assert shown == report.totals.after.shown
    lost = {(line.segment, line.arm): line.totals.lost for line in report.lines}
    assert lost["new", "ten-off/p10"] > 0 == lost["known", "ten-off/p10"]
    assert sum(line.totals.before.shown for line in report.lines) == report.slots.slots


def test_an_attribute_of_the_draft_groups_the_same_slots_by_its_values(
    live: Bundle, records: list[bytes]
) -> None:
    draft = compiled(BY_VALUE).bundle
    report = replayed(draft, live, records, by="cart.total")
    by_total = {g.segment: g.totals for g in report.segments if g.placement == "hero"}
    assert set(by_total) == {"below 50.01", "50.01 and more"}
    assert by_total["below 50.01"].lost > 0 == by_total["50.01 and more"].lost
    assert "ten-off/p10" not in {
        line.arm
        for line in report.lines
        if line.segment == "below 50.01" and line.totals.after.shown
    }


def test_grouping_by_what_has_no_groups_is_refused(live: Bundle) -> None:
    for name in ("cart.categories", "cart.nothing"):
        with pytest.raises(CannotRegroup, match=name):
            Replayer(live, finder(), by=name)


def test_examples_are_decisions_where_the_offer_was_lost(
    live: Bundle, records: list[bytes]
) -> None:
    report = replayed(compiled(NEVER_NEW).bundle, live, records)
    lost = next(line for line in report.arms if line.arm == "ten-off/p10")
    known = {}
    for data in records:
        found = unpack_record(data)
        for line in lines_of(live, unpack_request(found.request), found):
            known[line.decision] = f"{line.offer}/{line.rung}"
    assert len(lost.losing) == 3 and {known[id] for id in lost.losing} == {"ten-off/p10"}


def test_chances_are_the_tickets_of_both_sides(live: Bundle, records: list[bytes]) -> None:
    """Expected showings of an arm are the sum of its propensities in fresh draws."""
    report = replayed(live, live, records)
    tickets: Counter[str] = Counter()
    for data in records:
        for row in unpack_verdict(unpack_record(data).verdict):
            for arm, chance in row.shown.listed or ((row.shown.arm, T),):
                tickets[live.arm_name(arm)] += chance
    for line in report.arms:
        expected = tickets[line.arm] * 1_000_000 // T
        assert line.totals.before.expected_shown_ppm == expected
        assert line.totals.after == line.totals.before


# --- left out -----------------------------------------------------------------


def left_out(report: ReplayReport) -> dict[str, int]:
    return {str(each.reason): each.records for each in report.left_out}


def test_records_that_cannot_tell_what_the_draft_reads_are_counted_by_attribute(
    live: Bundle, records: list[bytes]
) -> None:
    draft = compiled(READS_MORE).bundle
    report = replayed(draft, live, records)
    in_rugs = record(live, visit(1, attributes={"cart.categories": ["rugs"]}))
    without = replayed(draft, live, [in_rugs])
    assert left_out(report) == {"not-held": VISITS} and report.not_held == {"visit.rain": VISITS}
    assert without.replayed == 1 and not without.not_held  # the rule fails whatever the weather


def test_everything_else_that_cannot_be_replayed_is_counted_with_its_reason(
    live: Bundle, records: list[bytes]
) -> None:
    first = unpack_record(records[0])
    lies = msgspec.structs.replace(first, verdict=unpack_record(records[1]).verdict)
    elsewhere = msgspec.structs.replace(first, bundle_digest=bytes(32))
    broken = msgspec.structs.replace(first, request=first.request[:-1])
    replayer, tally = Replayer(live, finder(live)), Tally()
    replayer.replay(Recorded("", records[0]), tally)
    replayer.replay(Recorded("", records[0], attested=False), tally)
    for data in (b"", b"x" * 200, pack_record(broken), pack_record(elsewhere), pack_record(lies)):
        replayer.replay(Recorded("", data), tally)
    report = report_of(tally, live)
    assert left_out(report) == {
        "unattested": 1, "unreadable": 3, "no-bundle": 1, "not-as-recorded": 1
    }  # fmt: skip
    assert report.records == 7 and report.replayed == report.identical == 1


def test_records_without_the_edges_word_are_replayed_where_that_is_asked(
    live: Bundle, records: list[bytes]
) -> None:
    replayer, tally = Replayer(live, finder(live), unattested=True), Tally()
    replayer.replay(Recorded("", records[0], attested=False), tally)
    assert tally.replayed == 1


def test_another_shops_records_are_left_out(live: Bundle, records: list[bytes]) -> None:
    draft = random_bundle(1)
    report = replayed(draft, live, records[:3])
    assert left_out(report) == {"other-tenant": 3}


def test_the_same_bundle_with_another_verdict_ends_the_replay(
    live: Bundle, records: list[bytes]
) -> None:
    """By a decider that is no function, as a broken kernel would be."""
    made_of: list[Bundle] = []

    def moody(bundle: Bundle) -> Decide:
        made_of.append(bundle)
        noise = b"" if len(made_of) == 2 else b"!"  # the draft's is made first
        return lambda block, request: decide(bundle, block, request) + noise

    replayer = Replayer(live, finder(live), decider=moody)
    with pytest.raises(ReplayBroken, match="another verdict"):
        replayer.replay(Recorded("first", records[0]), Tally())


def test_pauses_and_multipliers_of_the_recorded_manifest_hold_for_the_draft(live: Bundle) -> None:
    draft = compiled(CHEAPER).bundle
    paused = msgspec.structs.replace(BLOCK, paused_offers=(key_of_offer(draft, "ten-off"),))
    told_of = [record(live, visit(number), paused) for number in range(60)]
    shown = {line.arm for line in replayed(draft, live, told_of).arms}
    assert shown and not shown & {"ten-off/p10", "ten-off/p20"}
    open_to_all = [record(live, visit(number)) for number in range(60)]
    assert "ten-off/p10" in {line.arm for line in replayed(draft, live, open_to_all).arms}


def key_of_offer(bundle: Bundle, name: str) -> int:
    names = [bundle.text(text) for text in bundle.tables.offer_name]
    return bundle.tables.offer_key[names.index(name)]


def test_a_kept_choice_counts_as_shown_and_not_as_drawn(live: Bundle) -> None:
    first = unpack_record(record(live, visit(1)))
    row = unpack_verdict(first.verdict)[0]
    kept = {
        "placement_key": live.tables.placement_key[row.placement], "slot": 0, "redraw": 0,
        "epoch": row.epoch, "arm_key": live.tables.rung_key[0], "drawn_by": "ab" * 16,
    }  # fmt: skip
    again = record(live, visit(1, placements=["hero"], state={"caps": [], "kept": [kept]}))
    report = replayed(live, live, [again])
    assert report.slots.carried == 1
    (line,) = [line for line in report.arms if line.totals.before.shown]
    assert line.totals.kept == 1 and line.totals.before.drawn.margin_micros > 0
    assert line.totals.before.expected_shown_ppm == 0 == line.totals.before.expected.margin_micros


def test_a_placement_that_the_draft_lacks_loses_its_offers(live: Bundle) -> None:
    without = LIVE.replace("  checkout:\n    title: Checkout\n    rank: 2\n", "")
    without = without.replace("placements: [hero, checkout]", "placements: [hero]")
    start = without.index("  - id: once-each")
    without = without[:start] + without[without.index("  - id: a-mug") :]
    report = replayed(compiled(without).bundle, live, made(live, 60))
    (checkout,) = [group for group in report.placements if group.placement == "checkout"]
    assert report.slots.gone == 40 and checkout.totals.after.shown == 0
    assert checkout.totals.lost == checkout.totals.before.shown > 0
    saved = checkout.totals.before.drawn.incentive_micros
    assert checkout.totals.after.drawn.incentive_micros == 0 < saved


# --- worth --------------------------------------------------------------------


def test_weights_and_gains_are_those_of_the_decision() -> None:
    """`ModelTerms` and `gain` against `scoring` itself, on made-up policies."""
    compared = 0
    for seed in range(12):
        bundle = random_bundle(seed)
        maker, prices = RequestMaker(bundle, seed), Prices(bundle)
        for _ in range(10):
            block = msgspec.structs.replace(maker.manifest(), multipliers=())
            request = unpack_request(encode_fields(bundle, maker.request().fields).data)
            cartful, visit = Cartful(prices, request), begin(bundle, block, request)
            unit = bundle.head(2)
            for placement, arm in ((p, a) for p in range(bundle.rows["placement"])
                                   for a in range(1, bundle.rows["rung"] + 1)):  # fmt: skip
                model = bundle.tables.placement_model[placement]
                worth = cartful.worth(placement, arm)
                if worth is None or model < 0:
                    continue
                terms = prices.model(model)
                own = terms.deviation(arm, terms.bins(cartful.situation))
                assert own == deviation(bundle.tables, cartful.situation, model, arm)
                assert worth.incentive == visit.incentive(arm)
                assert worth.gain == score_of(visit, Slot(placement, 0), arm) * unit
                compared += 1
    assert compared > 500
