"""OFREP, the protocol of OpenFeature's providers: offers as values of feature flags.

    POST /ofrep/v1/evaluate/flags/{key}   one flag: a decision, logged
    POST /ofrep/v1/evaluate/flags         all flags of this visitor, with an entity tag

`flags.py` says what becomes of a decision, `flag_context.py` who is believed what.

A client polls the second one, and must not be given a new draw each time, nor anybody
else's flags.  So the tag carries the nonce and the time of the answer that it names, and
a code over them, the visitor and what was decided:

    "<nonce, hex> . <issued, hex seconds> . <32 digits of a MAC>"

With `If-None-Match` the edge decides once more *with that nonce*, logs nothing, and sees
whether the code comes out the same.  If so the flags that the client has are still what
this visitor should see: 304, and the decisions that were logged stand.  If not, a
decision with a new nonce is made and logged; one that is kept only because it differs
would not have the propensities in its record.  A tag also ends when half of the life of
what it names (tokens, receipts) is over.  Answers are `private, no-store`: the tag is
between the edge and this client.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct, structs

from edge.answering import BODY_LIMIT_BYTES, PLACEMENTS_LIMIT, check_json, policy_name
from edge.asgi import NO_STORE, Answer, Headers, Request, set_cookies
from edge.cookies import mac
from edge.deciding import Decided, Desk, Outcome, Question
from edge.decision.errors import RequestError
from edge.decision.hashing import is_part
from edge.decision.reasons import Reason
from edge.decision.request_json import read_json
from edge.decision.trust import Trusted
from edge.flag_context import (
    OWN,
    Asker,
    Context,
    FlagError,
    asker,
    placements_of,
    read_context,
)
from edge.flags import Flag, Metadata, NoFlag, flags_of, placement_of
from edge.home import Home
from edge.problems import Problem
from edge.receipts import LIFE_S
from edge.settings import Settings
from edge.slots import PAGE_CHANNEL
from edge.vouching import readable

PREFIX = "/ofrep/"
BULK = "/ofrep/v1/evaluate/flags"
JSON = (b"content-type", b"application/json")
VARY = (b"vary", b"cookie, authorization, x-api-key")
TAG = re.compile(r'"([0-9a-f]{32})\.([0-9a-f]{1,9})\.[0-9a-f]{32}"')

logger = logging.getLogger("edge.ofrep")


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, as OFREP tells it."""

    key: str = ""
    errorCode: str
    errorDetails: str


class Flags(Struct, frozen=True, kw_only=True):
    flags: list[Flag | NoFlag]
    metadata: Metadata


class Ofrep:
    def __init__(self, settings: Settings, home: Home, desk: Desk) -> None:
        self._settings = settings
        self._home = home
        self._desk = desk

    async def answer(self, request: Request, policy: Trusted | None) -> Answer:
        """Raises nothing for whatever was sent: a flag that fails has a code."""
        key = ""
        try:
            key = _key(request)
            check_json(request)
            context = _context(await request.body(BODY_LIMIT_BYTES))
            who = asker(request, context, self._settings, self._home)
            if key:
                return self._one(key, context, who, policy)
            return self._all(request, context, who, policy)
        except FlagError as error:
            return _failure(error.status, error.code, error.detail, key)
        except RequestError as error:
            return _failure(400, "INVALID_CONTEXT", error.detail, key)
        except Problem as problem:
            code = "INVALID_CONTEXT" if problem.status == 400 else "GENERAL"
            return _failure(problem.status, code, problem.detail, key, problem.headers)

    # --- one flag -----------------------------------------------------------

    def _one(self, key: str, context: Context, who: Asker, policy: Trusted | None) -> Answer:
        name, as_text = placement_of(key, _names(policy, who))
        if not is_part(name):
            raise FlagError("FLAG_NOT_FOUND", f"There is no placement {name[:80]!a}.", 404)
        outcome = self._desk.decide(policy, who.visit, _question([name], context, who))
        if outcome.decisions[0].reason == Reason.UNKNOWN_PLACEMENT.name:
            raise FlagError("FLAG_NOT_FOUND", f"There is no placement {name[:80]!a}.", 404)
        flag = _flags(outcome, who, policy)[as_text]
        return Answer(200, [*_headers(who), JSON], msgspec.json.encode(flag))

    # --- all of them --------------------------------------------------------

    def _all(
        self, request: Request, context: Context, who: Asker, policy: Trusted | None
    ) -> Answer:
        names = placements_of(context, PLACEMENTS_LIMIT) or _page_placements(policy, who)
        question = _question(names[:PLACEMENTS_LIMIT], context, who)
        held = self._still_right(request, question, who, policy)
        if held:
            return Answer(304, [*_headers(who), (b"etag", held.encode())])
        outcome = self._desk.decide(policy, who.visit, question) if names else Outcome(())
        headers = _headers(who)
        if policy is not None:
            tag = self._tag(who, outcome, who.visit.nonce, who.visit.now_s)
            headers.append((b"etag", tag.encode()))
        left_out = names[PLACEMENTS_LIMIT:]
        return Answer(200, [*headers, JSON], _bulk(outcome, who, policy, left_out))

    def _still_right(
        self, request: Request, question: Question, who: Asker, policy: Trusted | None
    ) -> str:
        """The tag that the client has, if its flags are still those of this visitor."""
        if policy is None or not question.placements:
            return ""
        match = TAG.search(request.header("if-none-match"))
        if match is None:
            return ""
        nonce, issued_s = match[1], int(match[2], 16)
        visit = structs.replace(who.visit, nonce=nonce)
        outcome = self._desk.weigh(policy, visit, question)
        age_s = visit.now_s - issued_s
        if not 0 <= age_s <= _life_s(outcome.decisions, visit.now_s):
            return ""
        tag = self._tag(who, outcome, nonce, issued_s)
        return tag if tag == match[0] else ""

    def _tag(self, who: Asker, outcome: Outcome, nonce: str, issued_s: int) -> str:
        shown = [
            (slot.placement, slot.slot, slot.arm, slot.creative, slot.disclosure, slot.track)
            for slot in outcome.decisions
        ]
        visit = who.visit
        named = (nonce, issued_s, visit.consent, visit.visitor, visit.customer, shown)
        code = mac(self._settings.secrets.cookie_secret, "flags", msgspec.json.encode(named))
        return f'"{nonce}.{issued_s:x}.{code[:16].hex()}"'


