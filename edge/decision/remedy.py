"""What would let an arm in: one objection after the other is removed, and it is asked again.

A first objection hides those behind it: an offer that no consent withholds may have a rule
that is not true, and a cart that makes the rule true may cost too much.  So whatever can be
sent otherwise (attributes, consent, state) is sent so, the arm is asked about again on what
the page then holds, and so on until nothing speaks against it or nothing more can be sent.
What remains then is told.  Nothing here is guessed: every step was decided on.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, structs

from .against import Against, against_arm, against_offer, against_rules
from .decide import verdict_on
from .errors import RequestError
from .facts import RequestFacts
from .manifest import ManifestBlock
from .objections import Place
from .reasons import ArmReason
from .repair import Change, sending
from .request import FULL, Request
from .state import State
from .visit import begin

STEPS_MAX = 6
ALONE = (ArmReason.NOT_OFFERED_HERE, ArmReason.NOT_AMONG_BEST, ArmReason.TAKEN_UNKNOWN)
"""Reasons that leave nothing else to ask."""


class Remedy(Struct, frozen=True):
    """All that must happen, in words; values to send; what speaks against it even so."""

    flips: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    still: str = ""


class Sent(Struct, frozen=True):
    """How a request was changed so far."""

    consent: bool = False
    state: bool = False
    margin: bool = False
    """Once: how much more it must be is said in words, which do not add up."""
    changes: tuple[Change, ...] = ()

    @property
    def key(self) -> bytes:
        return msgspec.msgpack.encode(self)

    def more(self, against: Against) -> Sent | None:
        """With what removes the objection; None if no request can."""
        if against.reason == ArmReason.NEEDS_IDENTITY and not self.consent:
            return structs.replace(self, consent=True)
        if against.reason == ArmReason.CAP_UNKNOWN and not self.state:
            return structs.replace(self, state=True)
        floor = against.reason == ArmReason.UNDER_FLOOR
        if not against.changes or (floor and self.margin):
            return None
        merged = {each.attribute: each for each in (*self.changes, *against.changes)}
        changes = tuple(merged[name] for name in sorted(merged))
        return structs.replace(self, changes=changes, margin=self.margin or floor)


class Remedies:
    """Of one slot; `position`: how many slots of the page are decided before it."""

    def __init__(self, manifest: ManifestBlock, place: Place, position: int) -> None:
        self.manifest, self.place, self.position = manifest, place, position
        self._places: dict[bytes, Place | None] = {}
        self._offers: dict[tuple[bytes, int], Against | None] = {}

    def remedy(self, arm: int, first: Against) -> Remedy:
        """`first`: what speaks against the arm in the request as it is."""
        if first.reason == ArmReason.CANDIDATE:
            return Remedy(first.flips, first.changes)
        sent, flips, against = Sent(), first.flips, first
        for _ in range(STEPS_MAX):
            more = sent.more(against)
            place = None if more is None else self._place(more)
            if more is None or place is None:
                break
            sent, found = more, self._against(place, more, arm)
            if found is None:
                return Remedy(flips, sent.changes)
            if sent.more(found) is not None:
                flips = (*flips, *(each for each in found.flips if each not in flips))
            against = found
        if against is first:
            return Remedy(flips, first.changes, self._besides(arm, first))
        return Remedy(flips, sent.changes, against.because)

    def _besides(self, arm: int, first: Against) -> str:
        """What also speaks against an arm whose first objection no request removes."""
        offer, key = self.place.visit.bundle.tables.rung_offer[arm - 1], Sent().key
        if first.reason in ALONE:
            return ""
        if (key, offer) not in self._offers:
            self._offers[key, offer] = against_rules(self.place, offer)
        rule = self._offers[key, offer]
        found = rule if rule and rule.because != first.because else against_arm(self.place, arm)
        return "" if found is None or found.because == first.because else found.because

    def _against(self, place: Place, sent: Sent, arm: int) -> Against | None:
        offer = place.visit.bundle.tables.rung_offer[arm - 1]
        key = (sent.key, offer)
        if key not in self._offers:
            self._offers[key] = against_offer(place, offer)
        return self._offers[key] or against_arm(place, arm)

    def _place(self, sent: Sent) -> Place | None:
        """The slot as it would be; None if such a request would be refused."""
        key = sent.key
        if key not in self._places:
            try:
                self._places[key] = self._placed(self._request(sent))
            except RequestError:
                self._places[key] = None
        return self._places[key]

    def _request(self, sent: Sent) -> Request:
        visit = self.place.visit
        request = sending(visit.bundle, visit.request, sent.changes)
        if sent.consent:
            request = structs.replace(request, consent=FULL)
        if sent.state:
            state = structs.replace(request.state or State(), overflow=False)
            request = structs.replace(request, state=state)
        return request

    def _placed(self, request: Request) -> Place:
        bundle = self.place.visit.bundle
        visit = begin(bundle, self.manifest, request)
        page = visit.page()
        earlier = verdict_on(bundle, self.manifest, request) if self.position else ()
        for row in earlier[: self.position]:
            visit.take(page, row.ghost.arm)
        return Place(visit, RequestFacts(bundle, request, visit.situation), self.place.slot, page)
