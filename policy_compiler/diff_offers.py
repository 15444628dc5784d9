"""What differs between the offers of two policies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs

from edge.decision.bundle import Bundle
from policy_compiler.changes import Change, by_entry, by_field, by_name, by_value
from policy_compiler.diff_rules import compare_rules
from policy_compiler.explain import rules_of
from policy_compiler.explain_words import moment
from policy_compiler.listed import OfferListed, PolicyListed, Rules, RungListed


def offer_changes(
    old: PolicyListed, new: PolicyListed, before: Bundle, after: Bundle
) -> Iterator[Change]:
    had, has = {o.id: o for o in old.offers}, {o.id: o for o in new.offers}
    rules, rules_now = rules_of(before), rules_of(after)
    common = [name for name in has if name in had]

    def compare(subject: str, one: OfferListed, other: OfferListed) -> Iterator[Change]:
        yield from _eligibility(
            subject, before, after, rules[one.id], rules_now[one.id], (one, other)
        )
        yield from _offer(subject, one, other, common)

    yield from by_name("offer", had, has, _about_offer, compare)
    order = [name for name in had if name in has]
    if order != common:
        first = next(now for now, was in zip(common, order, strict=True) if now != was)
        text = f"order among equals changed; the first to move: {first}"
        yield Change(subject="offers", what="moved", text=text)


def _about_offer(offer: OfferListed) -> str:
    sizes = "; ".join(f"{rung.id} costs {rung.costs}" for rung in offer.rungs)
    return f"{offer.title} ({offer.kind}) at {', '.join(offer.placements)}: {sizes}"


def _eligibility(
    subject: str,
    before: Bundle,
    after: Bundle,
    old: Rules,
    new: Rules,
    listed: tuple[OfferListed, OfferListed],
) -> Iterator[Change]:
    found = compare_rules(before, after, old, new)
    if found is None:
        for tier in ("eligible", "applicable", "suitable", "daypart"):
            yield from by_value(
                subject, f"{tier} (same meaning)", *(getattr(offer, tier) for offer in listed)
            )
        return
    parts = [f"no longer asks: {part}" for part in found.gone]
    parts += [f"now asks: {part}" for part in found.come]
    parts += [f"{name} is declared otherwise" for name in found.declared]
    words = {"widened": "more may get it", "narrowed": "fewer may get it"}
    text = "; ".join([words.get(found.what, "who may get it changed"), *parts])
    yield Change(
        subject=subject, what=found.what, text=text,
        before=" && ".join(found.gone), after=" && ".join(found.come),
    )  # fmt: skip


def _offer(
    subject: str, old: OfferListed, new: OfferListed, common: Sequence[str]
) -> Iterator[Change]:
    names = {"title": "title", "kind": "kind", "scope": "scope", "budget": "budget"}
    yield from by_field(subject, old, new, names)
    if old.paused != new.paused:
        text = "paused" if new.paused else "no longer paused"
        yield Change(subject=subject, what="changed", text=text)
    elif not new.paused:
        yield from by_value(subject, "window", _window(old), _window(new))
    yield from by_entry(subject, "offered at", old.placements, new.placements)
    yield from _rungs(subject, old.rungs, new.rungs)
    yield from by_entry(subject, "cap", old.caps, new.caps)
    yield from by_entry(subject, "redemption", old.redemption, new.redemption)
    yield from by_entry(subject, "terms", old.terms, new.terms)
    alone = [[name for name in offer.alone_among if name in common] for offer in (old, new)]
    yield from by_entry(subject, "excludes", *alone)
    yield from _texts(subject, old, new)


def _window(offer: OfferListed) -> str:
    return f"{moment(offer.from_s)} until {moment(offer.until_s)}"


def _rungs(subject: str, old: list[RungListed], new: list[RungListed]) -> Iterator[Change]:
    def compare(rung: str, one: RungListed, other: RungListed) -> Iterator[Change]:
        names = {"costs": f"{rung} costs", "depth": f"{rung} depth"}
        names |= {"expected_cost": f"{rung} expected cost per showing"}
        yield from by_field(subject, one, other, names)
        yield from by_entry(subject, f"{rung} guardrail", one.limits, other.limits)
        yield from _sizes(subject, rung, one, other)

    had, has = {r.id: r for r in old}, {r.id: r for r in new}
    for change in by_name("size", had, has, lambda rung: f"costs {rung.costs}", compare):
        if change.subject == subject:
            yield change
        else:  # the size itself came or went
            text = f"{change.subject} {change.what}: {change.text}"
            yield structs.replace(change, subject=subject, text=text)


def _sizes(subject: str, rung: str, old: RungListed, new: RungListed) -> Iterator[Change]:
    """What texts speak of, unless the cost says the same."""
    in_costs = ("percent", "amount", "cap") if old.costs != new.costs else ()
    for name in dict.fromkeys([*old.sizes, *new.sizes]):
        if name not in in_costs:
            had, has = old.sizes.get(name, ""), new.sizes.get(name, "")
            yield from by_value(subject, f"{rung} {name}", had, has)


def _texts(subject: str, old: OfferListed, new: OfferListed) -> Iterator[Change]:
    had, has = _flat(old), _flat(new)
    for place in dict.fromkeys([*had, *has]):
        yield from by_value(subject, f"text {place}", had.get(place, ""), has.get(place, ""))


def _flat(offer: OfferListed) -> dict[str, str]:
    return {
        f"{placement}/{locale} {field}": text
        for placement, locales in offer.texts.items()
        for locale, creative in locales.items()
        for field, text in creative.items()
    }
