"""Redemption: an offer's token becomes money exactly once, and never beyond its caps.

    reserve -> commit -> (reverse)
            -> release

Reserving checks the token (form, MAC, tenant, expiry), its subject, whether the offer
is paused, the cart (`appraisal.py`), and the caps: each cap is one conditional UPDATE
inside the transaction, so the last one of a capped offer is handed out once, however
many ask at the same time.  Every step may be repeated with the same answer.

A reservation that nobody commits is released when its time is up.  A released token
can be reserved again while it lives; a committed one never.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

from msgspec import Meta, Struct, structs
from sqlalchemy import Connection

from control_plane.appraisal import CartFacts, appraise
from control_plane.errors import Refused
from control_plane.ingest.checking import NAME_LIMIT_BYTES
from control_plane.money import decimal_text
from control_plane.policies import Policies
from control_plane.publishing import Publisher
from control_plane.redemption_book import (
    COMMITTED,
    RELEASED,
    RESERVED,
    REVERSED,
    Book,
    Cap,
    Entry,
)
from control_plane.releasing.promises import BROKEN, note_broken
from control_plane.rights.forgotten import Forgotten
from control_plane.settings import Settings
from control_plane.storage.writer import StorageUnavailable, Writer
from control_plane.telemetry.pulse import beat
from edge.decision.bundle import Bundle
from edge.decision.errors import TokenError
from edge.decision.hashing import is_part
from edge.decision.notes import OfferNote
from edge.decision.state import window_index
from edge.decision.token import Token, read_token

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 30.0


Text = Annotated[str, Meta(max_length=NAME_LIMIT_BYTES, pattern=r"\A[^\x00-\x1f]*\Z")]
"""As far as JSON Schema can say it; `_check_name` knows bytes."""


class Reserve(Struct, frozen=True, forbid_unknown_fields=True):
    """What a shop asks, and who is buying, as far as it knows: at least one of the three.

    The shop need not know whom the token was issued to.  `subject` is for those that do: the
    visitor's or customer's id, whichever it is.
    """

    token: str
    order_id: Annotated[Text, Meta(min_length=1)]
    cart: CartFacts
    visitor: Text = ""
    customer: Text = ""
    subject: Text = ""

    @property
    def buyer(self) -> str:
        return self.customer or self.visitor or self.subject


class Reservation(Struct, frozen=True, kw_only=True):
    """An offer held for one order.  `discount` is a decimal string of the currency."""

    reservation: str
    state: str
    order_id: str
    offer: str
    rung: str
    discount: str
    currency: str
    decision: str
    expires_s: int


class Redemptions:
    """Coroutines; each answers when its effect is durable."""

    def __init__(
        self,
        settings: Settings,
        edge_secrets: Callable[[], tuple[bytes, ...]],
        writer: Writer,
        policies: Policies,
        publisher: Publisher,
        now_s: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._settings = settings
        self._edge_secrets = edge_secrets
        self._writer = writer
        self._policies = policies
        self._publisher = publisher
        self._now_s = now_s
        self._forgotten = Forgotten(settings.tenant, edge_secrets, now_s)

    async def reserve(self, asked: Reserve) -> Reservation:
        """Hold an offer for an order.  Raises `Refused` with the reason."""
        _check_names(asked)
        now_s = self._now_s()
        token, bundle, caps = await asyncio.to_thread(self._promise, asked, now_s)

        def job(connection: Connection) -> Reservation:
            book = self._book(connection, now_s)
            self._forgotten.check(connection, token)
            return _answer(self._hold(book, asked, token, bundle, caps, now_s))

        try:
            return await self._writer.do(job)
        except Refused as refused:
            if refused.name in BROKEN:
                await self._note_broken(token, refused.name, now_s)
            raise

    async def _note_broken(self, token: Token, reason: str, now_s: int) -> None:
        """For guardrails.  That it could not be noted is no news for the shop."""
        tenant = self._settings.tenant
        with suppress(StorageUnavailable):
            await self._writer.do(lambda c: note_broken(c, tenant, token, reason, now_s))

    def _promise(self, asked: Reserve, now_s: int) -> tuple[Token, Bundle, list[Cap]]:
        """What was promised, by which policy, and the caps that bind it today."""
        token = self._token(asked, now_s)
        bundle = self._bundle(token)
        return token, bundle, caps_of(token, self._in_force(token, bundle), now_s)

    def _hold(
        self, book: Book, asked: Reserve, token: Token, bundle: Bundle, caps: list[Cap], now_s: int
    ) -> Entry:
        before = book.of_token(token)
        if before is not None and before.state == REVERSED:
            raise Refused("token-spent", "the order that used this token was cancelled")
        if before is not None and before.order_id != asked.order_id:
            raise Refused("token-spent", "the token was used for another order")
        if before is not None and before.state == COMMITTED:
            return before
        taken = book.taken(asked.order_id, but=token)
        worth = appraise(bundle, token, asked.cart, taken, now_s)
        if before is not None:
            return book.reprice(before, worth)
        life_s = self._settings.reservation_life_s
        return book.enter(token, asked.order_id, worth, caps, life_s)

    def _token(self, asked: Reserve, now_s: int) -> Token:
        try:
            token = self._read(asked.token, now_s)
        except TokenError as error:
            name = "token-expired" if error.code == "EXPIRED" else "token-invalid"
            raise Refused(name, f"the token is not to be redeemed: {error.detail}") from None
        return _to_buyer(token, asked)

    def _read(self, text: str, now_s: int) -> Token:
        """By any secret of edges that is believed: tokens outlive a change of secrets."""
        *others, last = self._edge_secrets()
        for secret in others:
            try:
                return read_token(secret, text, self._settings.tenant, now_s)
            except TokenError as error:
                if error.code != "SIGNATURE":
                    raise
        return read_token(last, text, self._settings.tenant, now_s)

    def _bundle(self, token: Token) -> Bundle:
        bundle = self._policies.get(token.bundle)
        if bundle is None or token.placement not in bundle.placement_rows:
            raise Refused("token-invalid", "the policy that made this offer is not known here")
        return bundle

    def _in_force(self, token: Token, promised: Bundle) -> OfferNote:
        """The limits of today, or of the promise where today's policy has no such offer."""
        live = self._publisher.live()
        if live is not None:
            paused = live.manifest.paused
            arm = f"{token.offer}/{token.rung}"
            if paused.all or token.offer in paused.offers or arm in paused.rungs:
                raise Refused("offer-paused", f"offer {token.offer} is paused")
        today = self._publisher.live_bundle()
        note = _note(today, token.offer) if today else None
        note = note or _note(promised, token.offer)
        if note is None:
            raise Refused("token-invalid", f"its policy has no offer {token.offer}")
        return note

    async def commit(self, reservation: str) -> Reservation:
        """Use the offer up.  Raises `Refused` if it was released or reversed."""
        return await self._move(reservation, RESERVED, COMMITTED)

    async def release(self, reservation: str) -> Reservation:
        """Give a reserved offer back; its token can be reserved again."""
        return await self._move(reservation, RESERVED, RELEASED)

    async def reverse(self, reservation: str) -> Reservation:
        """Take a committed redemption back (the order was cancelled); the token stays spent."""
        return await self._move(reservation, COMMITTED, REVERSED)

    async def _move(self, reservation: str, before: str, after: str) -> Reservation:
        now_s = self._now_s()
        return await self._writer.do(
            lambda c: _answer(self._book(c, now_s).move(reservation, before, after))
        )

    def _book(self, connection: Connection, now_s: int) -> Book:
        return Book(connection, self._settings.tenant, now_s)

    async def release_expired(self) -> int:
        """Release what was reserved and never committed; how many there were."""
        now_s = self._now_s()
        return await self._writer.do(lambda c: self._book(c, now_s).release_expired())

    async def keep_swept(self) -> None:
        """`release_expired`, for ever."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            try:
                await self.release_expired()
                beat()
            except StorageUnavailable as error:
                log.error("expired reservations were not released: %s", error)


def _to_buyer(token: Token, asked: Reserve) -> Token:
    """The token, bound to who is buying.  Raises `Refused` wrong-subject.

    A page's token was issued to nobody in particular.  Its id makes it good for one order;
    caps per customer count whoever the shop says is buying.
    """
    if token.subject_kind == "page":
        return structs.replace(token, subject=asked.buyer)
    known = {asked.subject, asked.customer}
    if token.subject_kind == "visitor":
        known.add(asked.visitor)
    if token.subject not in known:
        raise Refused("wrong-subject", f"the offer was made to another {token.subject_kind}")
    return token


def _check_names(asked: Reserve) -> None:
    _check_name(asked.order_id, "order_id")
    if not asked.buyer:
        raise Refused("malformed-request", "visitor, customer and subject: one must be told")
    for name in ("visitor", "customer", "subject"):
        if value := getattr(asked, name):
            _check_name(value, name)


def _check_name(name: str, what: str) -> None:
    """Names are kept and shown.  Raises `Refused` malformed-request for what is none."""
    if not is_part(name) or len(name.encode()) > NAME_LIMIT_BYTES:
        problem = f"must be 1 to {NAME_LIMIT_BYTES} bytes of text without control characters"
        raise Refused("malformed-request", f"{what}: {problem}")


def _note(bundle: Bundle, offer: str) -> OfferNote | None:
    for row, name in enumerate(bundle.tables.offer_name):
        if bundle.text(name) == offer:
            return bundle.notes.offers[row]
    return None


def caps_of(token: Token, note: OfferNote, now_s: int) -> list[Cap]:
    """The caps that a redemption counts under.  "Customer" is the token's subject."""
    caps = []
    if note.total is not None:
        caps.append(Cap(f"total/{token.offer}", note.total, "all customers together"))
    if note.per_customer is not None:
        window = window_index(now_s, note.per_customer_period_s)
        key = f"customer/{token.offer}/{window}/{token.subject}"
        caps.append(Cap(key, note.per_customer, "one customer"))
    return caps


def _answer(entry: Entry) -> Reservation:
    return Reservation(
        reservation=entry.reservation,
        state=entry.state,
        order_id=entry.order_id,
        offer=entry.offer,
        rung=entry.rung,
        discount=decimal_text(entry.discount_micros, entry.minor_digits),
        currency=entry.currency,
        decision=entry.token,
        expires_s=entry.expires_s,
    )
