"""What hosts, explanations and redemption read of a policy, and decisions never do.

The `notes` section of a bundle: one MessagePack object.  Lists follow the rows of
the bundle's tables.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from .errors import BundleError
from .rule import Node

Creative = dict[str, str]
"""headline, body, cta, href, image, image_alt; absent fields are empty."""


class AttributeNote(Struct, frozen=True, kw_only=True, omit_defaults=True):
    describe: str = ""
    labels: tuple[str, ...] = ()
    purpose: tuple[str, ...] = ()


class OfferNote(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """`rules` are the three tiers; a window's dayparts are part of `daypart`."""

    title: str
    kind: str
    eligible: Node | None = None
    applicable: Node | None = None
    suitable: Node | None = None
    daypart: Node | None = None
    creatives: dict[str, dict[str, Creative]] = {}
    """Placement -> locale -> creative; texts may hold `{percent}` and the like."""
    sizes: tuple[dict[str, str], ...] = ()
    """Per rung: what stands for those, as plain decimals such as `7.5`."""
    per_customer: int | None = None
    per_customer_period_s: int = 0
    total: int | None = None
    recheck: tuple[str, ...] = ()


class PlacementNote(Struct, frozen=True, kw_only=True, omit_defaults=True):
    title: str
    channel: str = "page"
    width: int = 0
    height: int = 0
    segment: str = ""
    """Attribute that learning splits this placement's decisions by."""
    segments: tuple[str, ...] = ()
    """Its values, in the order of the allocation's rows; one more row holds the rest."""


class SelfTest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request and what may be shown: per placement "none", offers or "offer/rung"s.

    `at_s` None: whenever it is asked.  A timestamp of at most 0 counts from that time.
    """

    name: str
    at_s: int | None = None
    visitor: str = ""
    customer: str = ""
    consent: str = "full"
    locale: str = ""
    attributes: dict[str, bool | int | str | list[str]] = {}
    expect: dict[str, tuple[str, ...]] = {}


class Notes(Struct, frozen=True, kw_only=True, omit_defaults=True):
    title: str
    currency: str
    minor_digits: int
    locales: tuple[str, ...]
    attributes: tuple[AttributeNote, ...] = ()
    offers: tuple[OfferNote, ...] = ()
    placements: tuple[PlacementNote, ...] = ()
    budgets: tuple[str, ...] = ()
    tzdata: str = ""
    tests: tuple[SelfTest, ...] = ()


def pack_notes(notes: Notes) -> bytes:
    return msgspec.msgpack.encode(notes, order="deterministic")


def unpack_notes(data: bytes) -> Notes:
    """Raises `BundleError` TEXT."""
    try:
        return msgspec.msgpack.decode(data, type=Notes)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError("TEXT", f"the notes do not decode: {error}") from None
