"""`POST /_proffer/beacon`: what pages saw, passed on, and the visitor's state moved on.

The answer is 2xx only after the control plane has the events for good, so a page may
forget what it sent.  Pages tell exposures and clicks; decisions come from the edge
itself and orders from the shop's server, so those are refused here.

An exposure that brings a receipt of this edge (`receipts.py`) advances the visitor's
state, and the answer carries the new cookie.  Receipts are for the edge alone: they
are taken off before the event goes on.  The browser's User-Agent goes along (`useragent`),
so that the control plane can tell robots.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct, structs

from edge.answering import check_json
from edge.asgi import Answer, Request, json_answer, set_cookies
from edge.cookies import state_cookie
from edge.decision.events import (
    BATCH_LIMIT_BYTES,
    BATCH_LIMIT_EVENTS,
    EVENT_LIMIT_BYTES,
    USER_AGENT_CHARS,
    Event,
    ShownData,
)
from edge.decision.hashing import is_part
from edge.decision.host import HostError
from edge.decision.state import State
from edge.decision.trust import Trusted
from edge.home import Delivered, Home, Refused
from edge.problems import Problem
from edge.receipts import advance, fit, read_receipt
from edge.settings import Settings
from edge.visiting import Guest, arrive

EXPOSURE, CLICK = "shop.proffer.exposure", "shop.proffer.click"
NAME_LIMIT_BYTES = 256
RETRY_AFTER_S = 5
DECISION = re.compile(r"[0-9a-f]{32}", re.ASCII)
LONE_SURROGATE = re.compile(
    rb"""\\(?: u(?i:d[89ab][0-9a-f]{2}) \\u(?i:d[c-f][0-9a-f]{2})  # a pair: fine
             | (?P<lone> u(?i:d[89a-f][0-9a-f]{2}) )
             | [^u] )""",
    re.VERBOSE | re.DOTALL,
)
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

logger = logging.getLogger("edge.beacons")


class SeenData(ShownData, kw_only=True, frozen=True):
    """An exposure or click as a page tells it, with the receipt of its slot."""

    receipt: str = ""


class RefusedEvent(Struct, frozen=True):
    """An event of the batch, by its place in it, and why it was not passed on."""

    index: int
    why: str


class BeaconAnswer(Struct, frozen=True):
    """The control plane's counts, and what did not get as far as that."""

    accepted: int
    duplicates: int
    quarantined: int
    refused: list[RefusedEvent]


class Seen(Struct, frozen=True):
    """A good event: as it goes on, and its receipt."""

    event: Event
    receipt: str


async def answer_beacon(
    request: Request, settings: Settings, home: Home, policy: Trusted | None
) -> Answer:
    """Raises `Problem`: 400, 413, 415 for what was sent; 503 when it could not be passed on."""
    check_json(request)
    agent = request.header("user-agent")[:USER_AGENT_CHARS]
    seen, refused = sort_out(split(await request.body(BATCH_LIMIT_BYTES)), agent)
    if not seen and refused:
        raise Problem("no-event", f"No event was good; the first: {refused[0].why}.")
    receipt = await _pass_on(home, [s.event for s in seen])
    guest = arrive(request, settings, home)
    cookies = _advanced(guest, seen, settings, home.now_s(), policy)
    answer = BeaconAnswer(receipt.accepted, receipt.duplicates, receipt.quarantined, refused)
    return json_answer(answer, headers=set_cookies(cookies))


async def _pass_on(home: Home, events: Sequence[Event]) -> Delivered:
    if not events:
        return Delivered(0, 0, 0)
    try:
        return await home.deliver(msgspec.json.encode(events))
    except Refused as error:
        logger.error("the control plane refused a beacon: %s", error)
        raise Problem("refused", "The control plane refused these events.") from None
    except HostError as error:
        logger.warning("a beacon could not be passed on: %s", error)
        retry = (b"retry-after", str(RETRY_AFTER_S).encode())
        raise Problem("unavailable", "These events were not stored.", [retry]) from None


# --- reading ------------------------------------------------------------------


def split(body: bytes) -> list[bytes]:
    """The events of a batch, unread.  Raises `Problem`.

    A lone surrogate in one event would make the whole array unreadable, so such escapes
    become a byte that is no UTF-8: the event that has it is refused, the others pass.
    """
    try:
        batch = msgspec.json.decode(LONE_SURROGATE.sub(_ill_formed, body), type=list[msgspec.Raw])
    except UNREADABLE as error:
        raise Problem("batch", f"No JSON array of events: {error}") from None
    if len(batch) > BATCH_LIMIT_EVENTS:
        raise Problem("too-large", f"{len(batch)} events; at most {BATCH_LIMIT_EVENTS}.")
    return [bytes(event) for event in batch]


def _ill_formed(match: re.Match[bytes]) -> bytes:
    return b"\xff" if match["lone"] else match[0]


def sort_out(batch: Iterable[bytes], user_agent: str = "") -> tuple[list[Seen], list[RefusedEvent]]:
    """The good events, now with their browser's name, and the others with what is wrong."""
    seen: list[Seen] = []
    refused: list[RefusedEvent] = []
    for index, raw in enumerate(batch):
        try:
            seen.append(read_event(raw, user_agent))
        except ValueError as error:
            refused.append(RefusedEvent(index, str(error)))
        except RecursionError:
            refused.append(RefusedEvent(index, "nested too deeply"))
    return seen, refused


def read_event(raw: bytes, user_agent: str = "") -> Seen:
    """Raises `ValueError` saying what is wrong."""
    if len(raw) > EVENT_LIMIT_BYTES:
        raise ValueError(f"{len(raw)} bytes; at most {EVENT_LIMIT_BYTES}")
    event = msgspec.json.decode(raw, type=Event)
    if event.type not in (EXPOSURE, CLICK):
        raise ValueError(f"type {event.type[:80]!a} does not come from pages")
    for name, text in (("id", event.id), ("source", event.source)):
        if not is_part(text) or len(text.encode()) > NAME_LIMIT_BYTES:
            raise ValueError(f"{name} must be 1 to {NAME_LIMIT_BYTES} bytes of plain text")
    data = msgspec.json.decode(event.data, type=SeenData)
    if not DECISION.fullmatch(data.decision):
        raise ValueError("decision must be 32 hexadecimal digits")
    passed_on = ShownData(**{name: getattr(data, name) for name in ShownData.__struct_fields__})
    clean = structs.replace(
        event, data=msgspec.Raw(msgspec.json.encode(passed_on)), useragent=user_agent
    )
    return Seen(clean, data.receipt if event.type == EXPOSURE else "")


# --- the visitor's state ------------------------------------------------------


def _advanced(
    guest: Guest, seen: Sequence[Seen], settings: Settings, now_s: int, policy: Trusted | None
) -> list[str]:
    """The new state cookie, if any receipt is this visitor's."""
    if guest.is_new or guest.consent not in ("", "full"):
        return []
    secret = settings.secrets.cookie_secret
    read = [read_receipt(secret, guest.visitor, s.receipt, now_s) for s in seen if s.receipt]
    receipts = [receipt for receipt in read if receipt is not None]
    if not receipts:
        return []
    # What was counted in a state that got lost is unknown: strict caps withhold from now on.
    state = guest.state or State(overflow=True)
    bundle = policy.bundle_for(guest.visitor) if policy else None
    state = fit(state, bundle, now_s)
    for receipt in receipts:
        state = advance(state, receipt)
    return [state_cookie(secret, guest.visitor, fit(state, bundle, now_s), now_s)]
