"""A tiny shop for tests: its catalog, its visitors, and an edge that decides for them.

Decisions are real: the core decides with the bundle that was published, and the edge's
secret attests the record.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import msgspec

from control_plane.services import Services
from control_plane.signing import Signing
from edge.decision.beacon import Record, Row, decision_id, pack_record, unpack_verdict
from edge.decision.bundle import Bundle
from edge.decision.claims import Manifest
from edge.decision.decide import decide
from edge.decision.events import BATCH_TYPE
from edge.decision.manifest import pack_manifest
from edge.decision.request_json import encode_fields
from edge.decision.token import Token, issue_token
from edge.decision.trust import manifest_block

CATALOG = """
shop:
  tenant: tinyshop
  title: Tiny Shop
  currency: {code: EUR}
  locales: [en]
  zone: Europe/Berlin
  economics:
    order_value: cart.total
    order_value_otherwise: 60.00
    margin: cart.margin
    margin_percent: 30
  global_holdout: {share: 0.2, unit: visitor, salt: "g"}
attributes:
  cart.total: {type: decimal, scale: 2, money: true, source: client, minimum: 0, maximum: 5000.00}
  cart.margin: {type: decimal, scale: 2, money: true, source: signed, minimum: 0, maximum: 5000.00}
  cart.categories: {type: set, source: client, values: [rugs, lamps, chairs]}
  cart.updated_at: {type: timestamp, source: signed}
  visit.kind: {type: string, source: client, values: [new, known]}
groups:
  money_off: {title: Money off}
placements:
  hero:
    title: Hero
    rank: 1
    holdout: {share: 0.2, unit: visitor, salt: "h"}
    choice:
      policy: allocation
      salt: "c"
      segment: visit.kind
      allocation:
        new: {none: 1, ten-off/p10: 3, ten-off/p20: 1}
        "*": {none: 1, ten-off/p10: 1, five-off/a5: 1, a-mug/one: 1}
  checkout:
    title: Checkout
    rank: 2
offers:
  - id: ten-off
    title: Ten percent off
    kind: percent
    placements: [hero]
    eligible: '!("rugs" in cart.categories)'
    applicable: age_s(cart.updated_at) > 60
    guardrails: {ceiling: 30.00, margin_floor: 5.00}
    redemption: {recheck: [cart.categories]}
    rungs:
      - {id: p10, percent: 10, expected_profit: 2}
      - {id: p20, percent: 20, expected_profit: 1}
  - id: five-off
    title: Five off, ten times
    kind: fixed
    group: money_off
    placements: [hero, checkout]
    redemption: {total: 10}
    rungs: [{id: a5, amount: 5.00, expected_profit: 1}]
  - id: once-each
    title: One each per month
    kind: fixed
    group: money_off
    placements: [checkout]
    redemption: {per_customer: 1, period_s: 2592000}
    rungs: [{id: a3, amount: 3.00, fixed_cost: 0.40, expected_profit: 1}]
  - id: a-mug
    title: A mug
    kind: gift
    stackable: true
    placements: [hero]
    rungs: [{id: one, unit_cost: 4.00, expected_profit: 1}]
"""

CART = {"cart.total": "60.00", "cart.margin": "20.00", "cart.categories": ["lamps"]}
EDGE = "/edge"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
"""No robot's."""


def write_catalog(folder: Path, text: str = CATALOG) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "catalog.yaml").write_text(text)
    return folder


class Slot(msgspec.Struct, frozen=True):
    """A decided slot: its id, verdict row, and the arm's name."""

    id: str
    row: Row
    arm: str
    ghost: str


class Decided(msgspec.Struct, frozen=True):
    record: bytes
    slots: list[Slot]


