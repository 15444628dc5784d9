"""What a policy holds, in words that a merchant reads: the Structs of a listing.

`explain.py` makes them from a bundle, `diff.py` compares them, the command line prints
them.  Money is text in the shop's currency, shares are text in percent, times are Unix
seconds; a list of words is empty where there is nothing to say.
"""

from __future__ import annotations

from msgspec import Struct

from edge.decision.rule import Node


class AttributeListed(Struct, frozen=True, kw_only=True):
    """`declared`: type, source, range and labels in words; `values`: its enumeration."""

    name: str
    declared: str
    values: list[str]
    describe: str


class EconomicsListed(Struct, frozen=True, kw_only=True):
    """What a cart is worth; attributes are empty where there is none."""

    order_value: str
    order_value_otherwise: str
    """While the order value is absent."""
    margin: str
    margin_percent: str
    """Of the order value, while the margin is absent."""
    minor_digits: int
    rounding: str
    score_unit: str


class RungListed(Struct, frozen=True, kw_only=True):
    """One size.  `costs` is the cost formula in words; `sizes` what texts may speak of."""

    id: str
    costs: str
    sizes: dict[str, str]
    limits: list[str]
    depth: str
    expected_cost: str
    """Per showing, as budgets of an identity model count it; empty where none is given."""


class OfferListed(Struct, frozen=True, kw_only=True):
    """None as a time: unbounded.  `rules` holds the parts of a tier that must all be true."""

    id: str
    title: str
    kind: str
    placements: list[str]
    rungs: list[RungListed]
    paused: bool
    from_s: int | None
    until_s: int | None
    eligible: str
    applicable: str
    suitable: str
    daypart: str
    scope: str
    caps: list[str]
    redemption: list[str]
    terms: list[str]
    """Token, expiry, stacking, identity, disclosure."""
    alone_among: list[str]
    """Other offers of its exclusivity group."""
    budget: str
    texts: dict[str, dict[str, dict[str, str]]]
    """Placement -> locale -> field -> text."""


class PlacementListed(Struct, frozen=True, kw_only=True):
    name: str
    title: str
    channel: str
    slots: int
    rank: int
    box: str
    policy: str
    epoch_s: int
    """How long a choice is kept."""
    segment: str
    """Attribute whose values the shares of an allocation go by."""
    keyed_on: str
    holdout: str
    choice_salt: str
    """Another salt draws all choices anew; another holdout salt chooses other units."""
    holdout_salt: str
    model: int | None
    """Position in `models`."""
    weights: dict[str, dict[str, str]]
    """Segment -> arm -> share of an allocation."""


class TermListed(Struct, frozen=True, kw_only=True):
    """`over`: what it is a table of; `weights` row by row, for "all arms" or per arm."""

    over: str
    role: str
    weights: dict[str, list[str]]


class ModelListed(Struct, frozen=True, kw_only=True):
    link: str
    constant: str
    arms: dict[str, str]
    terms: list[TermListed]


class SizeListed(Struct, frozen=True, kw_only=True):
    part: str
    size_bytes: int


class PolicyListed(Struct, frozen=True, kw_only=True):
    bundle: str
    """SHA-256, hexadecimal."""
    tenant: str
    title: str
    currency: str
    projection: str
    global_holdout: str
    global_salt: str
    economics: EconomicsListed
    clocks: str
    """Which time zone data it was compiled with, and the span that it knows."""
    attributes: list[AttributeListed]
    placements: list[PlacementListed]
    offers: list[OfferListed]
    models: list[ModelListed]
    sizes: list[SizeListed]
    size_bytes: int


class Rules(Struct, frozen=True, kw_only=True):
    """An offer's rule trees, tier by tier; beside the listing, which holds their words."""

    eligible: Node | None = None
    applicable: Node | None = None
    suitable: Node | None = None
    daypart: Node | None = None
