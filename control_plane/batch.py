"""Deciding for many: a feed of requests in, a table of decisions out.

A batch is one more home of the edge's core: no clock, the requests bring their times.
Requests come in the order of time and are decided one after the other.  What a unit
was shown counts as seen: it advances the unit's state as an exposure does at the edge,
so caps hold and drawn choices are kept from one request of a unit to its next.

Nothing is dropped: a request that is refused gives one line, with reason BAD_REQUEST
and what is wrong in `problem`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct, field

from edge.decision import beacon
from edge.decision.beacon import Record, Row, Verdict, decision_id, unpack_verdict
from edge.decision.bundle import Bundle
from edge.decision.decide import verdict_on
from edge.decision.errors import RequestError
from edge.decision.facts import decimal_text
from edge.decision.guardrails import cart_of, cost_terms, incentive_of
from edge.decision.hashing import T
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.reasons import Reason
from edge.decision.request import INVALID, Request, pack_request
from edge.decision.request_json import read_fields
from edge.decision.situation import Situation, situate
from edge.decision.state import State
from edge.decision.tables import HEAD_MINOR

Fields = dict[str, Any]
"""A request's JSON object, as `edge.decision.request_json` reads it."""

Decide = Callable[[ManifestBlock, Request, bytes], tuple[Verdict, bytes]]
"""(manifest block, request, the same encoded) -> the verdict, and its bytes."""

Expose = Callable[[State, Bundle, Row, bytes, int], State]
"""(state, bundle, row, decision id, now_s) -> the state once the row was seen."""


class BatchRefused(ValueError):
    """A feed cannot be read: what is wrong and where; `help` says what to do."""

    def __init__(self, problem: str, help: str) -> None:
        super().__init__(problem)
        self.help = help


class Feed(Struct):
    """Requests in the order of time, and how many there are (0: nobody knows)."""

    total: int
    requests: Iterable[Fields]


class Line(Struct, frozen=True, kw_only=True):
    """One slot of one request: a row of the table of decisions.

    `propensity` = `tickets` / 2^20, both empty where nothing was drawn (defaults, kept
    arms).  `incentive` is what the offer costs for this cart, in the shop's currency.
    `held_out` names the holdout that the unit is in; `would_show` is what it would
    have got, else the same as offer and rung.
    """

    request: str
    visitor: str = ""
    customer: str = ""
    time: str = ""
    now_s: int | None = None
    placement: str = ""
    slot: int | None = None
    offer: str = ""
    rung: str = ""
    reason: str
    draw: str = ""
    tickets: int | None = None
    propensity: str = ""
    candidates: int | None = None
    incentive: str = ""
    held_out: str = ""
    would_show: str = ""
    decision: str = ""
    drawn_by: str = ""
    problem: str = ""


COLUMNS = Line.__struct_fields__
DRAWS = ("", "fresh", "kept")


class Batch(Struct, kw_only=True):
    """A policy, and the states of all units so far.

    `block_at` gives the manifest block that a request of some time is decided under.
    `verdict_of` decides where that is not left to Python: the same bytes come out.
    `strangers` collects names that requests held and the policy does not read, `invalid`
    counts attributes that were of the wrong type or out of range.
    """

    bundle: Bundle
    block_at: Callable[[int], ManifestBlock]
    expose: Expose
    verdict_of: Decide | None = None
    states: dict[tuple[str, str], State] = field(default_factory=dict)
    strangers: set[str] = field(default_factory=set)
    invalid: Counter[str] = field(default_factory=Counter)

    def decide(self, fields: Fields) -> tuple[list[Line], Record | None]:
        """The lines of a request, and the record to replay it by unless it was refused."""
        try:
            request = self._request(fields)
            return self._decided(request)
        except RequestError as error:
            return [_refused(fields, error)], None

    def _request(self, fields: Fields) -> Request:
        request, *strangers = read_fields(self.bundle, fields)
        self.strangers.update(*strangers)
        self._count_invalid(request)
        if fields.get("state") is not None:
            return request
        return msgspec.structs.replace(request, state=self.states.get(_unit(request), State()))

    def _count_invalid(self, request: Request) -> None:
        names = self.bundle.tables.attribute_name
        for held in request.attributes:
            if held.form == INVALID:
                self.invalid[self.bundle.text(names[held.attribute])] += 1

    def _decided(self, request: Request) -> tuple[list[Line], Record]:
        data, block = pack_request(request), self.block_at(request.now_s)
        verdict, packed = (self.verdict_of or self._verdict_of)(block, request, data)
        record = Record(
            bundle_digest=self.bundle.digest,
            manifest_digest=block.digest,
            manifest_block=pack_manifest(block),
            request=data,
            verdict=packed,
        )
        named = [(row, _id(record, row)) for row in verdict]
        self._expose(request, named)
        namer = _Namer(self.bundle, request)
        return [namer.line(row, id) for row, id in named], record

    def _verdict_of(
        self, block: ManifestBlock, request: Request, data: bytes
    ) -> tuple[Verdict, bytes]:
        verdict = verdict_on(self.bundle, block, request)
        return verdict, beacon.pack_verdict(verdict)

    def _expose(self, request: Request, named: Sequence[tuple[Row, bytes]]) -> None:
        state = request.state or State()
        for row, id in named:
            state = self.expose(state, self.bundle, row, id, request.now_s)
        self.states[_unit(request)] = state


