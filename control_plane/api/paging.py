"""Lists come in pages: some items, and a cursor that asks for those after them.

A cursor is the sort key of the last item, opaque to callers: base64url of MessagePack.
So a page is one indexed query (`WHERE key > ? ORDER BY key LIMIT ?`), and items that come
or go meanwhile are neither told twice nor make others be left out.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from control_plane.errors import Refused

T = TypeVar("T")
LIMIT_MAX = 200


class Pages(Struct, frozen=True, kw_only=True):
    """The query of a list: how many items at most, and after which cursor."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX, description="How many items, at most.")] = 50
    after: Annotated[
        str, Meta(max_length=512, description="The `next` of the page before; empty: the first.")
    ] = ""


class Page(Struct, Generic[T], frozen=True):
    """Some items; `next` is the cursor of the page after this one, null on the last."""

    items: list[T]
    next: str | None


def cursor_of(*key: int | str) -> str:
    """The cursor after the item with this sort key."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(key)).decode().rstrip("=")


def key_of(cursor: str, *kinds: type) -> tuple | None:
    """The sort key in a cursor whose parts have these types, None for an empty cursor.

    Raises `Refused` malformed-request for a text that is no cursor of this list.
    """
    if not cursor:
        return None
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        key: Any = msgspec.msgpack.decode(data, type=tuple[kinds])
    except (ValueError, msgspec.DecodeError):
        key = None
    # One key, one cursor: base64 has spare bits that would make many of it.
    if key is None or cursor_of(*key) != cursor or not all(map(_fits, key)):
        raise Refused("malformed-request", "after: this is no `next` of this list")
    return key


def _fits(part: int | str) -> bool:
    """Whether a database takes it."""
    return "\0" not in part if isinstance(part, str) else -(1 << 63) <= part < 1 << 63


def page_of(found: Sequence[T], limit: int, key: Callable[[T], tuple]) -> Page[T]:
    """A page of what a query for `limit + 1` items found, in order."""
    items = list(found[:limit])
    more = len(found) > limit
    return Page(items=items, next=cursor_of(*key(items[-1])) if more else None)
