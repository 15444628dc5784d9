"""Who may use which attribute: labels, purposes, and claims that must be checked again.

A derived attribute carries the restrictions of all that it is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from .catalog import Attribute, Offer
from .conversion import step
from .derive import bases_of
from .report import Report
from .source import RULE_FIELDS
from .tree import Node, places_of


class Use(Struct, frozen=True):
    """An attribute that is read at a path, or at an offset of the rule that stands there."""

    path: str
    name: str
    at: int = 0


def check_use(report: Report) -> None:
    known = {**report.attributes, **report.rules.derived}
    for use, purposes in _shared_uses(report):
        _check_protected(report, use, known)
        _check_purposes(report, use, purposes, known)
    for name, node in report.rules.named.items():
        for use in _rule_uses(step("rules", name), node):
            _check_protected(report, use, known)
    for index, offer in report.parts.offers.items():
        _check_offer(report, f"offers[{index}]", offer, known)


def _restricting(name: str, known: Mapping[str, Attribute]) -> Iterator[tuple[str, Attribute]]:
    """The attribute itself and what it is derived from."""
    for each in dict.fromkeys((name, *bases_of(name, known))):
        if attribute := known.get(each):
            yield each, attribute


def _rule_uses(path: str, rule: Node) -> Iterator[Use]:
    for name, at in sorted(places_of(rule).items()):
        yield Use(path, name, at)


# --- uses outside offers ------------------------------------------------------


def _shared_uses(report: Report) -> Iterator[tuple[Use, frozenset[str]]]:
    """Uses by economics, models and segments, with the purposes of the offers concerned."""
    if (shop := report.parts.shop) is not None:
        everything = frozenset(offer.purpose for offer in report.parts.offers.values())
        yield Use("shop.economics.order_value", shop.economics.order_value), everything
        if shop.economics.margin is not None:
            yield Use("shop.economics.margin", shop.economics.margin), everything
    purposes: dict[str, set[str]] = {}
    for offer in report.parts.offers.values():
        for placement in offer.placements:
            purposes.setdefault(placement, set()).add(offer.purpose)
    serving: dict[str, set[str]] = {}
    for name, placement in report.parts.placements.items():
        mine = purposes.get(name, set())
        if placement.model is not None:
            serving.setdefault(placement.model, set()).update(mine)
        if placement.choice.segment is not None:
            path = f"{step('placements', name)}.choice.segment"
            yield Use(path, placement.choice.segment), frozenset(mine)
    for name in report.parts.models:
        used_for = frozenset(serving.get(name, set()))
        yield from ((use, used_for) for use in _model_uses(report, name))


def _model_uses(report: Report, name: str) -> Iterator[Use]:
    for index, term in enumerate(report.parts.models[name].terms):
        path = f"{step('models', name)}.terms[{index}]"
        yield Use(f"{path}.attribute", term.attribute)
        if term.cross is not None:
            yield Use(f"{path}.cross", term.cross)


def _check_protected(report: Report, use: Use, known: Mapping[str, Attribute]) -> None:
    for base, attribute in _restricting(use.name, known):
        if "protected" in attribute.labels:
            report.say("P307", use.path, f"`{base}` is a protected attribute.", at=use.at)
            return


def _check_purposes(
    report: Report, use: Use, purposes: Iterable[str], known: Mapping[str, Attribute]
) -> None:
    for base, attribute in _restricting(use.name, known):
        for purpose in sorted(purposes):
            if attribute.purpose and purpose not in attribute.purpose:
                allowed = ", ".join(attribute.purpose)
                message = f"`{base}` may serve {allowed}, but is used for {purpose}."
                report.say("P308", use.path, message, at=use.at)


# --- offers -------------------------------------------------------------------


def _check_offer(report: Report, path: str, offer: Offer, known: Mapping[str, Attribute]) -> None:
    for use in _offer_uses(report, path, offer):
        _check_protected(report, use, known)
        _check_purposes(report, use, [offer.purpose], known)
        if offer.token:
            _check_claims(report, use, offer, known)


def _offer_uses(report: Report, path: str, offer: Offer) -> Iterator[Use]:
    rules = report.rules.offers.get(offer.id)
    for field in RULE_FIELDS:
        node = getattr(rules, field) if rules else None
        if node is not None:
            yield from _rule_uses(f"{path}.{field}", node)
    if offer.scope is not None:
        yield Use(f"{path}.scope", offer.scope)
    for index, rung in enumerate(offer.rungs):
        if rung.cost_table is not None:
            yield Use(f"{path}.rungs[{index}].cost_table.attribute", rung.cost_table.attribute)


def _check_claims(report: Report, use: Use, offer: Offer, known: Mapping[str, Attribute]) -> None:
    """Redemption computes the cart again, so what the economics read is checked anyway."""
    rechecked = {*offer.redemption.recheck, *_always_rechecked(report, offer)}
    if use.name in rechecked:
        return
    for base in bases_of(use.name, known):
        attribute = known.get(base)
        if attribute is not None and attribute.source == "client" and base not in rechecked:
            message = f"`{base}` is what the page claims, and `{offer.id}` is worth money."
            report.say("P309", use.path, message, at=use.at)


def _always_rechecked(report: Report, offer: Offer) -> Iterator[str]:
    shop = report.parts.shop
    names = [offer.scope]
    if shop is not None:
        names += [shop.economics.order_value, shop.economics.margin]
    return (name for name in names if name is not None)
