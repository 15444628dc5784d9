"""One slot decided twice: what was shown then, what the draft shows, and what both are worth."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from control_plane.reviewing.tallying import CERTAIN, Line, Side, Tally
from control_plane.reviewing.worth import Cartful, Worth
from edge.decision import beacon
from edge.decision.beacon import Record, Row, Track, decision_id
from edge.decision.bundle import Bundle

NONE = "none"


class Policy(Struct, frozen=True):
    """One side's bundle at work on one request."""

    bundle: Bundle
    cartful: Cartful
    rows: tuple[Row, ...]

    def by_slot(self) -> dict[tuple[str, int], Row]:
        return {(self.bundle.placement_name(row.placement), row.slot): row for row in self.rows}


class Pair(Struct, frozen=True):
    """One slot on both sides; None where a side does not have it."""

    record: Record
    before: Policy
    after: Policy
    row_before: Row | None
    row_after: Row | None

    @property
    def is_carried(self) -> bool:
        rows = (self.row_before, self.row_after)
        return any(row is not None and row.shown.draw == beacon.KEPT for row in rows)


def count_pair(tally: Tally, pair: Pair, place: str, segment: str) -> None:
    slots, old, new = tally.slots, pair.row_before, pair.row_after
    slots.slots += 1
    slots.gone += new is None
    slots.new += old is None
    slots.carried += pair.is_carried
    shown_before = pair.before.cartful.prices.names[old.shown.arm] if old else ""
    shown_after = pair.after.cartful.prices.names[new.shown.arm] if new else ""

    def line(arm: str) -> Line:
        return tally.line((place, segment, arm))

    if shown_before:
        line(shown_before).before.shown += 1
    if shown_after:
        line(shown_after).after.shown += 1
    if shown_before == shown_after:
        line(shown_before).kept += 1
    else:
        slots.changed += 1
        _count_change(line, pair, shown_before, shown_after)
    _count_money(tally, line, pair)


def _count_change(line: Callable[[str], Line], pair: Pair, lost: str, gained: str) -> None:
    row = pair.row_before
    record = pair.record
    decision = ""
    if row is not None:
        digests = record.bundle_digest, record.manifest_digest
        decision = decision_id(*digests, record.request, row.placement, row.slot).hex()
    if lost:
        line(lost).lose(decision)
    if gained:
        line(gained).gain(decision)


Chance = tuple[str, Worth, int]
"""(arm, what it is worth, tickets)"""


def _count_money(tally: Tally, line: Callable[[str], Line], pair: Pair) -> None:
    """Both sides or neither: only slots that both policies can price are compared."""
    before = _chances(pair.before, pair.row_before, pair)
    after = _chances(pair.after, pair.row_after, pair)
    if before is None or after is None:
        tally.slots.unpriced += 1
        return
    for (shown, chances), side in ((before, "before"), (after, "after")):
        arm, worth, _ = shown
        _side(line(arm), side).drawn.count(worth, CERTAIN)
        for arm, worth, tickets in () if pair.is_carried else chances:
            counted = _side(line(arm), side)
            counted.tickets += tickets
            counted.expected.count(worth, tickets)


def _side(line: Line, side: str) -> Side:
    return line.before if side == "before" else line.after


def _chances(policy: Policy, row: Row | None, pair: Pair) -> tuple[Chance, list[Chance]] | None:
    """What was shown, and all that could have been; None if something has no price.

    A slot that this side does not have shows nothing, on the other side's cart.
    """
    if row is None:
        return _nothing(pair.after if policy is pair.before else pair.before)
    track = row.shown
    shown = _chance(policy, row, track.arm, CERTAIN)
    if shown is None or track.draw != beacon.FRESH or pair.is_carried:
        return None if shown is None else (shown, [shown])
    chances = [_chance(policy, row, arm, tickets) for arm, tickets in _drawable(track)]
    priced = [chance for chance in chances if chance is not None]
    return (shown, priced) if len(priced) == len(chances) else None


def _drawable(track: Track) -> list[tuple[int, int]]:
    return [(arm, tickets) for arm, tickets in track.listed if tickets]


def _chance(policy: Policy, row: Row, arm: int, tickets: int) -> Chance | None:
    worth = policy.cartful.worth(row.placement, arm)
    return None if worth is None else (policy.cartful.prices.names[arm], worth, tickets)


def _nothing(other: Policy) -> tuple[Chance, list[Chance]] | None:
    margin = other.cartful.cart.margin
    if margin is None:
        return None
    chance = NONE, Worth(0, margin, 0, 0), CERTAIN
    return chance, [chance]
