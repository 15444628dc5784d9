"""Writes the campaigns of the catalog from the year's tables.

    python -m examples.grocer.make_catalog TABLES FOLDER

What people decided stands here: names, texts, sizes, guardrails.  What the tables say
is read from them: dates, departments, how many households were mailed and how many of
them used a coupon.  From the last two come the models' weights: the share of mailed
households that used a coupon of the campaign, drawn towards the share of its type
where few were mailed (as if `PRIOR` more households of the type had been mailed).
The data are not randomised, so these are beliefs to start from and no measurement.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from msgspec import Struct

from examples.grocer.adapter import Table

PRIOR = 20
WITHOUT = 0.02
"""Share of households that would have come for these goods without a coupon: a guess."""
SENSITIVITY = 1.2
EDITOR_COMMENT = "# yaml-language-server: $schema=../../../schema/catalog.schema.json"


class Kind(Struct, frozen=True):
    """How campaigns of a type are run; `{id}` is the campaign's."""

    letter: str
    group: str
    budget: str
    priority: int
    rungs: str
    guardrails: str
    uses: int
    body: str


KINDS = {
    "Type A": Kind(
        "a", "circular", "circulars", 30,
        """\
      - {id: p10, depth: 0.6, percent: 10, cap: 4.00}
      - {id: p20, depth: 1.0, percent: 20, cap: 4.00}
      - {id: p30, depth: 1.2, percent: 30, cap: 4.00}""",
        "{ceiling: 4.00, margin_floor_percent: 5}",
        16,
        "Off everything in the circular that you bought today, on your next trip.",
    ),
    "Type B": Kind(
        "b", "brand", "brands", 20,
        """\
      - {id: a050, depth: 0.7, amount: 0.50}
      - {id: a100, depth: 1.0, amount: 1.00}
      - {id: a150, depth: 1.15, amount: 1.50}""",
        "{ceiling_percent: 25, margin_floor_percent: 5}",
        4,
        "Taken off at the till, on your next trip.",
    ),
    "Type C": Kind(
        "c", "staple", "staples", 10,
        """\
      - {id: p5, depth: 0.8, percent: 5, cap: 3.00}
      - {id: p10, depth: 1.1, percent: 10, cap: 3.00}""",
        "{ceiling: 3.00, margin_floor: 0.50, margin_floor_percent: 10}",
        4,
        "Off the whole of your next basket.",
    ),
}  # fmt: skip


class Theme(Struct, frozen=True):
    """What people say about a campaign; `suitable` is a rule of shop.yaml."""

    name: str
    headline: str
    suitable: str = ""


THEMES = {
    "1": Theme("Tins and cheese", "Tins and cheese for less", "may_count_pennies"),
    "2": Theme("Freezer favourites", "Fill the freezer"),
    "3": Theme("Pasta night", "Pasta night, and soap after", "may_count_pennies"),
    "4": Theme("Baking", "Flour, sugar, dough: go baking"),
    "5": Theme("Baby, spring", "For the smallest", "may_have_children"),
    "6": Theme("Yogurt", "Yogurt, your sort"),
    "7": Theme("Bathroom shelf", "Soap, teeth and hair"),
    "8": Theme("Spring circular", "The spring circular", "buys_brands"),
    "9": Theme("Breakfast and vitamins", "A good breakfast"),
    "10": Theme("Baby, summer", "For the smallest", "may_have_children"),
    "11": Theme("Back to school", "Pencils, and jam for the sandwiches", "may_have_children"),
    "12": Theme("Cereal", "Cereal and what goes with it"),
    "13": Theme("Summer circular", "The summer circular", "buys_brands"),
    "14": Theme("Hair and pantry, autumn", "Shampoo, rice and sauce"),
    "15": Theme("Cat food", "For whoever purrs"),
    "16": Theme("Make-up", "Make-up and care"),
    "17": Theme("Freezer, autumn", "Pizza, waffles, ice cream"),
    "18": Theme("Holiday circular", "The holiday circular", "buys_brands"),
    "19": Theme("Baby, winter", "For the smallest", "may_have_children"),
    "20": Theme("Hair and pantry, winter", "Shampoo, rice and sauce"),
    "21": Theme("Ice cream and cheese", "Ice cream and cheese"),
    "22": Theme("Cards and wrap", "Cards, wrap and party things"),
    "23": Theme("Dinners and juices", "Dinner in ten minutes"),
    "24": Theme("Hair and pantry, last winter", "Shampoo, rice and sauce"),
    "25": Theme("Holiday dough", "Dough, cheese and ice cream"),
    "26": Theme("Yogurt, juice, snacks", "A lighter new year"),
    "27": Theme("Winter circular", "The winter circular", "buys_brands"),
}


