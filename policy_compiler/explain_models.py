"""Scorecards and allocations of a bundle, in words."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from policy_compiler.explain_words import Words, plain
from policy_compiler.listed import ModelListed, TermListed

LINKS = ("identity", "logistic")
ROLES = ("base", "sensitivity", "arm")
LOGIT_STEPS = 64
ALL_ARMS = "all arms"
EVERYBODY = "everybody"
OTHERS = "*"


def models(bundle: Bundle) -> list[ModelListed]:
    return [_model(bundle, row) for row in range(bundle.rows["model"])]


def _model(bundle: Bundle, row: int) -> ModelListed:
    tables = bundle.tables
    biases = range(tables.model_bias[row], tables.model_bias[row + 1])
    terms = range(tables.model_term[row], tables.model_term[row + 1])
    link = tables.model_link[row]
    return ModelListed(
        link=LINKS[link],
        constant=_weight(bundle, link, tables.model_constant[row]),
        arms={
            bundle.arm_name(tables.bias_arm[i]): _weight(bundle, link, tables.bias_weight[i])
            for i in biases
        },
        terms=[_term(bundle, link, term) for term in terms],
    )


def _weight(bundle: Bundle, link: int, value: int) -> str:
    """Profit in the shop's currency, or a logit."""
    if link == t.IDENTITY:
        return plain(Decimal(value * bundle.head(t.HEAD_SCORE_UNIT)) / 1_000_000)
    return f"{plain((Decimal(value) / LOGIT_STEPS).quantize(Decimal('0.001')))}"


def _term(bundle: Bundle, link: int, term: int) -> TermListed:
    tables = bundle.tables
    over = _axis(bundle, tables.term_left[term], _bins(bundle, "left", term))
    if (right := tables.term_right[term]) >= 0:
        over += " x " + _axis(bundle, right, _bins(bundle, "right", term))
    weights: dict[str, list[str]] = {}
    for row in range(tables.term_row[term], tables.term_row[term + 1]):
        arm = tables.row_arm[row]
        values = tables.weight_value[tables.row_weight[row] : tables.row_weight[row + 1]]
        name = bundle.arm_name(arm) if arm else ALL_ARMS
        weights[name] = [_weight(bundle, link, value) for value in values]
    return TermListed(over=over, role=ROLES[tables.term_role[term]], weights=weights)


def _bins(bundle: Bundle, side: str, term: int) -> Sequence[int]:
    starts = getattr(bundle.tables, f"term_{side}_bin")
    return getattr(bundle.tables, f"{side}bin_bin")[starts[term] : starts[term + 1]]


def _axis(bundle: Bundle, attribute: int, bins: Sequence[int]) -> str:
    """`cart.total (below 20, 20 to below 50, from 50, unknown)`, in the order of weights."""
    words = Words(bundle)
    named: dict[int, str] = {}
    for text, bin in words.cells(attribute, bins):
        named.setdefault(bin, text)
    return f"{words.attribute(attribute)} ({', '.join(named[bin] for bin in sorted(named))})"


def allocations(bundle: Bundle, placement: int) -> dict[str, dict[str, str]]:
    """Segment -> arm -> its share in percent; arms without a share are left out."""
    tables = bundle.tables
    row = tables.placement_allocation[placement]
    if row < 0:
        return {}
    arms = tables.allocarm_arm[tables.allocation_arm[row] : tables.allocation_arm[row + 1]]
    shares = tables.share_weight[tables.allocation_share[row] : tables.allocation_share[row + 1]]
    named = (*bundle.notes.placements[placement].segments, OTHERS)
    whole = tables.allocation_attribute[row] < 0
    return {
        EVERYBODY if whole else segment: _shares(bundle, arms, shares[i * len(arms) :])
        for i, segment in enumerate(named)
        if len(shares) >= (i + 1) * len(arms)
    }


def _shares(bundle: Bundle, arms: Sequence[int], weights: Sequence[int]) -> dict[str, str]:
    own = list(zip(arms, weights, strict=False))
    total = sum(weight for _, weight in own) or 1
    return {
        bundle.arm_name(arm): f"{plain((Decimal(weight) * 100 / total).quantize(Decimal('0.1')))} %"
        for arm, weight in own
        if weight
    }
