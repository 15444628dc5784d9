"""What a policy says of the shop itself, in words: economics, attributes, clocks."""

from __future__ import annotations

from decimal import Decimal

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from policy_compiler.explain_words import MICROS, Words, day, percent_of_ppm, plain
from policy_compiler.listed import AttributeListed, EconomicsListed

ROUNDINGS = {t.DOWN: "down", t.HALF_UP: "half up", t.HALF_EVEN: "half to even"}


def economics(bundle: Bundle) -> EconomicsListed:
    words, head = Words(bundle), bundle.tables.head
    return EconomicsListed(
        order_value=_named(words, head[t.HEAD_VALUE]),
        order_value_otherwise=words.money(head[t.HEAD_VALUE_OTHERWISE]),
        margin=_named(words, head[t.HEAD_MARGIN]),
        margin_percent=percent_of_ppm(head[t.HEAD_MARGIN_PPM]),
        minor_digits=bundle.notes.minor_digits,
        rounding=ROUNDINGS[head[t.HEAD_ROUNDING]],
        score_unit=plain(Decimal(head[t.HEAD_SCORE_UNIT]) / MICROS),
    )


def _named(words: Words, row: int) -> str:
    return "" if row < 0 else words.attribute(row)


def attributes(bundle: Bundle) -> list[AttributeListed]:
    words = Words(bundle)
    return [
        AttributeListed(
            name=words.attribute(row),
            declared=words.declared(row),
            values=words.values(row) or [],
            describe=bundle.notes.attributes[row].describe,
        )
        for row in range(bundle.rows["attribute"])
    ]


def clocks(bundle: Bundle) -> str:
    """Empty where no attribute reads a clock."""
    if not bundle.rows["zone"]:
        return ""
    head = bundle.tables.head
    span = f"{day(head[t.HEAD_HORIZON_FROM])} to {day(head[t.HEAD_HORIZON_UNTIL])}"
    return f"tzdata {bundle.notes.tzdata}, {span}"
