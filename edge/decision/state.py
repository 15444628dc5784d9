"""What the edge remembers of a unit between requests: caps used and choices kept.

    offset  size
    0       1     version (0)
    1       1     flags: 1 = entries had to be dropped
    2       1     number of cap counts, c
    3       1     number of kept choices, k
    4       12*c  u32 cap key, u32 window index, u32 count
    ...     32*k  u32 placement key, u16 slot, u16 redraw, u32 epoch,
                  u32 arm key (0: none), 16 bytes id of the drawing decision

Little endian.  Entries are named by keys, not rows, so they survive publishes.
At most 48 entries and 1,200 bytes: ended windows go first, then the least
counts, then the oldest kept choices; the flag then makes `cap_strict` offers
withhold.  A host MACs these bytes with unit and issue time.

A window index is `now_s // period_s` (0 for a cap that never resets).
"""

from __future__ import annotations

from struct import Struct as Packing

from msgspec import Struct

from .errors import StateError

ENTRY_LIMIT = 48
SIZE_LIMIT = 1200
HEADER = Packing("<BBBB")
CAP = Packing("<III")
KEPT = Packing("<IHHII16s")
OVERFLOW = 1


class CapCount(Struct, frozen=True):
    """`count` exposures under cap `key` in window `window`."""

    key: int
    window: int
    count: int


class Kept(Struct, frozen=True):
    """The arm that decision `drawn_by` drew for a placement's slot in an epoch."""

    placement_key: int
    slot: int
    redraw: int
    epoch: int
    arm_key: int
    drawn_by: bytes


class State(Struct, frozen=True):
    caps: tuple[CapCount, ...] = ()
    kept: tuple[Kept, ...] = ()
    overflow: bool = False

    def count(self, key: int, window: int) -> int:
        return sum(c.count for c in self.caps if c.key == key and c.window == window)

    def choice(self, placement_key: int, slot: int, epoch: int) -> Kept | None:
        wanted = (placement_key, slot, epoch)
        for kept in self.kept:
            if (kept.placement_key, kept.slot, kept.epoch) == wanted:
                return kept
        return None


def window_index(now_s: int, period_s: int) -> int:
    """Index of the tumbling window, or 0 where the period is 0 (for ever)."""
    return now_s // period_s if period_s else 0


def pack_state(state: State) -> bytes:
    header = HEADER.pack(0, state.overflow, len(state.caps), len(state.kept))
    caps = [CAP.pack(c.key, c.window, c.count) for c in state.caps]
    kept = [
        KEPT.pack(k.placement_key, k.slot, k.redraw, k.epoch, k.arm_key, k.drawn_by)
        for k in state.kept
    ]
    return b"".join([header, *caps, *kept])


def unpack_state(data: bytes) -> State:
    """Raises `StateError`."""
    if not HEADER.size <= len(data) <= SIZE_LIMIT:
        raise StateError("SIZE", f"{len(data)} bytes")
    version, flags, caps, kept = HEADER.unpack_from(data)
    if version or flags > 1 or caps + kept > ENTRY_LIMIT:
        raise StateError("FORMAT", f"version {version}, flags {flags}, {caps + kept} entries")
    middle = HEADER.size + caps * CAP.size
    if len(data) != middle + kept * KEPT.size:
        raise StateError("SIZE", f"{len(data)} bytes for {caps} caps and {kept} choices")
    return State(
        caps=tuple(CapCount(*entry) for entry in CAP.iter_unpack(data[HEADER.size : middle])),
        kept=tuple(Kept(*entry) for entry in KEPT.iter_unpack(data[middle:])),
        overflow=bool(flags),
    )


def count_exposure(state: State, key: int, window: int) -> State:
    """One more exposure under a cap."""
    now = CapCount(key, window, state.count(key, window) + 1)
    others = [c for c in state.caps if c.key != key]
    return State(caps=(*others, now), kept=state.kept, overflow=state.overflow)


def keep_choice(state: State, choice: Kept) -> State:
    """Keep this choice instead of any earlier one of its placement's slot."""
    slot = (choice.placement_key, choice.slot)
    others = [k for k in state.kept if (k.placement_key, k.slot) != slot]
    return State(caps=state.caps, kept=(*others, choice), overflow=state.overflow)


def trim(state: State, current: dict[int, int]) -> State:
    """Fit the state into its limits.

    `current` maps the cap keys of the policy to their window index now: counts of
    other windows have ended and go first; what goes after that sets the flag.
    """
    caps = [c for c in state.caps if current.get(c.key) == c.window]
    kept, overflow = list(state.kept), state.overflow
    while _too_large(caps, kept):
        overflow = True
        if caps and len(caps) >= len(kept):
            caps.remove(min(caps, key=lambda c: (c.count, c.key)))
        else:
            kept.pop(0)
    return State(caps=tuple(caps), kept=tuple(kept), overflow=overflow)


def _too_large(caps: list[CapCount], kept: list[Kept]) -> bool:
    size = HEADER.size + CAP.size * len(caps) + KEPT.size * len(kept)
    return len(caps) + len(kept) > ENTRY_LIMIT or size > SIZE_LIMIT
