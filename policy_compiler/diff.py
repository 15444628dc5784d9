"""What differs between two policies, in business words.

Both are read as listings (`explain.py`), so that what is compared is what edges run, and
each difference is said once, where its reader looks for it:

    shop        currency, locales, the global holdout
    attributes  what a decision reads
    placements  title, slots, policy, holdout, weights moved
    offers      added, removed; who is eligible, sizes and costs, guardrails, caps,
                window, redemption, texts
    models      terms and weights

Who is eligible is compared by meaning.  Both rules are lowered to clauses over the cells
that either of them mentions; a policy is *wider* if each clause of the old one holds only
where one of the new ones does.  That is proved or not said: rules that are neither
provably wider nor narrower have *changed*, with the parts that came and went.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct, structs

from edge.decision.bundle import Bundle
from policy_compiler.diff_rules import compare_rules
from policy_compiler.explain import list_policy, rules_of
from policy_compiler.explain_words import Words, moment
from policy_compiler.listed import (
    ModelListed,
    OfferListed,
    PlacementListed,
    PolicyListed,
    Rules,
    RungListed,
)

What = Literal["added", "removed", "changed", "widened", "narrowed", "moved"]


class Change(Struct, frozen=True, kw_only=True):
    """One difference.  `subject`: what it is about, such as `offer welcome`; `text`: the
    difference in words; `before` and `after` as in the listings, where that says more."""

    subject: str
    what: What
    text: str
    before: str = ""
    after: str = ""


class Difference(Struct, frozen=True, kw_only=True):
    """Digests in hexadecimal, sizes in bytes; no changes exactly if the bundles are equal."""

    before: str
    after: str
    size_before_bytes: int
    size_after_bytes: int
    changes: list[Change]


def diff(before: Bundle, after: Bundle) -> Difference:
    """All that differs, in the order of the listing."""
    old, new = list_policy(before), list_policy(after)
    changes = [
        *_shop(before, after, old, new),
        *_attributes(before, after),
        *_placements(old, new),
        *_offers(old, new, before, after),
        *_models(old, new),
    ]
    if not changes and old.bundle != new.bundle:
        changes = [_unnamed(before, after)]
    return Difference(
        before=old.bundle,
        after=new.bundle,
        size_before_bytes=old.size_bytes,
        size_after_bytes=new.size_bytes,
        changes=changes,
    )


def _unnamed(before: Bundle, after: Bundle) -> Change:
    """Differences that no listing tells, such as rounding: the columns that hold them."""
    names = [
        name
        for name in structs.asdict(before.tables)
        if bytes(getattr(before.tables, name)) != bytes(getattr(after.tables, name))
    ]
    return Change(subject="bundle", what="changed", text=f"values of {', '.join(names)} changed")


# --- comparing values ---------------------------------------------------------


def _value(subject: str, name: str, old: object, new: object) -> Iterator[Change]:
    if old != new:
        said, now = str(old) or "none", str(new) or "none"
        text = f"{name}: {said} -> {now}"
        yield Change(subject=subject, what="changed", text=text, before=str(old), after=str(new))


def _fields(subject: str, old: Struct, new: Struct, names: Mapping[str, str]) -> Iterator[Change]:
    for field, name in names.items():
        yield from _value(subject, name, getattr(old, field), getattr(new, field))


def _names(subject: str, verb: str, old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    """Lists of which each entry says one thing: what came and what went."""
    had, has = list(old), list(new)
    for each in has:
        if each not in had:
            yield Change(subject=subject, what="added", text=f"{verb} now: {each}", after=each)
    for each in had:
        if each not in has:
            text = f"{verb} no longer: {each}"
            yield Change(subject=subject, what="removed", text=text, before=each)


def _shop(
    before: Bundle, after: Bundle, old: PolicyListed, new: PolicyListed
) -> Iterator[Change]:  # fmt: skip
    names = {
        "tenant": "tenant", "title": "title", "currency": "currency", "projection": "projection",
        "global_holdout": "global holdout", "global_salt": "salt of the global holdout",
    }  # fmt: skip
    yield from _fields("shop", old, new, names)
    yield from _names("shop", "speaks", before.notes.locales, after.notes.locales)


def _attributes(before: Bundle, after: Bundle) -> Iterator[Change]:
    had, has = (
        {words.attribute(row): words.declared(row) for row in range(bundle.rows["attribute"])}
        for bundle in (before, after)
        for words in [Words(bundle)]
    )

    def compare(subject: str, old: str, new: str) -> Iterator[Change]:
        yield from _value(subject, "declared", old, new)

    yield from _matched("attribute", had, has, lambda words: words, compare)


def _matched(
    kind: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    about: Callable[[Any], str],
    compare: Callable[[str, Any, Any], Iterator[Change]],
) -> Iterator[Change]:
    """Objects by name: added, removed, or compared."""
    for name, object in new.items():
        if name not in old:
            yield Change(subject=f"{kind} {name}", what="added", text=about(object))
    for name, object in old.items():
        if name not in new:
            yield Change(subject=f"{kind} {name}", what="removed", text=about(object))
    for name, object in new.items():
        if name in old:
            yield from compare(f"{kind} {name}", old[name], object)


# --- placements ---------------------------------------------------------------


def _placements(old: PolicyListed, new: PolicyListed) -> Iterator[Change]:
    yield from _matched(
        "placement",
        {each.name: each for each in old.placements},
        {each.name: each for each in new.placements},
        lambda placement: f"{placement.title}, {placement.policy}",
        _placement,
    )


def _placement(subject: str, old: PlacementListed, new: PlacementListed) -> Iterator[Change]:
    names = {
        "title": "title", "slots": "slots", "rank": "rank", "box": "box", "policy": "policy",
        "keyed_on": "keyed on", "holdout": "holdout",
        "choice_salt": "choice salt", "holdout_salt": "holdout salt",
    }  # fmt: skip
    yield from _fields(subject, old, new, names)
    for segment in dict.fromkeys([*old.weights, *new.weights]):
        yield from _weights(
            subject, segment, old.weights.get(segment, {}), new.weights.get(segment, {})
        )


def _weights(
    subject: str, segment: str, old: Mapping[str, str], new: Mapping[str, str]
) -> Iterator[Change]:
    for arm in dict.fromkeys([*old, *new]):
        had, has = old.get(arm, "0 %"), new.get(arm, "0 %")
        if had != has:
            text = f"share of {arm} for {segment}: {had} -> {has}"
            yield Change(subject=subject, what="moved", text=text, before=had, after=has)


# --- offers -------------------------------------------------------------------


def _offers(
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

    yield from _matched("offer", had, has, _about_offer, compare)
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
            yield from _value(
                subject, f"{tier} (same meaning)", *(getattr(offer, tier) for offer in listed)
            )
        return
    parts = [f"no longer asks: {part}" for part in found.gone]
    parts += [f"now asks: {part}" for part in found.come]
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
    yield from _fields(subject, old, new, names)
    if old.paused != new.paused:
        text = "paused" if new.paused else "no longer paused"
        yield Change(subject=subject, what="changed", text=text)
    elif not new.paused:
        yield from _value(subject, "window", _window(old), _window(new))
    yield from _names(subject, "offered at", old.placements, new.placements)
    yield from _rungs(subject, old.rungs, new.rungs)
    yield from _names(subject, "cap", old.caps, new.caps)
    yield from _names(subject, "redemption", old.redemption, new.redemption)
    yield from _names(subject, "terms", old.terms, new.terms)
    alone = [[name for name in offer.alone_among if name in common] for offer in (old, new)]
    yield from _names(subject, "excludes", *alone)
    yield from _texts(subject, old, new)


def _window(offer: OfferListed) -> str:
    return f"{moment(offer.from_s)} until {moment(offer.until_s)}"


def _rungs(subject: str, old: list[RungListed], new: list[RungListed]) -> Iterator[Change]:
    def compare(rung: str, one: RungListed, other: RungListed) -> Iterator[Change]:
        names = {"costs": f"{rung} costs", "depth": f"{rung} depth"}
        names |= {"expected_cost": f"{rung} expected cost per showing"}
        yield from _fields(subject, one, other, names)
        yield from _names(subject, f"{rung} guardrail", one.limits, other.limits)

    had, has = {r.id: r for r in old}, {r.id: r for r in new}
    for change in _matched("size", had, has, lambda rung: f"costs {rung.costs}", compare):
        if change.subject == subject:
            yield change
        else:  # the size itself came or went
            text = f"{change.subject} {change.what}: {change.text}"
            yield structs.replace(change, subject=subject, text=text)


def _texts(subject: str, old: OfferListed, new: OfferListed) -> Iterator[Change]:
    had, has = _flat(old), _flat(new)
    for place in dict.fromkeys([*had, *has]):
        yield from _value(subject, f"text {place}", had.get(place, ""), has.get(place, ""))


def _flat(offer: OfferListed) -> dict[str, str]:
    return {
        f"{placement}/{locale} {field}": text
        for placement, locales in offer.texts.items()
        for locale, creative in locales.items()
        for field, text in creative.items()
    }


# --- models -------------------------------------------------------------------


def _models(old: PolicyListed, new: PolicyListed) -> Iterator[Change]:
    """Models have no names in a bundle: each by the placements that use it."""
    had, has = _by_use(old), _by_use(new)
    for use, model in has.items():
        if (was := had.get(use)) is not None:
            yield from _model(f"model of {use}", was, model)


def _by_use(policy: PolicyListed) -> dict[str, ModelListed]:
    used = {p.name: policy.models[p.model] for p in policy.placements if p.model is not None}
    return dict(sorted(used.items()))


def _model(subject: str, old: ModelListed, new: ModelListed) -> Iterator[Change]:
    yield from _fields(subject, old, new, {"link": "link", "constant": "constant"})
    for arm in dict.fromkeys([*old.arms, *new.arms]):
        had, has = old.arms.get(arm, "0"), new.arms.get(arm, "0")
        if had != has:
            text = f"weight of {arm}: {had} -> {has}"
            yield Change(subject=subject, what="moved", text=text, before=had, after=has)
    had, has = _terms(old), _terms(new)
    yield from _names(subject, "weighs", had, has)
    for term, weights in has.items():
        for arm, values in weights.items():
            was = had.get(term, {}).get(arm)
            if was is not None and was != values:
                text = f"weights of {term} for {arm}: {', '.join(was)} -> {', '.join(values)}"
                yield Change(subject=subject, what="moved", text=text)


def _terms(model: ModelListed) -> dict[str, dict[str, list[str]]]:
    return {f"{term.over} as {term.role}": term.weights for term in model.terms}
