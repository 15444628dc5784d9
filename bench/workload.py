"""What the speed benchmark decides: one policy per size, and visitors for it.

    workload(1000)   -> Workload: bundle bytes, the same policy in plain words, requests

The attributes are those of `synthetic.py` (24); offers have 3 to 6 predicates and a
ceiling that some carts break.  The scorecard has 16 terms and link `logistic`; every arm
has weights of its own in eight of them: what a shop has whose learning has seen every
offer.  The choice is inverse gap.  All of it is made from a seed.

Requests carry a value for each of the 24 attributes.  Visitors are drawn from a fixed
distribution, and only those for whom 2 to 10 % of the offers are eligible are kept (with
10 offers: exactly one).

Compiling 10,000 offers takes about a minute, so what was compiled is kept in
`.cache/bench`, named by the catalog, the columns of the format, and the sources of the
modules that write bundles.  After any other change to the compiler, empty it by hand.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct

from bench.plain import Policy, plain_policy
from bench.synthetic import (
    CATEGORIES,
    COUNTRIES,
    DEVICES,
    SEGMENTS,
    SHOP_BUT_FOR_MODEL,
    TIERS,
    attributes_yaml,
)
from edge.decision.bundle import FORMAT
from edge.decision.tables import COLUMNS
from policy_compiler.catalog import Model, Term
from policy_compiler.compiling import compile_catalog
from policy_compiler.weigh import Weights

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "bench"
WRITERS = ("emit", "lower", "plan", "scorecards", "costs")
"""Modules of the compiler that say what is written into a bundle."""
NOW_S = 1_772_625_600
"""2026-03-04T12:00:00Z."""
SHARE_MIN, SHARE_MAX = 0.02, 0.10

SHOP = (
    SHOP_BUT_FOR_MODEL
    + """\
    model: card
models:
  card: {link: logistic}
