"""Integers of a decision stay below 2^53, and the object to blame where they would not.

The edge's reader proves the same from the bundle's bytes (`edge.decision.bounds`) and
refuses; here the same products are taken apart, so that an author reads which offer,
rung, model or attribute is too large, and what the largest safe number is.  Whatever this
lets pass, the reader accepts: tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from edge.decision.bounds import MILLION, PROBABILITY_ONE, TAKEN_LIMIT, TERM_LIMIT
from edge.decision.tables import SAFE
from policy_compiler.carts import till_of
from policy_compiler.catalog import Attribute, Model, Offer, Rung
from policy_compiler.conversion import step
from policy_compiler.costs import cost_of, micros, ppm_of_percent
from policy_compiler.emit import GAMMA_ONE
from policy_compiler.plan import Plan, bounds_of, operands
from policy_compiler.scorecards import LOGIT_STEPS

Q24, PPM_MAX, DEPTH_MAX = 1 << 24, 1 << 20, 256
LOGIT_UNIT = Decimal(1) / LOGIT_STEPS


class Finding(Struct, frozen=True):
    """What is too large, where: a path of the catalog, as diagnostics have it."""

    path: str
    message: str


class Amount(Struct, frozen=True, order=True):
    """A number in micros or parts per million, and whose it is."""

    size: int
    path: str = ""
    what: str = "nothing"


def check_bounds(plan: Plan, index: dict[str, int]) -> list[Finding]:
    """`index`: where each offer stands in the author's list."""
    columns = [*_models(plan), *_placements(plan), *_rungs(plan, index)]
    return columns or list(_products(plan, index))


def units(size_micros: int) -> str:
    """Micros as currency units, with two fraction digits or as many as it takes."""
    amount = Decimal(size_micros) / MILLION
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents if cents == amount else amount:f}"


# --- numbers that a column holds ------------------------------------------------------


def _models(plan: Plan) -> Iterator[Finding]:
    for name, model in plan.models.items():
        if not name or name not in plan.catalog.models:
            continue
        path = step("models", name)
        if len(model.terms) > TERM_LIMIT:
            yield Finding(path, f"Model `{name}` has {len(model.terms)} terms, over {TERM_LIMIT}.")
        unit = plan.catalog.shop.score_unit if model.link == "identity" else LOGIT_UNIT
        for where, what, weight in _weights(path, model):
            if abs(weight / unit) > Q24:
                most = Q24 * unit
                text = f"{what} of model `{name}` is {weight}; at most {most:f} can be scored"
                yield Finding(where, f"{text} (2^24 steps of {unit:f}).")


def _weights(path: str, model: Model) -> Iterator[tuple[str, str, Decimal]]:
    yield f"{path}.constant", "The constant", model.constant
    for arm, weight in model.arms.items():
        yield f"{path}.arms", f"The constant of `{arm}`", weight
    for row, term in enumerate(model.terms):
        where, what = f"{path}.terms[{row}]", f"A weight of term {row} (`{term.attribute}`)"
        for at, weight in enumerate(term.weights):
            yield f"{where}.weights[{at}]", what, weight
        for arm, weights in term.arms.items():
            yield from ((f"{where}.arms", f"{what} for `{arm}`", weight) for weight in weights)


def _placements(plan: Plan) -> Iterator[Finding]:
    unit = plan.catalog.shop.score_unit
    for name, placement in plan.placements.items():
        choice = placement.choice
        if choice.policy == "inverse_gap" and choice.gamma * unit * GAMMA_ONE > PPM_MAX:
            most = Decimal(PPM_MAX) / GAMMA_ONE / unit
            message = f"The gamma of `{name}` is {choice.gamma}; at most {most:f} keeps gaps exact."
            yield Finding(f"{step('placements', name)}.choice.gamma", message)


