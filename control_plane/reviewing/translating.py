"""A recorded request, encoded anew for another bundle.

A recorded request names attributes, placements and arms by their rows in the bundle that it
was decided by.  To decide it by a draft, every row becomes a name and the name a row of the
draft.  The promise: the result is what encoding the original JSON for the draft would have
given, or the record is said not to hold what the draft would have been told.  The rules:

 1. Units, locale, consent, time, nonce and state are the same; state names things by key.
 2. Wanted placements that the draft lacks fall away, as names do that a policy does not know.
 3. Arms that were taken go by name; one that the draft lacks is unknown there.  One that the
    old bundle did not know has lost its name: if the draft has arms that are new, it might
    be any of them, and nothing can be said.
 4. An attribute declared alike in both is carried as it is, invalid or not.
 5. Declared otherwise (type, scale, range, enumeration), what was sent is read again under
    the draft's declaration, as `request_json` reads it.  A record keeps `12.30` as a number,
    so the digits that were written are lost, and what was invalid is lost altogether; where
    that matters, the attribute is *doubtful*.
 6. An attribute that the old bundle did not know, or derived, is doubtful.
 7. Who may say an attribute decides what enters a request (`edge/vouching.py`).  With another
    source, another voice might have been heard: doubtful, except that what the shop said is
    heard of a client attribute, too, and what nobody said of a client attribute the shop did
    not say either.
 8. Personal attributes do not enter without full consent; if the draft no longer calls one
    personal, it is doubtful in such a request.

Doubtful attributes are left out; `reading.py` tells whether the draft would read them.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, structs

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.request import (
    CONTEXTUAL,
    INVALID,
    UNKNOWN_ARM,
    Held,
    Request,
    Taken,
)
from edge.decision.request_json import Json, hold

UNKNOWN_PLACEMENT = 0xFFFF
WHOLE = (t.INT, t.TIMESTAMP)

Move = Callable[[Held], Held | None]
"""What was held of an attribute -> the same for the draft; None if that cannot be told."""


class Translated(Struct, frozen=True):
    """A request for the draft; `doubts` are its attributes that the record cannot tell."""

    request: Request
    doubts: frozenset[int]
    taken_doubt: bool = False
    """Whether an arm was taken that might be any of the draft's new ones."""


class Translator:
    """From one bundle's requests to another's."""

    def __init__(self, old: Bundle, new: Bundle) -> None:
        self.old, self.new = old, new
        self._placements = [
            new.placement_rows.get(name, UNKNOWN_PLACEMENT) for name in old.placement_rows
        ]
        self._arms = [new.arm_rows.get(name, UNKNOWN_ARM) for name in old.arm_rows]
        self._has_new_arms = not set(new.arm_rows) <= set(old.arm_rows)
        self._pairs = {
            old.attribute_rows[name]: row
            for name, row in new.attribute_rows.items()
            if name in old.attribute_rows
        }
        self._unknown = frozenset(new.attribute_rows.values()) - frozenset(self._pairs.values())
        self._moves = {
            old_row: _move_of(old, old_row, new, row) for old_row, row in self._pairs.items()
        }
        self._if_present, self._if_absent = self._spoken_otherwise()
        self._unlabelled = frozenset(
            row
            for old_row, row in self._pairs.items()
            if _is_personal(old, old_row) and not _is_personal(new, row)
        )

        self._as_it_is = self._changes_nothing()

    def translate(self, request: Request) -> Translated:
        """The very same request object where not a byte changes."""
        if self._as_it_is and not request.taken:
            return Translated(request, frozenset())
        held, doubts = self._attributes(request)
        taken = tuple(map(self._taken, request.taken))
        known = [self._placements[row] for row in request.placements]
        placements = tuple(sorted(row for row in known if row != UNKNOWN_PLACEMENT))
        translated = structs.replace(request, placements=placements, taken=taken, attributes=held)
        return Translated(translated, doubts, self._has_new_arms and self._lost_a_name(request))

    def _changes_nothing(self) -> bool:
        """Whether every row is the same in both, and what it stands for read alike."""
        doubtful = self._unknown or self._if_present or self._if_absent or self._unlabelled
        alike = all(
            old_row == row and declared(self.old, old_row) == declared(self.new, row)
            for old_row, row in self._pairs.items()
        )
        complete = len(self._pairs) == len(self.old.attribute_rows)
        placed = self._placements == list(range(len(self._placements)))
        return not doubtful and alike and complete and placed

    def _attributes(self, request: Request) -> tuple[tuple[Held, ...], frozenset[int]]:
        found: list[Held] = []
        doubts, absent = set(self._unknown), set(self._if_absent)
        for held in request.attributes:
            row = self._pairs.get(held.attribute)
            if row is None:
                continue
            absent.discard(row)
            moved = None if row in self._if_present else self._moves[held.attribute](held)
            doubts.add(row) if moved is None else found.append(moved)
        doubts |= absent
        if request.consent == CONTEXTUAL:
            doubts |= self._unlabelled
        found = [held for held in found if held.attribute not in doubts]
        return tuple(sorted(found, key=lambda held: held.attribute)), frozenset(doubts)

    def _taken(self, taken: Taken) -> Taken:
        place = (
            self._placements[taken.placement]
            if taken.placement < len(self._placements)
            else UNKNOWN_PLACEMENT
        )
        arm = self._arms[taken.arm] if taken.arm < len(self._arms) else UNKNOWN_ARM
        return Taken(place, taken.slot, arm)

    def _lost_a_name(self, request: Request) -> bool:
        return any(taken.arm >= len(self._arms) for taken in request.taken)

    def _spoken_otherwise(self) -> tuple[frozenset[int], frozenset[int]]:
        """Attributes that are doubtful where something was heard, and where nothing was."""
        present, absent = set(), set()
        sources_before = self.old.tables.attribute_source
        sources_after = self.new.tables.attribute_source
        for old_row, row in self._pairs.items():
            before, after = sources_before[old_row], sources_after[row]
            if before == after:
                continue
            if (before, after) != (t.SIGNED, t.CLIENT):
                present.add(row)
            if (before, after) != (t.CLIENT, t.SIGNED):
                absent.add(row)
        return frozenset(present), frozenset(absent)


