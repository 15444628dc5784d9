"""Bodies in the formats of others, and how they are sent."""

from __future__ import annotations

import time
from typing import Any

import httpx
import msgspec

from control_plane.ingest.signatures import signature
from tests.control_plane.conftest import Running
from tests.control_plane.ingest.conftest import NEW
from tests.control_plane.shop import BROWSER

NOW_S = int(time.time())


def ga4(*events: tuple[str, dict[str, Any]], **body: Any) -> dict[str, Any]:
    named = [{"name": name, "params": params} for name, params in events]
    micros = NOW_S * 1_000_000
    return {"client_id": "ga-1", "timestamp_micros": micros, "events": named} | body


def called(event: str, properties: dict[str, Any], **call: Any) -> dict[str, Any]:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW_S))
    told = {"type": "track", "event": event, "messageId": f"m-{event}", "timestamp": moment}
    return told | {"anonymousId": "seg-1", "properties": properties} | call


async def ingest(
    plane: Running, format: str, body: object, *, shop: bool = False, agent: str = BROWSER
) -> httpx.Response:
    headers = {"Content-Type": "application/json", "User-Agent": agent}
    if shop:
        headers["Authorization"] = f"Bearer {plane.shop_key}"
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return await plane.client.post(f"/v1/ingest/{format}", content=content, headers=headers)


async def counts(
    plane: Running, format: str, body: object, *, shop: bool = False, agent: str = BROWSER
) -> tuple[int, int, int]:
    """Accepted, duplicates, quarantined."""
    answer = await ingest(plane, format, body, shop=shop, agent=agent)
    assert answer.status_code == 202, answer.text
    told = answer.json()
    return told["accepted"], told["duplicates"], told["quarantined"]


async def webhook(plane: Running, body: object, **changes: Any) -> httpx.Response:
    """Signed now with the newest secret, unless `changes` says otherwise."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    name, at = changes.get("name", "msg_1"), str(changes.get("time_s", int(time.time())))
    signed = signature(changes.get("secret", NEW), name, at, changes.get("signed_body", content))
    headers = {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": at,
        "webhook-signature": changes.get("sent", signed),
    }
    return await plane.client.post("/v1/webhooks/orders", content=content, headers=headers)


def placed(**changes: Any) -> dict[str, Any]:
    data = {
        "order_id": "o1", "visitor": "v", "revenue": "60.00", "margin": "20.00",
        "currency": "EUR", "time_s": NOW_S,
    }  # fmt: skip
    return {"type": "order.placed", "data": data | changes}


def returned(**changes: Any) -> dict[str, Any]:
    data = {
        "return_id": "r1", "order_id": "o1", "refund": "30.00", "margin": "10.00",
        "currency": "EUR", "time_s": NOW_S, "reason": "too small",
    }  # fmt: skip
    return {"type": "order.returned", "data": data | changes}
