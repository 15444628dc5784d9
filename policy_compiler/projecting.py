"""The `browser` projection: the part of a policy that visitors may read.

What runs in a page can be read in the page.  So a browser bundle holds no cost, no
margin, no score, no budget and no confidential attribute: placements that choose by
`greedy` over a fixed order or by `allocation`, and of their offers those whose
guardrails hold for every cart, or from a published order value on (`thresholds.py`).
Everything else is *edge-only* and is named, with the reason.

It is a different policy with its own digest and need not decide like the edge's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec
from msgspec import Struct

from policy_compiler.catalog import (
    Attribute,
    Catalog,
    Economics,
    Guardrails,
    Model,
    Offer,
    Placement,
    Redemption,
    Rung,
)
from policy_compiler.plan import Tiers
from policy_compiler.thresholds import Public, without_guardrails
from policy_compiler.tree import And, Conditional, Constant, Node, Not, Or


class LeftOut(Struct, frozen=True):
    """What a browser does not get, as a catalog path's object, and why."""

    kind: str
    name: str
    why: str


class Projected(Struct, frozen=True):
    """`tiers`: the offers' rules, with the thresholds that stand for guardrails."""

    catalog: Catalog
    left_out: tuple[LeftOut, ...] = ()
    tiers: dict[str, Tiers] = {}


def project(
    catalog: Catalog, tiers: Mapping[str, Tiers], derived: Mapping[str, Attribute]
) -> Projected:
    """The catalog that a browser bundle is compiled from."""
    known = {**catalog.attributes, **derived}
    out: list[LeftOut] = []
    placements = {}
    for name, placement in catalog.placements.items():
        if why := _edge_only_placement(catalog, placement, known):
            out.append(LeftOut("placement", name, why))
        else:
            placements[name] = placement
    offers, rules = [], {}
    for offer in catalog.offers:
        why = _edge_only_offer(offer, placements, tiers[offer.id], known)
        public = Public() if why else without_guardrails(catalog, offer, tiers[offer.id], known)
        if why or public.refused:
            out.append(LeftOut("offer", offer.id, why or public.refused))
        else:
            offers.append(_public(offer, placements))
            rules[offer.id] = _with_threshold(tiers[offer.id], public.rule)
    kept = {offer.id for offer in offers}
    ranked = {n: _ranked(catalog, n, placement, kept) for n, placement in placements.items()}
    return Projected(_assemble(catalog, placements, offers, ranked), tuple(out), rules)


def _with_threshold(tiers: Tiers, rule: Node | None) -> Tiers:
    if rule is None:
        return tiers
    parts = (rule,) if tiers.applicable is None else (tiers.applicable, rule)
    return msgspec.structs.replace(tiers, applicable=And(parts=parts))


def _edge_only_placement(
    catalog: Catalog, placement: Placement, known: Mapping[str, Attribute]
) -> str:
    choice = placement.choice
    if placement.channel != "page":
        return "it is no place on a page"
    if choice.policy not in ("greedy", "allocation"):
        return f"its choice policy `{choice.policy}` needs scores"
    model = catalog.models[placement.model] if placement.model else None
    if choice.policy == "greedy" and model and (model.terms or model.link != "identity"):
        return "its model's order depends on the visitor"
    if choice.segment and _confidential(known, choice.segment):
        return f"its segments read the confidential `{choice.segment}`"
    return ""


def _edge_only_offer(
    offer: Offer,
    placements: Mapping[str, Placement],
    tiers: Tiers,
    known: Mapping[str, Attribute],
) -> str:
    if not set(offer.placements) & set(placements):
        return "none of its placements is in a browser"
    for name in attributes_in(tiers.whole()):
        if _confidential(known, name):
            return f"its rule reads the confidential `{name}`"
    return ""


def attributes_in(node: Node) -> Iterator[str]:
    """Names of the attributes that a rule reads."""
    match node:
        case And() | Or():
            for part in node.parts:
                yield from attributes_in(part)
        case Not():
            yield from attributes_in(node.part)
        case Conditional():
            for part in (node.test, node.then, node.otherwise):
                yield from attributes_in(part)
        case Constant():
            return
        case _:
            yield node.attribute