class Edge:
    """Decides by the policy that is live in these services."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.names: Iterator[int] = count(1)

    @property
    def live(self) -> Signing:
        live = self.services.publisher.live()
        assert live is not None
        return live

    @property
    def bundle(self) -> Bundle:
        bundle = self.services.publisher.live_bundle()
        assert bundle is not None
        return bundle

    def decide(self, visitor: str, now_s: int, **fields: Any) -> Decided:
        """Visitors come with an old cart and an empty state unless `fields` says otherwise."""
        asked = {
            "visitor": visitor or None,
            "nonce": f"n{next(self.names)}",
            "consent": "full",
            "now_s": now_s,
            "placements": ["hero"],
            "attributes": CART | {"cart.updated_at": now_s - 3600, "visit.kind": "known"},
            "state": {"caps": [], "kept": []},
        } | fields
        digest = bytes.fromhex(self.live.digest)
        claims = msgspec.structs.asdict(self.live.manifest)
        block = pack_manifest(manifest_block(Manifest(**claims, digest=digest)))
        request = encode_fields(self.bundle, asked).data
        record = Record(
            bundle_digest=self.bundle.digest,
            manifest_digest=digest,
            manifest_block=block,
            request=request,
            verdict=decide(self.bundle, block, request),
        )
        return Decided(pack_record(record), [self._slot(record, row) for row in _rows(record)])

    def _slot(self, record: Record, row: Row) -> Slot:
        name = decision_id(
            record.bundle_digest, record.manifest_digest, record.request, row.placement, row.slot
        )
        arm, ghost = self.bundle.arm_name(row.shown.arm), self.bundle.arm_name(row.ghost.arm)
        return Slot(name.hex(), row, arm, ghost)

    def mac(self, record: bytes) -> str:
        return hmac.digest(self.services.keys.edge_secret, record, "sha256").hex()

    def token(self, arm: str, subject: str, now_s: int, **changes: Any) -> str:
        offer, rung = arm.split("/")
        token = Token(
            tenant="tinyshop",
            id=f"{next(self.names):032x}",
            offer=offer,
            rung=rung,
            placement="hero",
            subject=subject,
            issued_s=now_s,
            expires_s=now_s + 3600,
            bundle=self.live.bundle,
        )
        return issue_token(
            self.services.keys.edge_secret, msgspec.structs.replace(token, **changes)
        )

    # --- events -------------------------------------------------------------

    def decision_event(self, decided: Decided, *, mac: str | None = None) -> dict[str, Any]:
        data = {
            "record": base64.b64encode(decided.record).decode(),
            "mac": self.mac(decided.record) if mac is None else mac,
        }
        return event("shop.proffer.decision", decided.slots[0].id, data)

    def shown_event(
        self, slot: Slot, time_s: int, kind: str = "exposure", name: str = ""
    ) -> dict[str, Any]:
        data = {"decision": slot.id, "placement": "hero", "slot": 0, "time_s": time_s}
        return event(f"shop.proffer.{kind}", name or f"{kind}-{slot.id}", data)


def _rows(record: Record) -> list[Row]:
    return list(unpack_verdict(record.verdict))


def event(kind: str, name: str, data: Any, source: str = EDGE) -> dict[str, Any]:
    return {"specversion": "1.0", "type": kind, "id": name, "source": source, "data": data}


def order_event(order_id: str, visitor: str, time_s: int, **changes: Any) -> dict[str, Any]:
    data = {
        "order_id": order_id,
        "visitor": visitor,
        "revenue": "60.00",
        "margin": "20.00",
        "discount": "0.00",
        "currency": "EUR",
        "time_s": time_s,
    }
    return event("shop.proffer.order", order_id, data | changes, source="/shop")


async def send(
    client: httpx.AsyncClient, events: Any, shop_key: str = "", content_type: str = BATCH_TYPE
) -> httpx.Response:
    headers = {"Content-Type": content_type, "User-Agent": BROWSER}
    if shop_key:
        headers["Authorization"] = f"Bearer {shop_key}"
    content = events if isinstance(events, bytes) else msgspec.json.encode(events)
    return await client.post("/v1/beacons", content=content, headers=headers)
