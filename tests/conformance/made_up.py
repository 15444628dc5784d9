"""Policies, manifests and requests that nobody thought of, from a seed.

Catalogs are drawn at random and compiled like any other; what `tests.support` draws
for every test is varied further here, where the suite wants more: windows, holdouts by
customer, tiers, crowds of offers.  Requests hold every state of every attribute,
states with caps and kept choices, arms taken by earlier calls, and some are broken
bytes, which every implementation has to refuse alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

from msgspec import structs

from edge.decision.bundle import open_bundle
from edge.decision.manifest import pack_manifest
from edge.decision.request import HEADER
from edge.decision.request_json import encode_request
from policy_compiler.catalog import Catalog, Guardrails, Holdout, Offer, Placement, Window
from policy_compiler.emit import emit
from policy_compiler.plan import OfferTooWide, Plan, Tiers, plan_of
from tests.conformance.generated import Generated, Question
from tests.support.policies import random_catalog, random_tree
from tests.support.requests import RequestMaker

POLICIES, MANIFESTS, REQUESTS = 100, 4, 25
CROWDED_EVERY = 10
"""So many policies apart there is one with crowds of offers."""
BROKEN = 0.03


def made_up() -> Generated:
    """All of it, without the verdicts."""
    bundles, manifests, questions = [], [], []
    for seed in range(POLICIES):
        data = emit(made_up_plan(Random(seed), crowded=seed % CROWDED_EVERY == 0))
        bundles.append(data)
        maker = Maker(open_bundle(data), seed)
        for _ in range(MANIFESTS):
            manifests.append(pack_manifest(maker.manifest()))
            questions += [
                Question(seed, len(manifests) - 1, request) for request in maker.requests(REQUESTS)
            ]
    return Generated(tuple(bundles), tuple(manifests), tuple(questions))


def made_up_plan(random: Random, *, crowded: bool) -> Plan:
    while True:
        offers = random.randint(30, 45) if crowded else random.randint(2, 12)
        catalog = varied(random, random_catalog(random, offers), plain=0.8 if crowded else 0.4)
        tiers = {offer.id: _tiers(random) for offer in catalog.offers}
        try:
            return plan_of(catalog, {}, tiers)
        except OfferTooWide:
            continue


def _tiers(random: Random) -> Tiers:
    """Most offers have no rule, so that many candidates meet."""
    if random.random() < 0.6:
        return Tiers(None)
    rule = random_tree(random, random.randint(0, 2))
    more = [random_tree(random, 1) if random.random() < 0.2 else None for _ in range(2)]
    return Tiers(rule, *more)


def varied(random: Random, catalog: Catalog, plain: float) -> Catalog:
    """What other tests' catalogs leave out; `plain`: share of offers that little limits."""
    placements = {name: _placement(random, each) for name, each in catalog.placements.items()}
    offers = [_offer(random, offer, plain) for offer in catalog.offers]
    return structs.replace(catalog, placements=placements, offers=offers)


def _placement(random: Random, placement: Placement) -> Placement:
    if random.random() < 0.8:
        return placement
    held = Holdout(share=Decimal("0.4"), unit="customer", salt="k")
    return structs.replace(placement, holdout=held)


def _offer(random: Random, offer: Offer, plain: float) -> Offer:
    chance = random.random()
    if chance < plain:
        return structs.replace(
            offer, caps=[], token=False, window=Window(), guardrails=Guardrails(),
            max_policy_age_s=10**9, stackable=True,
        )  # fmt: skip
    if chance < 0.9:
        return offer
    window = Window(
        start=random.choice((None, "2025-09-01T00:00", "2026-03-29T02:30")),
        until=random.choice((None, "2026-09-01T00:00")),
        zone=random.choice((None, "America/New_York", "Australia/Lord_Howe")),
        hours=random.choice(([], [(0, 12), (18, 24)])),
    )
    return structs.replace(offer, window=window)


class Maker(RequestMaker):
    """Requests as bytes, some of them broken."""

    def requests(self, count: int) -> Iterator[bytes]:
        for _ in range(count):
            taken = [self._taken() for _ in range(self.random.choice((0, 0, 0, 0, 0, 1, 3)))]
            data = encode_request(self.bundle, self.request(taken=taken).text).data
            yield self._broken(data) if self.random.random() < BROKEN else data

    def _kept(self, fields: dict[str, Any], row: int) -> dict[str, Any] | None:
        """Often an arm that the placement could still show."""
        kept, tables = super()._kept(fields, row), self.bundle.tables
        if kept is None:
            return None
        here = [
            arm
            for offer in range(self.bundle.rows["offer"])
            if row in tables.place_placement[slice(*tables.offer_place[offer : offer + 2])]
            for arm in self.bundle.arms(offer)
        ]
        kept["drawn_by"] = f"{self.random.randrange(256):02x}" * 16
        if here and self.random.random() < 0.7:
            kept["arm_key"] = tables.rung_key[self.random.choice(here) - 1]
        return kept

    def _broken(self, data: bytes) -> bytes:
        """A few bits of the header, or of the rest, are not as they were; or its end is gone."""
        if self.random.random() < 0.2:
            return data[: self.random.randrange(len(data))]
        broken, first = bytearray(data), self.random.choice((0, HEADER.size))
        for _ in range(self.random.randint(1, 3)):
            broken[self.random.randrange(first, len(data))] ^= 1 << self.random.randrange(8)
        return bytes(broken)
