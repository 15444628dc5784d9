"""Demo sign-in: kinds of visitors, so that clicking around shows personalisation.

A persona is a bundle of facts that a real shop would read from its customer
table.  Times are relative, so that the demo does not age.
"""

from __future__ import annotations

import secrets

from msgspec import Struct

DAY_S = 86400


class Persona(Struct, frozen=True):
    """What the shop knows of this kind of visitor.  Ages are in days."""

    id: str
    label: str
    tells: str
    visit_kind: str
    member_of: str = "none"
    orders_90d: int = 0
    last_order_days: int | None = None
    segments: tuple[str, ...] = ()
    newsletter: bool = False
    average_basket: str | None = None
    financing_allowed: bool = False
    points: int | None = None
    next_tier_points: int | None = None
    cart: dict[str, int] = {}
    cart_days: int = 0


PERSONAS = {
    persona.id: persona
    for persona in (
        Persona("new", "New visitor", "Nobody knows anything yet.", "new"),
        Persona(
            "returning",
            "Left a cart behind",
            "Ordered once, and walked away from two things the day before yesterday.",
            "returning",
            orders_90d=1,
            last_order_days=41,
            newsletter=True,
            average_basket="52.40",
            financing_allowed=True,
            cart={"stoneware-bowls": 1, "fig-candle": 1},
            cart_days=2,
        ),
        Persona(
            "bargain",
            "Bargain hunter",
            "Comes for reductions, and only for those.",
            "returning",
            orders_90d=1,
            last_order_days=24,
            segments=("bargain",),
            newsletter=True,
            average_basket="31.80",
        ),
        Persona(
            "loyal",
            "Loyal member",
            "Silver tier, and 130 points short of gold.",
            "member",
            member_of="silver",
            orders_90d=3,
            last_order_days=12,
            segments=("gardener",),
            newsletter=True,
            average_basket="74.20",
            financing_allowed=True,
            points=1870,
            next_tier_points=2000,
        ),
    )
}


def customer_id(persona: Persona) -> str | None:
    """A fresh customer of that kind, or None for a visitor who is not signed in.

    Fresh, because offers are capped per customer: with one shared customer the
    second person to try the demo would find everything used up.
    """
    return None if persona.id == "new" else f"{persona.id}-{secrets.token_hex(4)}"
