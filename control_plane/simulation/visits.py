"""A visit through the edge alone: the fast way.

    decide (what the shop vouches for comes as a signed session) -> exposure, maybe a click
    -> with the true probability an order: the token is redeemed, the order reported

The shop's pages are left out; everything that reaches Proffer is as if they were there.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from control_plane.outcomes import NONE
from control_plane.simulation.browser import Browser, Seen, ShopServer, VisitFailed
from control_plane.simulation.people import Person
from edge.decision.jws import to_base64url
from edge.vouching import SESSION_LABEL

SESSION_LIFE_S = 300


class Visited(Struct, frozen=True, kw_only=True):
    """What became of one visit.  `arm` is what was shown; `drawn`: by chance, in this visit."""

    number: int
    kind: str
    arm: str = NONE
    drawn: bool = False
    held_out: bool = False
    clicked: bool = False
    ordered: bool = False
    redeemed: bool = False


Visit = Callable[[Person], Awaitable[Visited]]
BrowserFor = Callable[[Person], Browser]


class Slot(Struct, kw_only=True):
    """A decided slot, as the edge tells it; without `decision` nothing was decided."""

    placement: str
    slot: int = 0
    decision: str = ""
    offer: str = ""
    rung: str = ""
    token: str | None = None
    track: str = "shown"
    receipt: str = ""
    reason: str = ""

    @property
    def arm(self) -> str:
        return f"{self.offer}/{self.rung}" if self.offer else NONE

    @property
    def held_out(self) -> bool:
        return self.track == "ghost"

    def seen(self, kind: str) -> Seen:
        return Seen(
            kind=kind,
            decision=self.decision,
            placement=self.placement,
            slot=self.slot,
            track=self.track,
            receipt=self.receipt,
        )

    def visited(self, person: Person, **more: bool) -> Visited:
        return Visited(
            number=person.number,
            kind=person.kind.name,
            arm=self.arm,
            drawn=bool(self.decision) and not self.held_out,
            held_out=self.held_out,
            **more,
        )


class DecideAnswer(Struct):
    decisions: list[Slot]


class EdgeVisits:
    """Visits of one run; call it with a person."""

    def __init__(
        self,
        browser_for: BrowserFor,
        shop: ShopServer,
        shop_key: str,
        placement: str,
    ) -> None:
        self._browser_for = browser_for
        self._shop = shop
        self._shop_key = shop_key
        self._placement = placement

    async def __call__(self, person: Person) -> Visited:
        """Raises `VisitFailed`."""
        browser = self._browser_for(person)
        customer = f"{person.kind.name}-{secrets.token_hex(4)}" if person.kind.customer else ""
        slot = await self._decide(person, browser, customer)
        clicked, ordered = person.clicks(slot.arm), person.buys(slot.arm)
        if slot.decision:
            kinds = ["exposure", "click"] if clicked else ["exposure"]
            await browser.tell([slot.seen(kind) for kind in kinds])
        redeemed = ordered and await self._order(person, browser.visitor, customer, slot)
        return slot.visited(person, clicked=clicked, ordered=ordered, redeemed=redeemed)

    async def _decide(self, person: Person, browser: Browser, customer: str) -> Slot:
        now_s = int(time.time())
        said = {"attributes": person.kind.vouched(now_s), "expires_s": now_s + SESSION_LIFE_S}
        if customer:
            said["customer"] = customer
        session = sign_session(self._shop_key, said)
        answer = await browser.decide({"placements": [self._placement], "session": session})
        try:
            return msgspec.json.decode(answer.content, type=DecideAnswer).decisions[0]
        except (msgspec.DecodeError, IndexError) as error:
            raise VisitFailed(f"the edge's answer is not understood: {error}") from None

    async def _order(self, person: Person, visitor: str, customer: str, slot: Slot) -> bool:
        """Place the order; whether an offer came off it."""
        now_s = int(time.time())
        order_id = f"S{secrets.token_hex(6)}"
        discount, decision = "0", ""
        if slot.token and person.redeems(slot.arm):
            cart = cart_of(person, now_s)
            discount, decision = await self._shop.redeem(slot.token, order_id, visitor, cart)
        await self._shop.report(
            {
                "order_id": order_id,
                "visitor": visitor,
                "customer": customer or None,
                "revenue": str(max(Decimal(0), person.value - Decimal(discount))),
                "margin": str(person.margin),
                "discount": discount,
                "time_s": now_s,
                "decisions": [decision] if decision else [],
            }
        )
        return bool(decision)


def cart_of(person: Person, now_s: int) -> dict[str, Any]:
    """The cart as the shop's server tells it at the checkout."""
    attributes = person.kind.vouched(now_s)
    return {
        "order_value": str(person.value),
        "margin": str(person.margin),
        "attributes": attributes,
    }


def sign_session(shop_key: str, said: dict[str, Any]) -> str:
    """A session token as the shop's server would make it (`edge/vouching.py`)."""
    payload = to_base64url(msgspec.json.encode(said))
    code = hmac.digest(shop_key.encode(), SESSION_LABEL + payload, "sha256")
    return (payload + b"." + to_base64url(code)).decode()
