"""The shop's three calls to Proffer: reserve an offer, commit it, report an order.

Each call may fail, and none of them may cost the shop an order: whatever goes
wrong ends in a `Refusal` or in False, with a line in the log, never in an
exception.
"""

from __future__ import annotations

import logging
from decimal import Decimal

import httpx
import msgspec
from msgspec import Struct

TIMEOUT_S = 2.0
BATCH_TYPE = "application/cloudevents-batch+json"
log = logging.getLogger("shop.proffer")


class CartFacts(Struct):
    """The cart as the shop itself knows it; amounts are strings, before any discount."""

    order_value: str
    margin: str
    attributes: dict[str, str | int | bool | list[str]]


class ReserveBody(Struct, omit_defaults=True):
    """`visitor` and `customer`: who is buying; the token says whom it is for."""

    token: str
    order_id: str
    cart: CartFacts
    visitor: str = ""
    customer: str = ""


class CommitBody(Struct):
    reservation: str


class Reservation(Struct):
    """An offer that is held for one order.  `decision` names the decision behind it, in hex."""

    reservation: str
    discount: Decimal
    decision: str = ""


class Refusal(Struct):
    """Why an offer does not apply: a sentence for the customer."""

    why: str


class Problem(Struct):
    """The part of a problem+json answer that a shop needs; the log has the rest."""

    title: str = ""


UNCONFIRMED = "We could not confirm it just now"


class Order(Struct):
    """One placed order; amounts are strings, `revenue` is after the discount, `margin` before."""

    order_id: str
    visitor: str
    customer: str | None
    revenue: str
    margin: str
    discount: str
    currency: str
    time_s: int
    decisions: list[str]


class OrderEvent(Struct):
    """A CloudEvent of type `shop.proffer.order`."""

    id: str
    data: Order
    specversion: str = "1.0"
    type: str = "shop.proffer.order"
    source: str = "/shop"
    datacontenttype: str = "application/json"


class Proffer:
    """A control plane, reachable or not.  Without a URL all offers are refused."""

    def __init__(self, url: str, key: str, client: httpx.AsyncClient | None = None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT_S)

    @property
    def is_set(self) -> bool:
        """Whether there is anybody to talk to."""
        return bool(self._url)

    async def reserve(self, body: ReserveBody) -> Reservation | Refusal:
        """Hold the offer of a token for this order."""
        answer = await self._post("/v1/redemptions/reserve", body)
        if answer is None:
            return Refusal(UNCONFIRMED)
        if not answer.is_success:
            return _refusal(answer)
        try:
            return msgspec.json.decode(answer.content, type=Reservation)
        except msgspec.DecodeError as error:
            log.warning("reserve: answer not understood: %s", error)
            return Refusal(UNCONFIRMED)

    async def commit(self, reservation: str) -> bool:
        """Use the reserved offer up.  False: it did not happen, so give no discount."""
        answer = await self._post("/v1/redemptions/commit", CommitBody(reservation))
        return answer is not None and answer.is_success

    async def report(self, order: Order) -> bool:
        """Send the order as a batch of one event; its id makes sending it twice harmless."""
        batch = [OrderEvent(order.order_id, order)]
        answer = await self._post("/v1/beacons", batch, BATCH_TYPE)
        return answer is not None and answer.is_success

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(
        self, path: str, body: object, media_type: str = "application/json"
    ) -> httpx.Response | None:
        if not self._url:
            return None
        headers = self._headers | {"Content-Type": media_type}
        content = msgspec.json.encode(body)
        try:
            answer = await self._client.post(self._url + path, content=content, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.warning("%s: not reachable: %s", path, repr(error))
            return None
        if not answer.is_success:
            log.warning("%s: %s %s", path, answer.status_code, answer.text[:300])
        return answer


def _refusal(answer: httpx.Response) -> Refusal:
    try:
        problem = msgspec.json.decode(answer.content, type=Problem)
    except msgspec.DecodeError:
        return Refusal(UNCONFIRMED)
    return Refusal(problem.title or UNCONFIRMED)
