"""Events in the formats of others.  `docs/reference/beacons.md` describes each of these."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Annotated, Any

from msgspec import Meta, Struct

from control_plane.api.call import Answer, Call
from control_plane.api.operation import JSON, Operation
from control_plane.crowd import Crowd
from control_plane.facts import Receipt
from control_plane.http import read_body
from control_plane.ingest.signatures import check_signature
from control_plane.ingest.typed import Format
from edge.decision.events import BATCH_LIMIT_BYTES, EVENT_LIMIT_BYTES

WITHIN_S = 10.0
"""How long a body may take to arrive; a sender that drips holds a place no longer."""

Anything = Annotated[Any, Meta(description="What cannot be read goes to quarantine.")]


class Ga4Query(Struct, frozen=True, forbid_unknown_fields=True):
    """What Google's own senders put into the address.  Neither is looked at: a secret in an
    address is in everybody's logs, so who may tell of money shows the shop's key."""

    measurement_id: str = ""
    firebase_app_id: str = ""
    api_secret: str = ""


def _taking(format: Format) -> Callable[[Call], Awaitable[Answer]]:
    async def take(call: Call) -> Answer:
        """202 once every event is stored or in quarantine, durably."""
        from_shop = call.actor.may("collect")
        crowd: Crowd = call.request.app.state.crowd
        with nullcontext() if from_shop else crowd.place(call.request):
            body = await read_body(call.request, BATCH_LIMIT_BYTES, within_s=WITHIN_S)
            return await _keep(call, body, from_shop, format)

    return take


async def orders(call: Call) -> Answer:
    """The signature is the login: it is checked before anything is read or kept."""
    crowd: Crowd = call.request.app.state.crowd
    with crowd.place(call.request):
        body = await read_body(call.request, EVENT_LIMIT_BYTES, within_s=WITHIN_S)
        secrets = call.services.keys.webhook_secrets
        check_signature(call.request.headers, body, secrets, int(time.time()))
        return await _keep(call, body, True, "webhook")


async def _keep(call: Call, body: bytes, from_shop: bool, format: Format) -> Answer:
    agent = call.request.headers.get("user-agent", "")
    batch = call.services.collector.batch(body, from_shop, format, agent)
    return Answer(await call.services.events.keep(batch), 202)


def _ingest(
    format: Format, sender: str, summary: str, query: type[Struct] | None = None
) -> Operation:
    return Operation(
        method="POST",
        path=f"/v1/ingest/{format}",
        name=f"send_{sender}_events",
        summary=summary,
        tag="ingest",
        permission="public",
        knows_caller=True,
        handler=_taking(format),
        query=query,
        body=Anything,
        body_media=JSON,
        more_media=("text/plain",),
        body_limit_bytes=BATCH_LIMIT_BYTES,
        reads_body_itself=True,
        answers={202: Receipt},
        problems=("busy",),
    )


OPERATIONS = (
    _ingest(
        "ga4",
        "google",
        "Takes a body of GA4's Measurement Protocol; 202 once it is durable.",
        Ga4Query,
    ),
    _ingest("segment", "segment", "Takes a call of Segment or RudderStack, or a batch of them."),
    Operation(
        method="POST",
        path="/v1/webhooks/orders",
        name="send_order_webhook",
        summary="Takes an order or a return that the shop's server signed.",
        tag="ingest",
        permission="public",
        handler=orders,
        body=Anything,
        body_media=JSON,
        body_limit_bytes=EVENT_LIMIT_BYTES,
        reads_body_itself=True,
        answers={202: Receipt},
        problems=("busy", "unauthorized"),
    ),
)
