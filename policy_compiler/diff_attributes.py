"""Does an attribute have its value wherever it had it in another policy?

The same request may be read differently: a value outside the declared range or enumeration
is invalid, a personal one is withheld from visitors who gave no consent, and one whose
source changed may no longer be taken from whoever claimed it.  A derived attribute has its
value only where all that it is made of has, and a clock only inside its horizon.
"""

from __future__ import annotations

from functools import cached_property

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.tables import Tables
from policy_compiler.explain_words import Words

SAME = ("type", "scale", "source", "op")


class Openness:
    """Of two policies, whether `after` gives attributes their values where `before` does."""

    def __init__(self, before: Bundle, after: Bundle) -> None:
        self.before, self.after = before, after

    @cached_property
    def _rows(self) -> tuple[dict[str, int], dict[str, int]]:
        return _rows_of(self.before), _rows_of(self.after)

    def keeps(self, name: str) -> bool:
        """True only if that is certain; an attribute of one policy alone keeps nothing."""
        was, now = (known.get(name) for known in self._rows)
        return was is not None and now is not None and self._keeps(was, now)

    def _keeps(self, was: int, now: int) -> bool:
        old, new = self.before.tables, self.after.tables
        return (
            all(
                getattr(old, f"attribute_{each}")[was] == getattr(new, f"attribute_{each}")[now]
                for each in SAME
            )
            and new.attribute_low[now] <= old.attribute_low[was]
            and new.attribute_high[now] >= old.attribute_high[was]
            and not new.attribute_flags[now] & ~old.attribute_flags[was] & t.PERSONAL
            and self._keeps_words(was, now)
            and self._keeps_operands(was, now)
            and self._keeps_clock(was, now)
        )

    def _keeps_words(self, was: int, now: int) -> bool:
        had, has = Words(self.before).values(was), Words(self.after).values(now)
        return has is None or (had is not None and set(had) <= set(has))

    def _keeps_operands(self, was: int, now: int) -> bool:
        for side in ("attribute_left", "attribute_right"):
            one, other = (
                getattr(self.before.tables, side)[was],
                getattr(self.after.tables, side)[now],
            )
            if (one < 0) != (other < 0):
                return False
            names = (Words(self.before).attribute(one), Words(self.after).attribute(other))
            if one >= 0 and (names[0] != names[1] or not self._keeps(one, other)):
                return False
        return True

    def _keeps_clock(self, was: int, now: int) -> bool:
        old, new = self.before.tables, self.after.tables
        if (old.attribute_zone[was] < 0) != (new.attribute_zone[now] < 0):
            return False
        return old.attribute_zone[was] < 0 or _clock(old, was) == _clock(new, now)


def _rows_of(bundle: Bundle) -> dict[str, int]:
    return {bundle.text(text): row for row, text in enumerate(bundle.tables.attribute_name)}


def _clock(tables: Tables, row: int) -> tuple[object, ...]:
    """The span and the offsets that a clock goes by."""
    zone = tables.attribute_zone[row]
    first, last = tables.zone_shift[zone], tables.zone_shift[zone + 1]
    span = (tables.head[t.HEAD_HORIZON_FROM], tables.head[t.HEAD_HORIZON_UNTIL])
    return (*span, *tables.shift_instant[first:last], *tables.shift_offset_s[first:last])
