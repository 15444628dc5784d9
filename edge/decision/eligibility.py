"""Which clauses hold: the index that makes the cost independent of the rules.

An offer's rule is lowered to clauses, each a conjunction of constraints on single
attributes.  A clause is a bit.  For an attribute and the cell its value fell into,
`accepting` is the set of clauses that this cell does not contradict; the clauses
that hold are the intersection over all attributes.  So a decision costs one AND of
machine words per attribute, however many rules there are.  Accepting sets are made
when a cell is first met, and forgotten all at once when there are too many.

Meaning (DESIGN section 5): an absent, withheld or invalid attribute is an error in
every use but `has`, and an offer is eligible only if its rule is *true*; so such an
attribute contradicts every constraint on it, except that absent satisfies ABSENT.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from . import tables as t
from .situation import ABSENT_CELL, Situation
from .tables import Tables

MEMORY_LIMIT = 4096


class ClauseIndex:
    """Sets of clauses as integers, a bit per clause."""

    def __init__(self, tables: Tables, clauses: int) -> None:
        self.tables = tables
        self.all = (1 << clauses) - 1
        self.memory: dict[tuple[int, int], int] = {}

    @cached_property
    def by_constraint(self) -> list[int]:
        """Per constraint: the clauses that have it."""
        starts, literals = self.tables.clause_literal, self.tables.literal_constraint
        width = (len(starts) + 7) // 8
        sets: dict[int, bytearray] = {}
        for clause in range(len(starts) - 1):
            for constraint in literals[starts[clause] : starts[clause + 1]]:
                bits = sets.setdefault(constraint, bytearray(width))
                bits[clause >> 3] |= 1 << (clause & 7)
        count = len(self.tables.constraint_attribute)
        return [int.from_bytes(sets.get(row, b""), "little") for row in range(count)]

    @cached_property
    def by_attribute(self) -> dict[int, list[int]]:
        """Per attribute that is mentioned: its constraints."""
        mentioned: dict[int, list[int]] = {}
        for row, attribute in enumerate(self.tables.constraint_attribute):
            mentioned.setdefault(attribute, []).append(row)
        return mentioned

    def holding(self, situation: Situation) -> int:
        """The clauses that are true in this situation."""
        holding = self.all
        for attribute in self.by_attribute:
            if not holding:
                break
            if self.tables.attribute_type[attribute] == t.SET:
                holding &= self._accepted_set(attribute, situation)
            else:
                holding &= self.accepting(attribute, situation.cells[attribute])
        return holding

    def accepting(self, attribute: int, cell: int) -> int:
        """Clauses that a scalar attribute in this cell (or state) does not contradict."""
        found = self.memory.get((attribute, cell))
        if found is None:
            if len(self.memory) >= MEMORY_LIMIT:
                self.memory.clear()
            found = self._without(
                c for c in self.by_attribute[attribute] if not self.cell_fits(c, cell)
            )
            self.memory[attribute, cell] = found
        return found

    def _accepted_set(self, attribute: int, situation: Situation) -> int:
        cell, mask = situation.cells[attribute], situation.masks[attribute]
        return self._without(
            c for c in self.by_attribute[attribute] if not self.set_fits(c, cell, mask)
        )

    def _without(self, contradicted: Iterable[int]) -> int:
        clauses = self.all
        for constraint in contradicted:
            clauses &= ~self.by_constraint[constraint]
        return clauses

    def cell_fits(self, constraint: int, cell: int) -> bool:
        """Whether a scalar in this cell satisfies the constraint."""
        kind = self.tables.constraint_kind[constraint]
        if kind == t.ABSENT:
            return cell == ABSENT_CELL
        if cell < 0:
            return False
        return kind == t.PRESENT or any(
            low <= cell <= high for low, high in self.ranges(constraint)
        )

    def set_fits(self, constraint: int, cell: int, mask: int) -> bool:
        """Whether a set (its state, and its words as a mask) satisfies the constraint."""
        kind = self.tables.constraint_kind[constraint]
        if kind == t.ABSENT:
            return cell == ABSENT_CELL
        if cell < 0:
            return False
        if kind == t.PRESENT:
            return True
        meets = any(mask >> low & ((2 << high - low) - 1) for low, high in self.ranges(constraint))
        return meets == (kind == t.ANY_OF)

    def ranges(self, constraint: int) -> list[tuple[int, int]]:
        first, last = self.tables.constraint_range[constraint : constraint + 2]
        return [
            (low, high)
            for low, high in zip(
                self.tables.range_low[first:last], self.tables.range_high[first:last], strict=True
            )
        ]


def offers_of(clauses: int, starts: t.Ints) -> list[int]:
    """The offers that own at least one of these clauses, ascending."""
    offers = []
    for offer in range(len(starts) - 1):
        low, high = starts[offer], starts[offer + 1]
        if clauses >> low & ((1 << high - low) - 1):
            offers.append(offer)
    return offers
