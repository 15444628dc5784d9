"""What differs between two catalogs and is in no edge's bundle: what the control plane,
pages or authors read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policy_compiler.catalog import Budget, Catalog, Group, Offer, Placement, Shop
from policy_compiler.changes import Change, by_entry, by_field, by_name, by_value
from policy_compiler.explain_words import duration


def catalog_changes(before: Catalog, after: Catalog, told: set[str]) -> Iterator[Change]:
    """`told`: subjects of which the bundles have told already."""
    yield from _shop(before.shop, after.shop)
    attributes = (
        [n for n in c.attributes if f"attribute {n}" not in told] for c in (before, after)
    )
    yield from by_entry("catalog", "declares an attribute that nothing reads,", *attributes)
    yield from by_entry("catalog", "holds the model", before.models, after.models)
    yield from by_entry("catalog", "holds the rule", before.rules, after.rules)
    yield from by_name("placement", *_common(before.placements, after.placements), str, _placement)
    offers = ({offer.id: offer for offer in each.offers} for each in (before, after))
    yield from by_name("offer", *_common(*offers), str, _offer)
    yield from by_name("group", before.groups, after.groups, _about_group, _group)
    yield from by_name("budget", before.budgets, after.budgets, _about_budget, _budget)


def _shop(old: Shop, new: Shop) -> Iterator[Change]:
    yield from by_value("shop", "time zone of its catalog", old.zone, new.zone)
    yield from by_entry("shop", "links may lead to", old.hosts, new.hosts)


def _common(old: Mapping, new: Mapping) -> tuple[Mapping, Mapping]:
    """Objects of both: that others came or went, bundles tell."""
    return ({n: old[n] for n in new if n in old}, {n: new[n] for n in new if n in old})


def _placement(subject: str, old: Placement, new: Placement) -> Iterator[Change]:
    yield from by_value(subject, "stands on", _pages(old), _pages(new))


def _pages(placement: Placement) -> str:
    return ", ".join(placement.pages) or "any page"


def _offer(subject: str, old: Offer, new: Offer) -> Iterator[Change]:
    names = {"priority": "priority", "group": "group", "purpose": "purpose"}
    yield from by_field(subject, old, new, names)


def _about_group(group: Group) -> str:
    return group.title or "an exclusivity group"


def _group(subject: str, old: Group, new: Group) -> Iterator[Change]:
    yield from by_value(subject, "title", old.title, new.title)


def _about_budget(budget: Budget) -> str:
    return f"{budget.amount} in {duration(budget.period_s)}"


def _budget(subject: str, old: Budget, new: Budget) -> Iterator[Change]:
    yield from by_value(subject, "amount", old.amount, new.amount)
    yield from by_value(subject, "period", duration(old.period_s), duration(new.period_s))
