"""`proffer explain` without a request: what a policy holds, for people."""

from __future__ import annotations

from msgspec import structs

from control_plane.cli.counting import counted
from control_plane.cli.terminal import Terminal
from edge.decision.bundle import Bundle
from policy_compiler.explain import list_policy
from policy_compiler.explain_words import moment
from policy_compiler.listed import (
    ModelListed,
    OfferListed,
    PlacementListed,
    PolicyListed,
    RungListed,
)

TIERS = ("eligible", "applicable", "suitable", "daypart")
TEXTS = ("headline", "body", "cta", "href")


def tell_policy(terminal: Terminal, bundle: Bundle, offer: str) -> None:
    """All of it, or one offer alone."""
    listed = list_policy(bundle)
    kept = [each for each in listed.offers if not offer or each.id == offer]
    _head(terminal, listed)
    for each in kept:
        _offer(terminal, each)
    if not offer:
        _rest(terminal, listed)
    terminal.result(structs.replace(listed, offers=kept))


def _head(terminal: Terminal, listed: PolicyListed) -> None:
    terminal.say(
        f"{listed.title} ({listed.tenant}), {listed.currency}, {listed.projection}"
        f" bundle {listed.bundle}, {listed.size_bytes:,} bytes",
        "bold",
    )
    if listed.global_holdout:
        terminal.say(f"Sees no offers at all: {listed.global_holdout}")
    _shop(terminal, listed)


def _rest(terminal: Terminal, listed: PolicyListed) -> None:
    for placement in listed.placements:
        _placement(terminal, placement)
    for number, model in enumerate(listed.models):
        used = [p.name for p in listed.placements if p.model == number]
        _model(terminal, model, used)
    terminal.say()
    terminal.say("Bytes by what they hold", "bold")
    terminal.table(("part", "bytes"), [(each.part, each.size_bytes) for each in listed.sizes])


def _shop(terminal: Terminal, listed: PolicyListed) -> None:
    money = listed.economics
    if money.order_value:
        absent = f"{money.order_value_otherwise} without a cart"
        terminal.say(f"A cart is worth {money.order_value}, or {absent}")
        margin = f"{money.margin}, or " if money.margin else ""
        terminal.say(f"Its margin is {margin}{money.margin_percent} of that")
    terminal.say(f"Money has {counted(money.minor_digits, 'digit')}, rounded {money.rounding}")
    if listed.clocks:
        terminal.say(f"Clocks go by {listed.clocks}")
    terminal.say("Reads:")
    for each in listed.attributes:
        values = f", one of {', '.join(each.values)}" if each.values else ""
        terminal.say(f"  {each.name}: {each.declared}{values}")


# --- one object ---------------------------------------------------------------


def _offer(terminal: Terminal, offer: OfferListed) -> None:
    terminal.say()
    terminal.say(f"{offer.id}: {offer.title} ({offer.kind})", "bold")
    sizes = ", ".join(rung.id for rung in offer.rungs)
    terminal.say(f"  sizes {sizes}; at {', '.join(offer.placements)}")
    if offer.paused:
        terminal.say("  paused", "yellow")
    elif offer.from_s is not None or offer.until_s is not None:
        terminal.say(f"  from {moment(offer.from_s)} until {moment(offer.until_s)}")
    for name in TIERS:
        if text := getattr(offer, name):
            terminal.say(f"  {name}: {text}")
    for rung in offer.rungs:
        terminal.say(f"  {rung.id} costs {rung.costs}{_months(rung)}")
        for limit in rung.limits:
            terminal.say(f"    {limit}")
    for said in (*offer.caps, *offer.redemption, *offer.terms):
        terminal.say(f"  {said}")
    if offer.alone_among:
        terminal.say(f"  never together with {', '.join(offer.alone_among)}")
    if offer.budget:
        terminal.say(f"  paid from the budget {offer.budget}")
    _texts(terminal, offer)


def _months(rung: RungListed) -> str:
    return f", over {rung.sizes['months']} months" if "months" in rung.sizes else ""


def _texts(terminal: Terminal, offer: OfferListed) -> None:
    for placement, locales in offer.texts.items():
        for locale, creative in locales.items():
            said = " | ".join(creative[field] for field in TEXTS if creative.get(field))
            terminal.say(f"  {placement}/{locale}: {said}")


def _placement(terminal: Terminal, placement: PlacementListed) -> None:
    terminal.say()
    terminal.say(f"{placement.name}: {placement.title}", "bold")
    box = f", {placement.box}" if placement.box else ""
    terminal.say(f"  {counted(placement.slots, 'slot')}{box}, rank {placement.rank}")
    by_segment = f", by {placement.segment}" if placement.segment else ""
    terminal.say(f"  {placement.policy}{by_segment}, drawn for each {placement.keyed_on}")
    if placement.holdout:
        terminal.say(f"  sees the default, to measure against: {placement.holdout}")
    for segment, shares in placement.weights.items():
        said = ", ".join(f"{arm} {share}" for arm, share in shares.items())
        terminal.say(f"  {segment}: {said or 'nothing'}")


def _model(terminal: Terminal, model: ModelListed, used: list[str]) -> None:
    terminal.say()
    terminal.say(f"Model of {', '.join(used) or 'no placement'} ({model.link})", "bold")
    arms = ", ".join(f"{arm} {weight}" for arm, weight in model.arms.items())
    terminal.say(f"  begins with {model.constant}" + (f"; {arms}" if arms else ""))
    for term in model.terms:
        terminal.say(f"  {term.role} over {term.over}")
        for arm, weights in term.weights.items():
            terminal.say(f"    {arm}: {', '.join(weights)}")