class Campaign(Struct, frozen=True, kw_only=True):
    """What the tables say about one campaign."""

    id: str
    type: str
    start: date
    end: date
    coupons: int
    products: int
    departments: list[tuple[str, float]]
    mailed: int
    users: int
    redeemed: int

    @property
    def offer(self) -> str:
        return f"c{self.id}"

    @property
    def share(self) -> float:
        return self.users / self.mailed


# --- reading ------------------------------------------------------------------


def read_campaigns(folder: Path) -> list[Campaign]:
    department = {p: d for _, (p, d) in _rows(folder, "products", "product_id", "department")}
    coupons = defaultdict[str, set[str]](set)
    products = defaultdict[str, set[str]](set)
    for _, (coupon, product, id) in _rows(
        folder, "coupons", "coupon_upc", "product_id", "campaign_id"
    ):
        coupons[id].add(coupon)
        products[id].add(product)
    mailed = Counter(id for _, (id,) in _rows(folder, "campaigns", "campaign_id"))
    used = [
        (id, household)
        for _, (id, household) in _rows(folder, "coupon_redemptions", "campaign_id", "household_id")
    ]
    users = Counter(id for id, _ in set(used))
    redeemed = Counter(id for id, _ in used)
    return [
        Campaign(
            id=id,
            type=kind,
            start=date.fromisoformat(start),
            end=date.fromisoformat(end),
            coupons=len(coupons[id]),
            products=len(products[id]),
            departments=_shares(Counter(department.get(p, "") for p in products[id])),
            mailed=mailed[id],
            users=users[id],
            redeemed=redeemed[id],
        )
        for _, (id, kind, start, end) in _rows(
            folder,
            "campaign_descriptions",
            "campaign_id",
            "campaign_type",
            "start_date",
            "end_date",
        )
    ]


def _rows(folder: Path, name: str, *columns: str) -> Iterator[tuple[int, Sequence[str]]]:
    return Table(folder, name).rows(*columns)


def _shares(counts: Counter[str]) -> list[tuple[str, float]]:
    total = counts.total()
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(name, count / total) for name, count in ranked if name]


def believed(campaign: Campaign, all: list[Campaign]) -> float:
    """Share of mailed households that use a coupon, drawn towards that of the type."""
    alike = [each for each in all if each.type == campaign.type]
    typical = sum(each.users for each in alike) / sum(each.mailed for each in alike)
    return (campaign.users + PRIOR * typical) / (campaign.mailed + PRIOR)


# --- writing ------------------------------------------------------------------


def offers_yaml(type: str, campaigns: list[Campaign]) -> str:
    head = (
        f"{EDITOR_COMMENT}\n"
        f"# Written by `python -m examples.grocer.make_catalog` from the year's tables.\n"
        f"# Campaigns of {type.lower()}; the comments are what the tables say.\n"
        f"offers:\n"
    )
    return head + "\n".join(offer_yaml(c) for c in campaigns if c.type == type)


