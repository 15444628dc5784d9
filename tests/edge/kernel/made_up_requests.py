"""Requests and manifest blocks for any bundle, near the values where decisions change.

They are encoded requests at once, without JSON: also such as `request_json` never makes.
"""

from __future__ import annotations

from random import Random

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.hashing import word
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.request import (
    CONTEXTUAL,
    FULL,
    INVALID,
    NONE,
    NUMBER,
    SETS,
    STRINGS,
    UNKNOWN_ARM,
    Held,
    Request,
    Taken,
    pack_request,
)
from edge.decision.state import CapCount, Kept, State, window_index

from .made_up_tables import NOW_S, WORDS

BYTES = tuple(text.encode() for text in WORDS) + (b"never", b"\xff", b"ac", b"\x00")
UNITS = ("v", "ada", "bob-7", "é", "x" * 90)


class Maker:
    def __init__(self, bundle: Bundle, random: Random) -> None:
        self.bundle, self.tables, self.random = bundle, bundle.tables, random
        self.numbers = [self._numbers(row) for row in range(bundle.rows["attribute"])]

    # --- manifests ----------------------------------------------------------------

    def manifest(self) -> bytes:
        random, tables = self.random, self.tables
        quiet = random.random() < 0.6
        issued_s = NOW_S - random.choice((0, 3600, 3600, -50, 10**8))
        far = random.choice((-(1 << 63), (1 << 63) - 1))
        block = ManifestBlock(
            digest=bytes(32),
            issued_s=far if random.random() < 0.02 else issued_s,
            expires_s=NOW_S + random.choice((*[10**9] * 12, 0)),
            all_paused=random.random() < 0.02,
            paused_offers=() if quiet else self._some(tables.offer_key, 0.1),
            paused_rungs=() if quiet else self._some(tables.rung_key, 0.1),
            paused_placements=() if quiet else self._some(tables.placement_key, 0.1),
            multipliers=tuple(
                (key, random.choice((0, 1 << 16, 1 << 24, random.randrange(1 << 18))))
                for key in self._some(tables.budget_key, 0.7)
            ),
        )
        return pack_manifest(block)

    def _some(self, keys: t.Ints, share: float) -> tuple[int, ...]:
        strangers = [self.random.randrange(1 << 32)] * (self.random.random() < 0.2)
        some = [key for key in keys if self.random.random() < share]
        return tuple(sorted({*some, *strangers}))

    # --- requests -----------------------------------------------------------------

    def request(self) -> bytes:
        random = self.random
        consent = random.choice((*[FULL] * 16, *[CONTEXTUAL] * 4, NONE))
        placements = self.bundle.rows["placement"]
        now_s = NOW_S + random.randint(-99, 99) * random.choice((1, 1, 1, 100_000))
        visitor = random.choice(("", *UNITS * 3))
        customer = random.choice(("", *(f"c-{i}" for i in range(8))))
        request = Request(
            consent=consent,
            now_s=random.choice((0, 5000, (1 << 32) - 1)) if random.random() < 0.03 else now_s,
            visitor=visitor,
            customer=customer,
            nonce=f"n{random.randrange(10**6)}",
            locale=random.choice(("", "en")),
            placements=tuple(p for p in range(placements) if random.random() < 0.7) or (0,),
            taken=tuple(self._taken() for _ in range(random.choice((0, 0, 0, 0, 1, 3)))),
            attributes=self._attributes(),
            state=self._state(now_s, visitor, customer) if random.random() < 0.6 else None,
        )
        return pack_request(request)

    def _taken(self) -> Taken:
        arm = self.random.randint(0, self.bundle.rows["rung"])
        strange = self.random.random() < 0.1
        return Taken(0xFFFF, 0, UNKNOWN_ARM if strange else arm)

    def _attributes(self) -> tuple[Held, ...]:
        sent = self.random.choice((0.5, 0.8, 0.95, 1))
        return tuple(
            self._held(row)
            for row, op in enumerate(self.tables.attribute_op)
            if op == t.NO_OP and self.random.random() < sent
        )

    def _held(self, row: int) -> Held:
        random, kind = self.random, self.tables.attribute_type[row]
        if random.random() < 0.04:
            return Held(row, INVALID)
        if kind == t.STRING:
            return Held(row, STRINGS, random.choice(BYTES))
        if kind == t.SET:
            some = random.sample(BYTES, random.randint(0, 4))
            return Held(row, SETS, tuple(sorted(some)))
        return Held(row, NUMBER, random.choice(self.numbers[row]))

    def _numbers(self, row: int) -> list[int]:
        tables = self.tables
        low, high = tables.attribute_low[row], tables.attribute_high[row]
        starts = tables.attribute_break
        breaks = tables.break_value[starts[row] : starts[row + 1]]
        near = [each + step for each in breaks for step in (-1, 0, 1)]
        between = [self.random.randint(low, high) for _ in range(6 * (low <= high))]
        return [low, high, low - 1, high + 1, 0, (1 << 63) - 1, *near * 3, *between]

    # --- states -------------------------------------------------------------------

    def _state(self, now_s: int, visitor: str, customer: str) -> State:
        random, tables = self.random, self.tables
        caps = [
            CapCount(key, window_index(now_s, period) - random.choice((0, 0, 0, 1)), count)
            for key, period, most in zip(
                tables.cap_key, tables.cap_period_s, tables.cap_count, strict=True
            )
            if (count := random.choice(counts_around(most))) or most
        ]
        caps = [cap for cap in caps if cap.window >= 0] * random.choice((1, 1, 2))
        kept = [
            self._kept(row, slot, now_s, visitor, customer)
            for row in range(self.bundle.rows["placement"])
            for slot in range(min(tables.placement_slots[row], 4))
            if random.random() < 0.4
        ]
        return State(tuple(caps[:48]), tuple(kept[:48]), random.random() < 0.1)

    def _kept(self, row: int, slot: int, now_s: int, visitor: str, customer: str) -> Kept:
        random, tables = self.random, self.tables
        unit = customer if tables.placement_unit[row] == t.CUSTOMER else visitor
        salt = self.bundle.text(tables.placement_salt[row])
        period = tables.placement_epoch_s[row]
        words = word("epoch", f"{self.bundle.placement_name(row)}/{slot}", salt, unit)
        epoch = (now_s + words % period) // period - random.choice((0, 0, 0, 1))
        return Kept(
            placement_key=tables.placement_key[row],
            slot=slot,
            redraw=random.choice((0, 1, 65534, 65535)),
            epoch=max(0, min(epoch, 0xFFFFFFFF)),
            arm_key=random.choice((0, 7, *tables.rung_key)),
            drawn_by=random.randbytes(16),
        )


def counts_around(most: int) -> tuple[int, ...]:
    return (0, 0, 0, 0, max(0, most - 1), most, most + 1, 0xFFFFFFFF)
