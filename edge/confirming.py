"""`POST /_proffer/confirm`: an offer that a page has decided, decided again where it counts.

What runs in a page proves nothing, so its decisions carry no token.  When a visitor follows one,
the page names the arm, and the edge issues a token or refuses:

    1. it decides the placement, as if asked anew; nobody sees that, and it is not logged
    2. the arm must be one that this decision could have drawn, or the one that the visitor's state
       keeps
    3. it decides once more, the arm now being the slot's kept choice under the name of the page's
       decision.  That one is logged: it replays to the byte, and like every kept draw it stays out
       of learning, where arms that were asked for would pass for arms that were drawn

So a page that asks for another arm than it showed gets none that the edge would never have drawn
for this visitor, at this moment, with this cart: nothing that asking `decide` often enough would
not give it too.  Caps, holdouts and guardrails are the edge's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct, structs

from edge.answering import DecideAnswer, Speech, answer_asked, policy_name, read_speech
from edge.asgi import Answer, Request, json_answer, set_cookies
from edge.deciding import Decided, Desk, Outcome, Question, default
from edge.decision.beacon import FRESH, KEPT, Row, unpack_record, unpack_verdict
from edge.decision.bundle import Bundle
from edge.decision.errors import RequestError
from edge.decision.hashing import is_part
from edge.decision.reasons import Reason
from edge.decision.request_json import Json
from edge.decision.state import Kept, State
from edge.decision.trust import Trusted
from edge.home import Home
from edge.settings import Settings
from edge.visiting import Guest, Visit

CONFIRM_FIELDS = {
    "placement", "slot", "arm", "decision",
    "attributes", "consent", "locale", "taken", "customer", "session",
}  # fmt: skip
DECISION = re.compile(r"(?!0{32})[0-9a-f]{32}", re.ASCII)
"""Only zeros stand for nobody's decision."""
SLOT_MAX = 0xFFFF


class Claim(Struct, frozen=True):
    """What a page showed: the arm as "offer/rung", and the id of its own decision."""

    placement: str
    slot: int
    arm: str
    decision: str


async def answer_confirm(
    request: Request, settings: Settings, home: Home, desk: Desk, policy: Trusted | None
) -> Answer:
    """Raises `Problem` 400, 413 or 415, and nothing else for whatever was sent."""

    def answer(said: Mapping[str, Json], guest: Guest) -> Answer:
        speech = read_speech(said, CONFIRM_FIELDS, guest, settings, home)
        claim = _claim(said)
        decided, outcome = confirm(desk, policy, speech.visit, _question(speech, claim), claim)
        body = DecideAnswer((decided,), outcome.ignored, policy_name(policy, speech.visit))
        return json_answer(body, headers=set_cookies(speech.visit.cookies))

    return await answer_asked(request, settings, home, answer)


def _question(speech: Speech, claim: Claim) -> Question:
    return Question(
        placements=[claim.placement],
        taken=speech.taken,
        by_client=speech.by_client,
        by_shop=speech.shop.attributes,
    )


def confirm(
    desk: Desk, policy: Trusted | None, visit: Visit, question: Question, claim: Claim
) -> tuple[Decided, Outcome]:
    """The slot with its token, or with reason NOT_CONFIRMED; and the outcome that it came from,
    which is logged."""
    anew = desk.weigh(policy, visit, question)
    again = _decided_again(desk, policy, visit, question, claim, anew)
    for slot in again.decisions if again else ():
        if again and (slot.slot, slot.arm) == (claim.slot, claim.arm):
            desk.keep(again)
            return slot, again
    refused = structs.replace(default(claim.placement, Reason.NOT_CONFIRMED), slot=claim.slot)
    outcome = Outcome((refused,), anew.ignored)
    desk.keep(outcome)
    return refused, outcome


def _decided_again(
    desk: Desk, policy: Trusted | None, visit: Visit, question: Question, claim: Claim,
    anew: Outcome,
) -> Outcome | None:  # fmt: skip
    """With the arm as the slot's choice; None if `anew` could not have drawn it."""
    row = _row(anew, claim.slot)
    if policy is None or row is None:
        return None
    bundle = policy.bundle_for(visit.unit)
    if not _may_be_drawn(row, bundle, claim.arm):
        return None
    if row.shown.draw == KEPT:
        return anew
    state = _keeping(visit.state, row, bundle, claim)
    return desk.weigh(policy, structs.replace(visit, state=state), question)


def _row(outcome: Outcome, slot: int) -> Row | None:
    """The verdict on this slot; None where nothing was decided."""
    if not outcome.record:
        return None
    rows = unpack_verdict(unpack_record(outcome.record).verdict)
    return next((row for row in rows if row.slot == slot), None)


def _may_be_drawn(row: Row, bundle: Bundle, name: str) -> bool:
    """Whether this slot could have shown this arm; showing nothing is nothing to confirm."""
    arm, track = bundle.arm_rows.get(name, 0), row.shown
    if not arm or track.draw not in (FRESH, KEPT):
        return False
    if track.draw == KEPT:
        return track.arm == arm
    return any(listed == arm and share for listed, share in track.listed)


def _keeping(state: State | None, row: Row, bundle: Bundle, claim: Claim) -> State:
    """The visitor's state with this arm as the slot's choice, of this placement's choices only:
    no other is read, and so there is always room."""
    key = bundle.tables.placement_key[row.placement]
    choice = Kept(
        placement_key=key,
        slot=row.slot,
        redraw=row.redraw,
        epoch=row.epoch,
        arm_key=bundle.tables.rung_key[bundle.arm_rows[claim.arm] - 1],
        drawn_by=bytes.fromhex(claim.decision),
    )
    state = state or State()
    others = (k for k in state.kept if k.placement_key == key and k.slot != row.slot)
    return structs.replace(state, kept=(*others, choice))


def _claim(said: Mapping[str, Json]) -> Claim:
    placement, slot = said.get("placement"), said.get("slot", 0)
    arm, decision = said.get("arm"), said.get("decision")
    if not isinstance(placement, str) or not is_part(placement):
        raise RequestError("FIELD", "placement must be a name in plain, well-formed text")
    if isinstance(slot, bool) or not isinstance(slot, int) or not 0 <= slot <= SLOT_MAX:
        raise RequestError("FIELD", f"slot must be a whole number from 0 to {SLOT_MAX}")
    if not isinstance(arm, str):
        raise RequestError("FIELD", 'arm must be a text, "offer/rung"')
    if not isinstance(decision, str) or not DECISION.fullmatch(decision):
        raise RequestError("FIELD", "decision must be 32 hexadecimal digits, not all of them 0")
    return Claim(placement, slot, arm, decision)