def offer_yaml(campaign: Campaign) -> str:
    kind, theme = KINDS[campaign.type], THEMES[campaign.id]
    percent = "percent: " in kind.rungs
    lines = [
        *comments(campaign),
        f"  - id: {campaign.offer}",
        f'    title: "{theme.name}"',
        f"    kind: {'percent' if percent else 'fixed'}",
        "    placements: [receipt]",
        f"    priority: {kind.priority}",
        f"    group: {kind.group}",
        "    stackable: true",
        f"    budget: {kind.budget}",
        f"    window: {{start: {_midnight(campaign.start)}, until: {_midnight(_after(campaign))}}}",
        "    expires_after_s: 1209600",
        f"    eligible: '\"{campaign.id}\" in household.campaigns && rules.shopping_trip'",
        f"    applicable: '{applicable(campaign)}'",
        *([f"    suitable: rules.{theme.suitable}"] if theme.suitable else []),
        *([f"    scope: covered.{campaign.offer}"] if kind.letter == "a" else []),
        f"    guardrails: {kind.guardrails}",
        "    caps:",
        "      - {count: 3, period_s: 604800}",
        f"    redemption: {{per_customer: {kind.uses}}}",
        "    rungs:",
        kind.rungs,
        "    creatives:",
        "      receipt:",
        f'        en: {{headline: "{theme.headline}", body: "{kind.body}"}}',
    ]
    return "\n".join(lines) + "\n"


def _midnight(day: date) -> str:
    return f'"{day.isoformat()}T00:00"'


def _after(campaign: Campaign) -> date:
    """The tables give the last day; a window ends where it is no longer open."""
    return campaign.end + timedelta(days=1)


def comments(campaign: Campaign) -> list[str]:
    main = [f"{name} {share:.0%}" for name, share in campaign.departments[:4] if share >= 0.02]
    return [
        f"  # {campaign.coupons} coupons on {campaign.products:,} products: {', '.join(main)}.",
        f"  # Mailed to {campaign.mailed:,} households; {campaign.users} of them"
        f" used {campaign.redeemed} coupon{'' if campaign.redeemed == 1 else 's'}.",
    ]


def applicable(campaign: Campaign) -> str:
    """When a coupon is of use to this basket."""
    if campaign.type == "Type A":
        return f"covered.{campaign.offer} >= 1.00"
    if campaign.type == "Type C":
        return "basket.total >= 5.00"
    names = [name for name, share in campaign.departments if share >= 0.15]
    listed = ", ".join(f'"{name}"' for name in names)
    if len(names) == 1:
        return f"{listed} in basket.departments && basket.total >= 4.00"
    return f"sets.intersects(basket.departments, [{listed}]) && basket.total >= 4.00"


def models_yaml(campaigns: list[Campaign]) -> str:
    arms = "\n".join(f"      {c.offer}: {_weight(believed(c, campaigns)):.2f}" for c in campaigns)
    return f"""\
{EDITOR_COMMENT}
# Written by `python -m examples.grocer.make_catalog` from the year's tables.
# Beliefs to start from: the data are not randomised.
models:
  # Will the household come for what the coupon covers?  {WITHOUT:.0%} would without one.
  uses_the_coupon:
    link: logistic
    constant: {_logit(WITHOUT):.2f}
    # Logits of the share of mailed households that used a coupon of the campaign,
    # drawn towards the share of its type, beyond what a coupon's size explains.
    arms:
{arms}
    terms:
      # Larger baskets are stock-up trips: such households come back for more.
      - {{attribute: basket.lines, cuts: [3, 6], weights: [0, 0.15, 0.30, 0]}}
      # Size counts less for those who buy our own label anyway.
      - attribute: basket.private_share
        cuts: [0.40]
        role: sensitivity
        weights: [{SENSITIVITY}, 0.9, {SENSITIVITY}]
"""


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _weight(share: float) -> float:
    return _logit(share) - _logit(WITHOUT) - SENSITIVITY


def write_catalog(tables: Path, folder: Path) -> None:
    campaigns = read_campaigns(tables)
    for type, kind in KINDS.items():
        name = f"campaigns-{kind.letter}.yaml"
        (folder / name).write_text(offers_yaml(type, campaigns), encoding="utf-8")
    (folder / "models.yaml").write_text(models_yaml(campaigns), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("python -m examples.grocer.make_catalog TABLES FOLDER")
    write_catalog(Path(sys.argv[1]), Path(sys.argv[2]))
