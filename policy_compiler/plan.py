"""The checked catalog, put in order: what emission writes down row by row.

Attributes are those that the policy reads (rules, scorecards, costs, economics,
segments), ascending by name; an attribute that nothing reads stays out of the bundle,
so the edge never asks for it.  Offers and rungs are in tie order: priority descending,
offer id by UTF-8 bytes, rung as listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

from edge.decision import tables as t
from policy_compiler.catalog import Attribute, Catalog, Derived, Model, Offer, Placement
from policy_compiler.lower import Clauses, RuleTooWide, lower
from policy_compiler.scorecards import default_model, mention_bins, mention_term, number_of
from policy_compiler.tree import And, In, Node
from policy_compiler.vocabulary import Cells, Vocabulary

COUNTRY = "geo.country"


class Tiers(Struct, frozen=True):
    """An offer's rule in its tiers; all must be true."""

    eligible: Node | None = None
    applicable: Node | None = None
    suitable: Node | None = None
    daypart: Node | None = None

    def whole(self) -> Node:
        given = (self.eligible, self.applicable, self.suitable, self.daypart)
        return And(parts=tuple(part for part in given if part is not None))


class OfferTooWide(Exception):
    """The rule of `offer` needs too many clauses; `all` are the offers of which that is true."""

    def __init__(self, all: dict[str, RuleTooWide]) -> None:
        self.all = all
        self.offer = next(iter(all))
        super().__init__(f"The rule of `{self.offer}` is too wide: {all[self.offer]}.")


class Plan(Struct, frozen=True, kw_only=True):
    catalog: Catalog
    attributes: dict[str, Attribute]
    cells: dict[str, Cells]
    offers: tuple[Offer, ...]
    arms: dict[str, int]
    tiers: dict[str, Tiers]
    clauses: dict[str, Clauses]
    placements: dict[str, Placement]
    models: dict[str, Model]


def plan_of(catalog: Catalog, derived: Mapping[str, Attribute], tiers: Mapping[str, Tiers]) -> Plan:
    """Raises `OfferTooWide`."""
    offers = tuple(sorted(catalog.offers, key=lambda o: (-o.priority, o.id.encode())))
    parts = {offer.id: _with_daypart(catalog, offer, tiers[offer.id]) for offer in offers}
    known = {**catalog.attributes, **derived, **_clocks(catalog, offers)}
    placements = {name: catalog.placements[name] for name in sorted(catalog.placements)}
    models = _models(catalog, offers, placements)
    vocabulary = Vocabulary(known)
    _mention_everything(catalog, vocabulary, offers, parts, models)
    attributes = {name: known[name] for name in _used(vocabulary, known)}
    cells = {name: vocabulary.cells_of(name) for name in attributes}
    clauses = _lowered(offers, parts, cells)
    names = [f"{offer.id}/{rung.id}" for offer in offers for rung in offer.rungs]
    return Plan(
        catalog=catalog,
        attributes=attributes,
        cells=cells,
        offers=offers,
        arms={"none": 0} | {name: arm for arm, name in enumerate(names, 1)},
        tiers=parts,
        clauses=clauses,
        placements=placements,
        models=models,
    )


def _lowered(
    offers: tuple[Offer, ...], tiers: Mapping[str, Tiers], cells: Mapping[str, Cells]
) -> dict[str, Clauses]:
    clauses: dict[str, Clauses] = {}
    too_wide: dict[str, RuleTooWide] = {}
    for offer in offers:
        try:
            clauses[offer.id] = lower(tiers[offer.id].whole(), cells)
        except RuleTooWide as error:
            too_wide[offer.id] = error
    if too_wide:
        raise OfferTooWide(too_wide)
    return clauses


def _models(
    catalog: Catalog, offers: tuple[Offer, ...], placements: Mapping[str, Placement]
) -> dict[str, Model]:
    named = {name: catalog.models[name] for name in sorted(catalog.models)}
    if all(placement.model for placement in placements.values()):
        return named
    return named | {"": default_model(catalog, offers)}


