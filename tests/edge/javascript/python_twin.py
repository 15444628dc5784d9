"""The server's edge once more, with the time and the chance that a JavaScript edge had.

What was drawn for an answer (visitor, nonce) and when it was given stand in the record that
was logged for it.  With the same time and the same chance, Python must give the same answer,
to the byte: identifiers, MACs, cookies and all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any, cast

from msgspec import Struct

from edge.answering import answer_decide
from edge.asgi import Answer, Message, Request
from edge.beacons import answer_beacon
from edge.deciding import Desk
from edge.decision.beacon import Record
from edge.decision.jws import from_base64url
from edge.decision.request import unpack_request
from edge.decision.trust import Trusted, accept_bundle, accept_manifest, pin_root, trust
from edge.home import Delivered, Home
from edge.local_crypto import verify_ed25519
from edge.outbox import encode_event
from edge.pages import Rewriter
from edge.rendering import script_element
from edge.settings import Settings
from edge.slots import PageSlots
from edge.visiting import arrive, begin_visit
from edge.vouching import read_context
from tests.support.edges import CHANNEL, TENANT, keys, pinned_root, pocket_bundle, settings

Headers = dict[str, str]


class Moment(Struct, frozen=True):
    """What an answer owed to time and chance."""

    now_s: int
    draws: tuple[bytes, ...] = ()


def moment_of(record: Record, new_visitor: bool) -> Moment:
    request = unpack_request(record.request)
    visitor = bytes.fromhex(request.visitor) if request.visitor else bytes(16)
    nonce = bytes.fromhex(request.nonce)
    return Moment(request.now_s, (visitor, nonce) if new_visitor else (nonce,))


class _Home:
    """As much of a home as an answer needs."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._draws = list(moment.draws)

    def now_s(self) -> int:
        return self._moment.now_s

    def random_bytes(self, count: int) -> bytes:
        return self._draws.pop(0)[:count] if self._draws else bytes(count)

    async def deliver(self, events: bytes) -> Delivered:
        return Delivered(accepted=1, duplicates=0, quarantined=0)


class _Log:
    def __init__(self) -> None:
        self.kept: list[tuple[str, bytes]] = []

    def log(self, decision: str, record: bytes) -> None:
        self.kept.append((decision, record))


class Twin:
    def __init__(self, manifest: bytes) -> None:
        self.policy = asyncio.run(_believed(manifest))
        self.settings: Settings = settings(pinned_root())
        self._log = _Log()
        self._desk = Desk(self.settings, self._log)

    def decide(self, headers: Headers, body: bytes, moment: Moment) -> Answer:
        home, request = cast(Home, _Home(moment)), _request("/_proffer/decide", headers, body)
        return asyncio.run(answer_decide(request, self.settings, home, self._desk, self.policy))

    def beacon(self, headers: Headers, body: bytes, moment: Moment) -> Answer:
        home, request = cast(Home, _Home(moment)), _request("/_proffer/beacon", headers, body)
        return asyncio.run(answer_beacon(request, self.settings, home, self.policy))

    def page(self, headers: Headers, html: bytes, context: str, moment: Moment) -> bytes:
        home, request = cast(Home, _Home(moment)), _request("/page", headers, b"")
        guest, shop = arrive(request, self.settings, home), read_context(context)
        visit = begin_visit(guest, self.settings, home, [shop.consent], shop.customer, shop.locale)
        slots = PageSlots(self._desk, self.policy, visit, shop.attributes, script_element(""))
        rewriter = Rewriter(slots)
        return rewriter.feed(html) + rewriter.close()

    def taken_events(self, source: str) -> list[bytes]:
        """What would have been sent by that source, since this was last asked."""
        taken, self._log.kept = self._log.kept, []
        secret = keys().edge_secret
        return [encode_event(secret, source, name, record) for name, record in taken]


async def _believed(raw: bytes) -> Trusted:
    root = await pin_root(pinned_root(), verify_ed25519, TENANT)
    issued_s = _issued_s(raw)
    manifest = await accept_manifest(
        root, None, raw, verify_ed25519, issued_s, TENANT, CHANNEL, "edge"
    )
    bundles = [accept_bundle(manifest, r, pocket_bundle()) for r in manifest.releases]
    return trust(root, manifest, bundles)


@cache
def _issued_s(raw: bytes) -> int:
    import msgspec

    return msgspec.json.decode(from_base64url(raw.split(b".")[1]))["issued_s"]


def _request(path: str, headers: Headers, body: bytes) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    listed: Sequence[tuple[bytes, bytes]] = [
        (name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()
    ]
    scope: dict[str, Any] = {"method": "POST", "path": path, "headers": listed}
    return Request(scope, receive)
