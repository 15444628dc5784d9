"""Which clauses hold: the index that makes the cost independent of the rules.

An offer's rule is lowered to clauses, each a conjunction of constraints on single
attributes.  A clause is a bit.  For an attribute and the cell its value fell into,
`accepting` is the set of clauses that this cell does not contradict; the clauses
that hold are the intersection over all attributes.  So a decision costs one AND of
machine words per attribute, however many rules there are.  Accepting sets are made
when a cell is first met, and forgotten all at once when they take too much memory.

A set attribute has too many values to keep one accepting set for each.  Its words
have: per word the clauses that forbid it, and, for the first, second, ... group of
words that a clause requires one of, the clauses whose group it is in.

Meaning (DESIGN section 5): an absent, withheld or invalid attribute is an error in
every use but `has`, and an offer is eligible only if its rule is *true*; so such an
attribute contradicts every constraint on it, except that absent satisfies ABSENT.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from itertools import repeat

from msgspec import Struct

from . import tables as t
from .bits import members, set_of
from .situation import ABSENT_CELL, Situation
from .tables import Tables

MEMORY_LIMIT_BYTES = 16 << 20


class ClauseIndex:
    """Sets of clauses as integers, a bit per clause."""

    def __init__(self, tables: Tables, clauses: int) -> None:
        self.tables = tables
        self.clauses = clauses
        self.all = (1 << clauses) - 1
        self.memory: dict[int, Accepting] = {}
        self.room = self.room_for = MEMORY_LIMIT_BYTES // (clauses // 8 + 64)

    @cached_property
    def by_constraint(self) -> list[int]:
        """Per constraint: the clauses that have it."""
        starts, literals = self.tables.clause_literal, self.tables.literal_constraint
        having: list[list[int]] = [[] for _ in self.tables.constraint_attribute]
        for clause in range(self.clauses):
            for constraint in literals[starts[clause] : starts[clause + 1]]:
                having[constraint].append(clause)
        return [set_of(clauses, self.clauses) for clauses in having]

    @cached_property
    def by_attribute(self) -> dict[int, list[int]]:
        """Per attribute that is mentioned: its constraints."""
        mentioned: dict[int, list[int]] = {}
        for row, attribute in enumerate(self.tables.constraint_attribute):
            mentioned.setdefault(attribute, []).append(row)
        return mentioned

    @cached_property
    def scalars(self) -> list[tuple[int, Accepting]]:
        """Attributes with cells, each with its accepting sets."""
        return [
            (attribute, self.accepting_sets(attribute))
            for attribute in self.by_attribute
            if self.tables.attribute_type[attribute] != t.SET
        ]

    @cached_property
    def sets(self) -> list[WordIndex]:
        return [
            self._word_index(attribute)
            for attribute in self.by_attribute
            if self.tables.attribute_type[attribute] == t.SET
        ]

    @cached_property
    def offer_of(self) -> list[int]:
        """Per clause: its offer."""
        starts = self.tables.offer_clause
        return [x for x in range(len(starts) - 1) for _ in repeat(0, starts[x + 1] - starts[x])]

    def holding(self, situation: Situation) -> int:
        """The clauses that are true in this situation."""
        holding, cells = self.all, situation.cells
        for attribute, accepting in self.scalars:
            holding &= accepting[cells[attribute]]
        for words in self.sets:
            cell = cells[words.attribute]
            if cell < 0:
                holding &= self.accepting(words.attribute, cell)
            else:
                holding &= words.accepting(situation.masks[words.attribute])
        return holding

    def offers(self, clauses: int) -> list[int]:
        """The offers that own at least one of these clauses, ascending: `offers_of`, faster."""
        return list(dict.fromkeys(map(self.offer_of.__getitem__, members(clauses))))

    def accepting(self, attribute: int, cell: int) -> int:
        """Clauses that an attribute in this cell (or state) does not contradict; remembered."""
        return self.accepting_sets(attribute)[cell]

    def accepting_sets(self, attribute: int) -> Accepting:
        if attribute not in self.memory:
            self.memory[attribute] = Accepting(self, attribute)
        return self.memory[attribute]

    def make_accepting(self, attribute: int, cell: int) -> int:
        if not self.room:
            self._forget()
        self.room -= 1
        contradicted = (c for c in self.by_attribute[attribute] if not self.cell_fits(c, cell))
        return self._without(contradicted)

    def _forget(self) -> None:
        for memory in self.memory.values():
            memory.clear()
        self.room = self.room_for

    def _without(self, contradicted: Iterable[int]) -> int:
        gone = 0
        for constraint in contradicted:
            gone |= self.by_constraint[constraint]
        return self.all & ~gone

    def cell_fits(self, constraint: int, cell: int) -> bool:
        """Whether an attribute in this cell satisfies the constraint (sets: in this state)."""
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
        if cell < 0 or kind not in (t.ANY_OF, t.NONE_OF):
            return self.cell_fits(constraint, cell)
        meets = any(mask >> low & ((2 << high - low) - 1) for low, high in self.ranges(constraint))
        return meets == (kind == t.ANY_OF)

    def ranges(self, constraint: int) -> list[tuple[int, int]]:
        first, last = self.tables.constraint_range[constraint : constraint + 2]
        lows, highs = self.tables.range_low[first:last], self.tables.range_high[first:last]
        return list(zip(lows, highs, strict=True))

    def _word_index(self, attribute: int) -> WordIndex:
        starts, kinds = self.tables.attribute_word, self.tables.constraint_kind
        index = WordIndex(attribute, starts[attribute + 1] - starts[attribute], self.all)
        groups: Counter[int] = Counter()
        for constraint in self.by_attribute[attribute]:
            clauses, kind = self.by_constraint[constraint], kinds[constraint]
            if kind == t.NONE_OF:
                index.forbid(self.ranges(constraint), clauses)
            elif kind == t.ANY_OF:
                self._require(index, groups, self.ranges(constraint), clauses)
            elif kind == t.ABSENT:
                index.possible &= ~clauses
        return index

    def _require(self, index: WordIndex, groups: Counter[int], words: Ranges, clauses: int) -> None:
        """Clauses that have required a group before have this as their next one."""
        by_place: dict[int, int] = {}
        for clause in members(clauses):
            by_place[groups[clause]] = by_place.get(groups[clause], 0) | 1 << clause
            groups[clause] += 1
        for place, here in by_place.items():
            index.require(place, words, here)


class Accepting(dict[int, int]):
    """Of one attribute: cell (or state) -> accepting set, made when first asked for."""

    def __init__(self, index: ClauseIndex, attribute: int) -> None:
        super().__init__()
        self.index = index
        self.attribute = attribute

    def __missing__(self, cell: int) -> int:
        self[cell] = made = self.index.make_accepting(self.attribute, cell)
        return made


Ranges = list[tuple[int, int]]


class WordIndex(Struct):
    """Clauses by the words of one set attribute."""

    attribute: int
    words: int
    possible: int
    """Clauses that do not want the set absent."""
    forbidding: dict[int, int] = {}
    """Word -> clauses that it contradicts."""
    satisfying: list[dict[int, int]] = []
    """Per place among a clause's required groups: word -> clauses whose group it is in."""
    requiring: list[int] = []
    """Per place: the clauses that require a group there."""

    def forbid(self, words: Ranges, clauses: int) -> None:
        _add(self.forbidding, words, clauses)

    def require(self, place: int, words: Ranges, clauses: int) -> None:
        while len(self.requiring) <= place:
            self.requiring.append(0)
            self.satisfying.append({})
        self.requiring[place] |= clauses
        _add(self.satisfying[place], words, clauses)

    def accepting(self, mask: int) -> int:
        """Clauses that a set of these words does not contradict."""
        words = members(mask)
        accepted = self.possible
        for word in words:
            accepted &= ~self.forbidding.get(word, 0)
        for requiring, satisfying in zip(self.requiring, self.satisfying, strict=True):
            missing = requiring
            for word in words:
                missing &= ~satisfying.get(word, 0)
            accepted &= ~missing
        return accepted


def _add(by_word: dict[int, int], words: Ranges, clauses: int) -> None:
    for low, high in words:
        for word in range(low, high + 1):
            by_word[word] = by_word.get(word, 0) | clauses


def offers_of(clauses: int, starts: t.Ints) -> list[int]:
    """The offers that own at least one of these clauses, ascending."""
    offers = []
    for offer in range(len(starts) - 1):
        low, high = starts[offer], starts[offer + 1]
        if clauses >> low & ((1 << high - low) - 1):
            offers.append(offer)
    return offers
