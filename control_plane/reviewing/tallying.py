"""Counts over replayed slots, small however many records there are.

A line stands for one arm in one segment of one placement, on both sides: what was decided
then, and what the draft decides.  Everything is a sum of integers (or, for examples, the
least of some), so parts that were counted apart can be added in any order and the same
result comes out.

Money is summed times tickets: what was drawn with all 2^20 of them, what was expected with
the arm's own; it is divided once, at the end (`replay_report.py`).
"""

from __future__ import annotations

from bisect import insort

from msgspec import Struct, field

from control_plane.reviewing.worth import Worth
from edge.decision.hashing import T

EXAMPLES = 3
Key = tuple[str, str, str]
"""(placement, segment, arm), by name."""


class Money(Struct):
    """Sums of `Worth`, each times tickets."""

    incentive: int = 0
    margin: int = 0
    expected_cost: int = 0
    gain: int = 0

    def count(self, worth: Worth, tickets: int) -> None:
        self.incentive += worth.incentive * tickets
        self.margin += worth.margin * tickets
        self.expected_cost += worth.expected_cost * tickets
        self.gain += worth.gain * tickets

    def add(self, other: Money) -> None:
        self.incentive += other.incentive
        self.margin += other.margin
        self.expected_cost += other.expected_cost
        self.gain += other.gain


class Side(Struct):
    """One arm by one policy.  `tickets`: its chances, over slots that were drawn anew."""

    shown: int = 0
    tickets: int = 0
    drawn: Money = field(default_factory=Money)
    expected: Money = field(default_factory=Money)

    def add(self, other: Side) -> None:
        self.shown += other.shown
        self.tickets += other.tickets
        self.drawn.add(other.drawn)
        self.expected.add(other.expected)


class Line(Struct):
    """One arm in one segment of a placement; examples are ids of recorded decisions."""

    before: Side = field(default_factory=Side)
    after: Side = field(default_factory=Side)
    gained: int = 0
    lost: int = 0
    kept: int = 0
    gaining: list[str] = field(default_factory=list)
    losing: list[str] = field(default_factory=list)

    def gain(self, decision: str) -> None:
        self.gained += 1
        _keep_least(self.gaining, [decision])

    def lose(self, decision: str) -> None:
        self.lost += 1
        _keep_least(self.losing, [decision])

    def add(self, other: Line) -> None:
        self.before.add(other.before)
        self.after.add(other.after)
        self.gained += other.gained
        self.lost += other.lost
        self.kept += other.kept
        _keep_least(self.gaining, other.gaining)
        _keep_least(self.losing, other.losing)


def _keep_least(kept: list[str], more: list[str]) -> None:
    for decision in more:
        insort(kept, decision)
    del kept[EXAMPLES:]


class SlotCounts(Struct):
    """Slots of the records that were replayed.

    `gone` and `new`: those that only one side has.  `carried`: those where a side kept an
    earlier choice, so that nothing was drawn.  `unpriced`: priced on neither side, since the
    margin of the cart or a cost cannot be evaluated.
    """

    slots: int = 0
    changed: int = 0
    gone: int = 0
    new: int = 0
    carried: int = 0
    unpriced: int = 0

    def add(self, other: SlotCounts) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Tally(Struct):
    """All that a replay counts."""

    records: int = 0
    replayed: int = 0
    identical: int = 0
    """Records whose bundle is the draft's: request and verdict were the same bytes."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Reason -> records."""
    not_held: dict[str, int] = field(default_factory=dict)
    """Attribute -> records that cannot tell it, though the draft would read it."""
    bundles: dict[str, int] = field(default_factory=dict)
    """Digest -> records that were decided by it and replayed."""
    slots: SlotCounts = field(default_factory=SlotCounts)
    lines: dict[Key, Line] = field(default_factory=dict)

    def leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1

    def line(self, key: Key) -> Line:
        line = self.lines.get(key)
        if line is None:
            line = self.lines[key] = Line()
        return line

    def add(self, other: Tally) -> None:
        self.records += other.records
        self.replayed += other.replayed
        self.identical += other.identical
        for mine, theirs in (
            (self.left_out, other.left_out),
            (self.not_held, other.not_held),
            (self.bundles, other.bundles),
        ):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        self.slots.add(other.slots)
        for key, line in other.lines.items():
            self.line(key).add(line)


CERTAIN = T
"""The tickets of what was shown without a draw, or in fact."""
