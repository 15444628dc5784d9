"""From bytes back to what they mean, in the words of the cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge.decision import beacon
from edge.decision.beacon import Row, Track, unpack_verdict
from edge.decision.bundle import Bundle
from edge.decision.explain import explain
from edge.decision.manifest import ManifestBlock
from edge.decision.reasons import Reason
from edge.decision.request import INVALID, SETS, STRINGS, Held, Request
from tests.conformance.cases import (
    AttributeExpected,
    Expect,
    RowExpected,
    TrackExpected,
)
from tests.conformance.independent import drawn, epoch, is_member, ticket, tickets

FLAGS = ("GLOBAL_HOLDOUT", "HOLDOUT", "SESSION", "STATELESS", "DROPPED", "DISCLOSE")
DRAWS = {
    "BEST": beacon.FRESH, "EXPLORED": beacon.FRESH, "NONE_WON": beacon.FRESH, "KEPT": beacon.KEPT,
}  # fmt: skip

Difference = str


def attribute_of(bundle: Bundle, held: Held) -> tuple[str, AttributeExpected | str]:
    """Name and content of a sent attribute, as cases write them."""
    name = bundle.text(bundle.tables.attribute_name[held.attribute])
    value = held.value
    if held.form == INVALID:
        return name, "invalid"
    if held.form == STRINGS and isinstance(value, bytes):
        return name, AttributeExpected(string=value.decode())
    if held.form == SETS and isinstance(value, tuple):
        return name, AttributeExpected(set=[each.decode() for each in value])
    assert isinstance(value, int)
    return name, AttributeExpected(number=value)


def request_differences(bundle: Bundle, request: Request, expect: Expect) -> Iterator[Difference]:
    if expect.attributes is None:
        return
    found = dict(attribute_of(bundle, held) for held in request.attributes)
    for name in sorted(found.keys() | expect.attributes.keys()):
        wanted, got = expect.attributes.get(name, "absent"), found.get(name, "absent")
        if wanted != got:
            yield f"{name} should be {wanted}, is {got}"


def verdict_differences(
    bundle: Bundle, request: Request, verdict: bytes, expect: Expect
) -> Iterator[Difference]:
    for member in expect.holdouts:
        if is_member(member) != member.member:
            yield f"{member.of} is {ticket(member.of)} of share {member.share}"
    if expect.rows is None:
        return
    rows = unpack_verdict(verdict)
    slots = [f"{bundle.placement_name(row.placement)}/{row.slot}" for row in rows]
    wanted = [row.slot for row in expect.rows]
    if slots != wanted:
        yield f"slots should be {wanted}, are {slots}"
        return
    for row, one in zip(rows, expect.rows, strict=True):
        for difference in _row_differences(bundle, request, row, one):
            yield f"{one.slot}: {difference}"


def objection_differences(
    bundle: Bundle, manifest: ManifestBlock, request: Request, expect: Expect
) -> Iterator[Difference]:
    """What explanations say against single arms, where cases ask."""
    wanted = {row.slot: row.objections for row in expect.rows or [] if row.objections}
    if not wanted:
        return
    for slot in explain(bundle, manifest, request):
        found = {each.arm: each.reason for each in slot.arms}
        for arm, reason in wanted.pop(f"{slot.placement}/{slot.slot}", {}).items():
            if found.get(arm) != reason:
                yield f"{slot.placement}/{slot.slot}: {arm} should be {reason}, is {found.get(arm)}"
    yield from (f"there is no slot {slot}" for slot in wanted)


def _row_differences(
    bundle: Bundle, request: Request, row: Row, wanted: RowExpected
) -> Iterator[Difference]:
    yield from _track_differences(bundle, row.shown, wanted)
    ghost = wanted if wanted.ghost is None else wanted.ghost
    if bool(row.flags & beacon.EQUAL) != (wanted.ghost is None):
        yield f"the tracks are {'equal' if row.flags & beacon.EQUAL else 'different'}"
    for difference in _track_differences(bundle, row.ghost, ghost):
        yield f"ghost: {difference}"
    found: dict[str, Any] = {
        "flags": [name for bit, name in enumerate(FLAGS) if row.flags >> bit & 1],
        "epoch": row.epoch,
        "redraw": row.redraw,
        "drawn_by": row.drawn_by.hex(),
    }
    for name, got in found.items():
        value = getattr(wanted, name)
        if value is not None and value != got:
            yield f"{name} should be {value}, is {got}"
    for track in (wanted, ghost):
        yield from _epoch_differences(request, row, wanted, track)


def _epoch_differences(
    request: Request, row: Row, wanted: RowExpected, track: TrackExpected
) -> Iterator[Difference]:
    if track.ticket_of is None:
        return
    purpose, place, salt, unit, index, _ = track.ticket_of
    if purpose != "choose" or place != wanted.slot:
        yield f"{track.ticket_of} is no word of this slot"
    computed = epoch(request.now_s, wanted.epoch_s, place, salt, unit)
    if not computed == int(index) == row.epoch:
        yield f"the epoch is {computed} by formula, {index} as written, {row.epoch} as decided"


def _track_differences(bundle: Bundle, track: Track, wanted: TrackExpected) -> Iterator[Difference]:
    listed = {bundle.arm_name(arm): share for arm, share in track.listed}
    offers = {arm.split("/")[0] for arm in listed}
    found: dict[str, tuple[object, object]] = {
        "arm": (wanted.arm, bundle.arm_name(track.arm)),
        "reason": (wanted.reason, Reason(track.reason).name),
        "draw": (DRAWS.get(wanted.reason, beacon.DEFAULT), track.draw),
        "tickets of the arm": (listed.get(wanted.arm, 0), track.tickets),
    }
    if (expected := expected_tickets(wanted)) is not None:
        found["tickets"] = (list(expected.items()), list(listed.items()))
    if wanted.offered is not None:
        found["offered"] = (sorted(wanted.offered), sorted(listed.keys() - {"none"}))
    if wanted.candidates is not None:
        found["candidates"] = (wanted.candidates, track.candidates)
    for offer, there in wanted.offers.items():
        found[f"whether {offer} is offered"] = (there, offer in offers)
    if wanted.ticket_of is not None and expected is not None:
        computed = drawn(expected, ticket(wanted.ticket_of))
        found["arm by formula"] = (wanted.arm, computed)
    for name, (should, got) in found.items():
        if should != got:
            yield f"{name} should be {should}, is {got}"


def expected_tickets(wanted: TrackExpected) -> dict[str, int] | None:
    """As written down, or by the formula, or None; both must agree."""
    if wanted.shares is None:
        return wanted.tickets
    derived = tickets(wanted.shares)
    if wanted.tickets not in (None, derived):
        raise ValueError(f"{wanted.tickets} are written, {derived} follow from the formula")
    return derived