def lines_of(bundle: Bundle, request: Request, record: Record) -> list[Line]:
    """The lines of a decision that was taken already."""
    namer = _Namer(bundle, request)
    return [namer.line(row, _id(record, row)) for row in unpack_verdict(record.verdict)]


def _id(record: Record, row: Row) -> bytes:
    digests = record.bundle_digest, record.manifest_digest
    return decision_id(*digests, record.request, row.placement, row.slot)


def _unit(request: Request) -> tuple[str, str]:
    """Whose state it is: a cookie is the visitor's; a letter without one, the customer's."""
    return request.visitor, "" if request.visitor else request.customer


def _refused(fields: Fields, error: RequestError) -> Line:
    return Line(
        request=str(fields.get("nonce") or ""),
        visitor=str(fields.get("visitor") or ""),
        customer=str(fields.get("customer") or ""),
        reason=Reason.BAD_REQUEST.name,
        problem=str(error),
    )


class _Namer:
    """Writes verdict rows of one request in names."""

    def __init__(self, bundle: Bundle, request: Request) -> None:
        self.bundle, self.request = bundle, request
        self.situation: Situation | None = None

    def line(self, row: Row, decision: bytes) -> Line:
        request, shown = self.request, row.shown
        offer, _, rung = self.bundle.arm_name(shown.arm).partition("/") if shown.arm else ("",) * 3
        fresh = shown.draw == beacon.FRESH
        return Line(
            request=request.nonce,
            visitor=request.visitor,
            customer=request.customer,
            time=time_text(request.now_s),
            now_s=request.now_s,
            placement=self.bundle.placement_name(row.placement),
            slot=row.slot,
            offer=offer,
            rung=rung,
            reason=Reason(shown.reason).name,
            draw=DRAWS[shown.draw],
            tickets=shown.tickets if fresh else None,
            propensity=f"{shown.tickets / T:.6f}" if fresh else "",
            candidates=row.ghost.candidates,
            incentive=self._incentive(shown.arm) if shown.arm else "",
            held_out=_held_out(row.flags),
            would_show=self.bundle.arm_name(row.ghost.arm),
            decision=decision.hex(),
            drawn_by="" if row.drawn_by == beacon.NOBODY else row.drawn_by.hex(),
        )

    def _incentive(self, arm: int) -> str:
        if self.situation is None:
            self.situation = situate(self.bundle, self.request)
        cart = cart_of(self.bundle.tables, self.situation)
        micros = incentive_of(
            self.bundle, self.situation, cart, cost_terms(self.bundle.tables, arm)
        )
        return "" if micros is None else money_text(self.bundle, micros)


def _held_out(flags: int) -> str:
    if flags & beacon.GLOBAL_HOLDOUT:
        return "global"
    return "placement" if flags & beacon.HOLDOUT else ""


def money_text(bundle: Bundle, micros: int) -> str:
    """Money in the shop's currency, to its minor unit."""
    return decimal_text(micros // bundle.head(HEAD_MINOR), bundle.notes.minor_digits)


def time_text(now_s: int) -> str:
    """ISO 8601 in UTC; empty for times beyond the calendar."""
    try:
        return datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return ""


def decide_feed(batch: Batch, feed: Feed) -> Iterator[tuple[list[Line], Record | None]]:
    """Every request of the feed in turn.  Raises `BatchRefused` where the feed breaks off."""
    for fields in feed.requests:
        yield batch.decide(fields)
