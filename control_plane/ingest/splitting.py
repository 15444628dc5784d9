"""Taking bodies apart: into pieces, each in bytes of its own.

    CloudEvents    a JSON array; a piece is an event
    GA4            an object with `events`; a piece is the same object with one of them
    Segment        a call, or an object with `batch`; a piece is a call
    webhook        one event; the piece is the body

A body that cannot be taken apart is one piece as a whole, whose format ends in `-body`.

What is wrong inside one piece shall not cost the others: half of a surrogate pair
(`"\\ud83d"`, from texts that were cut in JavaScript) is no reason for a body as a whole,
though msgspec refuses it wherever it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256

import msgspec

from control_plane.ingest.checking import UNREADABLE
from control_plane.ingest.typed import Format, Reason, Rejected
from edge.decision.events import BATCH_LIMIT_EVENTS

GA4_HEAD = ("client_id", "user_id", "timestamp_micros", "user_agent")
GA4_HEAD_BYTES = 4 << 10
"""What every event of a GA4 body repeats, at most."""
SURROGATE = re.compile(rb"((?<!\\)(?:\\\\)*)\\u([dD][89a-fA-F][0-9a-fA-F]{2})")
"""An escape of half a pair, and the escaped backslashes before it."""

BEGINNINGS = {
    b"\x1f\x8b": "it is compressed: send it without Content-Encoding",
    b"\xef\xbb\xbf": "it begins with a byte order mark: send it without",
}
"""Of bodies that are no JSON, though their senders mean well."""


class TooMany(Exception):
    """More events than a batch may have; they are counted before anything is made of them."""

    def __init__(self, count: int) -> None:
        super().__init__(f"the batch has {count} events; at most {BATCH_LIMIT_EVENTS}")


def pieces_of(raw: bytes, format: Format) -> tuple[tuple[bytes, ...], Format]:
    """A kept piece, taken apart if it is a body that can be by now."""
    whole = WHOLE.get(format)
    try:
        return taken_apart(raw, whole) if whole else ((raw,), format)
    except TooMany:
        return (raw,), format


def why_whole(raw: bytes, format: Format) -> Rejected:
    """Why such a body could not be taken apart."""
    try:
        _split(raw, WHOLE[format])
    except (*UNREADABLE, TooMany) as error:
        told = [why for begins, why in BEGINNINGS.items() if raw.startswith(begins)]
        return Rejected(Reason.UNREADABLE_BODY, told[0] if told else str(error))
    return Rejected(Reason.UNREADABLE_BODY, "it can be taken apart by now: replay it")


def taken_apart(body: bytes, format: Format) -> tuple[tuple[bytes, ...], Format]:
    """Raises `TooMany`."""
    try:
        return tuple(_split(body, format)), format
    except UNREADABLE:
        return (body,), BODIES[format]


def _split(body: bytes, format: Format) -> list[bytes]:
    """Raises `TooMany`, and whatever is `UNREADABLE`."""
    try:
        return SPLITTERS[format](body)
    except UNREADABLE:
        mark = b"~%s~" % sha256(body).hexdigest().encode()  # which the body cannot hold
        masked = SURROGATE.sub(rb"\1" + mark + rb"\2", body)
        if masked == body:
            raise
    return [piece.replace(mark, b"\\u") for piece in SPLITTERS[format](masked)]


# --- formats ------------------------------------------------------------------


def _cloud_events(body: bytes) -> list[bytes]:
    return [bytes(event) for event in _listed(body)]


def _listed(raw: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    events = msgspec.json.decode(raw, type=list[msgspec.Raw])
    if len(events) > BATCH_LIMIT_EVENTS:
        raise TooMany(len(events))
    return events


def _ga4(body: bytes) -> list[bytes]:
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    events = _listed(fields.pop("events", b"null"))
    return [_with_one(head, event) for head in [_head(fields)] for event in events]


def _head(fields: dict[str, msgspec.Raw]) -> bytes:
    """What stands before the events, bounded, since it is written once for each of them."""
    for some in (fields, {name: fields[name] for name in GA4_HEAD if name in fields}):
        head = msgspec.json.encode(some)
        if len(head) <= GA4_HEAD_BYTES:
            return head
    raise msgspec.ValidationError(f"more than {GA4_HEAD_BYTES} bytes beside the events")


def _with_one(head: bytes, event: msgspec.Raw) -> bytes:
    comma = b"" if head == b"{}" else b","
    return head[:-1] + comma + b'"events":[' + bytes(event) + b"]}"


def _segment(body: bytes) -> list[bytes]:
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if "batch" not in fields:
        return [body]
    return [bytes(call) for call in _listed(fields["batch"])]


def _webhook(body: bytes) -> list[bytes]:
    return [body]


SPLITTERS: dict[Format, Callable[[bytes], list[bytes]]] = {
    "cloudevents": _cloud_events,
    "ga4": _ga4,
    "segment": _segment,
    "webhook": _webhook,
}
BODIES: dict[Format, Format] = {
    "cloudevents": "cloudevents-body",
    "ga4": "ga4-body",
    "segment": "segment-body",
}
"""What a body is called that could not be taken apart; a webhook's body is one piece anyway."""
WHOLE: dict[Format, Format] = {whole: format for format, whole in BODIES.items()}
