"""The catalog as objects: what a marketer writes, before any of it is checked.

A catalog is a folder of YAML files.  Each file holds one or more of the
top-level keys of `Catalog`; files are merged key by key, so a shop may keep
one `offers.yaml` or a file per campaign.

    shop        who we are: tenant, currency, locales, global holdout, economics
    attributes  name -> typed, labelled input of a decision
    rules       name -> CEL, for use in other rules as `rules.<name>`
    groups      name -> exclusivity group: at most one of its offers per page view
    budgets     name -> money that offers share; the control plane turns it into
                a multiplier
    models      name -> additive scorecard
    placements  name -> place on a page
    offers      list, each with one or more rungs
    tests       name -> request and what may be shown, run before every publish

Units.  Money is written as a decimal number in the shop's currency (`12.50`);
percentages as numbers out of a hundred (`7.5`); shares as numbers between 0
and 1 (`0.05`); durations as whole seconds with a name that ends in `_s`.
Decimals arrive as `Decimal`, never as floats, so that 0.1 means one tenth.

Every Struct forbids unknown fields: a misspelt key is an error with its line.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Unit = Literal["visitor", "customer"]
Locale = str
Cel = str


class Strict(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of every catalog object: immutable, no unknown keys."""


# --- shop -------------------------------------------------------------------


class Currency(Strict, frozen=True, kw_only=True):
    """ISO 4217 code, its minor digits, and how percentages round to the minor unit."""

    code: str
    minor_digits: int = 2
    rounding: Literal["down", "half_up", "half_even"] = "half_up"


class Holdout(Strict, frozen=True, kw_only=True):
    """A share of units that sees the default, so that profit can be measured."""

    share: Decimal = Decimal(0)
    unit: Unit = "visitor"
    salt: str = "1"


class Economics(Strict, frozen=True, kw_only=True):
    """Which attributes tell what this cart is worth.

    `order_value` is a money attribute; while it is absent (no cart yet)
    `order_value_otherwise` stands in.  `margin` is an optional money attribute
    with the cart's gross margin; while it is absent, margin is
    `margin_percent` of the order value.
    """

    order_value: str
    order_value_otherwise: Decimal
    margin_percent: Decimal
    margin: str | None = None


class Shop(Strict, frozen=True, kw_only=True):
    tenant: str
    title: str
    currency: Currency
    locales: list[Locale]
    zone: str
    economics: Economics
    global_holdout: Holdout = field(default_factory=Holdout)
    score_unit: Decimal = Decimal("0.001")
    hosts: list[str] = []
    """Hosts that creatives may link to or load pictures from, besides the page's own."""
    horizon_years: int = 3


# --- attributes -------------------------------------------------------------


class Derived(Strict, frozen=True, kw_only=True):
    """An attribute computed at the edge from others; exactly one field is set."""

    age_s: str | None = None
    """Seconds from that timestamp to now."""
    sum: tuple[str, str] | None = None
    difference: tuple[str, str] | None = None
    """First minus second; both of one type and scale."""
    hour: str | None = None
    """Hour 0..23 of now in that IANA zone."""
    weekday: str | None = None
    """Weekday 1 (Monday) .. 7 of now in that IANA zone (ISO 8601)."""


class Attribute(Strict, frozen=True, kw_only=True):
    type: Literal["bool", "int", "decimal", "string", "set", "timestamp"]
    source: Literal["edge", "signed", "client"] = "client"
    scale: Annotated[int, Meta(ge=0, le=6)] = 0
    """Fraction digits of a decimal, 0..6."""
    money: bool = False
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    """Money attributes must state their maximum."""
    values: list[str] | None = None
    """The enumeration, for strings and sets that have one."""
    labels: list[Literal["personal", "protected", "confidential", "publishable"]] = []
    purpose: list[str] = []
    """What it may be used for; empty means anything."""
    derived: Derived | None = None
    describe: str = ""


# --- placements -------------------------------------------------------------


class Box(Strict, frozen=True, kw_only=True):
    """Reserved size in CSS pixels, so that filling the slot shifts nothing."""

    width: int
    height: int