def _is_personal(bundle: Bundle, row: int) -> bool:
    return bool(bundle.tables.attribute_flags[row] & t.PERSONAL)


# --- one attribute ------------------------------------------------------------


class Declared(Struct, frozen=True):
    """What reading an attribute's value rests on; `words` is None unless they are enumerated."""

    type: int
    scale: int
    low: int
    high: int
    words: frozenset[bytes] | None


def declared(bundle: Bundle, row: int) -> Declared:
    tables = bundle.tables
    enumerated = tables.attribute_flags[row] & t.ENUMERATED
    return Declared(
        tables.attribute_type[row],
        tables.attribute_scale[row],
        tables.attribute_low[row],
        tables.attribute_high[row],
        frozenset(bundle.words[row]) if enumerated else None,
    )


def _move_of(old: Bundle, old_row: int, new: Bundle, row: int) -> Move:
    before, after = declared(old, old_row), declared(new, row)
    if before == after:
        return lambda held: Held(row, held.form, held.value)
    stays_invalid = _refuses_all_that(after, before)

    def move(held: Held) -> Held | None:
        if held.form == INVALID:
            return Held(row, INVALID) if stays_invalid else None
        if before.type == t.DECIMAL:
            return _move_decimal(new, row, int(held.value), before, after)  # type: ignore[arg-type]
        return hold(new, row, _spoken(before, held))

    return move


def _refuses_all_that(after: Declared, before: Declared) -> bool:
    """Whether nothing that was invalid under `before` is valid under `after`."""
    if before.type != after.type and not (before.type in WHOLE and after.type in WHOLE):
        return False
    if before.words is not None and (after.words is None or not after.words <= before.words):
        return False
    low, high = after.low * 10**before.scale, after.high * 10**before.scale
    inside = before.low * 10**after.scale <= low and high <= before.high * 10**after.scale
    return inside and after.scale <= before.scale


def _move_decimal(
    new: Bundle, row: int, value: int, before: Declared, after: Declared
) -> Held | None:
    """A decimal was sent as text or as a whole number; which, the record does not say."""
    whole, rest = divmod(value, 10**before.scale)
    if after.type == t.DECIMAL and after.scale >= before.scale:
        moved = value * 10 ** (after.scale - before.scale)
        inside = after.low <= moved <= after.high
        return Held(row, 0, moved) if inside else Held(row, INVALID)
    if after.type in (t.BOOL, t.SET):
        return Held(row, INVALID)
    if after.type == t.DECIMAL:
        kept, lost = divmod(value, 10 ** (before.scale - after.scale))
        if lost or not after.low <= kept <= after.high:
            return Held(row, INVALID)
        return None
    if after.type in WHOLE and (rest or not after.low <= whole <= after.high):
        return Held(row, INVALID)
    return None


def _spoken(before: Declared, held: Held) -> Json:
    """What was sent, as JSON."""
    value = held.value
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, tuple):
        return [_text(element) for element in value]
    return bool(value) if before.type == t.BOOL else value


def _text(data: bytes) -> str:
    """Bytes that no JSON holds become text that every reading refuses."""
    return data.decode(errors="surrogateescape")
