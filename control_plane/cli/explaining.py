"""`proffer explain`: why each offer is, or is not, what a slot shows; or what a policy holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Struct

from control_plane.batch import money_text
from control_plane.cli.listing import tell_policy
from control_plane.cli.policies import load_policy, readable
from control_plane.cli.requests import Asked, read_request
from control_plane.cli.terminal import Json, Plain, Refused, Terminal
from edge.decision.bundle import Bundle
from edge.decision.explain import ArmExplained, SlotExplained, explain
from edge.decision.hashing import T
from edge.decision.repair import Change
from policy_compiler.diagnostics import did_you_mean


class ExplainDocument(Struct, frozen=True, kw_only=True):
    """What --json prints for a request; money in micros, tickets out of 2^20."""

    bundle: str
    slots: list[SlotExplained]
    ignored: list[str]


def explain_command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Catalog folder, bundle file, or the data folder of a control plane.",
        ),
    ],
    request: Annotated[
        Path | None, typer.Argument(metavar="REQUEST", help="The request as JSON; - reads stdin.")
    ] = None,
    offer: Annotated[str, typer.Option(help="Only this offer  [all].")] = "",
    json: Json = False,
    plain: Plain = False,
) -> None:
    """Say for every offer why a slot shows it, or why not.

    Also what would change that.  Runs the same function as decide.  Without REQUEST
    lists what the policy holds: offers with rules, costs and limits, placements, models,
    sizes.

    Exit codes: 0 explained; 1 policy or request was refused, or there is no such offer;
    3 a file cannot be read.
    """
    terminal = Terminal(json, plain)
    policy = load_policy(source)
    _check_offer(policy.bundle, offer)
    with readable(str(source)):
        if request is None:
            tell_policy(terminal, policy.bundle, offer)
        else:
            _explain(terminal, read_request(policy, request), offer)


def _check_offer(bundle: Bundle, offer: str) -> None:
    known = [bundle.text(row) for row in bundle.tables.offer_name]
    if offer and offer not in known:
        help = did_you_mean(offer, known) or "Run `proffer explain` without --offer to see all."
        raise Refused(f"There is no offer {offer!r} in this policy.", help)


# --- one request --------------------------------------------------------------


def _explain(terminal: Terminal, asked: Asked, offer: str) -> None:
    slots = [_only(slot, offer) for slot in explain(asked.bundle, asked.block, asked.request)]
    for slot in slots:
        _tell_slot(terminal, asked.bundle, slot)
    for name in asked.ignored:
        terminal.note(f"The policy does not read `{name}`; it was ignored.", "yellow")
    digest = asked.bundle.digest.hex()
    terminal.result(ExplainDocument(bundle=digest, slots=slots, ignored=asked.ignored))


def _only(slot: SlotExplained, offer: str) -> SlotExplained:
    arms = tuple(arm for arm in slot.arms if not offer or arm.arm.split("/")[0] == offer)
    return SlotExplained(
        placement=slot.placement,
        slot=slot.slot,
        reason=slot.reason,
        shown=slot.shown,
        would_show=slot.would_show,
        arms=arms,
    )


def _tell_slot(terminal: Terminal, bundle: Bundle, slot: SlotExplained) -> None:
    shows = "its default" if slot.shown == "none" else slot.shown
    would = f"; would show {slot.would_show}" if slot.would_show != slot.shown else ""
    terminal.say(f"{slot.placement}/{slot.slot} shows {shows} ({slot.reason}{would})", "bold")
    for arm in slot.arms:
        _tell_arm(terminal, bundle, arm)
    terminal.say()


def _tell_arm(terminal: Terminal, bundle: Bundle, arm: ArmExplained) -> None:
    candidate = arm.reason == "CANDIDATE"
    terminal.say(f"  {arm.arm}: {arm.reason}", "green" if candidate else "")
    if arm.because:
        terminal.say(f"    {arm.because}")
    if not _told_already(arm):
        terminal.say(f"    To change that: {'; '.join(arm.flips)}.")
    if arm.changes:
        said = "Tried" if arm.still else "Enough would be"
        terminal.say(f"    {said}: {', '.join(map(_change, arm.changes))}.")
    if arm.still:
        terminal.say(f"    Even so: {arm.still}")
    if arm.score_micros is not None:
        terminal.say(f"    {_numbers(bundle, arm)}")
    if arm.parts:
        parts = ", ".join(f"{part.name} {_signed(part.micros)}" for part in arm.parts)
        terminal.say(f"    score is made of: {parts}")


def _told_already(arm: ArmExplained) -> bool:
    """Whether the reason itself says all that would have to change."""
    return len(arm.flips) == 0 or (len(arm.flips) == 1 and arm.because.startswith(arm.flips[0]))


def _change(change: Change) -> str:
    if change.to is None:
        return f"{change.attribute} not sent"
    return f"{change.attribute} = {msgspec.json.encode(change.to).decode()}"


def _numbers(bundle: Bundle, arm: ArmExplained) -> str:
    score = _micros(arm.score_micros or 0)
    costs = "?" if arm.incentive_micros is None else money_text(bundle, arm.incentive_micros)
    chance = f", drawn {arm.tickets / T:.2%} of the time" if arm.tickets else ""
    return f"score {score}, costs {costs} {bundle.notes.currency}{chance}"


def _signed(value: int) -> str:
    return _micros(value) if value < 0 else f"+{_micros(value)}"


def _micros(value: int) -> str:
    sign = "-" if value < 0 else ""
    return f"{sign}{abs(value) // 1_000_000}.{abs(value) % 1_000_000:06d}"