class Choice(Strict, frozen=True, kw_only=True):
    """How one arm is drawn from the candidates.

    `epsilon`: share of decisions spread evenly.  `gamma`: inverse-gap weight per
    currency unit of score gap.  `floor`: least share of every candidate.
    `explore_loss`: how much worse than showing nothing an explored arm may score.
    `segment`: attribute that selects the row of an `allocation`.
    """

    policy: Literal["greedy", "epsilon", "inverse_gap", "allocation"] = "greedy"
    unit: Unit = "visitor"
    salt: str = "1"
    epsilon: Decimal = Decimal("0.1")
    gamma: Decimal = Decimal(0)
    floor: Decimal = Decimal(0)
    explore_loss: Decimal = Decimal("1000000")
    epoch_s: int = 86400
    segment: str | None = None
    allocation: dict[str, dict[str, int]] | None = None
    """Segment value (or "*" for all others) -> arm ("none" or "offer/rung") -> weight."""


class Creative(Strict, frozen=True, kw_only=True):
    """Text and URL fields; the page's own template renders them."""

    headline: str
    body: str = ""
    cta: str = ""
    href: str = ""
    image: str = ""
    image_alt: str = ""


class Placement(Strict, frozen=True, kw_only=True):
    title: str
    slots: int = 1
    rank: int
    box: Box | None = None
    channel: Literal["page", "email"] = "page"
    objective: Literal["profit"] = "profit"
    holdout: Holdout = field(default_factory=Holdout)
    choice: Choice = field(default_factory=Choice)
    model: str | None = None
    pages: list[str] = []
    """Pages that it may stand on; empty means any.  A browser loads one page's part."""


# --- models -----------------------------------------------------------------


class Term(Strict, frozen=True, kw_only=True):
    """One table of a scorecard, over an attribute or a crossed pair.

    A number has `cuts`, ascending: k cuts make k + 1 bins.  A string has `values`,
    each a bin, and one more bin for all others.  A boolean has neither: its bins are
    false, true.  One last bin stands for an attribute that is absent, withheld or
    invalid.  `weights` has one number per bin (row-major for a pair).  A term with
    `arms` holds weights per arm instead.
    """

    attribute: str
    cuts: list[Decimal] = []
    values: list[str] = []
    cross: str | None = None
    """The other attribute of a crossed pair."""
    cross_cuts: list[Decimal] = []
    cross_values: list[str] = []
    role: Literal["base", "sensitivity", "arm"] = "base"
    weights: list[Decimal] = []
    arms: dict[str, list[Decimal]] = {}


class Model(Strict, frozen=True, kw_only=True):
    """An additive scorecard.

    `identity`: the sum is incremental profit in currency units.  `logistic`: the
    sum is a logit; the response probability times known economics is the score.
    `sensitivity` terms are multiplied by the rung's `depth`.
    """

    link: Literal["identity", "logistic"]
    constant: Decimal = Decimal(0)
    arms: dict[str, Decimal] = {}
    """Constant per arm, "offer/rung" or "offer" for all of its rungs."""
    terms: list[Term] = []


# --- offers -----------------------------------------------------------------


class Window(Strict, frozen=True, kw_only=True):
    """From (inclusive) and until (exclusive), local times in `zone` (default: the shop's)."""

    start: str | None = None
    until: str | None = None
    zone: str | None = None
    weekdays: list[int] = []
    """ISO weekdays, empty means all."""
    hours: list[tuple[int, int]] = []
    """Dayparts [from, to) in whole hours, empty means all day."""


class Guardrails(Strict, frozen=True, kw_only=True):
    """Limits that no decision may break; what cannot be evaluated withholds the offer.

    Ceilings bound the cost of the incentive; floors bound the margin that is left
    after this and everything already taken on the page.
    """

    ceiling: Decimal | None = None
    ceiling_percent: Decimal | None = None
    margin_floor: Decimal | None = None
    margin_floor_percent: Decimal | None = None


class Cap(Strict, frozen=True, kw_only=True):
    """At most `count` exposures per unit in each tumbling window of `period_s` (0: ever)."""

    count: int
    period_s: int = 0
    placement: str | None = None
    strict: bool = False
    """Withhold the offer when the state cookie had to drop entries."""


class Redemption(Strict, frozen=True, kw_only=True):
    """What the control plane enforces exactly when the token is redeemed."""

    per_customer: int | None = None
    period_s: int = 0
    total: int | None = None
    recheck: list[str] = []
    """Client-claimed attributes that redemption checks again."""