# --- reading ------------------------------------------------------------------


def _key(request: Request) -> str:
    """The flag that is asked for; empty for all of them."""
    if request.path != BULK and not request.path.startswith(BULK + "/"):
        raise FlagError("GENERAL", f"There is no {request.path[:80]!a} in OFREP.", 404)
    if request.method != "POST":
        allow = (b"allow", b"POST")
        raise Problem("method-not-allowed", "Flags are evaluated with POST.", [allow])
    return request.path.removeprefix(BULK).removeprefix("/")


def _context(body: bytes) -> Context:
    try:
        return read_context(read_json(body or b"{}"))
    except RequestError as error:
        raise FlagError("PARSE_ERROR", error.detail) from None


def _question(names: Sequence[str], context: Context, who: Asker) -> Question:
    return Question(
        placements=names,
        taken=context.said.get("taken"),
        by_client=who.by_client,
        by_shop=who.by_shop,
    )


def _names(policy: Trusted | None, who: Asker) -> Sequence[str]:
    return list(policy.bundle_for(who.visit.unit).placement_rows) if policy else ()


def _page_placements(policy: Trusted | None, who: Asker) -> list[str]:
    """The placements of pages, in the order in which they are decided."""
    if policy is None:
        return []
    bundle = policy.bundle_for(who.visit.unit)
    notes = bundle.notes.placements
    rows = bundle.placement_rows.items()
    return [name for name, row in rows if notes[row].channel == PAGE_CHANNEL]


# --- answering ----------------------------------------------------------------


def _life_s(decisions: Sequence[Decided], now_s: int) -> int:
    """For how long the flags may be held: half of what is in them."""
    lives_s = [slot.expires_s - now_s for slot in decisions if slot.expires_s]
    return min([LIFE_S, *lives_s]) // 2


def _flags(outcome: Outcome, who: Asker, policy: Trusted | None) -> list[Flag]:
    name = policy_name(policy, who.visit)
    return flags_of(outcome.decisions, (*who.ignored, *outcome.ignored), name)


def _bulk(outcome: Outcome, who: Asker, policy: Trusted | None, left_out: Sequence[str]) -> bytes:
    known = [slot for slot in outcome.decisions if slot.reason != Reason.UNKNOWN_PLACEMENT.name]
    missing = [slot.placement for slot in outcome.decisions if slot not in known]
    why = f"more than {PLACEMENTS_LIMIT} placements: name those of this screen in {OWN}placements"
    known_only = structs.replace(outcome, decisions=tuple(known))
    flags: list[Flag | NoFlag] = [*_flags(known_only, who, policy)]
    flags += [_no_flag(name, "FLAG_NOT_FOUND", "There is no such placement.") for name in missing]
    flags += [_no_flag(name, "GENERAL", why) for name in left_out]
    name = policy_name(policy, who.visit)
    metadata = Metadata(
        reason="" if policy else Reason.NO_POLICY.name,
        sequence=name.sequence if name else 0,
        bundle=name.bundle if name else "",
    )
    return msgspec.json.encode(Flags(flags=flags, metadata=metadata))


def _no_flag(key: str, code: str, why: str) -> NoFlag:
    return NoFlag(key=key, errorCode=code, errorDetails=why)


def _headers(who: Asker) -> Headers:
    return [NO_STORE, VARY, *set_cookies(who.visit.cookies)]


def _failure(
    status: int, code: str, detail: str, key: str, headers: Sequence[tuple[bytes, bytes]] = ()
) -> Answer:
    logger.debug("a flag failed: %s %s", code, detail)
    body = Failure(key=readable(key), errorCode=code, errorDetails=detail)
    return Answer(status, [JSON, NO_STORE, VARY, *headers], msgspec.json.encode(body))
