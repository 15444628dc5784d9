"""Offers that another always beats, and exclusivity that does not do what it seems to.

An offer is *shadowed* at a placement if, whenever one of its arms may be shown there, an
arm of another offer may be shown too and is chosen before it.  That is claimed only where
it can be proved:

    choice      `greedy`, with a model whose scores do not depend on the visitor
    score       above nothing, and above all rungs of the shadowed offer (or equal, with an
                earlier arm)
    rule        every clause of the shadowed offer implies a clause of the other
    time        the other's window and `max_policy_age_s` reach at least as far
    the page    nothing that is taken excludes the other and not the shadowed one
    the arm     no caps, no budget, no table, and guardrails that no cart breaks

It is a warning that never blocks: a paused rung or offer changes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from policy_compiler.carts import guards_of, slack_of, verdict
from policy_compiler.catalog import Model, Offer, Placement, Rung
from policy_compiler.check_bounds import Finding
from policy_compiler.check_costs import carts_for
from policy_compiler.conversion import step
from policy_compiler.emit import window
from policy_compiler.lower import NEVER, implies
from policy_compiler.plan import Plan
from policy_compiler.scorecards import quantised

STRONGEST_MAX = 32
"""Offers per placement that are tried as the one that shadows."""


class Arm(Struct, frozen=True):
    """The arm by which an offer beats others: its score, and its place in tie order."""

    score: int
    number: int
    offer: Offer

    @property
    def strength(self) -> tuple[int, int]:
        return self.score, -self.number


def check_shadows(plan: Plan, index: Mapping[str, int]) -> Iterator[Finding]:
    """`index`: where each offer stands in the author's list."""
    if not plan.catalog.shop.economics.order_value:
        return
    by_placement = {name: _strong(plan, name) for name in plan.placements}
    for offer in plan.offers:
        if offer.paused or plan.clauses[offer.id] == NEVER:
            continue
        beaten = {name: _beaten(plan, offer, name, by_placement[name]) for name in offer.placements}
        if beaten and all(beaten.values()):
            where = ", ".join(f"`{by}` at {name}" for name, by in beaten.items())
            message = f"`{offer.id}` can never be shown: always beaten by {where}."
            yield Finding(f"offers[{index[offer.id]}]", message)


def _strong(plan: Plan, name: str) -> list[Arm]:
    """The arms that may shadow others at a placement, strongest first."""
    if not _constant(plan, plan.placements[name]):
        return []
    arms = [
        Arm(_score(plan, name, offer, rung), plan.arms[f"{offer.id}/{rung.id}"], offer)
        for offer in plan.offers
        if name in offer.placements and _unhindered(offer) and plan.clauses[offer.id] != NEVER
        for rung in offer.rungs
    ]
    ranked = sorted((arm for arm in arms if arm.score > 0), key=lambda a: a.strength, reverse=True)
    found: dict[str, Arm] = {}
    for arm in ranked:
        if len(found) == STRONGEST_MAX:
            break
        rung = arm.offer.rungs[arm.number - plan.arms[_first(arm.offer)]]
        if arm.offer.id not in found and _always_kept(plan, arm.offer, rung):
            found[arm.offer.id] = arm
    return list(found.values())


def _first(offer: Offer) -> str:
    return f"{offer.id}/{offer.rungs[0].id}"


def _constant(plan: Plan, placement: Placement) -> bool:
    model = _model(plan, placement)
    constant = model.link == "identity" and all(term.role == "base" for term in model.terms)
    return placement.choice.policy == "greedy" and constant


def _model(plan: Plan, placement: Placement) -> Model:
    return plan.models[placement.model or ""]


def _score(plan: Plan, name: str, offer: Offer, rung: Rung) -> int:
    """The rung's constant in score units, as emission quantises it."""
    model = _model(plan, plan.placements[name])
    belief = model.arms.get(f"{offer.id}/{rung.id}", model.arms.get(offer.id))
    if belief is None:
        return 0
    score = quantised(belief, model, plan.catalog.shop.score_unit)
    return max(-(1 << 24), min(1 << 24, score))


def _unhindered(offer: Offer) -> bool:
    return not (offer.paused or offer.caps or offer.budget)


