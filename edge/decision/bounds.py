"""No integer of a decision reaches 2^53: the proof, from the bundle's own numbers.

Python, JavaScript and C with doubles then agree on every one.  Amounts are bounded by
the declared ranges of the money attributes; from there every product and sum of
`guardrails.py`, `money.py`, `scoring.py` and `situation.py` is bounded here by the
largest of its factors.  What a column's kind bounds already (tickets, gaps, multipliers)
is not repeated.  A bundle that could go beyond is refused, so a decision never looks.
"""

from __future__ import annotations

from msgspec import Struct

from . import tables as t
from .tables import SAFE, Ints, Tables

MILLION = 1_000_000
PROBABILITY_ONE = 1 << 16
TERM_LIMIT = 4096
TAKEN_LIMIT = 64 + 64 * 16
"""Arms on a page: those of earlier calls, and 64 placements of 16 slots."""


class Largest(Struct, frozen=True):
    """The largest amounts that a decision may meet, in micros."""

    amount: int
    margin: int
    incentive: int
    handling: int
    rate_ppm: int


def integers_stay_exact(tables: Tables, rows: dict[str, int]) -> str | None:
    """The first computation that could reach 2^53, or None."""
    for what, bound in _computations(tables, rows).items():
        if bound >= SAFE:
            return f"{what} may reach {bound}; numbers stay below 2^53"
    terms = [tables.model_term[row + 1] - tables.model_term[row] for row in range(rows["model"])]
    if max(terms, default=0) > TERM_LIMIT:
        return f"a model has {max(terms)} terms, more than {TERM_LIMIT}"
    return None


def _computations(tables: Tables, rows: dict[str, int]) -> dict[str, int]:
    largest, unit = _largest(tables), tables.head[t.HEAD_SCORE_UNIT]
    economics = 2 * largest.margin + largest.incentive + largest.handling
    logistic = t.LOGISTIC in tables.model_link
    return {
        "an amount in micros": max(largest.amount, largest.margin),
        "a percentage": largest.amount // tables.head[t.HEAD_MINOR] * largest.rate_ppm,
        "the incentives of a page": largest.margin + largest.incentive * TAKEN_LIMIT,
        "the economics of an arm": economics // unit * PROBABILITY_ONE if logistic else 0,
        "a derived attribute": max(
            (_derived(tables, row) for row in range(rows["attribute"])), default=0
        ),
    }


def _largest(tables: Tables) -> Largest:
    head, rates = tables.head, tables.rung_rate_ppm
    orders = {head[t.HEAD_VALUE], *tables.offer_scope}
    amount = max(head[t.HEAD_VALUE_OTHERWISE], *(_amount(tables, row) for row in orders))
    margin = _share(tables, amount, head[t.HEAD_MARGIN_PPM])
    incentive = _share(tables, amount, _most(rates))
    incentive += _most(tables.rung_fixed) + _most(tables.amount_micros)
    limits = _most(tables.rung_ceiling_ppm, tables.rung_floor_ppm)
    below = max(-min(tables.rung_most, default=0), *(_below_0(tables, row) for row in orders))
    return Largest(
        amount=amount,
        margin=max(margin, _amount(tables, head[t.HEAD_MARGIN])),
        incentive=max(incentive, below),  # `most` and a negative subtotal cut it off below 0
        handling=_most(tables.rung_handling),
        rate_ppm=max(_most(rates), limits, head[t.HEAD_MARGIN_PPM]),
    )


def _share(tables: Tables, amount: int, rate_ppm: int) -> int:
    """A percentage of the largest amount, rounded up."""
    return amount * rate_ppm // MILLION + tables.head[t.HEAD_MINOR] if rate_ppm else 0


def _amount(tables: Tables, attribute: int) -> int:
    """The largest amount of a money attribute in micros; 0 for none."""
    if attribute < 0:
        return 0
    return _range(tables, attribute) * 10 ** (6 - tables.attribute_scale[attribute])


def _below_0(tables: Tables, attribute: int) -> int:
    """How far a money attribute may go below 0, in micros."""
    if attribute < 0:
        return 0
    return max(0, -tables.attribute_low[attribute]) * 10 ** (6 - tables.attribute_scale[attribute])


def _derived(tables: Tables, attribute: int) -> int:
    """The largest result of a sum, a difference or an age."""
    operands = (tables.attribute_left[attribute], tables.attribute_right[attribute])
    if tables.attribute_op[attribute] == t.NO_OP:
        return 0
    return sum(_range(tables, operand) for operand in operands if operand >= 0) + (1 << 32)


def _range(tables: Tables, attribute: int) -> int:
    return max(abs(tables.attribute_low[attribute]), abs(tables.attribute_high[attribute]))


def _most(*columns: Ints) -> int:
    """The largest absolute value in any of these columns."""
    return max((max(max(column), -min(column)) for column in columns if len(column)), default=0)
