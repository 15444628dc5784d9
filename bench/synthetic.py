"""Catalogs of any size, from a seed: what size and speed benchmarks compile.

24 attributes (flags, counts, money, strings, sets, times) and offers with 3 to 6
predicates each, so that a typical visitor is eligible for 2 to 10 % of them.  Money is
compared with round amounts, as shops do.

Every offer has 16 learned weights of its own: a constant, and a deviation for each
loyalty tier, device and range of a count.  They are logits rounded to the 1/64 that the
edge keeps, normal around 0 with a deviation of 1/4: what shrunk estimates look like.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random

from msgspec import structs

from policy_compiler.catalog import Model, Term
from policy_compiler.weigh import Weights

COUNTRIES = [
    "AT",
    "BE",
    "CH",
    "DE",
    "DK",
    "ES",
    "FI",
    "FR",
    "GB",
    "IT",
    "NL",
    "NO",
    "PL",
    "PT",
    "SE",
]
TIERS = ["none", "bronze", "silver", "gold"]
DEVICES = ["phone", "tablet", "desktop"]
CATEGORIES = [f"category-{i}" for i in range(40)]
SEGMENTS = [f"segment-{i}" for i in range(24)]

SHOP_BUT_FOR_MODEL = """\
shop:
  tenant: synthetic
  title: Synthetic
  currency: {code: EUR}
  locales: [en]
  zone: Europe/Berlin
  economics: {order_value: cart.total, order_value_otherwise: 60, margin_percent: 35}
placements:
  home:
    title: Home
    rank: 1
    choice: {policy: inverse_gap, gamma: 20, floor: 0.001}
"""
SHOP = (
    SHOP_BUT_FOR_MODEL
    + """\
    model: home
models:
  home: {link: logistic, constant: -3}
"""
)
BASE = Decimal(-3)
TERMS = (
    (Term(attribute="loyalty.tier", values=TIERS, role="arm"), 6),
    (Term(attribute="device.type", values=DEVICES, role="arm"), 5),
    (Term(attribute="count.c0", cuts=[Decimal(3), Decimal(10)], role="arm"), 4),
)
"""Each with the number of its bins: one more for other texts, one for no value."""
WEIGHTS = 1 + sum(bins for _, bins in TERMS)
LOGIT_STEP = Decimal(1) / 64
WEIGHT_DEVIATION_STEPS = 16


def attributes_yaml() -> str:
    lines = ["attributes:"]
    lines += [f"  flag.f{i}: {{type: bool}}" for i in range(4)]
    lines += [f"  count.c{i}: {{type: int, minimum: 0, maximum: 1000}}" for i in range(5)]
    money = "type: decimal, scale: 2, money: true, maximum: 100000"
    lines += [
        f"  {name}: {{{money}}}" for name in ("cart.total", "cart.discount", "customer.spend")
    ]
    for name, values in (
        ("geo.country", COUNTRIES),
        ("loyalty.tier", TIERS),
        ("device.type", DEVICES),
    ):
        lines.append(f"  {name}: {{type: string, values: [{', '.join(values)}]}}")
    lines += [f"  text.t{i}: {{type: string}}" for i in range(3)]
    lines.append(f"  cart.categories: {{type: set, values: [{', '.join(CATEGORIES)}]}}")
    lines.append(f"  customer.segments: {{type: set, values: [{', '.join(SEGMENTS)}]}}")
    lines += [f"  time.t{i}: {{type: timestamp}}" for i in range(4)]
    return "\n".join(lines) + "\n"


def predicates(random: Random) -> list[str]:
    """3 to 6 constraints of different kinds, of those that shops write most."""
    kinds = [
        lambda: f"{random.choice(['', '!'])}flag.f{random.randrange(4)}",
        lambda: f"count.c{random.randrange(5)} >= {random.randrange(1, 5)}",
        lambda: f"count.c{random.randrange(5)} < {random.randrange(5, 40)}",
        lambda: f"cart.total >= {random.randrange(2, 40) * 5}.00",
        lambda: f"customer.spend < {random.randrange(2, 60) * 50}.00",
        lambda: f"geo.country in {_quoted(random.sample(COUNTRIES, random.randrange(2, 6)))}",
        lambda: f"loyalty.tier in {_quoted(random.sample(TIERS, 2))}",
        lambda: f"device.type != {_quoted([random.choice(DEVICES)])[1:-1]}",
        lambda: f'text.t{random.randrange(3)} == "value-{random.randrange(30)}"',
        lambda: f'"{random.choice(CATEGORIES)}" in cart.categories',
        lambda: f'!("{random.choice(SEGMENTS)}" in customer.segments)',
        lambda: f"age_s(time.t{random.randrange(4)}) > {random.randrange(1, 60) * 3600}",
    ]
    return [kind() for kind in random.sample(kinds, random.randrange(3, 7))]


def _quoted(values: list[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def offers_yaml(count: int, seed: int = 1) -> Iterator[str]:
    """The text of the offers, one at a time."""
    random = Random(seed)
    yield "offers:\n"
    for index in range(count):
        rule = " && ".join(predicates(random))
        percent = random.choice([5, 8, 10, 12, 15, 20])
        yield (
            f"  - id: offer-{index:05d}\n"
            f"    title: Offer {index}\n"
            f"    kind: percent\n"
            f"    placements: [home]\n"
            f"    priority: {random.randrange(100)}\n"
            f"    token: false\n"
            f"    eligible: '{rule}'\n"
            f"    guardrails: {{ceiling_percent: {percent - 1}}}\n"
            f"    creatives: {{home: {{en: {{headline: '{percent} % off, {index}'}}}}}}\n"
            f"    rungs: [{{id: r, percent: {percent}, cap: 20}}]\n"
        )


def learned(count: int, seed: int = 1) -> list[list[Decimal]]:
    """The 16 weights of each offer: its constant, then those of the terms."""
    random = Random(f"weights {seed}")
    return [
        [LOGIT_STEP * round(random.gauss(0, WEIGHT_DEVIATION_STEPS)) for _ in range(WEIGHTS)]
        for _ in range(count)
    ]


def weights(count: int, seed: int = 1) -> Weights:
    """The scorecard as the control plane hands it to the compiler: a row per arm and term."""
    rows = {f"offer-{i:05d}/r": each for i, each in enumerate(learned(count, seed))}
    terms: list[Term] = []
    start = 1
    for term, bins in TERMS:
        arms = {arm: row[start : start + bins] for arm, row in rows.items()}
        terms.append(structs.replace(term, arms=arms))
        start += bins
    constants = {arm: row[0] for arm, row in rows.items()}
    model = Model(link="logistic", constant=BASE, arms=constants, terms=terms)
    return Weights(models={"home": model})


def catalog_files(count: int, seed: int = 1, per_file: int = 2000) -> dict[str, str]:
    """File name -> YAML text."""
    files = {
        "shop.yaml": SHOP,
        "attributes.yaml": attributes_yaml(),
    }
    offers = list(offers_yaml(count, seed))[1:]
    for start in range(0, count, per_file):
        text = "offers:\n" + "".join(offers[start : start + per_file])
        files[f"offers-{start:05d}.yaml"] = text
    return files
