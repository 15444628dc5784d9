"""One call of `decide`, with what all of its slots share.

Costs and scores depend on the cart and the arm only, so they are computed once per
call and remembered here; the tracks and slots read them.
"""

from __future__ import annotations

from msgspec import Struct, field

from . import beacon
from . import tables as t
from .arbitration import Page
from .bundle import Bundle
from .guardrails import NO_FLOOR, Cart, cart_of, floor_of, incentive_of
from .hashing import word
from .manifest import ManifestBlock
from .request import CONTEXTUAL, NONE, UNKNOWN_ARM, Request
from .situation import Situation, situate
from .state import Kept, State


class Slot(Struct, frozen=True):
    """A place to fill: row of the placement and index of the slot."""

    placement: int
    index: int


class Visit(Struct, kw_only=True):
    bundle: Bundle
    manifest: ManifestBlock
    request: Request
    situation: Situation
    cart: Cart
    holding: int
    """The clauses that hold."""
    state: State | None
    flags: int
    multipliers: dict[int, int]
    """By budget key."""
    incentives: dict[int, int | None] = field(default_factory=dict)
    """By row in `OfferSets.costs`: arms that cost alike are priced once."""
    epochs: dict[Slot, int] = field(default_factory=dict)

    @property
    def eligible(self) -> list[int]:
        """The offers whose rule is true."""
        return self.bundle.clauses.offers(self.holding)

    def unit(self, kind: int) -> str:
        """The unit that chance is keyed on: visitor, customer, or the page session."""
        if self.request.consent == CONTEXTUAL:
            return self.request.nonce
        return self.request.customer if kind == t.CUSTOMER else self.request.visitor

    def incentive(self, arm: int) -> int | None:
        """Cost of an arm's incentive for this cart in micros; None if unknown; 0 for none."""
        if arm > self.bundle.rows["rung"]:
            return None
        row = self.bundle.offer_sets.cost_row[arm]
        if row < 0:
            return 0
        if row not in self.incentives:
            terms = self.bundle.offer_sets.costs[row]
            self.incentives[row] = incentive_of(self.bundle, self.situation, self.cart, terms)
        return self.incentives[row]

    def multiplier(self, arm: int) -> int:
        """Unsigned Q16: what a unit of the arm's budget costs beyond its price."""
        tables = self.bundle.tables
        budget = tables.offer_budget[tables.rung_offer[arm - 1]]
        return self.multipliers.get(tables.budget_key[budget], 0) if budget >= 0 else 0

    def page(self) -> Page:
        """What earlier calls of this page view took."""
        page = Page([])
        for taken in self.request.taken:
            arm = taken.arm if taken.arm <= self.bundle.rows["rung"] else UNKNOWN_ARM
            self.take(page, arm)
        return page

    def take(self, page: Page, arm: int) -> None:
        """Put an arm on the page, with its cost and its floor for this cart."""
        known = 0 < arm <= self.bundle.rows["rung"]
        floor = floor_of(self.bundle.tables, self.cart, arm) if known else NO_FLOOR
        page.take(arm, self.incentive(arm), floor)

    def draw_words(self, slot: Slot) -> tuple[str, str, str]:
        """Key, salt and unit of this slot's words of chance."""
        name, salt = self.bundle.placement_words[slot.placement]
        unit = self.unit(self.bundle.tables.placement_unit[slot.placement])
        return f"{name}/{slot.index}", salt, unit

    def epoch(self, slot: Slot) -> int:
        """Index of the epoch that a choice is kept for; units start theirs at different times."""
        if slot not in self.epochs:
            period = self.bundle.tables.placement_epoch_s[slot.placement]
            ahead = word("epoch", *self.draw_words(slot)) % period
            self.epochs[slot] = (self.request.now_s + ahead) // period
        return self.epochs[slot]

    def kept(self, slot: Slot) -> Kept | None:
        """What the state keeps for this slot in the current epoch."""
        if self.state is None:
            return None
        key = self.bundle.tables.placement_key[slot.placement]
        return self.state.choice(key, slot.index, self.epoch(slot))

    def redraw(self, slot: Slot) -> int:
        """How often this slot's kept arm has ceased to be a candidate in this epoch."""
        kept = self.kept(slot)
        return 0 if kept is None else min(kept.redraw + 1, 0xFFFF)

    def arm_of_key(self, key: int) -> int:
        """The arm with this key, 0 for key 0, -1 if the policy has none."""
        return self.bundle.arm_keys.get(key, -1)


def begin(bundle: Bundle, manifest: ManifestBlock, request: Request) -> Visit:
    """Raises `RequestError` if the request names rows that the bundle does not have."""
    bundle.check_rows(request)
    situation = situate(bundle, request)
    session = request.consent == CONTEXTUAL
    state = None if session else request.state
    flags = session * beacon.SESSION | (state is None) * beacon.STATELESS
    if state is not None and state.overflow:
        flags |= beacon.DROPPED
    decides = request.consent != NONE
    return Visit(
        bundle=bundle,
        manifest=manifest,
        request=request,
        situation=situation,
        cart=cart_of(bundle.tables, situation),
        holding=bundle.clauses.holding(situation) if decides else 0,
        state=state,
        flags=flags,
        multipliers=dict(manifest.multipliers),
    )
