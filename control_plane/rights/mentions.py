"""Whether an event as it came, in whatever format and however broken, is about a subject.

The rules, in order:

 1. A decision's record is base64: it is read, and its request's visitor and customer are
    compared.  Its decisions' ids are remembered, so that what came of them is found, too.
 2. Under a key that names persons (`visitor`, `user_id`, ...) a value is compared as a whole,
    under one that names orders with the orders' ids, numbers as their text.
 3. An id of at least `LONG_CHARS` characters is looked for anywhere, also inside of other
    texts: by chance nothing contains it.  A shorter one is not, or customer "7" would be
    every 7.
 4. What is no JSON is searched for long ids as they are and in base64, and for short ones in
    quotes.

An event about the subject tells the names of its orders, which are remembered as well.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from control_plane.rights.subjects import Subject
from edge.decision.beacon import Record, decision_id, unpack_record, unpack_verdict
from edge.decision.errors import RequestError
from edge.decision.request import Request, unpack_request

LONG_CHARS = 8
DECISION = re.compile(rb"[0-9a-f]{32}")
OURS = ("visitor", "customer", "subject", "unit")
GA4 = ("client_id", "user_id", "user_pseudo_id")
SEGMENT = ("userId", "anonymousId", "previousId")
PERSON_KEYS = frozenset((*OURS, *GA4, *SEGMENT))
ORDER_KEYS = frozenset(("order_id", "orderId", "transaction_id"))
RECORD_KEY = "record"

Leaf = tuple[str, Any]


class Mentions:
    """Called with an event's bytes; learns names on the way."""

    def __init__(
        self, subject: Subject, orders: Iterable[str] = (), decisions: Iterable[str] = ()
    ) -> None:
        self.subject = subject
        self.orders = set(orders)
        self.decisions = set(decisions)
        self._prepare()

    @property
    def known(self) -> int:
        """Grows with every name that is learned."""
        return len(self.orders) + len(self.decisions)

    def __call__(self, raw: bytes) -> bool:
        if not self._could(raw):
            return False
        leaves = leaves_of(raw)
        if leaves is None:
            return self._in_bytes(raw)
        ours = [self._is_ours(key, each) for key, each in leaves]  # all of them, to learn
        if not any(ours):
            return False
        self._learn(leaves)
        return True

    def knows(self, text: str) -> bool:
        """Whether a text that is no event, such as an event's name, is about the subject."""
        data = text.encode(errors="replace")
        return text in self._texts or self._has_long(data) or self._has_decision(data)

    # --- one value ----------------------------------------------------------

    def _is_ours(self, key: str, value: Any) -> bool:
        if isinstance(value, bool) or value is None:
            return False
        text = str(value)
        if key in PERSON_KEYS and text in self.subject.ids:
            return True
        if key in ORDER_KEYS and text in self.orders:
            return True
        if key == RECORD_KEY and isinstance(value, str):
            return self._is_record_ours(value)
        data = text.encode(errors="replace")
        return self._has_long(data) or self._has_decision(data)

    def _is_record_ours(self, text: str) -> bool:
        data = unpacked(text)
        found = read(data)
        if found is None:
            return self._has_long(data)
        record, request = found
        if not self.subject.is_of(request.visitor, request.customer):
            return False
        self.decisions.update(decision_ids(record))
        return True

    def _learn(self, leaves: list[Leaf]) -> None:
        known = len(self.orders)
        self.orders.update(str(each) for key, each in leaves if key in ORDER_KEYS and each)
        if len(self.orders) > known:
            self._prepare()

    # --- bytes --------------------------------------------------------------

    def _prepare(self) -> None:
        ids = self.subject.ids | self.orders
        long = sorted(each.encode() for each in ids if len(each) >= LONG_CHARS)
        short = sorted(each.encode() for each in ids if len(each) < LONG_CHARS)
        self._texts = ids
        self._long = _any_of(long)
        self._base64 = _any_of([form for each in long for form in _base64_forms(each)])
        self._quoted = _any_of([b'"%b"' % each for each in short])
        self._plain = _any_of([*long, *short])

    def _could(self, raw: bytes) -> bool:
        """Cheaply; events in which anything is escaped or packed are always looked into."""
        if b"\\" in raw or b'"record"' in raw or self._has_decision(raw):
            return True
        return self._plain.search(raw) is not None or self._base64.search(raw) is not None

    def _in_bytes(self, raw: bytes) -> bool:
        patterns = (self._long, self._base64, self._quoted)
        return self._has_decision(raw) or any(each.search(raw) for each in patterns)

    def _has_long(self, data: bytes) -> bool:
        return self._long.search(data) is not None

    def _has_decision(self, data: bytes) -> bool:
        return any(each.decode() in self.decisions for each in DECISION.findall(data))


# --- records ------------------------------------------------------------------


def read(data: bytes) -> tuple[Record, Request] | None:
    """A decision record, if it is one that this version reads."""
    try:
        record = unpack_record(data)
        return record, unpack_request(record.request)
    except RequestError:
        return None


def unpacked(text: str) -> bytes:
    """What base64 stands for; the text itself where it is none."""
    try:
        return b64decode(text)
    except ValueError:
        return text.encode(errors="replace")


def decision_ids(record: Record) -> list[str]:
    try:
        rows = unpack_verdict(record.verdict)
    except RequestError:
        return []
    names = (record.bundle_digest, record.manifest_digest, record.request)
    return [decision_id(*names, row.placement, row.slot).hex() for row in rows]


# --- inside -------------------------------------------------------------------


def leaves_of(raw: bytes) -> list[Leaf] | None:
    """(key, value) of all that holds nothing else in an event; None for what is no JSON."""
    try:
        return list(_leaves(msgspec.json.decode(raw)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _leaves(value: Any, key: str = "") -> Iterator[Leaf]:
    """Keys themselves, too."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield "", name
            yield from _leaves(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, key)
    else:
        yield key, value


def _any_of(texts: Iterable[bytes]) -> re.Pattern[bytes]:
    """One of these; nothing matches none of them."""
    return re.compile(b"|".join(map(re.escape, texts)) or rb"(?!)")


def _base64_forms(data: bytes) -> list[bytes]:
    """What the text becomes at each of three places of a packed one, without its ends, which
    depend on what stands beside it."""
    forms = []
    for shift in range(3):
        packed = b64encode(bytes(shift) + data)
        begin = -(-shift * 8 // 6)
        end = (shift + len(data)) * 8 // 6
        forms.append(packed[begin:end])
    return forms