def _rungs(plan: Plan, index: dict[str, int]) -> Iterator[Finding]:
    unit = plan.catalog.shop.score_unit
    for offer, rung, path in _each_rung(plan, index):
        cost, name = cost_of(offer, rung), f"{offer.id}/{rung.id}"
        if cost.fixed >= SAFE:
            message = f"`{name}` costs {units(cost.fixed)}; at most {units(SAFE - 1)}."
            yield Finding(path, message)
        if cost.rate_ppm > PPM_MAX:
            share = Decimal(cost.rate_ppm) / 10_000
            message = f"`{name}` costs {share:f} % of the cart; at most 104.8576 % is exact."
            yield Finding(path, message)
        if rung.depth > DEPTH_MAX:
            message = f"The depth of `{name}` is {rung.depth}; at most {DEPTH_MAX}."
            yield Finding(f"{path}.depth", message)
        if (rung.expected_cost or 0) / unit > Q24:
            message = f"The expected cost of `{name}` is {rung.expected_cost}"
            yield Finding(f"{path}.expected_cost", f"{message}; at most {Q24 * unit:f}.")
        if abs(rung.expected_profit / unit) > Q24 and "" in plan.models:
            message = f"The expected profit of `{name}` is {rung.expected_profit}"
            yield Finding(f"{path}.expected_profit", f"{message}; at most {Q24 * unit:f}.")


def _each_rung(plan: Plan, index: dict[str, int]) -> Iterator[tuple[Offer, Rung, str]]:
    for offer in plan.offers:
        for at, rung in enumerate(offer.rungs):
            yield offer, rung, f"offers[{index[offer.id]}].rungs[{at}]"


# --- products and sums ----------------------------------------------------------------


def _products(plan: Plan, index: dict[str, int]) -> Iterator[Finding]:
    """In the order of `edge.decision.bounds`; later ones need the earlier to hold."""
    minor = till_of(plan.catalog).minor
    amount, rate = _largest_amount(plan), _largest_rate(plan, index)
    if amount.size >= SAFE:
        yield _too_large(amount, SAFE - 1, "in micros it leaves the exact range")
        return
    if amount.size // minor * rate.size >= SAFE:
        most = (SAFE - 1) // rate.size * minor
        share = f"{Decimal(rate.size) / 10_000:f} % ({rate.what})"
        yield _too_large(amount, most, f"{share} of it leaves the exact range")
        return
    share = amount.size * rate.size // MILLION + minor
    margin = _margin(plan, share)
    fixed, table = _largest_cost(plan, index)
    incentive = fixed.size + share + table.size
    if margin.size >= SAFE:
        yield _too_large(margin, SAFE - 1, "in micros it leaves the exact range")
        return
    if margin.size + incentive * TAKEN_LIMIT >= SAFE:
        worst = max(fixed, table)
        yield (
            _page(margin, worst, incentive)
            if worst.size > share
            else _share(amount, rate, incentive - share, minor)
        )
        return
    yield from _economics(plan, index, margin, incentive, amount)
    yield from _derived(plan)


def _too_large(amount: Amount, most: int, why: str) -> Finding:
    text = f"{amount.what} may reach {units(amount.size)}, and {why}"
    return Finding(amount.path, f"{text}; the largest safe number is {units(max(most, 0))}.")


def _page(margin: Amount, worst: Amount, incentive: int) -> Finding:
    """A cost that is too large for a page full of it."""
    rest = incentive - worst.size
    most = (SAFE - 1 - margin.size) // TAKEN_LIMIT - rest
    return _too_large(worst, most, f"{TAKEN_LIMIT} of them on a page leave the exact range")


