"""What was taken on this page already, and what that excludes.

Two *tracks* are walked for a page: the *shown* track, where held-out units take
nothing, and the *ghost* track, as if no holdout applied.  Each has its own `Page`.

An arm is excluded if its offer is taken already, if an offer of its exclusivity
group is, or if either it or anything taken is not stackable.  After an arm that
this policy does not know, everything is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from . import tables as t
from .guardrails import NO_FLOOR
from .reasons import ArmReason
from .request import UNKNOWN_ARM

if TYPE_CHECKING:
    from .bundle import Bundle


class Page(Struct):
    """Arms taken so far on one track, what they may cost in micros (None: unknown), and
    the highest margin floor among them.
    """

    arms: list[int]
    micros: int | None = 0
    floor: int = NO_FLOOR

    def take(self, arm: int, incentive: int | None, floor: int = NO_FLOOR) -> None:
        if not arm:
            return
        self.arms.append(arm)
        self.floor = max(self.floor, floor)
        if self.micros is not None:
            self.micros = None if incentive is None else self.micros + incentive


def exclusion(bundle: Bundle, page: Page, offer: int) -> ArmReason:
    """CANDIDATE, or why what is taken excludes this offer."""
    tables = bundle.tables
    group, flags = tables.offer_group[offer], tables.offer_flags[offer]
    for arm in page.arms:
        if arm == UNKNOWN_ARM:
            return ArmReason.TAKEN_UNKNOWN
        other = tables.rung_offer[arm - 1]
        if other == offer:
            return ArmReason.OFFER_TAKEN
        if group and tables.offer_group[other] == group:
            return ArmReason.GROUP_TAKEN
        if not flags & tables.offer_flags[other] & t.STACKABLE:
            return ArmReason.NOT_STACKABLE
    return ArmReason.CANDIDATE
