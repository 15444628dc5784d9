"""Sums of a scorecard for all arms at once: a lane of one wide integer per arm.

For one term and one bin, the weights of all arms stand side by side in a Python
integer, 32 bits each.  Adding such integers, one per term, adds the weights of every
arm at the speed of machine words.  Lanes hold no negative numbers, so every weight is
raised by what the column's type needs (2^7, 2^15; else 2^24, the size of the largest
weight), and what is read is lowered again; 126 terms and the arms' constants fit into
a lane.

`scoring.deviation` is the definition; this is the same for many arms.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import cached_property

from . import tables as t
from .scoring import Shared, bias, term_bin, terms_of, weight
from .situation import Situation
from .tables import Ints, Tables

LANE_BYTES = 4
BYTES_OF = {"b": 1, "h": 2}
"""Types whose bytes are spread into lanes as they are, but for the sign bit."""
LARGEST = 1 << 24
FLIP_SIGN = bytes(byte ^ 0x80 for byte in range(256))
TERM_LIMIT = 126
MEMORY_LIMIT_BYTES = 16 << 20


Cells = int | tuple[int, int]
Memory = dict[Cells, int]


class Lanes:
    """The arm terms of one model; columns are made when a cell is first met, in bounded memory."""

    def __init__(self, tables: Tables, model: int) -> None:
        roles = tables.term_role
        self.tables = tables
        self.model = model
        self.arms = len(tables.rung_key)
        self.terms: list[tuple[int, int, int, Memory]] = [
            (term, tables.term_left[term], tables.term_right[term], {})
            for term in terms_of(tables, model)
            if roles[term] == t.ARM
        ]
        kind = getattr(tables.weight_value, "format", "")
        self.bytes_of = BYTES_OF.get(kind, 0)
        self.raised = 1 << 8 * self.bytes_of - 1 if self.bytes_of else LARGEST
        lane_bytes = max(1, self.arms) * LANE_BYTES
        self.room = self.room_for = max(256, MEMORY_LIMIT_BYTES // lane_bytes)

    def shared(self, situation: Situation) -> Shared:
        """`scoring.shared_by_arms`, faster."""
        constant = self.tables.model_constant[self.model]
        return Shared(constant + self.base.sum(situation), self.sensitivity.sum(situation))

    @cached_property
    def base(self) -> SharedTerms:
        return SharedTerms(self.tables, self.model, t.BASE)

    @cached_property
    def sensitivity(self) -> SharedTerms:
        return SharedTerms(self.tables, self.model, t.SENSITIVITY)

    @property
    def fit(self) -> bool:
        """Whether all sums fit into a lane."""
        return len(self.terms) <= TERM_LIMIT

    @cached_property
    def constants(self) -> int:
        arms = range(1, self.arms + 1)
        return _packed([bias(self.tables, self.model, arm) for arm in arms], LARGEST)

    def deviations(self, situation: Situation) -> tuple[Sequence[int], int]:
        """Per arm (the first is arm 1) its constant and terms, raised; and by how much."""
        raised, cells = self.constants, situation.cells
        for term, left, right, memory in self.terms:
            at = cells[left] if right < 0 else (cells[left], cells[right])
            column = memory.get(at)
            raised += self._column(term, situation, memory, at) if column is None else column
        lanes = raised.to_bytes(self.arms * LANE_BYTES, "little")
        return memoryview(lanes).cast("I"), self.raised * len(self.terms) + LARGEST

    def _column(self, term: int, situation: Situation, memory: Memory, at: Cells) -> int:
        if not self.room:
            self._forget()
        self.room -= 1
        memory[at] = column = self._lanes_of(term, term_bin(self.tables, situation, term))
        return column

    def _forget(self) -> None:
        self.room = self.room_for
        for *_, memory in self.terms:
            memory.clear()

    def _lanes_of(self, term: int, place: int) -> int:
        """The weights of a term's bin, 0 where the term does not name the arm."""
        tables, starts = self.tables, self.tables.row_weight
        first, last = tables.term_row[term], tables.term_row[term + 1]
        if first == last:
            return _packed([0] * self.arms, self.raised)
        step = starts[first + 1] - starts[first]
        named = tables.weight_value[starts[first] + place : starts[last] : step]
        if last - first == self.arms and tables.row_arm[first] == 1:
            return self._spread(named) if self.bytes_of else _packed(named, self.raised)
        weights = [0] * (self.arms + 1)
        for arm, own in zip(tables.row_arm[first:last], named, strict=True):
            weights[arm] = own
        return _packed(weights[1:], self.raised)

    def _spread(self, weights: Ints) -> int:
        """`_packed`, without looking at each number."""
        assert isinstance(weights, memoryview)
        raw, lanes, last = weights.tobytes(), bytearray(self.arms * LANE_BYTES), self.bytes_of - 1
        for byte in range(last):
            lanes[byte::LANE_BYTES] = raw[byte :: self.bytes_of]
        lanes[last::LANE_BYTES] = raw[last :: self.bytes_of].translate(FLIP_SIGN)
        return int.from_bytes(lanes, "little")


class SharedTerms:
    """The terms of one role that all arms share, each with its weights by cell.

    What stands for an attribute without value is at the end of a term's bins; three times
    there, it is what the negative states point at.
    """

    def __init__(self, tables: Tables, model: int, role: int) -> None:
        terms = [term for term in terms_of(tables, model) if tables.term_role[term] == role]
        self.tables = tables
        self.crossed = [term for term in terms if tables.term_right[term] >= 0]
        self.by_cell = [
            (tables.term_left[term], self._weights(term))
            for term in terms
            if tables.term_right[term] < 0
        ]

    def sum(self, situation: Situation) -> int:
        cells = situation.cells
        found = sum([weights[cells[left]] for left, weights in self.by_cell])
        return found + sum(weight(self.tables, situation, term, 0) for term in self.crossed)

    def _weights(self, term: int) -> list[int]:
        tables = self.tables
        bins = tables.leftbin_bin[tables.term_left_bin[term] : tables.term_left_bin[term + 1]]
        first = tables.row_weight[tables.term_row[term]]
        weights = [tables.weight_value[first + place] for place in bins]
        return [*weights, weights[-1], weights[-1]]


def _packed(weights: Iterable[int], raised: int) -> int:
    return int.from_bytes(array("I", [weight + raised for weight in weights]).tobytes(), "little")
