"""Scorecards and allocations as integers, and the cells that their bins are made of.

Weights of an `identity` model become score units, those of a `logistic` model steps of
1/64 of a logit; both round to the nearest, ties to even.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from edge.decision import tables as t
from policy_compiler.catalog import Attribute, Catalog, Model, Offer, Term
from policy_compiler.vocabulary import Cells, Vocabulary

LOGIT_STEPS = 64


def number_of(attribute: Attribute, cut: Decimal) -> int:
    """A cut point in the attribute's integers."""
    return int((cut * 10**attribute.scale).to_integral_value(ROUND_HALF_EVEN))


def mention_term(vocabulary: Vocabulary, term: Term) -> None:
    mention_bins(vocabulary, term.attribute, term.cuts, term.values)
    if term.cross is not None:
        mention_bins(vocabulary, term.cross, term.cross_cuts, term.cross_values)


def mention_bins(
    vocabulary: Vocabulary, name: str, cuts: Sequence[Decimal], values: Iterable[str]
) -> None:
    """Mention what cuts an attribute into bins: `cuts` of a number, `values` of a string."""
    attribute = vocabulary.attributes[name]
    vocabulary.mention(name)
    if attribute.type == "string":
        vocabulary.mention_words(name, values)
    else:
        vocabulary.mention_number(name, *(number_of(attribute, cut) for cut in cuts))


def bins_of(
    attribute: Attribute, cells: Cells, cuts: Sequence[Decimal], values: Collection[str]
) -> list[int]:
    """The bin of every cell, and of an attribute without value last."""
    if cells.type == t.BOOL:
        return [0, 1, 2]
    if cells.type == t.STRING:
        found = [len(values)] * cells.count
        for index, value in enumerate(values):
            found[cells.word(value).bit_length() - 1] = index
        return [*found, len(values) + 1]
    numbers = [number_of(attribute, cut) for cut in cuts]
    return [sum(cut <= low for cut in numbers) for low in cells.lows()] + [len(cuts) + 1]


def bins_of_term(
    term: Term, attributes: Mapping[str, Attribute], cells: Mapping[str, Cells]
) -> tuple[list[int], list[int]]:
    """Bins of the term's attribute, and of the crossed one (none without)."""
    left = bins_of(attributes[term.attribute], cells[term.attribute], term.cuts, term.values)
    if term.cross is None:
        return left, []
    cross = (attributes[term.cross], cells[term.cross])
    return left, bins_of(*cross, term.cross_cuts, term.cross_values)


def quantised(weight: Decimal, model: Model, score_unit: Decimal) -> int:
    steps = weight / score_unit if model.link == "identity" else weight * LOGIT_STEPS
    return int(steps.to_integral_value(ROUND_HALF_EVEN))


def responses() -> list[int]:
    """Probability in 1/65536 for the logits -8 .. +7.98 in steps of 1/64.

    Computed in decimal arithmetic, so that no machine's `exp` changes a bundle.
    """
    with localcontext() as context:
        context.prec = 40
        logits = [Decimal(i - 512) / LOGIT_STEPS for i in range(1024)]
        return [int((65535 / (1 + (-x).exp())).to_integral_value()) for x in logits]


def default_model(catalog: Catalog, offers: Sequence[Offer]) -> Model:
    """Where no model is named: each rung scores its `expected_profit`."""
    arms = {
        f"{offer.id}/{rung.id}": rung.expected_profit for offer in offers for rung in offer.rungs
    }
    return Model(link="identity", arms=arms)


def arms_of_key(key: str, arms: dict[str, int]) -> list[int]:
    """Arms that "offer/rung", or "offer" for all of its rungs, names."""
    if key in arms:
        return [arms[key]]
    return [arm for name, arm in arms.items() if name.split("/")[0] == key and arm]
