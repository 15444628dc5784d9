"""The closed list of reasons: why a slot shows what it shows, and why an arm was out.

Numbers are part of the verdict's format and never change their meaning.
"""

from __future__ import annotations

from enum import IntEnum


class Reason(IntEnum):
    """Why a slot shows what it shows."""

    BEST = 1
    """The best arm by the placement's choice policy."""
    EXPLORED = 2
    """An arm that was drawn although another is thought better."""
    KEPT = 3
    """The arm that this unit drew earlier in this epoch."""
    NONE_WON = 4
    """There were candidates, and showing nothing won."""
    NO_CANDIDATE = 5
    """No arm is eligible and within its guardrails."""
    HOLDOUT = 6
    """This unit is in the placement's holdout."""
    GLOBAL_HOLDOUT = 7
    """This unit is in the global control group."""
    NO_CONSENT = 8
    """Consent `none`: defaults only."""
    NO_CUSTOMER = 9
    """The placement is keyed on customers and this one is unknown."""
    STALE = 10
    """The manifest has expired."""
    PAUSED = 11
    """The placement is paused."""
    # Only hosts give these, never a verdict:
    UNKNOWN_PLACEMENT = 32
    NO_POLICY = 33
    BAD_REQUEST = 34
    FAILED = 35
    NOT_CONFIRMED = 36
    """A browser's choice that the edge, asked for a token, did not confirm."""


class ArmReason(IntEnum):
    """Why an arm is or is not a candidate; only explanations name these."""

    CANDIDATE = 0
    NOT_ELIGIBLE = 1
    NOT_APPLICABLE = 2
    NOT_SUITABLE = 3
    NOT_OFFERED_HERE = 4
    OUTSIDE_WINDOW = 5
    POLICY_TOO_OLD = 6
    ARM_PAUSED = 7
    CAP_REACHED = 8
    CAP_UNKNOWN = 9
    """A strict cap, and the state is missing or had to drop entries."""
    NEEDS_IDENTITY = 10
    """Capped or worth money, and the unit is a page session (consent `contextual`)."""
    OFFER_TAKEN = 11
    GROUP_TAKEN = 12
    NOT_STACKABLE = 13
    TAKEN_UNKNOWN = 14
    """An earlier call of this page view took an arm that this policy does not have."""
    COST_UNKNOWN = 15
    """The incentive's cost or the cart's margin cannot be computed."""
    OVER_CEILING = 16
    UNDER_FLOOR = 17
    BELOW_NONE = 18
    """Scores worse than showing nothing by more than the placement may lose."""
    NOT_AMONG_BEST = 19
    """More than 31 candidates score better."""
