"""`POST /_proffer/decide`: decisions as JSON, for programs and single-page apps.

What the caller sends is a claim of the client.  What the shop vouches for comes in
`session`, signed with its key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from edge.asgi import Answer, Request, json_answer, set_cookies
from edge.deciding import Decided, Desk, Question
from edge.decision.errors import RequestError
from edge.decision.hashing import is_part
from edge.decision.request_json import Json, read_json
from edge.decision.trust import Trusted
from edge.home import Home
from edge.problems import Problem
from edge.settings import Settings
from edge.visiting import Guest, Visit, arrive, begin_visit
from edge.vouching import Ignored, Vouched, read_session

BODY_LIMIT_BYTES = 32 << 10
"""Half of what a request may have: its record must fit into an event."""
PLACEMENTS_LIMIT = 64
FIELDS = {"placements", "attributes", "consent", "locale", "taken", "customer", "session"}


class PolicyName(Struct, frozen=True):
    """Which policy decided: the manifest's sequence and the bundle's SHA-256."""

    sequence: int
    bundle: str


class DecideAnswer(Struct, frozen=True):
    decisions: tuple[Decided, ...]
    ignored: tuple[Ignored, ...]
    policy: PolicyName | None


class Speech(Struct, frozen=True, kw_only=True):
    """What was said with a request, and who believes it."""

    visit: Visit
    shop: Vouched
    by_client: Mapping[str, Json]
    taken: Json


async def answer_decide(
    request: Request, settings: Settings, home: Home, desk: Desk, policy: Trusted | None
) -> Answer:
    """Raises `Problem` 400, 413 or 415, and nothing else for whatever was sent."""

    def answer(said: Mapping[str, Json], guest: Guest) -> Answer:
        speech = read_speech(said, FIELDS, guest, settings, home)
        question = Question(
            placements=_placements(said),
            taken=speech.taken,
            by_client=speech.by_client,
            by_shop=speech.shop.attributes,
        )
        outcome = desk.decide(policy, speech.visit, question)
        name = policy_name(policy, speech.visit)
        body = DecideAnswer(outcome.decisions, outcome.ignored, name)
        return json_answer(body, headers=set_cookies(speech.visit.cookies))

    return await answer_asked(request, settings, home, answer)


async def answer_asked(
    request: Request,
    settings: Settings,
    home: Home,
    answer: Callable[[Mapping[str, Json], Guest], Answer],
) -> Answer:
    """The answer to a JSON object.  Raises as `answer_decide`, also for a `RequestError`."""
    check_json(request)
    body = await request.body(BODY_LIMIT_BYTES)
    guest = arrive(request, settings, home)
    try:
        return answer(read_json(body), guest)
    except RequestError as error:
        raise Problem(f"request-{error.code.lower()}", error.detail) from None


def read_speech(
    said: Mapping[str, Json], fields: set[str], guest: Guest, settings: Settings, home: Home
) -> Speech:
    """Raises `RequestError` for fields that are none of these, `Problem` for a bad session."""
    _check_fields(said, fields)
    shop = _session(said, guest, settings, home)
    return Speech(
        visit=_visit(said, shop, guest, settings, home),
        shop=shop,
        by_client=_attributes(said),
        taken=said.get("taken"),
    )


def check_json(request: Request) -> None:
    """JSON by name: a page of another site cannot send that without being asked first."""
    media_type = request.header("content-type").partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise Problem("wrong-type", f"Send JSON, not {media_type[:80]!a}.")


def _check_fields(said: Mapping[str, Json], fields: set[str]) -> None:
    if unknown := sorted(set(said) - fields):
        known = ", ".join(sorted(fields))
        raise RequestError("FIELD", f"unknown field {unknown[0]!a}; there are {known}")


def _session(said: Mapping[str, Json], guest: Guest, settings: Settings, home: Home) -> Vouched:
    token = said.get("session")
    if token is None:
        return Vouched()
    visitor = "" if guest.is_new else guest.visitor
    return read_session(settings.secrets.shop_key, token, visitor, home.now_s())


def _visit(
    said: Mapping[str, Json], shop: Vouched, guest: Guest, settings: Settings, home: Home
) -> Visit:
    return begin_visit(
        guest,
        settings,
        home,
        [_text(said, "consent"), shop.consent],
        customer=shop.customer or _text(said, "customer"),
        locale=_text(said, "locale") or shop.locale,
    )


def _text(said: Mapping[str, Json], name: str) -> str:
    value = said.get(name)
    if value is not None and not isinstance(value, str):
        raise RequestError("FIELD", f"{name} must be a text")
    return value or ""


def _placements(said: Mapping[str, Json]) -> list[str]:
    """Checked here too: without a policy there is no core to do it."""
    value = said.get("placements")
    if not isinstance(value, list) or not 1 <= len(value) <= PLACEMENTS_LIMIT:
        raise RequestError("FIELD", f"placements must name 1 to {PLACEMENTS_LIMIT}")
    names = [name for name in value if isinstance(name, str)]
    if len(names) != len(value) or len(set(names)) != len(names):
        raise RequestError("FIELD", "placements must be names, none twice")
    if not all(is_part(name) for name in names):
        raise RequestError("FIELD", "placements must be names in plain, well-formed text")
    return names


def _attributes(said: Mapping[str, Json]) -> Mapping[str, Json]:
    value = said.get("attributes")
    if value is not None and not isinstance(value, dict):
        raise RequestError("FIELD", "attributes must be an object")
    return value or {}


def policy_name(policy: Trusted | None, visit: Visit) -> PolicyName | None:
    if policy is None:
        return None
    return PolicyName(policy.manifest.sequence, policy.bundle_for(visit.unit).digest.hex())
