"""Which events count: each is read, checked, and becomes facts, or is rejected with a reason.

    a piece in its format -> facts (`ingest/typed.py`), or `Rejected`

Trust is decided here.  A record counts as *attested* when the edge's MAC over it
holds; one without a MAC (made in a browser) is kept but never trusted for money; one
with a wrong MAC is rejected.  Orders and returns are money, so only the shop may tell
them, with its key or by its signed webhook.
Who is believed belongs to an event's name (`Trust`): anybody can send a page's event,
and no page's event shall ever pass for an earlier telling of somebody else's.  The name
of an attested record is what it says, since its MAC covers nothing else: the same record
under another name is the same record.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from control_plane.ingest import ga4, segment, webhook
from control_plane.ingest.checking import UNREADABLE, check_size, check_time, decode
from control_plane.ingest.ours import order_of, read_envelope, return_of, touch_of
from control_plane.ingest.splitting import why_whole
from control_plane.ingest.typed import (
    Arrival,
    Body,
    Decided,
    Fact,
    Format,
    Order,
    Promotion,
    Reason,
    Rejected,
    Return,
    Rules,
    Touch,
    Trust,
)
from control_plane.policies import AtHand, Policies
from control_plane.recording import decisions_of, store_form
from control_plane.storage.objects import Tampered
from edge.decision.beacon import unpack_record
from edge.decision.errors import BundleError, RequestError
from edge.decision.events import DecisionData, Event, OrderData, ReturnData

__all__ = [
    "UNREADABLE",
    "Admission",
    "Arrival",
    "Decided",
    "Fact",
    "Order",
    "Promotion",
    "Reason",
    "Rejected",
    "Return",
    "Touch",
    "Trust",
]

EDGES = "edge"
"""The source in the names of attested records."""
NO_RULES = Rules()
TRANSLATORS: dict[Format, Callable[[bytes, Arrival, Rules], list[Fact]]] = {
    "ga4": ga4.translate,
    "segment": segment.translate,
    "webhook": webhook.translate,
}


class Admission:
    """Reads events; holds what that needs.  Thread-safe."""

    def __init__(
        self,
        policies: Policies,
        edge_secrets: Callable[[], tuple[bytes, ...]],
        rules: Rules = NO_RULES,
    ) -> None:
        self._policies = policies
        self._edge_secrets = edge_secrets
        self._rules = rules

    @property
    def edge_secrets(self) -> Callable[[], tuple[bytes, ...]]:
        return self._edge_secrets

    def at_hand(self) -> Admission:
        """The same without ever waiting for a store: raises `NotAtHand` where it would."""
        return Admission(AtHand(self._policies), self._edge_secrets, self._rules)

    def admit(self, raw: bytes, arrival: Arrival, format: Format = "cloudevents") -> list[Fact]:
        """What a piece says; nothing for a good one that is about something else.

        Raises `Rejected`.
        """
        if format == "cloudevents":
            return [self._ours(raw, arrival)]
        if format in TRANSLATORS:
            return TRANSLATORS[format](raw, arrival, self._rules)
        raise why_whole(raw, format)

    def _ours(self, raw: bytes, arrival: Arrival) -> Fact:
        check_size(raw)
        event = read_envelope(raw)
        body = self._body(event, arrival)
        attested = isinstance(body, Decided) and body.record.attested
        return Fact(
            trust=arrival.trust(attested=attested),
            source=EDGES if attested else event.source,
            id=body.record.digest if isinstance(body, Decided) and attested else event.id,
            type=event.type,
            body=body,
            raw=raw,
            received_s=arrival.arrived_s,
            sender=event.source,
        )

    def _body(self, event: Event, arrival: Arrival) -> Body:
        match event.type:
            case "shop.proffer.decision":
                return self._decided(decode(event.data, DecisionData), arrival)
            case "shop.proffer.exposure":
                return touch_of(event, "exposure", arrival)
            case "shop.proffer.click":
                return touch_of(event, "click", arrival)
            case "shop.proffer.order":
                return order_of(decode(event.data, OrderData), arrival)
            case "shop.proffer.return":
                return return_of(decode(event.data, ReturnData), arrival)
            case _:
                raise Rejected(Reason.UNKNOWN_TYPE, f"type {event.type[:80]!a}")

    # --- decisions ----------------------------------------------------------

    def _decided(self, data: DecisionData, arrival: Arrival) -> Decided:
        attested, digest = self._is_attested(data), ""
        try:
            record = unpack_record(data.record)
            digest = record.bundle_digest.hex()
            bundle = self._policies.get(digest)
            if bundle is None:
                raise Rejected(Reason.UNKNOWN_BUNDLE, f"bundle {digest}", attested=attested)
            if self._rules.tenant and bundle.tenant != self._rules.tenant:
                what = f"bundle {digest} is of another shop"
                raise Rejected(Reason.UNKNOWN_BUNDLE, what, attested=attested)
            stored = store_form(data.record, record, attested)
            decided = Decided(stored, decisions_of(bundle, record, stored))
        except Tampered:
            what = f"the file of bundle {digest} is damaged"
            raise Rejected(Reason.UNKNOWN_BUNDLE, what, attested=attested) from None
        except (RequestError, BundleError) as error:
            raise Rejected(Reason.BAD_RECORD, str(error), attested=attested) from None
        for decision in decided.decisions[:1]:  # all slots of a record have one time
            check_time(decision.time_s, arrival, attested=attested)
        return decided

    def _is_attested(self, data: DecisionData) -> bool:
        if not data.mac:
            return False
        for secret in self._edge_secrets():
            expected = hmac.digest(secret, data.record, "sha256").hex()
            if hmac.compare_digest(expected.encode(), data.mac.encode()):
                return True
        raise Rejected(Reason.BAD_MAC, "the MAC is not that of an edge's secret")
