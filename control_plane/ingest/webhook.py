"""The shop's own webhook: an order or a return, signed by the shop's server.

    {"type": "order.placed", "timestamp": "2026-11-22T10:00:00Z", "data": {...}}

`data` are those of our own events, `OrderData` and `ReturnData`.  The signature is checked at
the door (`signatures.py`); whoever reads on believes it as the shop's key.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from control_plane.ingest.checking import check_size, decode
from control_plane.ingest.foreign import Piece, Who
from control_plane.ingest.ours import order_of, return_of
from control_plane.ingest.typed import Arrival, Fact, Reason, Rules
from edge.decision.events import OrderData, ReturnData


class Told(Struct, frozen=True, kw_only=True):
    type: Literal["order.placed", "order.returned"]
    data: msgspec.Raw
    timestamp: str | None = None


def translate(raw: bytes, arrival: Arrival, rules: Rules) -> list[Fact]:
    """Raises `Rejected`."""
    check_size(raw)
    told = decode(raw, Told, Reason.UNREADABLE)
    piece = Piece(
        raw=raw, format="webhook", type=told.type, arrival=arrival, who=Who(), time_s=None
    )
    if told.type == "order.placed":
        return piece.facts([order_of(decode(told.data, OrderData), arrival)])
    return piece.facts([return_of(decode(told.data, ReturnData), arrival)])
