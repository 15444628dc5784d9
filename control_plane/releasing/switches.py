"""Kill switches: what is paused, by name, in every manifest from now on.

    all          every placement shows its own default
    offers       an offer, in all its sizes
    rungs        one size of an offer, as "offer/rung"
    placements   a place on the page shows its own default

A switch is a signing like any other, and the shortest: no gate, no approval, one
transaction.  It holds over publishes, promotions, ramps and roll-backs until somebody takes
it back, even where the policy of now has no such offer any more.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from edge.decision.bundle import Bundle
from edge.decision.claims import Name, Paused

Names = Annotated[tuple[Name, ...], Meta(max_length=200)]


class Switch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to pause, or to resume."""

    all: bool = False
    offers: Names = ()
    rungs: Names = ()
    placements: Names = ()

    @property
    def told(self) -> str:
        """For people: `offer 'ten-off', placement 'hero'`."""
        names = [
            *(["everything"] if self.all else []),
            *(f"offer {name[:80]!r}" for name in self.offers),
            *(f"size {name[:160]!r}" for name in self.rungs),
            *(f"placement {name[:80]!r}" for name in self.placements),
        ]
        return ", ".join(names)


def flipped(paused: Paused, switch: Switch, off: bool) -> Paused:
    """What is paused once the switch's names are (`off`), or are no longer."""

    def names(before: tuple[str, ...], named: tuple[str, ...]) -> tuple[str, ...]:
        after = set(before) | set(named) if off else set(before) - set(named)
        return tuple(sorted(after))

    return Paused(
        all=off if switch.all else paused.all,
        offers=names(paused.offers, switch.offers),
        rungs=names(paused.rungs, switch.rungs),
        placements=names(paused.placements, switch.placements),
    )


def of_paused(paused: Paused) -> Switch:
    """Everything that is paused, as a switch that would pause it."""
    return Switch(
        all=paused.all,
        offers=paused.offers,
        rungs=paused.rungs,
        placements=paused.placements,
    )


def missing(there: Switch, asked: Switch) -> Switch:
    """The names that are asked for and not there."""
    return Switch(
        all=asked.all and not there.all,
        offers=_without(asked.offers, there.offers),
        rungs=_without(asked.rungs, there.rungs),
        placements=_without(asked.placements, there.placements),
    )


def names_in(*bundles: Bundle) -> Switch:
    """Everything that can be switched off in these policies."""
    arms = {name for bundle in bundles for name in bundle.arm_rows}
    places = {name for bundle in bundles for name in bundle.placement_rows}
    offers = {bundle.text(row) for bundle in bundles for row in bundle.tables.offer_name}
    return Switch(
        all=True,
        offers=tuple(sorted(offers)),
        rungs=tuple(sorted(arms - {"none"})),
        placements=tuple(sorted(places)),
    )


def _without(names: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in set(known))
