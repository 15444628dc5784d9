"""The steps of a ramp: shares of the units that only grow, each held for a while."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Annotated

from msgspec import Meta, Struct

from control_plane.issuing import PublishRefused
from edge.decision.hashing import T

STEPS_MAX = 20
HOLD_MAX_S = 90 * 86400


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share of the units, out of 1, and how long it is held before the next one."""

    share: Annotated[float, Meta(gt=0, lt=1)]
    hold_s: Annotated[int, Meta(ge=1, le=HOLD_MAX_S)]


STEPS = (
    Step(share=0.01, hold_s=3600),
    Step(share=0.05, hold_s=6 * 3600),
    Step(share=0.25, hold_s=24 * 3600),
    Step(share=0.5, hold_s=24 * 3600),
)
"""Where nobody says otherwise."""


def check_steps(steps: tuple[Step, ...]) -> None:
    """Raises `PublishRefused` unless shares grow from above 0 to below 1, and times are sane."""
    shares = [tickets(step) for step in steps]
    grow = all(a < b for a, b in pairwise([0, *shares, T]))
    if not 1 <= len(steps) <= STEPS_MAX or not grow:
        raise PublishRefused(
            f"these are no steps of a ramp: {', '.join(map(percent, steps)) or 'none'}",
            f"Give 1 to {STEPS_MAX} shares between 0 and 1, each larger than the one before.",
        )
    if any(not 1 <= step.hold_s <= HOLD_MAX_S for step in steps):
        raise PublishRefused(
            "a step is held for less than a second or more than 90 days", "Correct its `hold_s`."
        )


def tickets(step: Step) -> int:
    """The share out of T, rounded down; NaN and the like are no share."""
    return int(Fraction(step.share) * T) if 0 < step.share < 1 else 0


def percent(step: Step) -> str:
    return f"{100 * step.share:g} %"