def _share(amount: Amount, rate: Amount, rest: int, minor: int) -> Finding:
    """The same, where it is a share of the cart; the margin may be as large a share."""
    most = (SAFE - 1 - rest * TAKEN_LIMIT) // (TAKEN_LIMIT + 1) - minor
    share = f"{Decimal(rate.size) / 10_000:f} % ({rate.what})"
    why = f"{TAKEN_LIMIT} costs of {share} of it on a page leave the exact range"
    return _too_large(amount, most * MILLION // rate.size // minor * minor, why)


def _economics(
    plan: Plan, index: dict[str, int], margin: Amount, incentive: int, amount: Amount
) -> Iterator[Finding]:
    logistic = [name for name, model in plan.models.items() if model.link == "logistic"]
    handling = max((_handling(*each) for each in _each_rung(plan, index)), default=Amount(0))
    unit = micros(plan.catalog.shop.score_unit)
    cart = 2 * margin.size + incentive
    total = cart + handling.size
    if not logistic or total // unit * PROBABILITY_ONE < SAFE:
        return
    whose = handling if handling.size > cart else amount
    parts = f"twice the margin, {units(2 * margin.size)}, the costs, {units(incentive)}"
    what = f"What model `{logistic[0]}` weighs ({parts}, and handling, {units(handling.size)})"
    safe = (SAFE - 1) // PROBABILITY_ONE * unit
    why = f"times a probability, in score units, it leaves the exact range: lower {whose.what}"
    yield _too_large(Amount(total, whose.path, what), safe, why)


def _handling(offer: Offer, rung: Rung, path: str) -> Amount:
    what = f"the handling of `{offer.id}/{rung.id}`"
    return Amount(micros(rung.fixed_cost), f"{path}.fixed_cost", what)


def _largest_amount(plan: Plan) -> Amount:
    economics = plan.catalog.shop.economics
    path = "shop.economics.order_value_otherwise"
    names = {economics.order_value, *(o.scope for o in plan.offers if o.scope)} - {""}
    amounts = [_amount(name, plan.attributes[name]) for name in sorted(names)]
    otherwise = Amount(micros(economics.order_value_otherwise), path, "The typical order value")
    return max(otherwise, *amounts) if amounts else otherwise


def _amount(name: str, attribute: Attribute) -> Amount:
    size = _widest(attribute) * 10 ** (6 - attribute.scale)
    return Amount(size, step("attributes", name), f"`{name}`")


def _widest(attribute: Attribute) -> int:
    return max(map(abs, bounds_of(attribute)))


def _margin(plan: Plan, share: int) -> Amount:
    name = plan.catalog.shop.economics.margin
    stated = _amount(name, plan.attributes[name]) if name else Amount(0)
    return max(stated, Amount(share, "shop.economics.margin_percent", "The margin"))


def _largest_rate(plan: Plan, index: dict[str, int]) -> Amount:
    percent = plan.catalog.shop.economics.margin_percent
    found = [Amount(ppm_of_percent(percent), what="the shop's margin")]
    for offer, rung, path in _each_rung(plan, index):
        what = f"`{offer.id}/{rung.id}`"
        found.append(Amount(cost_of(offer, rung).rate_ppm, path, what))
        for name in ("ceiling_percent", "margin_floor_percent"):
            value = getattr(offer.guardrails, name) or Decimal(0)
            found.append(Amount(ppm_of_percent(value), path, f"the {name} of `{offer.id}`"))
    return max(found)


def _largest_cost(plan: Plan, index: dict[str, int]) -> tuple[Amount, Amount]:
    fixed, tables = [Amount(0)], [Amount(0)]
    for offer, rung, path in _each_rung(plan, index):
        what, cost = f"The cost of `{offer.id}/{rung.id}`", cost_of(offer, rung)
        fixed.append(Amount(cost.fixed, path, what))
        if table := cost.table:
            entries = [*table.costs, *table.values.values(), table.otherwise or Decimal(0)]
            tables += [Amount(micros(entry), f"{path}.cost_table", what) for entry in entries]
    return max(fixed), max(tables)


def _derived(plan: Plan) -> Iterator[Finding]:
    for name, attribute in plan.attributes.items():
        parts = [plan.attributes[part] for part in operands(attribute)]
        if not parts or sum(map(_widest, parts)) + (1 << 32) < SAFE:
            continue
        which = " and ".join(f"`{part}`" for part in operands(attribute))
        message = f"`{name}` leaves the exact range: narrow the minimum or maximum of {which}"
        most = (SAFE - 1 - (1 << 32)) // len(parts)
        yield Finding(step("attributes", name), f"{message}; the largest safe number is {most}.")
