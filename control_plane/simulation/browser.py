"""A visitor's browser, as far as the edge can tell, and the shop's line to its control plane.

Cookies are kept here and not by httpx: a client would refuse to send the edge's `Secure`
cookies back over plain HTTP, and all visitors of a run share one client.  One client means
few connections; it keeps no cookies of its own.
"""

from __future__ import annotations

import secrets
import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from edge.cookies import VISITOR_COOKIE
from edge.decision.events import BATCH_TYPE

TIMEOUT_S = 10.0
CONNECTIONS = 64
AGENTS = {
    "phone": "Mozilla/5.0 (Linux; Android 15; Mobile) proffer-simulate",
    "tablet": "Mozilla/5.0 (iPad) proffer-simulate",
    "desktop": "Mozilla/5.0 (X11; Linux x86_64) proffer-simulate",
}


class VisitFailed(Exception):
    """A visit that could not be finished: who did not answer as it should, and what it said."""


def open_client() -> httpx.AsyncClient:
    """A client for all visitors of a run, without a memory for cookies."""
    nobody = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    return httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits, cookies=nobody, trust_env=False)


class Browser:
    """One visitor's cookies and headers at one edge."""

    def __init__(self, client: httpx.AsyncClient, url: str, device: str, country: str) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._headers = {"User-Agent": AGENTS.get(device, AGENTS["desktop"])}
        if country:
            # What the proxy in front of a real edge adds; without one, an edge ignores it.
            self._headers["CF-IPCountry"] = country
        self.cookies: dict[str, str] = {}

    @property
    def visitor(self) -> str:
        """The id that the edge gave this visitor; empty before its first answer."""
        return self.cookies.get(VISITOR_COOKIE, "").partition(".")[0]

    async def get(self, path: str, limit: int = 5) -> httpx.Response:
        """A page, over at most `limit` redirects.  Raises `VisitFailed`."""
        response = await self._ask("GET", path, {"Accept": "text/html"})
        while response.is_redirect and limit:
            limit -= 1
            path = response.headers["location"].removeprefix(self._url)
            response = await self._ask("GET", path, {"Accept": "text/html"})
        return _good(response)

    async def submit(self, path: str, form: dict[str, str]) -> httpx.Response:
        """Post a form; the redirect is not followed.  Raises `VisitFailed`."""
        return _good(await self._ask("POST", path, {"Accept": "text/html"}, data=form))

    async def decide(self, body: object) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        content = msgspec.json.encode(body)
        return _good(await self._ask("POST", "/_proffer/decide", headers, content=content))

    async def tell(self, events: list[Seen]) -> None:
        """Send what was seen, as the page's script does.  Raises `VisitFailed`."""
        content = msgspec.json.encode([each.event() for each in events])
        headers = {"Content-Type": BATCH_TYPE}
        _good(await self._ask("POST", "/_proffer/beacon", headers, content=content))

    async def _ask(
        self, method: str, path: str, headers: dict[str, str], **body: Any
    ) -> httpx.Response:
        own = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        sent = {**self._headers, **headers, **(own if self.cookies else {})}
        response = await ask(self._client, method, self._url + path, sent, **body)
        for cookie in response.headers.get_list("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name.strip()] = value.strip()
        return response


class Seen(Struct, frozen=True, kw_only=True):
    """An exposure or a click of one slot."""

    kind: str
    decision: str
    placement: str
    slot: int
    track: str
    receipt: str = ""

    def event(self) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": secrets.token_hex(16),
            "source": "/page",
            "type": f"shop.proffer.{self.kind}",
            "data": {
                "decision": self.decision,
                "placement": self.placement,
                "slot": self.slot,
                "time_s": int(time.time()),
                "track": self.track,
                "receipt": self.receipt,
            },
        }


class ShopServer:
    """What a shop's own server says to the control plane, with the shop's key."""

    def __init__(self, client: httpx.AsyncClient, url: str, key: str, currency: str) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}
        self._currency = currency

    async def redeem(
        self, token: str, order_id: str, subject: str, cart: dict[str, Any]
    ) -> tuple[str, str]:
        """Reserve and commit a token; its (discount, decision), ("0", "") if it was refused."""
        asked = {"token": token, "order_id": order_id, "subject": subject, "cart": cart}
        held = await self._post("/v1/redemptions/reserve", asked)
        if held.status_code >= 400:
            return "0", ""
        reservation = held.json()
        done = await self._post(
            "/v1/redemptions/commit", {"reservation": reservation["reservation"]}
        )
        return (reservation["discount"], reservation["decision"]) if done.is_success else ("0", "")

    async def report(self, order: dict[str, Any]) -> None:
        """Tell of an order.  Raises `VisitFailed`."""
        event = {
            "specversion": "1.0",
            "id": order["order_id"],
            "source": "/shop",
            "type": "shop.proffer.order",
            "data": {**order, "currency": self._currency},
        }
        _good(await self._post("/v1/beacons", [event], BATCH_TYPE))

    async def _post(
        self, path: str, body: object, content_type: str = "application/json"
    ) -> httpx.Response:
        headers = {**self._headers, "Content-Type": content_type}
        content = msgspec.json.encode(body)
        response = await ask(self._client, "POST", self._url + path, headers, content=content)
        if response.status_code == 401:
            raise VisitFailed(f"{self._url}{path} does not know this shop key")
        return response


async def ask(
    client: httpx.AsyncClient, method: str, url: str, headers: dict[str, str], **body: Any
) -> httpx.Response:
    """One request.  Raises `VisitFailed` if nobody answers."""
    try:
        return await client.request(method, url, headers=headers, **body)
    except httpx.InvalidURL as error:
        raise VisitFailed(f"{url}: {error}") from None
    except httpx.HTTPError as error:
        raise VisitFailed(f"{method} {url}: {error or type(error).__name__}") from None


def _good(response: httpx.Response) -> httpx.Response:
    if response.status_code < 400:
        return response
    said = " ".join(response.text.split())[:200]
    request = response.request
    raise VisitFailed(f"{request.method} {request.url} answered {response.status_code}: {said}")
