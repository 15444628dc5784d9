"""Which attributes a policy would read to decide a request, without deciding it.

A draft may ask for attributes that a record cannot tell (`translating.py`).  That does not
matter where the draft would not read them for this request:

 1. Nothing is read where defaults are given anyway: consent `none`, an expired manifest,
    everything paused.
 2. Of a page session (consent `contextual`) personal attributes are withheld, whatever they
    are.
 3. For a placement are read: the attributes in rules of the offers there, those that their
    costs rest on, those of its model and of its allocation; the order value and the margin;
    the country, if an offer needs a price disclosure.  Costs of arms that were taken before
    are read, too.  Derived attributes read what they are made of.
 4. A rule's attribute is read in vain where the rule fails without it, or holds without it:
    no clause that asks for it could change which offers are eligible in the wanted
    placements at that time.

All of it errs on one side: what is called unread cannot matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from edge.decision import tables as t
from edge.decision.bits import members, set_of
from edge.decision.bundle import Bundle
from edge.decision.decide import no_decision
from edge.decision.manifest import ManifestBlock
from edge.decision.request import CONTEXTUAL, Request
from edge.decision.situation import Situation, situate


class Reader:
    """Answers for one bundle; remembers what it found for each set of placements."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._economic: dict[tuple[tuple[int, ...], tuple[int, ...]], frozenset[int]] = {}
        self._ruled: dict[tuple[int, ...], frozenset[int]] = {}
        self._asking: dict[frozenset[int], int] = {}

    def matter(
        self, block: ManifestBlock, request: Request, doubts: frozenset[int]
    ) -> frozenset[int]:
        """Those of the doubtful attributes that might change the verdict on this request."""
        doubts = self._visible(request, doubts)
        if not doubts or self.gives_defaults(block, request):
            return frozenset()
        spoilt = self._derived_from(doubts)
        arms = tuple(sorted({taken.arm for taken in request.taken}))
        economic = self._sources(spoilt & self._economics(request.placements, arms)) & doubts
        ruled = spoilt & self._rules(request.placements)
        if ruled:
            ruled = self._deciding(block, request, ruled)
        return economic | self._sources(ruled) & doubts

    def gives_defaults(self, block: ManifestBlock, request: Request) -> bool:
        return no_decision(block, request) is not None or block.all_paused

    def _visible(self, request: Request, doubts: frozenset[int]) -> frozenset[int]:
        if request.consent != CONTEXTUAL:
            return doubts
        flags = self.bundle.tables.attribute_flags
        return frozenset(row for row in doubts if not flags[row] & t.PERSONAL)

    # --- what is made of what ---------------------------------------------------

    def _operands(self, row: int) -> list[int]:
        tables = self.bundle.tables
        both = (tables.attribute_left[row], tables.attribute_right[row])
        return [operand for operand in both if operand >= 0]

    def _derived_from(self, rows: frozenset[int]) -> frozenset[int]:
        """These attributes, and all that are made of them."""
        found = set(rows)
        for row in self.bundle.derived:
            if found.intersection(self._operands(row)):
                found.add(row)
        return frozenset(found)

    def _sources(self, rows: Iterable[int]) -> frozenset[int]:
        """These attributes, and all that they are made of."""
        found: set[int] = set()
        waiting = list(rows)
        while waiting:
            row = waiting.pop()
            if row not in found:
                found.add(row)
                waiting += self._operands(row)
        return frozenset(found)

    # --- what placements read -----------------------------------------------------

    @cached_property
    def _offers(self) -> list[list[int]]:
        """Per placement: its offers."""
        sets, clauses = self.bundle.offer_sets, self.bundle.clauses
        return [clauses.offers(here) for here in sets.here]

    def _offers_at(self, placements: Sequence[int]) -> list[int]:
        return sorted({offer for place in placements for offer in self._offers[place]})

    def _rules(self, placements: tuple[int, ...]) -> frozenset[int]:
        if placements not in self._ruled:
            here = 0
            for placement in placements:
                here |= self.bundle.offer_sets.here[placement]
            index = self.bundle.clauses
            self._ruled[placements] = frozenset(
                attribute
                for attribute, constraints in index.by_attribute.items()
                if any(index.by_constraint[row] & here for row in constraints)
            )
        return self._ruled[placements]

    def _economics(self, placements: tuple[int, ...], taken: tuple[int, ...]) -> frozenset[int]:
        key = placements, taken
        if key not in self._economic:
            self._economic[key] = frozenset(self._economics_of(placements, taken))
        return self._economic[key]

    def _economics_of(self, placements: Sequence[int], taken: Sequence[int]) -> set[int]:
        tables, offers = self.bundle.tables, self._offers_at(placements)
        if not offers:
            return set()
        read = {tables.head[t.HEAD_VALUE], tables.head[t.HEAD_MARGIN]}
        if any(tables.offer_disclosure[o] < tables.offer_disclosure[o + 1] for o in offers):
            read.add(tables.head[t.HEAD_COUNTRY])
        arms = {arm for offer in offers for arm in self.bundle.arms(offer)}
        arms |= {arm for arm in taken if 0 < arm <= self.bundle.rows["rung"]}
        for arm in arms:
            read.add(tables.offer_scope[tables.rung_offer[arm - 1]])
            cost = tables.rung_cost[arm - 1]
            read.add(tables.cost_attribute[cost] if cost >= 0 else -1)
        for placement in placements:
            read |= self._choice(placement)
        return read - {-1}

    def _choice(self, placement: int) -> set[int]:
        tables, read = self.bundle.tables, set()
        model, row = tables.placement_model[placement], tables.placement_allocation[placement]
        if model >= 0:
            for term in range(tables.model_term[model], tables.model_term[model + 1]):
                read |= {tables.term_left[term], tables.term_right[term]}
        if row >= 0:
            read.add(tables.allocation_attribute[row])
        return read

    # --- what could change eligibility --------------------------------------------

    def _deciding(
        self, block: ManifestBlock, request: Request, unsure: frozenset[int]
    ) -> frozenset[int]:
        """Those of the unsure attributes that a clause waits for which could make a difference."""
        index, sets = self.bundle.clauses, self.bundle.offer_sets
        asking = self._clauses_asking(unsure)
        possible = self._holding_without(situate(self.bundle, request), unsure)
        here = 0
        for placement in request.placements:
            here |= sets.here[placement]
        waiting = possible & asking & here
        waiting &= sets.open(request.now_s, request.now_s - block.issued_s)
        certain = set(index.offers(possible & ~asking))
        undecided = {c for c in members(waiting) if index.offer_of[c] not in certain}
        if not undecided:
            return frozenset()
        clauses = set_of(undecided, index.clauses)
        return frozenset(a for a in unsure if self._clauses_asking(frozenset([a])) & clauses)

    def _clauses_asking(self, attributes: frozenset[int]) -> int:
        if attributes not in self._asking:
            index, asking = self.bundle.clauses, 0
            for attribute in attributes:
                for constraint in index.by_attribute.get(attribute, ()):
                    asking |= index.by_constraint[constraint]
            self._asking[attributes] = asking
        return self._asking[attributes]

    def _holding_without(self, situation: Situation, unsure: frozenset[int]) -> int:
        """The clauses that no attribute but the unsure ones contradicts."""
        index, cells = self.bundle.clauses, situation.cells
        holding = index.all
        for attribute, accepting in index.scalars:
            if attribute not in unsure:
                holding &= accepting[cells[attribute]]
        for words in index.sets:
            attribute = words.attribute
            if attribute in unsure:
                continue
            if cells[attribute] < 0:
                holding &= index.accepting(attribute, cells[attribute])
            else:
                holding &= words.accepting(situation.masks[attribute])
        return holding
