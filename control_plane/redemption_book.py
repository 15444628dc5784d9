"""The book of redemptions: what happens to a token inside one transaction.

A cap is one conditional UPDATE on its counter; a token is one row that is unique
while it is not released.  Nothing here reads a clock or knows of HTTP.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from control_plane.appraisal import Taken, Worth
from control_plane.errors import Refused
from control_plane.storage import tables as t
from control_plane.storage.database import insert_into
from edge.decision.hashing import is_part
from edge.decision.token import Token

RESERVED, COMMITTED, RELEASED, REVERSED = "reserved", "committed", "released", "reversed"
SWEEP_LIMIT = 1000


class Cap(Struct, frozen=True):
    """At most `limit` redemptions are counted under `key`; `whose` says it in words."""

    key: str
    limit: int
    whose: str


class Entry(Struct, frozen=True, kw_only=True):
    """A row of `redemptions`."""

    reservation: str
    token: str
    order_id: str
    subject: str
    offer: str
    rung: str
    placement: str
    bundle: str
    currency: str
    minor_digits: int
    discount_micros: int
    cost_micros: int
    caps: str
    state: str
    reserved_s: int
    expires_s: int
    changed_s: int


class Book:
    """The redemptions of one tenant, in one transaction at `now_s`."""

    def __init__(self, connection: Connection, tenant: str, now_s: int) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now_s = now_s

    # --- looking ------------------------------------------------------------

    def of_token(self, token: Token) -> Entry | None:
        """The entry that holds this token, if it is not released."""
        return self._one_or_none(
            t.redemptions.c.token == token.id, t.redemptions.c.state != RELEASED
        )

    def one(self, reservation: str) -> Entry:
        """Raises `Refused` unknown-reservation."""
        known = t.redemptions.c.reservation == reservation
        entry = self._one_or_none(known) if is_part(reservation) else None
        if entry is None:
            raise Refused("unknown-reservation", f"reservation {reservation[:64]!a}")
        return entry

    def taken(self, order_id: str, but: Token) -> list[Taken]:
        """Other offers that the order uses."""
        query = self._ours().where(
            t.redemptions.c.order_id == order_id,
            t.redemptions.c.token != but.id,
            t.redemptions.c.state.in_((RESERVED, COMMITTED)),
        )
        rows = self._connection.execute(query)
        return [Taken(f"{row.offer}/{row.rung}", row.cost_micros) for row in rows]

    # --- changing -----------------------------------------------------------

    def enter(
        self, token: Token, order_id: str, worth: Worth, caps: list[Cap], life_s: int
    ) -> Entry:
        """Count under every cap and reserve.  Raises `Refused` cap-reached."""
        for cap in caps:
            if not self._count(cap):
                used_up = f"offer {token.offer} is used up: {cap.limit} for {cap.whose}"
                raise Refused("cap-reached", used_up)
        entry = Entry(
            reservation=secrets.token_urlsafe(16),
            token=token.id,
            order_id=order_id,
            subject=token.subject,
            offer=token.offer,
            rung=token.rung,
            placement=token.placement,
            bundle=token.bundle,
            currency=worth.currency,
            minor_digits=worth.minor_digits,
            discount_micros=worth.discount_micros,
            cost_micros=worth.cost_micros,
            caps=msgspec.json.encode([cap.key for cap in caps]).decode(),
            state=RESERVED,
            reserved_s=self._now_s,
            expires_s=self._now_s + life_s,
            changed_s=self._now_s,
        )
        row = {"tenant": self._tenant} | msgspec.structs.asdict(entry)
        self._connection.execute(insert(t.redemptions), row)
        return entry

    def reprice(self, entry: Entry, worth: Worth) -> Entry:
        """The same reservation for a cart that changed."""
        amounts = {"discount_micros": worth.discount_micros, "cost_micros": worth.cost_micros}
        return self._change(entry, amounts)

    def move(self, reservation: str, before: str, after: str) -> Entry:
        """From one state to the next; again is the same.  Raises `Refused`."""
        entry = self.one(reservation)
        if entry.state == after:
            return entry
        if entry.state != before:
            raise Refused("reservation-closed", f"the reservation is {entry.state}, not {before}")
        if after in (RELEASED, REVERSED):
            self._uncount(entry)
        return self._change(entry, {"state": after})

    def release_expired(self) -> int:
        query = select(t.redemptions.c.reservation).where(
            t.redemptions.c.tenant == self._tenant,
            t.redemptions.c.state == RESERVED,
            t.redemptions.c.expires_s <= self._now_s,
        )
        expired = list(self._connection.scalars(query.limit(SWEEP_LIMIT)))
        for reservation in expired:
            self.move(reservation, RESERVED, RELEASED)
        return len(expired)

    # --- inside -------------------------------------------------------------

    def _ours(self) -> Any:
        columns = [t.redemptions.c[name] for name in Entry.__struct_fields__]
        return select(*columns).where(t.redemptions.c.tenant == self._tenant)

    def _one_or_none(self, *conditions: Any) -> Entry | None:
        row = self._connection.execute(self._ours().where(*conditions)).one_or_none()
        return None if row is None else Entry(**row._mapping)

    def _count(self, cap: Cap) -> bool:
        counts = t.redemption_counts
        first = {"tenant": self._tenant, "cap": cap.key, "count": 0}
        begin = insert_into(self._connection, counts).on_conflict_do_nothing()
        self._connection.execute(begin, first)
        more = update(counts).where(
            counts.c.tenant == self._tenant, counts.c.cap == cap.key, counts.c.count < cap.limit
        )
        return self._connection.execute(more.values(count=counts.c.count + 1)).rowcount == 1

    def _uncount(self, entry: Entry) -> None:
        counts = t.redemption_counts
        keys = msgspec.json.decode(entry.caps, type=list[str])
        less = update(counts).where(
            counts.c.tenant == self._tenant, counts.c.cap.in_(keys), counts.c.count > 0
        )
        self._connection.execute(less.values(count=counts.c.count - 1))

    def _change(self, entry: Entry, values: dict[str, Any]) -> Entry:
        change = update(t.redemptions).where(
            t.redemptions.c.tenant == self._tenant,
            t.redemptions.c.reservation == entry.reservation,
        )
        self._connection.execute(change.values(**values, changed_s=self._now_s))
        return self.one(entry.reservation)