def _confidential(known: Mapping[str, Attribute], name: str) -> bool:
    attribute = known[name]
    derived = attribute.derived
    operands = [*(derived.sum or ()), *(derived.difference or ())] if derived else []
    if derived and derived.age_s:
        operands.append(derived.age_s)
    return "confidential" in attribute.labels or any(_confidential(known, x) for x in operands)


def _public(offer: Offer, placements: Mapping[str, Placement]) -> Offer:
    """The offer without its costs, limits and beliefs."""
    return msgspec.structs.replace(
        offer,
        placements=[name for name in offer.placements if name in placements],
        rungs=[_costless(offer.kind, rung) for rung in offer.rungs],
        guardrails=Guardrails(),
        redemption=Redemption(),
        budget=None,
        scope=None,
        creatives={k: v for k, v in offer.creatives.items() if k in placements},
    )


SEEN_BY_VISITORS = {
    "percent": ("percent", "cap"),
    "fixed": ("amount",),
    "bundle": ("saves",),
    "points": ("points", "points_per_unit"),
    "financing": ("months",),
}
"""Fields of a rung that its creatives may speak of; all others are the shop's own business."""
COSTLESS = {
    "gift": {"unit_cost": Decimal(0)},
    "shipping": {"amount": Decimal(0)},
    "points": {"point_value": Decimal(0)},
    "financing": {"fee_percent": Decimal(0)},
}


def _costless(kind: str, rung: Rung) -> Rung:
    """The rung's size, without what it costs and what is believed of it."""
    seen = {name: getattr(rung, name) for name in SEEN_BY_VISITORS.get(kind, ())}
    return msgspec.structs.replace(Rung(id=rung.id), **seen, **COSTLESS.get(kind, {}))


def _ranked(catalog: Catalog, name: str, placement: Placement, kept: set[str]) -> Model:
    """The order of the arms that beat showing nothing, and nothing of their scores."""
    model = catalog.models[placement.model] if placement.model else None
    scored = [
        (_belief(model, offer, rung), f"{offer.id}/{rung.id}")
        for offer in sorted(catalog.offers, key=lambda o: (-o.priority, o.id.encode()))
        if name in offer.placements and offer.id in kept
        for rung in offer.rungs
    ]
    winning = [arm for score, arm in sorted(scored, key=lambda s: -s[0]) if score > 0]
    unit = catalog.shop.score_unit
    return Model(
        link="identity", arms={arm: unit * (len(winning) - i) for i, arm in enumerate(winning)}
    )


def _belief(model: Model | None, offer: Offer, rung: Rung) -> Decimal:
    if model is None:
        return rung.expected_profit
    return model.arms.get(f"{offer.id}/{rung.id}", model.arms.get(offer.id, Decimal(0)))


def _assemble(
    catalog: Catalog,
    placements: Mapping[str, Placement],
    offers: list[Offer],
    ranked: Mapping[str, Model],
) -> Catalog:
    economics = Economics(
        order_value="", order_value_otherwise=Decimal(0), margin_percent=Decimal(0)
    )
    arms = {"none"} | {f"{offer.id}/{rung.id}" for offer in offers for rung in offer.rungs}
    return msgspec.structs.replace(
        catalog,
        shop=msgspec.structs.replace(catalog.shop, economics=economics),
        placements={n: _reading_rank(n, p, arms) for n, p in placements.items()},
        offers=offers,
        models=dict(ranked),
        budgets={},
        tests={},  # they tell what the whole policy does, and would tell visitors
    )


def _reading_rank(name: str, placement: Placement, arms: set[str]) -> Placement:
    choice = placement.choice
    allocation = choice.allocation and {
        segment: {arm: weight for arm, weight in row.items() if arm in arms}
        for segment, row in choice.allocation.items()
    }
    nothing = Decimal(0)
    choice = msgspec.structs.replace(
        choice, allocation=allocation, explore_loss=nothing, floor=nothing
    )
    return msgspec.structs.replace(placement, model=name, choice=choice)
