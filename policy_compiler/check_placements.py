"""Placements, how they choose, and the models that score for them."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import pairwise

from edge.decision.choosing import CANDIDATE_LIMIT

from .catalog import Attribute, Choice, Model, Placement, Term
from .checks_shared import check_holdout
from .constants import described
from .conversion import step
from .diagnostics import did_you_mean
from .names import is_name
from .report import SECONDS_MAX, Report

SLOTS_MAX = 16
RANK_MAX = 65_535
BOX_MAX_PX = 10_000
WEIGHT_MAX = 1 << 20


def check_placements(report: Report) -> None:
    arms = _arms(report)
    sizes = _sizes(report)
    for name, placement in report.parts.placements.items():
        path = step("placements", name)
        _check_floor(report, f"{path}.choice.floor", placement.choice, sizes[name])
        _check_placement(report, path, placement)
        _check_choice(report, f"{path}.choice", placement.choice)
        _check_allocation(report, f"{path}.choice", placement.choice, arms)
    for name, model in report.parts.models.items():
        _check_model(report, step("models", name), model, arms)


def _sizes(report: Report) -> Counter[str]:
    """How many sizes may be drawn from at each placement."""
    sizes: Counter[str] = Counter()
    for offer in report.parts.offers.values():
        sizes.update({name: len(offer.rungs) for name in offer.placements})
    return sizes


def _check_floor(report: Report, path: str, choice: Choice, sizes: int) -> None:
    arms = min(sizes, CANDIDATE_LIMIT) + 1
    explores = choice.policy in ("epsilon", "inverse_gap")
    if explores and arms > 1 and Decimal(1) >= choice.floor > Decimal(1) / arms:
        message = f"{arms - 1} sizes and showing nothing cannot each have a share of {choice.floor}"
        report.say("P326", path, f"{message}; the most that all can have is 1/{arms}.")


def _arms(report: Report) -> frozenset[str]:
    """Every name that an arm or all arms of an offer may be called by."""
    arms = {"none"}
    for offer in report.parts.offers.values():
        arms |= {offer.id, *(f"{offer.id}/{rung.id}" for rung in offer.rungs)}
    return frozenset(arms)


def _check_placement(report: Report, path: str, placement: Placement) -> None:
    report.between(f"{path}.slots", placement.slots, 1, SLOTS_MAX)
    report.between(f"{path}.rank", placement.rank, 0, RANK_MAX)
    if placement.box is not None:
        report.between(f"{path}.box.width", placement.box.width, 1, BOX_MAX_PX)
        report.between(f"{path}.box.height", placement.box.height, 1, BOX_MAX_PX)
    check_holdout(report, f"{path}.holdout", placement.holdout)
    _check_pages(report, f"{path}.pages", placement.pages)
    if placement.model is not None:
        report.known("models", placement.model, f"{path}.model")


def _check_pages(report: Report, path: str, pages: list[str]) -> None:
    report.unique(pages, path)
    for index, name in enumerate(pages):
        if not is_name(name):
            report.say("P113", f"{path}[{index}]", f"`{name[:80]}` cannot be a page's name.")


# --- choice -------------------------------------------------------------------


def _check_choice(report: Report, path: str, choice: Choice) -> None:
    report.between(f"{path}.epsilon", choice.epsilon, 0, 1)
    report.between(f"{path}.floor", choice.floor, 0, 1)
    report.between(f"{path}.gamma", choice.gamma, 0, 10**9)
    report.between(f"{path}.explore_loss", choice.explore_loss, 0, 10**9)
    report.between(f"{path}.epoch_s", choice.epoch_s, 0, SECONDS_MAX, above=True)
    report.text(f"{path}.salt", choice.salt)
    if choice.segment is not None:
        _check_segment(report, f"{path}.segment", choice)


def _check_segment(report: Report, path: str, choice: Choice) -> None:
    if choice.policy != "allocation":
        report.say("P322", path, f"A `{choice.policy}` choice has no segments.")
    name = choice.segment or ""
    if report.known("attributes", name, path):
        attribute = report.attributes.get(name)
        if attribute is not None and attribute.type not in ("string", "bool"):
            message = f"`{name}` is {described(attribute)}; segments are strings or booleans."
            report.say("P322", path, message, "Segment by a string or boolean attribute.")


def _check_allocation(report: Report, path: str, choice: Choice, arms: frozenset[str]) -> None:
    if choice.allocation is None:
        return
    path = f"{path}.allocation"
    if choice.policy != "allocation":
        report.say("P322", path, f"A `{choice.policy}` choice has no allocation.")
    for segment, row in choice.allocation.items():
        where = step(path, segment)
        _check_row(report, where, choice, segment)
        for arm, weight in row.items():
            report.between(step(where, arm), weight, 0, WEIGHT_MAX)
            _check_arm(report, step(where, arm), arm, arms, whole_offers=False)


def _check_row(report: Report, path: str, choice: Choice, segment: str) -> None:
    if segment == "*":
        return
    attribute = report.attributes.get(choice.segment or "")
    if choice.segment is None:
        report.say("P322", path, "Without a `segment`, only the row `*` is used.")
    elif attribute is not None and attribute.type == "bool" and segment not in ("true", "false"):
        report.say("P312", path, f"`{choice.segment}` is true or false, never {segment!r:.40}.")
    elif attribute is not None:
        report.listed(path, attribute, choice.segment, segment)


def _check_arm(
    report: Report, path: str, arm: str, arms: frozenset[str], *, whole_offers: bool
) -> None:
    usable = arms if whole_offers else {name for name in arms if "/" in name or name == "none"}
    offer = arm.partition("/")[0]
    broken = offer in report.source.named["offers"] and offer not in arms
    if arm not in usable and not broken:
        report.say("P301", path, f"There is no arm `{arm}`.", did_you_mean(arm, usable))


# --- models -------------------------------------------------------------------


def _check_model(report: Report, path: str, model: Model, arms: frozenset[str]) -> None:
    for arm in model.arms:
        _check_arm(report, step(f"{path}.arms", arm), arm, arms, whole_offers=True)
    for index, term in enumerate(model.terms):
        _check_term(report, f"{path}.terms[{index}]", term, arms)


def _check_term(report: Report, path: str, term: Term, arms: frozenset[str]) -> None:
    size = _axis(report, f"{path}.attribute", f"{path}.", term.attribute, term.cuts, term.values)
    across_bins = (term.cross_cuts, term.cross_values)
    if term.cross is not None:
        across = _axis(report, f"{path}.cross", f"{path}.cross_", term.cross, *across_bins)
        size = size and across and size * across
    elif any(across_bins):
        name = "cross_cuts" if term.cross_cuts else "cross_values"
        report.say("P320", f"{path}.{name}", f"There are `{name}` but no `cross`.")
    if (term.role == "arm") != bool(term.arms) or (term.role == "arm") == bool(term.weights):
        help = "A term of role `arm` has `arms`, every other has `weights`."
        report.say("P320", path, f"The term's weights do not go with its role {term.role}.", help)
        return
    tables = {f"{path}.weights": term.weights} if term.weights else {}
    for arm, weights in term.arms.items():
        where = step(f"{path}.arms", arm)
        _check_arm(report, where, arm, arms, whole_offers=True)
        tables[where] = weights
    for where, weights in tables.items():
        if size and len(weights) != size:
            report.say("P320", where, f"There are {len(weights)} weights for {size} bins.")


def _axis(
    report: Report, path: str, prefix: str, name: str, cuts: list[Decimal], values: list[str]
) -> int:
    """Number of bins along an attribute, the one for "missing" included; 0 if unknown.

    `prefix` and `cuts` or `values` make the path of the bins.
    """
    if not report.known("attributes", name, path):
        return 0
    attribute = report.attributes.get(name)
    if attribute is None:
        return 0
    if attribute.type == "set":
        report.say("P320", path, f"`{name}` is a set, which has no bins.", "Use another attribute.")
        return 0
    if attribute.type == "bool":
        if cuts or values:
            where = prefix + ("cuts" if cuts else "values")
            report.say("P320", where, "A boolean needs no bins: they are false, true.")
        return 3
    kind, other = ("values", "cuts") if attribute.type == "string" else ("cuts", "values")
    if values if kind == "cuts" else cuts:
        message = f"Bins of {described(attribute)} are `{kind}`, not `{other}`."
        report.say("P320", prefix + other, message, f"Write them as `{kind}`.")
        return 0
    if kind == "values":
        _check_words(report, prefix + kind, name, attribute, values)
    else:
        check_cuts(report, prefix + kind, attribute, cuts, "P320")
    return len(cuts) + len(values) + 2


def _check_words(
    report: Report, path: str, name: str, attribute: Attribute, words: list[str]
) -> None:
    report.unique(words, path)
    for index, word in enumerate(words):
        report.listed(f"{path}[{index}]", attribute, name, word)


def check_cuts(
    report: Report, path: str, attribute: Attribute, cuts: list[Decimal], code: str
) -> None:
    """Cut points ascend and are multiples of the attribute's smallest unit."""
    scale = min(max(attribute.scale, 0), 6)
    for index, cut in enumerate(cuts):
        if (scaled := cut.scaleb(scale)) != scaled.to_integral_value() or abs(scaled) >= 10**15:
            message = f"{cut} is no value of {described(attribute)}."
            report.say(code, f"{path}[{index}]", message)
    if any(low >= high for low, high in pairwise(cuts)):
        report.say(
            code, path, "The cut points do not ascend.", "Write each of them once, in order."
        )