class CostTable(Strict, frozen=True, kw_only=True):
    """Cost by the value of an attribute: `cuts` for numbers, `values` for strings."""

    attribute: str
    cuts: list[Decimal] = []
    costs: list[Decimal] = []
    values: dict[str, Decimal] = {}
    otherwise: Decimal | None = None


class Rung(Strict, frozen=True, kw_only=True):
    """One size of an offer.  Which fields a kind needs is checked by the compiler.

    percent     percent, cap
    fixed       amount
    bundle      saves
    gift        unit_cost
    shipping    cost_table or amount
    points      points_per_unit or points, point_value, breakage_percent
    financing   fee_percent, risk_percent, months
    """

    id: str
    depth: Decimal = Decimal(1)
    """How strong this size is in the eyes of a model's sensitivity terms."""
    percent: Decimal | None = None
    cap: Decimal | None = None
    amount: Decimal | None = None
    saves: Decimal | None = None
    unit_cost: Decimal | None = None
    cost_table: CostTable | None = None
    points_per_unit: Decimal | None = None
    points: int | None = None
    point_value: Decimal | None = None
    breakage_percent: Decimal = Decimal(0)
    fee_percent: Decimal | None = None
    risk_percent: Decimal = Decimal(0)
    months: int | None = None
    fixed_cost: Decimal = Decimal(0)
    """Handling per accepted offer, besides the incentive."""
    expected_profit: Decimal = Decimal(0)
    """Prior belief, used as the score where no model is named."""
    expected_cost: Decimal | None = None
    """Expected incentive cost per showing, for budgets under an `identity` model."""


class Offer(Strict, frozen=True, kw_only=True):
    id: str
    title: str
    kind: Literal["percent", "fixed", "bundle", "gift", "shipping", "points", "financing"]
    placements: list[str]
    rungs: list[Rung]
    priority: int = 0
    window: Window = field(default_factory=Window)
    expires_after_s: int = 86400
    """Life of the token from its issue."""
    eligible: Cel | None = None
    applicable: Cel | None = None
    suitable: Cel | None = None
    scope: str | None = None
    """Money attribute with the qualifying subtotal; default: the order value."""
    guardrails: Guardrails = field(default_factory=Guardrails)
    caps: list[Cap] = []
    redemption: Redemption = field(default_factory=Redemption)
    token: bool = True
    """Worth money at checkout: the edge hands out a token."""
    group: str | None = None
    stackable: bool = False
    budget: str | None = None
    without_identity: Literal["allow", "withhold"] = "withhold"
    max_policy_age_s: int = 86400
    price_disclosure: list[str] = []
    """Jurisdictions (values of the `geo.country` attribute) whose law asks for a notice."""
    purpose: str = "marketing"
    creatives: dict[str, dict[Locale, Creative]] = {}
    paused: bool = False


class Group(Strict, frozen=True, kw_only=True):
    title: str = ""


class Budget(Strict, frozen=True, kw_only=True):
    amount: Decimal
    period_s: int = 86400 * 30


class Asked(Strict, frozen=True, kw_only=True):
    """Who asks in a self-test, and what is known of them."""

    visitor: str = "self-test"
    customer: str | None = None
    consent: Literal["full", "contextual", "none"] = "full"
    locale: Locale | None = None
    attributes: dict[str, bool | int | str | list[str]] = {}
    """Decimals as numbers or text; timestamps as Unix seconds, or as seconds before the test's
    time: -3600."""


class SelfTest(Strict, frozen=True, kw_only=True):
    """A request and what may be shown for it; a policy that fails one is not published.

    Holdouts and the draw between several candidates do not matter: whatever could be drawn
    for a unit that is not held out has to be expected.
    """

    describe: str = ""
    at: str | None = None
    """Local time in the shop's zone; without it the time of asking."""
    request: Asked = field(default_factory=Asked)
    expect: dict[str, str | list[str]]
    """Placement -> "none", an offer, or "offer/rung"; a list means any of them."""


class Catalog(Strict, frozen=True, kw_only=True):
    shop: Shop
    attributes: dict[str, Attribute]
    placements: dict[str, Placement]
    offers: list[Offer]
    rules: dict[str, Cel] = {}
    groups: dict[str, Group] = {}
    budgets: dict[str, Budget] = {}
    models: dict[str, Model] = {}
    tests: dict[str, SelfTest] = {}
