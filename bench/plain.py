"""A compiled policy in plain words, for engines that are not ours.

Everything that decides is here, with the same integers that the bundle holds (scores in
score units, logits in 1/64 steps, money in micros), so that every engine can be checked
against every other to the last ticket.  It goes as JSON to Node and to Pyodide.

This module is also run inside Pyodide: msgspec, the standard library and
`edge.decision` only at run time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from edge.decision import tables as t
from edge.decision.rule import And, AnyOf, Compare, In, Node, Not

if TYPE_CHECKING:
    from edge.decision.bundle import Bundle
    from policy_compiler.plan import Plan

SCALES = {"decimal": 2}


class Constraint(Struct, frozen=True, kw_only=True):
    """`test`: == != < <= > >= (one value), in (several), holds (a set, one value)."""

    attribute: str
    test: str
    values: list[bool | int | str]
    negated: bool = False


class PlainTerm(Struct, frozen=True, kw_only=True):
    """A number has cuts, a string values, a boolean neither.  `crossed` is a flag or empty."""

    role: int
    attribute: str
    cuts: list[int]
    values: list[str]
    crossed: str
    width: int
    shared: list[int]
    own: list[list[int]]
    """Per arm (without none), for role ARM."""


class PlainArm(Struct, frozen=True, kw_only=True):
    bias: int
    depth: int
    rate_ppm: int
    most_micros: int
    ceiling_micros: int
    handling_micros: int


class PlainOffer(Struct, frozen=True, kw_only=True):
    """Offer i has the one arm i + 1."""

    id: str
    title: str
    rule: list[Constraint]
    """All must hold."""
    rule_text: str
    rung: str
    arm: PlainArm


class Policy(Struct, frozen=True, kw_only=True):
    types: dict[str, str]
    """Of the attributes that a request may send, by name."""
    ages: dict[str, str]
    """Derived ages: name -> the timestamp's name."""
    offers: list[PlainOffer]
    terms: list[PlainTerm]
    constant: int
    response: list[int]
    score_unit: int
    minor_micros: int
    margin_ppm: int
    loss: int
    gamma: int
    floor: int
    place: str
    salt: str
    epoch_s: int


def plain_policy(plan: Plan, bundle: Bundle) -> Policy:
    tables, (model,) = bundle.tables, (bundle.tables.placement_model[0],)
    return Policy(
        types={n: a.type for n, a in plan.attributes.items() if a.derived is None},
        ages={
            n: a.derived.age_s for n, a in plan.attributes.items() if a.derived and a.derived.age_s
        },
        offers=[
            PlainOffer(
                id=offer.id,
                title=offer.title,
                rule=constraints(plan.tiers[offer.id].whole()),
                rule_text=offer.eligible or "",
                rung=offer.rungs[0].id,
                arm=_arm(tables, model, row),
            )
            for row, offer in enumerate(plan.offers)
        ],
        terms=_terms(plan, tables),
        constant=tables.model_constant[model],
        response=list(tables.response),
        score_unit=bundle.head(t.HEAD_SCORE_UNIT),
        minor_micros=bundle.head(t.HEAD_MINOR),
        margin_ppm=bundle.head(t.HEAD_MARGIN_PPM),
        loss=tables.placement_loss[0],
        gamma=tables.placement_param[0],
        floor=tables.placement_floor[0],
        place=f"{bundle.placement_name(0)}/0",
        salt=bundle.text(tables.placement_salt[0]),
        epoch_s=tables.placement_epoch_s[0],
    )


def constraints(node: Node, negated: bool = False) -> list[Constraint]:
    values: list[bool | int | str]
    match node:
        case And() if not negated:
            return [each for part in node.parts for each in constraints(part)]
        case Not():
            return constraints(node.part, not negated)
        case Compare():
            test, values = node.op, [node.value]
        case In():
            test, values = "in", [*node.values]
        case AnyOf() if len(node.values) == 1:
            test = "holds"
            values = [*node.values]
        case _:
            raise ValueError(f"the synthetic policy has no such {type(node).__name__}")
    return [Constraint(attribute=node.attribute, test=test, values=values, negated=negated)]


def _arm(tables: t.Tables, model: int, row: int) -> PlainArm:
    first, last = tables.model_bias[model : model + 2]
    limits = tables.rung_limits[row]
    bias = dict(zip(tables.bias_arm[first:last], tables.bias_weight[first:last], strict=True))
    return PlainArm(
        bias=bias.get(row + 1, 0),
        depth=tables.rung_depth[row],
        rate_ppm=tables.rung_rate_ppm[row],
        most_micros=tables.rung_most[row] if limits & t.MOST else t.SAFE,
        ceiling_micros=tables.rung_ceiling[row] if limits & t.CEILING else t.SAFE,
        handling_micros=tables.rung_handling[row],
    )


def _terms(plan: Plan, tables: t.Tables) -> list[PlainTerm]:
    (model,) = plan.models.values()
    found = []
    for index, term in enumerate(model.terms):
        weights = _weights(tables, index)
        scale = plan.attributes[term.attribute].scale
        found.append(
            PlainTerm(
                role=tables.term_role[index],
                attribute=term.attribute,
                cuts=[int(cut * 10**scale) for cut in term.cuts],
                values=list(term.values),
                crossed=term.cross or "",
                width=tables.term_width[index],
                shared=weights.get(0, []),
                own=[weights[arm] for arm in sorted(weights) if arm],
            )
        )
    return found


def _weights(tables: t.Tables, term: int) -> dict[int, list[int]]:
    """Weights by arm, 0 for those that all arms share."""
    starts = tables.row_weight
    return {
        tables.row_arm[row]: list(tables.weight_value[starts[row] : starts[row + 1]])
        for row in range(tables.term_row[term], tables.term_row[term + 1])
    }