"""
)


class Workload(Struct, frozen=True, kw_only=True):
    offers: int
    bundle: bytes
    policy: Policy
    requests: tuple[bytes, ...]


class Shape(Struct, frozen=True):
    """What a policy looks like."""

    offers: int
    extra: int = 0
    """Attributes beyond the 24, of which rules make as much use as of those."""
    predicates: tuple[int, int] = (3, 6)
    seed: int = 1


def workload(
    shape: Shape | int, *, requests: int = 200, share: tuple[float, float] | None = None
) -> Workload:
    """A policy and requests to which from `share[0]` to `share[1]` of its offers are eligible."""
    shape = shape if isinstance(shape, Shape) else Shape(shape)
    bundle, policy = compiled(shape)
    found = requests_within(policy, requests, share or (SHARE_MIN, SHARE_MAX), shape.extra)
    return Workload(offers=shape.offers, bundle=bundle, policy=policy, requests=found)


# --- the policy ---


def compiled(shape: Shape) -> tuple[bytes, Policy]:
    """Bundle and plain policy, from the cache if they were made before."""
    return kept(shape.offers, catalog_files(shape), scorecard(shape.offers, shape.seed))


def kept(offers: int, files: dict[str, str], card: Model) -> tuple[bytes, Policy]:
    name = CACHE / f"{offers}-{_digest(files, card)}"
    bundle, plain = name.with_suffix(".bundle"), name.with_suffix(".json")
    if not plain.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        data, policy = _compile(files, card)
        bundle.write_bytes(data)
        plain.write_bytes(msgspec.json.encode(policy))
    return bundle.read_bytes(), msgspec.json.decode(plain.read_bytes(), type=Policy)


def _digest(files: dict[str, str], card: Model) -> str:
    text = msgspec.json.encode([files, card])
    code = [(ROOT / "policy_compiler" / f"{name}.py").read_bytes() for name in WRITERS]
    code += [" ".join([str(FORMAT), *COLUMNS]).encode(), (ROOT / "bench/plain.py").read_bytes()]
    return sha256(b"".join([text, *code])).hexdigest()[:16]


def _compile(files: dict[str, str], card: Model) -> tuple[bytes, Policy]:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        found = compile_catalog(Path(folder), weights=Weights(models={"card": card}))
    return found.data, plain_policy(found.plan, found.bundle)


def catalog_files(shape: Shape, per_file: int = 2000) -> dict[str, str]:
    more = [f"  extra.e{i}: {{type: int, minimum: 0, maximum: 1000}}\n" for i in range(shape.extra)]
    files = {"shop.yaml": SHOP, "attributes.yaml": attributes_yaml() + "".join(more)}
    texts = list(offers_yaml(shape))
    for start in range(0, shape.offers, per_file):
        text = "offers:\n" + "".join(texts[start : start + per_file])
        files[f"offers-{start:05d}.yaml"] = text
    return files


def offers_yaml(shape: Shape) -> Iterator[str]:
    random = Random(shape.seed)
    for index in range(shape.offers):
        count = random.randint(*shape.predicates)
        rule = " && ".join(predicate(random, shape.extra) for _ in range(count))
        yield (
            f"  - id: offer-{index:05d}\n"
            f"    title: Offer {index}\n"
            f"    kind: percent\n"
            f"    placements: [home]\n"
            f"    priority: {random.randrange(100)}\n"
            f"    token: false\n"
            f"    eligible: '{rule}'\n"
            f"    guardrails: {{ceiling: 15}}\n"
            f"    rungs: [{{id: r, percent: {random.choice([5, 8, 10, 12, 15, 20])}, cap: 20}}]\n"
        )


def predicate(random: Random, extra: int = 0) -> str:
    """One constraint, of the kinds that shops write most."""
    if extra and random.randrange(24 + extra) >= 24:
        return f"extra.e{random.randrange(extra)} >= {random.randrange(1, 12)}"
    kinds = [
        lambda: f"{random.choice(['', '!'])}flag.f{random.randrange(4)}",
        lambda: f"count.c{random.randrange(5)} >= {random.randrange(1, 12)}",
        lambda: f"count.c{random.randrange(5)} < {random.randrange(5, 40)}",
        lambda: f"cart.total >= {random.randrange(10, 200, 5)}.00",
        lambda: f"customer.spend < {random.randrange(100, 3000, 50)}.00",
        lambda: f"geo.country in {_quoted(random.sample(COUNTRIES, random.randrange(2, 6)))}",
        lambda: f"loyalty.tier in {_quoted(random.sample(TIERS, 2))}",
        lambda: f'device.type != "{random.choice(DEVICES)}"',
        lambda: f'text.t{random.randrange(3)} == "value-{random.randrange(30)}"',
        lambda: f'"{random.choice(CATEGORIES)}" in cart.categories',
        lambda: f'!("{random.choice(SEGMENTS)}" in customer.segments)',
        lambda: f"age_s(time.t{random.randrange(4)}) > {random.randrange(1, 60) * 3600}",
    ]
    return random.choice(kinds)()


def _quoted(values: list[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def scorecard(offers: int, seed: int) -> Model:
    """4 base terms, 4 of price sensitivity, 8 that every arm has its own weights for."""
    random = Random(seed + 1000)
    arms = [f"offer-{index:05d}/r" for index in range(offers)]
    return Model(
        link="logistic",
        constant=Decimal("-3"),
        arms={arm: _weight(random, 100) for arm in arms},
        terms=[
            _shared(random, "base", "cart.total", cuts=[20, 50, 100, 200]),
            _shared(random, "base", "loyalty.tier", values=TIERS),
            _shared(random, "base", "device.type", values=DEVICES),
            _shared(random, "base", "count.c0", cuts=[1, 3, 10]),
            _shared(random, "sensitivity", "customer.spend", cuts=[100, 500, 2000]),
            _shared(random, "sensitivity", "count.c1", cuts=[2, 8]),
            _shared(random, "sensitivity", "flag.f0"),
            _shared(random, "sensitivity", "loyalty.tier", values=TIERS),
            _own(random, arms, "geo.country", values=COUNTRIES[:6]),
            _own(random, arms, "cart.total", cuts=[30, 80, 150]),
            _own(random, arms, "count.c2", cuts=[2, 8, 20]),
            _own(random, arms, "flag.f1"),
            _own(random, arms, "device.type", values=DEVICES, cross="flag.f2"),
            _own(random, arms, "customer.spend", cuts=[200, 1000]),
            _own(random, arms, "count.c3", cuts=[5, 15]),
            _own(random, arms, "text.t0", values=["value-0", "value-1", "value-2"]),
        ],
    )


def _weight(random: Random, hundredths: int) -> Decimal:
    return Decimal(random.randint(-hundredths, hundredths)) / 100


def _shared(
    random: Random, role: str, attribute: str, *,
    cuts: list[int] | None = None, values: list[str] | None = None,
) -> Term:  # fmt: skip
    term = Term(
        attribute=attribute,
        cuts=[Decimal(cut) for cut in cuts or []],
        values=values or [],
        role="base" if role == "base" else "sensitivity",
    )
    return msgspec.structs.replace(term, weights=_weights(random, term))


def _own(
    random: Random, arms: list[str], attribute: str, *,
    cuts: list[int] | None = None, values: list[str] | None = None, cross: str | None = None,
) -> Term:  # fmt: skip
    term = Term(
        attribute=attribute,
        cuts=[Decimal(cut) for cut in cuts or []],
        values=values or [],
        cross=cross,
        role="arm",
    )
    return msgspec.structs.replace(term, arms={arm: _weights(random, term) for arm in arms})


def _weights(random: Random, term: Term) -> list[Decimal]:
    """One per bin; the crossed attribute, if any, is a flag: false, true, unknown."""
    bins = len(term.cuts) + 2 if term.cuts else len(term.values) + 2 if term.values else 3
    return [_weight(random, 30) for _ in range(bins * (3 if term.cross else 1))]


# --- the requests ---


def requests_within(
    policy: Policy, wanted: int, share: tuple[float, float], extra: int = 0
) -> tuple[bytes, ...]:
    from bench.naive import Rules

    rules, low, high = Rules(policy), share[0] * len(policy.offers), share[1] * len(policy.offers)
    found: list[bytes] = []
    for text in visitors(7, extra):
        if low <= len(rules.eligible(rules.read(text))) <= max(high, 1):
            found.append(text)
        if len(found) == wanted:
            break
    return tuple(found)


def visitors(seed: int, extra: int = 0) -> Iterator[bytes]:
    """Requests of made-up visitors, without end."""
    random = Random(seed)
    index = 0
    while True:
        index += 1
        yield msgspec.json.encode(
            {
                "visitor": f"visitor-{random.randrange(10**6)}",
                "nonce": f"nonce-{index}",
                "locale": "en",
                "consent": "full",
                "now_s": NOW_S + random.randrange(3_600),
                "placements": ["home"],
                "attributes": attributes(random, extra),
            }
        )


def attributes(random: Random, extra: int = 0) -> dict[str, object]:
    """All of them, each with a value."""
    found: dict[str, object] = {f"flag.f{i}": random.random() < 0.5 for i in range(4)}
    found |= {f"extra.e{i}": min(1000, int(random.expovariate(1 / 8))) for i in range(extra)}
    found |= {f"count.c{i}": min(1000, int(random.expovariate(1 / 12))) for i in range(5)}
    for name, typical in (("cart.total", 90), ("cart.discount", 5), ("customer.spend", 900)):
        found[name] = f"{min(99_999, random.expovariate(1 / typical)):.2f}"
    found["geo.country"] = random.choice(COUNTRIES)
    found["loyalty.tier"] = random.choice(TIERS)
    found["device.type"] = random.choice(DEVICES)
    found |= {f"text.t{i}": f"value-{random.randrange(30)}" for i in range(3)}
    found["cart.categories"] = random.sample(CATEGORIES, random.randrange(5))
    found["customer.segments"] = random.sample(SEGMENTS, random.randrange(6))
    for i in range(4):
        found[f"time.t{i}"] = NOW_S - int(random.expovariate(1 / (60 * 3600)))
    return found
