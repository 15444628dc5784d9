"""Which version of an offer a decision was about: by what the offer says, not by its bundle.

Every publish makes another bundle, and learning publishes by itself; most offers are the same
in all of them.  So a version is the digest of what a bundle says of one offer:

    its note      title, kind, rules, creatives, sizes, what redemption limits and checks again
    its terms     window, expiry, placements, caps, disclosures, scope, flags
    its rungs     names, and every number of their costs and guardrails

Whatever learning changes (weights, allocations, expected costs), other offers, and where an
offer stands among them leave the version as it is.  What the bundle does not have by name
stays out: the offer's group, its budget and the priorities between offers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any

import msgspec

from edge.decision.bundle import Bundle
from edge.decision.tables import Tables

VERSION_CHARACTERS = 12

BundleOf = Callable[[str], Bundle | None]
"""A bundle by its digest (hexadecimal), None if it is not known."""

OFFER_TERMS = ("offer_from_s", "offer_until_s", "offer_max_age_s", "offer_expires_s", "offer_flags")
RUNG_TERMS = (
    "rung_depth",
    "rung_limits",
    "rung_fixed",
    "rung_rate_ppm",
    "rung_most",
    "rung_ceiling",
    "rung_ceiling_ppm",
    "rung_floor",
    "rung_floor_ppm",
    "rung_handling",
)


def offer_rows(bundle: Bundle, arms: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Rows of the table `offers` for these arms (`offer/rung`) of a bundle."""
    versions: dict[int, str] = {}
    for arm in sorted(arms):
        row = bundle.arm_rows.get(arm)
        if row is None:
            continue
        offer = bundle.tables.rung_offer[row - 1]
        if offer not in versions:
            versions[offer] = version_of(bundle, offer)
        name, _, rung = arm.partition("/")
        yield {
            "bundle": bundle.digest.hex(),
            "arm": arm,
            "offer": name,
            "rung": rung,
            "version": versions[offer],
            "title": bundle.notes.offers[offer].title,
        }


def version_of(bundle: Bundle, offer: int) -> str:
    """The version of the offer in this row of the bundle's table of offers."""
    tables = bundle.tables
    terms = [getattr(tables, name)[offer] for name in OFFER_TERMS]
    says = [
        bundle.text(tables.offer_name[offer]),
        msgspec.msgpack.encode(bundle.notes.offers[offer], order="deterministic"),
        terms,
        _attribute(bundle, tables.offer_scope[offer]),
        sorted(
            bundle.placement_name(tables.place_placement[at])
            for at in _span(tables.offer_place, offer)
        ),
        [_cap(bundle, tables.limit_cap[at]) for at in _span(tables.offer_limit, offer)],
        [bundle.text(tables.disclosure_text[at]) for at in _span(tables.offer_disclosure, offer)],
        [_rung(bundle, rung) for rung in _span(tables.offer_rung, offer)],
    ]
    packed = msgspec.msgpack.encode(says, order="deterministic")
    return sha256(packed).hexdigest()[:VERSION_CHARACTERS]


def _span(start: Any, row: int) -> range:
    return range(start[row], start[row + 1])


def _attribute(bundle: Bundle, row: int) -> str:
    return bundle.text(bundle.tables.attribute_name[row]) if row >= 0 else ""


def _cap(bundle: Bundle, cap: int) -> list[Any]:
    tables = bundle.tables
    place = tables.cap_placement[cap]
    where = bundle.placement_name(place) if place >= 0 else ""
    return [tables.cap_period_s[cap], tables.cap_count[cap], tables.cap_strict[cap], where]


def _rung(bundle: Bundle, rung: int) -> list[Any]:
    tables = bundle.tables
    numbers = [getattr(tables, name)[rung] for name in RUNG_TERMS]
    return [bundle.text(tables.rung_name[rung]), numbers, _cost(bundle, tables.rung_cost[rung])]


def _cost(bundle: Bundle, cost: int) -> list[Any]:
    """A table of costs: the attribute's name, where its cells end, and an amount for each."""
    if cost < 0:
        return []
    tables: Tables = bundle.tables
    attribute = tables.cost_attribute[cost]
    words = [bundle.text(tables.word_text[at]) for at in _span(tables.attribute_word, attribute)]
    breaks = [tables.break_value[at] for at in _span(tables.attribute_break, attribute)]
    amounts = [tables.amount_micros[at] for at in _span(tables.cost_amount, cost)]
    return [_attribute(bundle, attribute), words, breaks, amounts]
