"""Made-up policies: random catalogs over a fixed set of attributes, rules as trees.

Rules are built as checked trees, not as CEL, so that any tree can be tried; the plan
and the bundle are the compiler's own.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

from edge.decision.bundle import Bundle, open_bundle
from policy_compiler.catalog import (
    Attribute,
    Budget,
    Cap,
    Catalog,
    Choice,
    CostTable,
    Currency,
    Derived,
    Economics,
    Group,
    Guardrails,
    Holdout,
    Model,
    Offer,
    Placement,
    Rung,
    Shop,
    Term,
    Window,
)
from policy_compiler.emit import emit
from policy_compiler.plan import OfferTooWide, Plan, Tiers, plan_of
from policy_compiler.tree import (
    And,
    AnyOf,
    Compare,
    Conditional,
    Constant,
    Has,
    In,
    Node,
    Not,
    Or,
    StartsWith,
)

__all__ = [
    "ATTRIBUTES",
    "a_catalog",
    "bundle_of",
    "random_bundle",
    "random_catalog",
    "random_plan",
    "random_tree",
]

CENT = Decimal("0.01")
YEARS_S = 40_000_000
ATTRIBUTES: dict[str, Attribute] = {
    "a.flag": Attribute(type="bool"),
    "a.new": Attribute(type="bool", labels=["personal"]),
    "a.count": Attribute(type="int", minimum=Decimal(-20), maximum=Decimal(20)),
    "a.points": Attribute(type="int", labels=["personal"]),
    "a.total": Attribute(
        type="decimal", scale=2, money=True, minimum=Decimal(0), maximum=Decimal(200)
    ),
    "a.margin": Attribute(
        type="decimal", scale=2, money=True, minimum=Decimal(-50), maximum=Decimal(200)
    ),
    "a.garden": Attribute(type="decimal", scale=3, money=True, maximum=Decimal(200)),
    "a.at": Attribute(type="timestamp"),
    "geo.country": Attribute(type="string"),
    "a.page": Attribute(type="string"),
    "a.device": Attribute(type="string", values=["phone", "desktop", "tablet"]),
    "a.tags": Attribute(type="set"),
    "a.colours": Attribute(type="set", values=["red", "green", "blue"], labels=["personal"]),
    "b.age": Attribute(type="int", minimum=Decimal(0), derived=Derived(age_s="a.at")),
    "b.gap": Attribute(
        type="int", labels=["personal"], derived=Derived(difference=("a.points", "a.count"))
    ),
    "b.both": Attribute(
        type="decimal", scale=2, maximum=Decimal(300), derived=Derived(sum=("a.total", "a.margin"))
    ),
}
NUMBERS = {
    "a.count": (-21, 21),
    "a.points": (-5, 5),
    "a.total": (0, 20_000),
    "a.margin": (-5_000, 20_000),
    "a.at": (1_770_000_000, 1_775_000_000),
    "b.age": (0, 100_000),
    "b.gap": (-9, 9),
    "b.both": (0, 300),
}
WORDS = {
    "geo.country": ("DE", "AT", "FR", "", "D", "É"),
    "a.page": ("/", "/sale", "/sale/lamps", "/sal", "\ud7ff", "\U0010ffff", "/möbel"),
    "a.device": ("phone", "desktop", "tablet"),
}
SETS = {"a.tags": ("vip", "press", "staff", "new"), "a.colours": ("red", "green", "blue")}
PREFIXES = ("/", "/sale", "/sal", "\ud7ff", "\U0010ffff", "é")
OPERATORS = ("==", "!=", "<", "<=", ">", ">=")


def random_tree(random: Random, depth: int = 3) -> Node:
    """Any rule over ATTRIBUTES."""
    shape = random.choice(("and", "or", "not", "if", "leaf")) if depth else "leaf"

    def below() -> Node:
        return random_tree(random, depth - 1)

    match shape:
        case "and":
            return And(parts=tuple(below() for _ in range(random.randint(1, 3))))
        case "or":
            return Or(parts=tuple(below() for _ in range(random.randint(1, 3))))
        case "not":
            return Not(part=below())
        case "if":
            return Conditional(test=below(), then=below(), otherwise=below())
        case _:
            return _leaf(random)


def _leaf(random: Random) -> Node:
    if random.random() < 0.03:
        return Constant(value=random.random() < 0.5)
    name = random.choice(list(ATTRIBUTES))
    if random.random() < 0.15:
        return Has(attribute=name)
    if name in SETS:
        return AnyOf(attribute=name, values=_some(random, SETS[name]))
    if name in WORDS:
        return _text_leaf(random, name)
    if ATTRIBUTES[name].type == "bool":
        op = random.choice(("==", "!="))
        return Compare(attribute=name, op=op, value=random.random() < 0.5)
    numbers = tuple(random.randint(*NUMBERS.get(name, (0, 200_000))) for _ in range(3))
    if random.random() < 0.2:
        return In(attribute=name, values=numbers)
    return Compare(attribute=name, op=random.choice(OPERATORS), value=numbers[0])


def _text_leaf(random: Random, name: str) -> Node:
    chance = random.random()
    if name == "a.page" and chance < 0.5:
        return StartsWith(attribute=name, prefix=random.choice(PREFIXES))
    if chance < 0.75:
        op = random.choice(("==", "!="))
        return Compare(attribute=name, op=op, value=random.choice(WORDS[name]))
    return In(attribute=name, values=_some(random, WORDS[name]))


def _some(random: Random, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(random.sample(values, random.randint(1, len(values))))


# --- whole catalogs -----------------------------------------------------------


def a_catalog(**changes: Any) -> Catalog:
    """A shop with one placement and nothing to offer there."""
    shop = Shop(
        tenant="made-up",
        title="Made up",
        currency=Currency(code="EUR"),
        locales=["en"],
        zone="Europe/Berlin",
        economics=Economics(
            order_value="a.total",
            order_value_otherwise=Decimal(50),
            margin="a.margin",
            margin_percent=Decimal(40),
        ),
    )
    given: dict[str, Any] = {
        "shop": shop,
        "attributes": dict(ATTRIBUTES),
        "placements": {"list": Placement(title="List", rank=1)},
        "offers": [],
    }
    return Catalog(**(given | changes))


def bundle_of(catalog: Catalog, rules: dict[str, Node] | None = None) -> Bundle:
    """The bundle of a catalog whose rules are given as trees."""
    rules = rules or {}
    tiers = {offer.id: Tiers(rules.get(offer.id)) for offer in catalog.offers}
    return open_bundle(emit(plan_of(catalog, {}, tiers)))


def random_bundle(seed: int) -> Bundle:
    return open_bundle(emit(random_plan(seed)))


def random_plan(seed: int) -> Plan:
    """Any policy: all kinds of offers, all choice policies, models, caps and holdouts."""
    random = Random(seed)
    while True:
        catalog = random_catalog(random)
        tiers = {
            offer.id: Tiers(random_tree(random, random.randint(0, 2)) if i % 3 == 0 else None)
            for i, offer in enumerate(catalog.offers)
        }
        try:
            return plan_of(catalog, {}, tiers)
        except OfferTooWide:
            continue


def random_catalog(random: Random, offers_wanted: int = 0) -> Catalog:
    """Any catalog, of 1 to 12 offers unless their number is given."""
    placements = {name: _placement(random, name, i) for i, name in enumerate(("p", "q", "r", "s"))}
    count = offers_wanted or random.randint(1, 12)
    offers = [_offer(random, f"o{i}", list(placements)) for i in range(count)]
    for name, placement in placements.items():
        if placement.choice.policy == "allocation":
            placements[name] = _allocated(random, placement, offers)
    catalog = a_catalog(
        placements=placements,
        offers=offers,
        groups={"g": Group(), "h": Group()},
        budgets={"b": Budget(amount=Decimal(100))},
        models={"m": _model(random, offers, "identity"), "l": _model(random, offers, "logistic")},
    )
    rounding = random.choice(("down", "half_up", "half_even"))
    minor = random.choice((0, 2, 3))
    holdout = Holdout(share=random.choice((Decimal(0), Decimal("0.2"))), salt="g")
    shop = catalog.shop
    return Catalog(
        shop=Shop(
            tenant=shop.tenant, title=shop.title, locales=shop.locales, zone=shop.zone,
            currency=Currency(code="EUR", minor_digits=minor, rounding=rounding),
            economics=shop.economics, global_holdout=holdout,
            score_unit=random.choice((CENT, Decimal("0.001"))),
        ),
        attributes=catalog.attributes, placements=placements, offers=offers,
        groups=catalog.groups, budgets=catalog.budgets, models=catalog.models,
    )  # fmt: skip


def _placement(random: Random, name: str, rank: int) -> Placement:
    choice = Choice(
        policy=random.choice(("greedy", "epsilon", "inverse_gap", "allocation")),
        unit=random.choice(("visitor", "visitor", "customer")),
        salt=f"s-{name}",
        epsilon=Decimal(random.randint(0, 100)) / 100,
        gamma=Decimal(random.randint(0, 500)) / 100,
        floor=random.choice((Decimal(0), Decimal("0.03"), Decimal("0.5"))),
        explore_loss=random.choice((Decimal(1000000), Decimal(1))),
        epoch_s=random.choice((1, 3600, 86400)),
    )
    return Placement(
        title=name,
        slots=random.randint(1, 3),
        rank=random.randint(0, 3) + rank,
        holdout=Holdout(share=random.choice((Decimal(0), Decimal("0.3"))), salt=f"h-{name}"),
        choice=choice,
        model=random.choice((None, "m", "l")),
    )


def _allocated(random: Random, placement: Placement, offers: list[Offer]) -> Placement:
    arms = ["none", *(f"{o.id}/{r.id}" for o in offers for r in o.rungs)]
    segment, values = random.choice(
        (("geo.country", ["DE", "FR"]), ("a.new", ["true"]), (None, []), ("a.page", ["/sale"]))
    )
    rows = {
        value: {arm: random.randint(0, 9) for arm in arms if random.random() < 0.8}
        for value in (*values, "*")
    }
    choice = Choice(
        policy="allocation",
        salt=placement.choice.salt,
        segment=segment,
        allocation=random.choice((rows, None)),
    )
    return Placement(
        title=placement.title, slots=placement.slots, rank=placement.rank,
        holdout=placement.holdout, choice=choice, model=placement.model,
    )  # fmt: skip


def _offer(random: Random, name: str, placements: list[str]) -> Offer:
    kind = random.choice(("percent", "fixed", "bundle", "gift", "shipping", "points", "financing"))
    caps = [_cap(random) for _ in range(random.randint(0, 2))]
    return Offer(
        id=name,
        title=name,
        kind=kind,
        placements=random.sample(placements, random.randint(1, len(placements))),
        rungs=[_rung(random, kind, f"r{i}") for i in range(random.choice((1, 1, 2, 5)))],
        priority=random.randint(0, 3),
        window=random.choice((Window(), Window(hours=[(6, 20)]), Window(weekdays=[1, 2, 3, 6]))),
        scope=random.choice((None, None, "a.garden")),
        guardrails=Guardrails(
            ceiling=random.choice((None, None, Decimal(5))),
            ceiling_percent=random.choice((None, None, None, Decimal(12))),
            margin_floor=random.choice((None, None, Decimal(2))),
            margin_floor_percent=random.choice((None, None, Decimal(10))),
        ),
        caps=caps,
        token=random.random() < 0.5,
        group=random.choice((None, None, None, "g", "h")),
        stackable=random.random() < 0.9,
        budget=random.choice((None, "b")),
        without_identity=random.choice(("allow", "withhold")),
        max_policy_age_s=random.choice((10**9, 10**9, YEARS_S)),
        price_disclosure=random.choice(([], ["DE"])),
    )


def _cap(random: Random) -> Cap:
    period_s, strict = random.choice((0, 3600)), random.random() < 0.3
    return Cap(count=random.randint(1, 3), period_s=period_s, strict=strict)


def _rung(random: Random, kind: str, name: str) -> Rung:
    amount = Decimal(random.randint(1, 1000)) * CENT
    table = CostTable(
        attribute="a.count", cuts=[Decimal(-3), Decimal(4)], costs=[amount, amount + 1, amount * 2]
    )
    by_kind: dict[str, dict] = {
        "percent": {"percent": amount, "cap": random.choice((None, Decimal(4)))},
        "fixed": {"amount": amount},
        "bundle": {"saves": amount},
        "gift": {"unit_cost": amount},
        "shipping": random.choice(({"amount": amount}, {"cost_table": table})),
        "points": {"points_per_unit": Decimal(2), "point_value": CENT, "breakage_percent": amount},
        "financing": {"fee_percent": amount, "risk_percent": Decimal(1), "months": 3},
    }
    return Rung(
        id=name,
        depth=Decimal(random.randint(0, 300)) / 100,
        fixed_cost=random.choice((Decimal(0), CENT)),
        expected_profit=Decimal(random.randint(-200, 400)) / 100,
        expected_cost=random.choice((None, amount)),
        **by_kind[kind],
    )


def _model(random: Random, offers: list[Offer], link: str) -> Model:
    def weight() -> Decimal:
        return Decimal(random.randint(-200, 200)) / 100

    terms = [
        Term(attribute="a.flag", role="base", weights=[weight() for _ in range(3)]),
        Term(
            attribute="a.total", cuts=[Decimal(20), Decimal(80)], role="sensitivity",
            weights=[weight() for _ in range(4)],
        ),
        Term(
            attribute="a.device", values=["phone"], cross="b.age", cross_cuts=[Decimal(3600)],
            role="arm", arms={offers[0].id: [weight() for _ in range(9)]},
        ),
    ]  # fmt: skip
    arms = {offer.id: weight() for offer in offers if random.random() < 0.8}
    return Model(
        link=link,  # type: ignore[arg-type]
        constant=weight(),
        arms=arms,
        terms=terms,
    )
