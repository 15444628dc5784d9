"""Pairs of made-up policies, and what the same visitor said to both.

A story is a policy, a draft that was made of it by changing attributes, placements and
offers, and requests as JSON with everything that client, shop and edge said.  So there is a
truth to compare a replay with: the same words, admitted and encoded for the draft itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
from msgspec import Struct

from edge.decision.beacon import Record, pack_record
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.decide import decide
from edge.decision.errors import RequestError
from edge.decision.manifest import pack_manifest
from edge.decision.request_json import encode_fields
from edge.vouching import admit
from policy_compiler.catalog import Attribute, Catalog
from policy_compiler.emit import emit
from policy_compiler.plan import OfferTooWide, Tiers, plan_of
from tests.support.policies import ATTRIBUTES, random_catalog, random_tree
from tests.support.requests import RequestMaker

SOURCES = ("client", "signed", "edge")
DISPENSABLE = ("a.page", "a.tags", "a.colours", "b.gap", "b.both")
"""Attributes that costs and models never read."""


class Told(Struct, frozen=True):
    """One record, and the encoded request that the draft would have been asked."""

    record: Record
    truth: bytes

    @property
    def data(self) -> bytes:
        return pack_record(self.record)


class Story(Struct, frozen=True):
    old: Bundle
    draft: Bundle
    told: list[Told]


def stories(seed: int, requests: int = 40) -> Story:
    random = Random(seed)
    before, after = _policies(random)
    return Story(before, after, list(_told(random, before, after, requests)))


def _policies(random: Random) -> tuple[Bundle, Bundle]:
    while True:
        catalog = random_catalog(random)
        rules = {f"o{i}": random_tree(random, 2) for i in range(0, 12, 2)}
        old = _declared(random, catalog, changes=0.15)
        new = _declared(random, _edited(random, catalog), changes=0.15)
        try:
            return _bundle(old, rules), _bundle(new, rules | _some_new(random))
        except (OfferTooWide, KeyError):
            continue


def _some_new(random: Random) -> dict[str, Any]:
    return {f"o{i}": random_tree(random, 2) for i in range(12) if random.random() < 0.2}


def _bundle(catalog: Catalog, rules: dict[str, Any]) -> Bundle:
    tiers = {offer.id: Tiers(rules.get(offer.id)) for offer in catalog.offers}
    return open_bundle(emit(plan_of(catalog, {}, tiers)))


def _edited(random: Random, catalog: Catalog) -> Catalog:
    """Mostly the offers, models and placements of another catalog, which has the same names."""
    if random.random() < 0.3:
        return catalog
    return msgspec.structs.replace(random_catalog(random), shop=catalog.shop)


def _declared(random: Random, catalog: Catalog, changes: float) -> Catalog:
    """With some attributes declared otherwise, and at times one that is not declared at all."""
    attributes = {
        name: _changed(random, name, attribute) if random.random() < changes else attribute
        for name, attribute in ATTRIBUTES.items()
    }
    if random.random() < 0.5:
        del attributes[random.choice(DISPENSABLE)]
    return msgspec.structs.replace(catalog, attributes=attributes)


def _changed(random: Random, name: str, attribute: Attribute) -> Attribute:
    """Another scale, range, enumeration, label or source."""
    if attribute.derived is not None:
        return attribute
    change = random.choice(("source", "label", "type"))
    if change == "source":
        return msgspec.structs.replace(attribute, source=random.choice(SOURCES))
    if change == "label":
        labels = [] if "personal" in attribute.labels else ["personal"]
        return msgspec.structs.replace(attribute, labels=labels)
    if attribute.type == "decimal":
        return msgspec.structs.replace(attribute, scale=random.choice((1, 2, 3)))
    if attribute.type == "int":
        low, high = random.choice(((-20, 5), (-5, 20), (-100, 100)))
        return msgspec.structs.replace(attribute, minimum=Decimal(low), maximum=Decimal(high))
    return attribute


def _told(random: Random, old: Bundle, draft: Bundle, requests: int) -> Iterator[Told]:
    makers = (
        RequestMaker(old, random.randrange(10**9)),
        RequestMaker(draft, random.randrange(10**9)),
    )
    for _ in range(requests):
        block = random.choice(makers).manifest()
        fields = (
            random.choice(makers).request(now_s=makers[0].now_s + random.randrange(10**6)).fields
        )
        speakers = [random.choice(makers).request().attributes for _ in range(3)]
        try:
            asked = _encoded(old, fields, speakers)
            truth = _encoded(draft, fields, speakers)
        except RequestError:
            continue
        packed = pack_manifest(block)
        record = Record(
            bundle_digest=old.digest,
            manifest_digest=block.digest,
            manifest_block=packed,
            request=asked,
            verdict=decide(old, packed, asked),
        )
        yield Told(record, truth)


def _encoded(bundle: Bundle, fields: dict[str, Any], speakers: list[dict[str, Any]]) -> bytes:
    """As an edge does: what each may say is admitted, then encoded."""
    client, shop, observed = speakers
    attributes, _ = admit(bundle, fields["consent"], fields["attributes"] | client, shop, observed)
    return encode_fields(bundle, fields | {"attributes": attributes}).data
