"""What is proved on the lowered policy, as diagnostics.

bounds      check_bounds      errors: nothing is emitted
never       blame             offers that nobody can be eligible for
costs       check_costs       guardrails, rungs and stacks
shadows     check_shadow      offers that others hide, exclusivity
targets     check_targets     what the emitted bundle asks of its home
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edge.decision.bundle import Bundle
from policy_compiler.blame import blame, out_of_range, told
from policy_compiler.check_bounds import Finding, check_bounds
from policy_compiler.check_costs import check_costs
from policy_compiler.check_shadow import check_exclusivity, check_shadows
from policy_compiler.check_targets import check_target
from policy_compiler.diagnostics import Diagnostic, make
from policy_compiler.lower import NEVER
from policy_compiler.plan import Plan
from policy_compiler.source import Source


def index_of(source: Source) -> dict[str, int]:
    """Where each offer stands in the author's list."""
    return {id: index for index, id in source.offer_ids.items()}


def prove_bounds(source: Source, plan: Plan) -> list[Diagnostic]:
    """P404 for every number that a decision could not compute exactly."""
    return _made(source, "P404", check_bounds(plan, index_of(source)))


def prove(source: Source, plan: Plan) -> list[Diagnostic]:
    """Everything that holds, or may go wrong, for every visitor and cart."""
    index = index_of(source)
    costs = check_costs(plan, index)
    found: dict[str, Iterable[Finding]] = {
        "P405": check_shadows(plan, index),
        "P406": check_exclusivity(plan, index),
        "P408": costs.failing,
        "P409": costs.unreachable,
        "P410": costs.idle,
        "P411": costs.stacks,
    }
    return [
        *_never_eligible(source, plan, index),
        *(made for code, findings in found.items() for made in _made(source, code, findings)),
    ]


def prove_target(source: Source, bundle: Bundle, data: bytes, target: str) -> list[Diagnostic]:
    """P412 beyond an advised limit, P413 beyond a hard one."""
    return [
        made
        for excess in check_target(bundle, data, target)
        for made in _made(source, "P413" if excess.hard else "P412", [excess.finding])
    ]


def _made(source: Source, code: str, findings: Iterable[Finding]) -> list[Diagnostic]:
    return [
        make(code, source.position(found.path), found.path, found.message) for found in findings
    ]


def _never_eligible(source: Source, plan: Plan, index: dict[str, int]) -> Iterator[Diagnostic]:
    for offer in plan.offers:
        if plan.clauses[offer.id] != NEVER:
            yield from _out_of_range(source, plan, offer.id, index[offer.id])
            continue
        parts = blame(plan.tiers[offer.id], plan.cells)
        path = f"offers[{index[offer.id]}]"
        place = source.position(path)
        spoken = [part for part in parts if part.tier != "daypart"]
        if spoken:
            path = f"{path}.{spoken[0].tier}"
            place = source.position_in(path, spoken[0].node.start)
        yield make("P402", place, path, told(offer.id, parts))


def _out_of_range(source: Source, plan: Plan, offer: str, at: int) -> Iterator[Diagnostic]:
    if name := out_of_range(plan, offer):
        least, most = (plan.attributes[name].minimum, plan.attributes[name].maximum)
        span = f"{'any' if least is None else least} to {'any' if most is None else most}"
        message = f"Offer `{offer}` can never be eligible: its rule asks for a `{name}` outside"
        path = f"offers[{at}]"
        yield make("P402", source.position(path), path, f"{message} the declared range ({span}).")
