"""Offers by what may speak against them, as sets of clauses.

`candidacy.offer_objection` says of one offer whether it may be shown in a slot.  The
same questions, asked of all offers at once: each objection is a set of clauses (every
clause of the offers concerned), made once per bundle or once per window of time, and a
slot's offers are what is left of the clauses that hold.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import chain

from . import tables as t
from .arbitration import Page
from .bits import set_of
from .guardrails import CostTerms, cannot_break, cost_terms
from .request import UNKNOWN_ARM
from .state import State, window_index
from .tables import Tables

TIMES_REMEMBERED = 64


class OfferSets:
    """What is known of one bundle's offers beforehand."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.offers = range(len(tables.offer_key))
        self.clauses = tables.offer_clause[-1]
        self._open: dict[tuple[int, int], int] = {}

    @cached_property
    def arms(self) -> list[range]:
        """Per offer: its arms."""
        starts = self.tables.offer_rung
        return [range(starts[offer] + 1, starts[offer + 1] + 1) for offer in self.offers]

    @cached_property
    def _cost_terms(self) -> list[CostTerms]:
        """Per arm, the first being arm 1."""
        return [cost_terms(self.tables, arm) for arm in self._all_arms]

    @cached_property
    def costs(self) -> list[CostTerms]:
        """What an incentive may depend on, each once."""
        return list(dict.fromkeys(self._cost_terms))

    @cached_property
    def cost_row(self) -> list[int]:
        """Per arm: the row in `costs` of what its incentive depends on; -1 for none."""
        rows = {terms: row for row, terms in enumerate(self.costs)}
        return [-1, *map(rows.__getitem__, self._cost_terms)]

    @cached_property
    def safe(self) -> list[bool]:
        """Per arm: whether it keeps its guardrails on any cart of known value."""
        both = enumerate(self._cost_terms, start=1)
        return [False, *(cannot_break(self.tables, arm, terms) for arm, terms in both)]

    @cached_property
    def fixed_ceiling(self) -> list[int | None]:
        """Per arm: the amount that alone is its guardrail, if nothing else is."""
        limits, ceilings = self.tables.rung_limits, self.tables.rung_ceiling
        others = t.CEILING_PPM | t.FLOOR | t.FLOOR_PPM
        both = zip(limits, ceilings, strict=True)
        return [
            None,
            *(c if own & t.CEILING and not own & others else None for own, c in both),
        ]

    @cached_property
    def handling(self) -> list[int]:
        """Per arm: what it costs beside the incentive, in score units."""
        unit = self.tables.head[t.HEAD_SCORE_UNIT]
        return [0, *(micros // unit for micros in self.tables.rung_handling)]

    @property
    def _all_arms(self) -> range:
        return range(1, len(self.tables.rung_key) + 1)

    def offer(self, offer: int) -> int:
        """All clauses of one offer."""
        low, high = self.tables.offer_clause[offer : offer + 2]
        return ((1 << high - low) - 1) << low

    def where(self, holds: Callable[[int], object]) -> int:
        return self.of(offer for offer in self.offers if holds(offer))

    def of(self, offers: Iterable[int]) -> int:
        starts = self.tables.offer_clause
        rows = (row for offer in offers for row in range(starts[offer], starts[offer + 1]))
        return set_of(rows, self.clauses)

    # --- made once ------------------------------------------------------------

    @cached_property
    def here(self) -> list[int]:
        """Per placement: what is offered there."""
        starts, places = self.tables.offer_place, self.tables.place_placement
        offered: list[list[int]] = [[] for _ in self.tables.placement_key]
        for offer in self.offers:
            for placement in places[starts[offer] : starts[offer + 1]]:
                offered[placement].append(offer)
        return [self.of(offers) for offers in offered]

    @cached_property
    def needing_identity(self) -> int:
        return self.where(self._needs_identity)

    def _needs_identity(self, offer: int) -> bool:
        flags, limits = self.tables.offer_flags[offer], self.tables.offer_limit
        capped = limits[offer + 1] > limits[offer]
        return not flags & t.WITHOUT_IDENTITY and bool(capped or flags & t.TOKEN)

    @cached_property
    def not_stackable(self) -> int:
        return self.where(lambda offer: not self.tables.offer_flags[offer] & t.STACKABLE)

    @cached_property
    def group(self) -> dict[int, int]:
        grouped: dict[int, list[int]] = {}
        for offer, group in enumerate(self.tables.offer_group):
            if group:
                grouped.setdefault(group, []).append(offer)
        return {group: self.of(offers) for group, offers in grouped.items()}

    @cached_property
    def under_cap(self) -> list[int]:
        """Per cap: the offers that it limits."""
        starts, caps = self.tables.offer_limit, self.tables.limit_cap
        limited: list[list[int]] = [[] for _ in self.tables.cap_key]
        for offer in self.offers:
            for cap in caps[starts[offer] : starts[offer + 1]]:
                limited[cap].append(offer)
        return [self.of(offers) for offers in limited]

    @cached_property
    def caps_of_key(self) -> dict[int, list[int]]:
        caps: dict[int, list[int]] = {}
        for cap, key in enumerate(self.tables.cap_key):
            caps.setdefault(key, []).append(cap)
        return caps

    @cached_property
    def under_strict_cap(self) -> list[int]:
        """Per placement: the offers that a strict cap limits there."""
        limited = [0] * len(self.tables.placement_key)
        for cap, strict in enumerate(self.tables.cap_strict):
            for placement in range(len(limited)) if strict else ():
                if self.tables.cap_placement[cap] in (-1, placement):
                    limited[placement] |= self.under_cap[cap]
        return limited

    # --- asked for each slot --------------------------------------------------

    def open(self, now_s: int, age_s: int) -> int:
        """Offers inside their window under a policy of this age."""
        at = bisect_right(self._instants, now_s), bisect_right(self._too_old, age_s)
        if at not in self._open:
            if len(self._open) >= TIMES_REMEMBERED:
                self._open.clear()
            self._open[at] = self.where(lambda offer: self._is_open(offer, now_s, age_s))
        return self._open[at]

    def _is_open(self, offer: int, now_s: int, age_s: int) -> bool:
        tables = self.tables
        inside = tables.offer_from_s[offer] <= now_s < tables.offer_until_s[offer]
        return inside and age_s <= tables.offer_max_age_s[offer]

    @cached_property
    def _instants(self) -> list[int]:
        return sorted({*self.tables.offer_from_s, *self.tables.offer_until_s})

    @cached_property
    def _too_old(self) -> list[int]:
        return sorted({age_s + 1 for age_s in self.tables.offer_max_age_s})

    def paused(self, keys: Iterable[int]) -> int:
        rows = {key: offer for offer, key in enumerate(self.tables.offer_key)} if keys else {}
        return self.of(rows[key] for key in keys if key in rows)

    def capped(self, state: State | None, placement: int, now_s: int) -> int:
        """Offers whose caps are reached, or strict and not to be checked."""
        unknown = state is None or state.overflow
        capped = self.under_strict_cap[placement] if unknown else 0
        if state is None:
            return capped
        counted = (self.caps_of_key.get(key, ()) for key in {count.key for count in state.caps})
        for cap in chain(self._caps_of_nothing, *counted):
            if self._is_reached(state, cap, placement, now_s):
                capped |= self.under_cap[cap]
        return capped

    @cached_property
    def _caps_of_nothing(self) -> list[int]:
        """Caps that are reached before anything was shown."""
        return [cap for cap, most in enumerate(self.tables.cap_count) if not most]

    def _is_reached(self, state: State, cap: int, placement: int, now_s: int) -> bool:
        tables = self.tables
        window = window_index(now_s, tables.cap_period_s[cap])
        seen = state.count(tables.cap_key[cap], window)
        return tables.cap_placement[cap] in (-1, placement) and seen >= tables.cap_count[cap]

    def excluded(self, page: Page) -> int:
        """What does not go with the arms on the page."""
        excluded = 0
        for arm in page.arms:
            if arm == UNKNOWN_ARM:
                return (1 << self.clauses) - 1
            offer = self.tables.rung_offer[arm - 1]
            excluded |= self.offer(offer) | self.group.get(self.tables.offer_group[offer], 0)
            stackable = self.tables.offer_flags[offer] & t.STACKABLE
            excluded |= self.not_stackable if stackable else (1 << self.clauses) - 1
        return excluded