def _with_daypart(catalog: Catalog, offer: Offer, tiers: Tiers) -> Tiers:
    """The window's weekdays and hours, as a rule over derived attributes."""
    zone = offer.window.zone or catalog.shop.zone
    parts: list[Node] = []
    if days := tuple(offer.window.weekdays):
        text = f"weekday in {list(days)} ({zone})"
        parts.append(In(attribute=f"weekday({zone})", values=days, text=text))
    if offer.window.hours:
        hours = sorted({h for low, high in offer.window.hours for h in range(low, high)})
        text = f"hour in {[list(run) for run in offer.window.hours]} ({zone})"
        parts.append(In(attribute=f"hour({zone})", values=tuple(hours), text=text))
    return msgspec.structs.replace(tiers, daypart=And(parts=tuple(parts))) if parts else tiers


def _clocks(catalog: Catalog, offers: tuple[Offer, ...]) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for offer in offers:
        zone = offer.window.zone or catalog.shop.zone
        if offer.window.weekdays:
            derived = Derived(weekday=zone)
            found[f"weekday({zone})"] = Attribute(type="int", source="edge", derived=derived)
        if offer.window.hours:
            found[f"hour({zone})"] = Attribute(
                type="int", source="edge", derived=Derived(hour=zone)
            )
    return found


def _mention_everything(
    catalog: Catalog,
    vocabulary: Vocabulary,
    offers: tuple[Offer, ...],
    tiers: Mapping[str, Tiers],
    models: Mapping[str, Model],
) -> None:
    economics = catalog.shop.economics
    for name in (economics.order_value, economics.margin):
        if name:
            vocabulary.mention(name)
    for model in models.values():
        for term in model.terms:
            mention_term(vocabulary, term)
    for placement in catalog.placements.values():
        _mention_segment(vocabulary, placement)
    for offer in offers:
        _mention_offer(vocabulary, offer, tiers[offer.id].whole())


def _mention_segment(vocabulary: Vocabulary, placement: Placement) -> None:
    segment, allocation = placement.choice.segment, placement.choice.allocation or {}
    if placement.choice.policy == "allocation" and segment:
        vocabulary.mention(segment)
        if vocabulary.attributes[segment].type == "string":
            vocabulary.mention_words(segment, (s for s in allocation if s != "*"))


def _mention_offer(vocabulary: Vocabulary, offer: Offer, rule: Node) -> None:
    vocabulary.mention_rule(rule)
    if offer.scope:
        vocabulary.mention(offer.scope)
    if offer.price_disclosure and COUNTRY in vocabulary.attributes:
        vocabulary.mention_words(COUNTRY, offer.price_disclosure)
    for rung in offer.rungs:
        if table := rung.cost_table:
            mention_bins(vocabulary, table.attribute, table.cuts, table.values)


def _used(vocabulary: Vocabulary, known: Mapping[str, Attribute]) -> list[str]:
    """Mentioned attributes and what they derive from, ascending by name."""
    used = set(vocabulary.mentions)
    for name in list(used):
        used.update(operands(known[name]))
    return sorted(used)


def operands(attribute: Attribute) -> Iterator[str]:
    """The attributes that a derived one is computed from."""
    derived = attribute.derived
    if derived is None:
        return
    if derived.age_s:
        yield derived.age_s
    yield from derived.sum or ()
    yield from derived.difference or ()


def bounds_of(attribute: Attribute) -> tuple[int, int]:
    """The declared range in the attribute's integers; a wide one where none is declared."""
    wide = 10**15 - 1
    if attribute.type == "bool":
        return 0, 1
    low = -wide if attribute.minimum is None else number_of(attribute, attribute.minimum)
    high = wide if attribute.maximum is None else number_of(attribute, attribute.maximum)
    if attribute.money and attribute.minimum is None:
        low = 0
    return low, high


def segments_of(plan: Plan, placement: Placement) -> tuple[str, ...]:
    """The segments that an allocation has a row for, before the row of all others."""
    segment = placement.choice.segment
    if segment is None:
        return ()
    cells = plan.cells[segment]
    return ("false", "true") if cells.type == t.BOOL else cells.words


def arms_at(plan: Plan, placement: str) -> list[str]:
    """Names of the arms offered at a placement, in arm order."""
    return [
        f"{offer.id}/{rung.id}"
        for offer in plan.offers
        if placement in offer.placements
        for rung in offer.rungs
    ]