def _always_kept(plan: Plan, offer: Offer, rung: Rung) -> bool:
    """Whether no cart that the rule admits can break a guardrail of this rung."""
    guards = guards_of(offer)
    floors = any(guard.startswith("margin") for guard in guards)
    if rung.cost_table is not None or (floors and offer.stackable):
        return False
    carts = carts_for(plan, offer)
    if guards not in ([], ["ceiling"]) and not carts.exact:
        return False  # a margin or scope of its own may be withheld where the other's is not
    return all(verdict(carts, slack_of(offer, rung, g, carts.till)) == "always" for g in guards)


def _beaten(plan: Plan, offer: Offer, name: str, strong: list[Arm]) -> str:
    """The offer that always beats this one there, or nothing."""
    if not strong:
        return ""
    best = max(
        (_score(plan, name, offer, rung), -plan.arms[f"{offer.id}/{rung.id}"])
        for rung in offer.rungs
    )
    for arm in strong:
        if arm.strength <= best:
            return ""
        if arm.offer.id != offer.id and _reaches(plan, arm.offer, offer):
            return arm.offer.id
    return ""


def _reaches(plan: Plan, strong: Offer, weak: Offer) -> bool:
    """Whether the strong offer may be shown whenever the weak one may."""
    return (
        strong.scope == weak.scope
        and _excluded_together(plan, strong, weak)
        and _as_long(plan, strong, weak)
        and _as_anonymous(strong, weak)
        and _implied(plan, strong, weak)
    )


def _excluded_together(plan: Plan, strong: Offer, weak: Offer) -> bool:
    """Whatever is taken and excludes the strong offer excludes the weak one, too.

    A floor that is taken must be kept by what follows, so a dear offer may be out where a
    cheap one is not.
    """
    if not weak.stackable:
        return True
    together = strong.stackable and strong.group is not None and strong.group == weak.group
    floors = (g for o in plan.offers if o.stackable for g in guards_of(o))
    return together and not any(guard.startswith("margin") for guard in floors)


def _as_long(plan: Plan, strong: Offer, weak: Offer) -> bool:
    start, until = window(plan.catalog, strong)
    first, last = window(plan.catalog, weak)
    inside = start <= first and last <= until
    return inside and strong.max_policy_age_s >= weak.max_policy_age_s


def _as_anonymous(strong: Offer, weak: Offer) -> bool:
    """Shown without identity wherever the weak one is."""
    if strong.without_identity == "allow" or not strong.token:
        return True
    return weak.without_identity == "withhold" and (weak.token or bool(weak.caps))


def _implied(plan: Plan, strong: Offer, weak: Offer) -> bool:
    wide = plan.clauses[strong.id]
    return all(any(implies(clause, other) for other in wide) for clause in plan.clauses[weak.id])


# --- exclusivity ----------------------------------------------------------------------


def check_exclusivity(plan: Plan, index: Mapping[str, int]) -> Iterator[Finding]:
    """Groups that exclude nothing, and groups whose offers stack differently."""
    if not plan.catalog.shop.economics.order_value:
        return  # a browser's part: the others are at the edge
    members: dict[str, list[Offer]] = {name: [] for name in plan.catalog.groups}
    for offer in plan.offers:
        if offer.group is not None:
            members.setdefault(offer.group, []).append(offer)
    for name, offers in members.items():
        if len(offers) == 1:
            message = f"`{offers[0].id}` is alone in the group `{name}`, which excludes nothing."
            yield Finding(step("groups", name), message)
        yield from _mixed(name, offers, index)


def _mixed(name: str, offers: list[Offer], index: Mapping[str, int]) -> Iterator[Finding]:
    loose = [offer for offer in offers if offer.stackable]
    for offer in [o for o in offers if not o.stackable]:
        shared = [o for o in loose if set(o.placements) & set(offer.placements)]
        if shared:
            place = min(set(shared[0].placements) & set(offer.placements))
            message = (
                f"At {place}, `{offer.id}` excludes every other offer of the page while"
                f" `{shared[0].id}` of the same group `{name}` stacks: which of the two is shown"
                " decides about all others."
            )
            yield Finding(f"offers[{index[offer.id]}].stackable", message)
