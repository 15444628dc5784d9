"""What differs between two policies, in business words.

Both are read as listings (`explain.py`), so that what is compared is what edges run, and
each difference is said once, where its reader looks for it:

    shop        currency, locales, the global holdout, economics
    attributes  what a decision reads: declarations, enumerations
    placements  title, slots, policy, holdout, weights moved
    offers      added, removed; who is eligible, sizes and costs, guardrails, caps,
                window, redemption, texts                         diff_offers.py
    models      terms and weights
    the rest    what no listing shows, or only rounded            diff_rest.py
    catalogs    what an edge's bundle does not hold               diff_catalogs.py

Who is eligible is compared by meaning (`diff_rules.py`).  Both rules are lowered to clauses
over the cells that either of them mentions; a policy is *wider* if each clause of the old one
holds only where one of the new ones does, and no attribute that it reads has a value less
often.  That is proved or not said: rules that are neither provably wider nor narrower have
*changed*, with the parts that came and went.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from edge.decision.bundle import Bundle
from edge.decision.facts import check_readable
from policy_compiler.catalog import Catalog
from policy_compiler.changes import Change, by_entry, by_field, by_name, by_value
from policy_compiler.diff_catalogs import catalog_changes
from policy_compiler.diff_offers import offer_changes
from policy_compiler.diff_rest import rest
from policy_compiler.explain import list_policy
from policy_compiler.explain_words import duration
from policy_compiler.listed import AttributeListed, ModelListed, PlacementListed, PolicyListed

__all__ = ["Change", "Difference", "diff"]


class Difference(Struct, frozen=True, kw_only=True):
    """Digests in hexadecimal, sizes in bytes; bundles that differ have changes."""

    before: str
    after: str
    size_before_bytes: int
    size_after_bytes: int
    changes: list[Change]


def diff(
    before: Bundle, after: Bundle, *, catalogs: tuple[Catalog, Catalog] | None = None
) -> Difference:
    """All that differs, in the order of the listing.  Raises `BundleError`.

    `catalogs`: those that the bundles were compiled from, where both are at hand.
    """
    check_readable(before)
    check_readable(after)
    old, new = list_policy(before), list_policy(after)
    changes = [
        *_shop(before, after, old, new),
        *_attributes(old, new),
        *_placements(old, new),
        *offer_changes(old, new, before, after),
        *_models(old, new),
    ]
    changes += rest(before, after, changes)
    if catalogs is not None:
        changes += catalog_changes(*catalogs, {change.subject for change in changes})
    return Difference(
        before=old.bundle,
        after=new.bundle,
        size_before_bytes=old.size_bytes,
        size_after_bytes=new.size_bytes,
        changes=changes,
    )


def _shop(
    before: Bundle, after: Bundle, old: PolicyListed, new: PolicyListed
) -> Iterator[Change]:  # fmt: skip
    names = {
        "tenant": "tenant", "title": "title", "currency": "currency", "projection": "projection",
        "global_holdout": "global holdout", "global_salt": "salt of the global holdout",
        "clocks": "time zones",
    }  # fmt: skip
    yield from by_field("shop", old, new, names)
    names = {
        "order_value": "order value", "order_value_otherwise": "order value without a cart",
        "margin": "margin", "margin_percent": "margin where none is sent",
        "minor_digits": "digits of the currency", "rounding": "rounding of the currency",
        "score_unit": "smallest step of a score",
    }  # fmt: skip
    yield from by_field("shop", old.economics, new.economics, names)
    yield from by_entry("shop", "speaks", before.notes.locales, after.notes.locales)


def _attributes(old: PolicyListed, new: PolicyListed) -> Iterator[Change]:
    def compare(subject: str, one: AttributeListed, other: AttributeListed) -> Iterator[Change]:
        yield from by_field(subject, one, other, {"declared": "declared", "describe": "meaning"})
        yield from by_entry(subject, "value", one.values, other.values)

    had, has = ({each.name: each for each in listed.attributes} for listed in (old, new))
    yield from by_name("attribute", had, has, lambda each: each.declared, compare)


# --- placements ---------------------------------------------------------------


def _placements(old: PolicyListed, new: PolicyListed) -> Iterator[Change]:
    yield from by_name(
        "placement",
        {each.name: each for each in old.placements},
        {each.name: each for each in new.placements},
        lambda placement: f"{placement.title}, {placement.policy}",
        _placement,
    )


def _placement(subject: str, old: PlacementListed, new: PlacementListed) -> Iterator[Change]:
    names = {
        "title": "title", "channel": "channel", "slots": "slots", "rank": "rank", "box": "box",
        "policy": "policy", "segment": "shares go by", "keyed_on": "keyed on", "holdout": "holdout",
        "choice_salt": "choice salt", "holdout_salt": "holdout salt",
    }  # fmt: skip
    yield from by_field(subject, old, new, names)
    if old.policy == new.policy:  # else its words say how long choices are kept
        kept = (duration(old.epoch_s), duration(new.epoch_s))
        yield from by_value(subject, "choices are kept for", *kept)
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
    yield from by_field(subject, old, new, {"link": "link", "constant": "constant"})
    for arm in dict.fromkeys([*old.arms, *new.arms]):
        had, has = old.arms.get(arm, "0"), new.arms.get(arm, "0")
        if had != has:
            text = f"weight of {arm}: {had} -> {has}"
            yield Change(subject=subject, what="moved", text=text, before=had, after=has)
    had, has = _terms(old), _terms(new)
    yield from by_entry(subject, "weighs", had, has)
    for term, weights in has.items():
        for arm, values in weights.items():
            was = had.get(term, {}).get(arm)
            if was is not None and was != values:
                text = f"weights of {term} for {arm}: {', '.join(was)} -> {', '.join(values)}"
                yield Change(subject=subject, what="moved", text=text)


def _terms(model: ModelListed) -> dict[str, dict[str, list[str]]]:
    return {f"{term.over} as {term.role}": term.weights for term in model.terms}
