"""Made-up requests for any bundle: every state of every attribute, near the edges.

    maker = RequestMaker(bundle, seed)
    said = maker.request()        # JSON text, and which attributes have which value
    block = maker.manifest()

The same bundle and seed give the same requests.  Values are drawn close to the
policy's own breakpoints and words, where decisions change.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from msgspec import Struct

from edge.decision import tables as t
from edge.decision.bundle import Bundle
from edge.decision.hashing import word
from edge.decision.manifest import ManifestBlock
from edge.decision.rule import Value
from edge.decision.state import window_index

NOW_S = 1_772_625_600
"""2026-03-04T12:00:00Z."""
YEAR_S = 31_536_000
STRANGE_WORDS = ("", "other", "é", "e\u0301", "😀", "a b", "zz", "\x00", "__proto__")
GARBAGE: tuple[Any, ...] = ("\ud800", {}, [[]], [1], {"a": []}, "x" * 300)
NAMES = ("ada", "bob", "cleo", "dora", "emil", "fay", "gus", "hana")


class Said(Struct, frozen=True):
    """A request, and what it says: attributes that are in `fields` but have no value
    are invalid, those that are in neither are absent."""

    fields: dict[str, Any]
    values: dict[str, Value]

    @property
    def text(self) -> bytes:
        return json.dumps(self.fields).encode()

    @property
    def attributes(self) -> dict[str, Any]:
        return self.fields["attributes"]


class RequestMaker:
    def __init__(self, bundle: Bundle, seed: int, *, now_s: int = NOW_S) -> None:
        self.bundle, self.random, self.now_s = bundle, Random(seed), now_s

    def request(self, **fixed: Any) -> Said:
        """Any request; `fixed` fields are taken as they are."""
        random, tables = self.random, self.bundle.tables
        now_s = self.now_s + random.randint(-YEAR_S, YEAR_S)
        consent = random.choices(("full", "contextual", "none"), (20, 5, 1))[0]
        placements = list(self.bundle.placement_rows)
        wanted = random.sample(placements, random.randint(1, min(len(placements), 4)))
        fields: dict[str, Any] = {
            "visitor": f"{random.choice(NAMES)}-{random.randrange(50)}",
            "nonce": f"n{random.randrange(10**6)}",
            "consent": consent,
            "now_s": now_s,
            "placements": wanted,
        }
        fields |= fixed
        if random.random() < 0.5:
            fields.setdefault("customer", f"c-{random.randrange(50)}")
        if random.random() < 0.2:
            fields.setdefault("taken", [self._taken()])
        if random.random() < 0.8 and tables.placement_name:
            fields.setdefault("state", self._state(fields))
        contents, values = self._attributes(fields["now_s"])
        fields.setdefault("attributes", contents)
        return Said(fields, values)

    def manifest(self, **fixed: Any) -> ManifestBlock:
        """Any manifest around `now_s`, most of them with nothing paused."""
        random, tables = self.random, self.bundle.tables
        issued_s = self.now_s - YEAR_S - random.randint(0, 10**6)
        fields: dict[str, Any] = {
            "digest": random.randbytes(32),
            "issued_s": issued_s,
            "expires_s": issued_s + random.choice([10**9] * 9 + [YEAR_S]),
            "all_paused": random.random() < 0.01,
            "paused_offers": self._some(tables.offer_key),
            "paused_rungs": self._some(tables.rung_key),
            "paused_placements": self._some(tables.placement_key),
            "multipliers": tuple(
                (key, random.randrange(1 << 18)) for key in self._some(tables.budget_key, 0.7)
            ),
        }
        return ManifestBlock(**(fields | fixed))

    def _some(self, keys: t.Ints, share: float = 0.03) -> tuple[int, ...]:
        return tuple(sorted(key for key in keys if self.random.random() < share))

    # --- attributes ---

    def _attributes(self, now_s: int) -> tuple[dict[str, Any], dict[str, Value]]:
        contents: dict[str, Any] = {}
        values: dict[str, Value] = {}
        for name, row in self.bundle.attribute_rows.items():
            chance = self.random.random()
            if chance < 0.15:
                continue
            if chance < 0.22:
                contents[name] = self._invalid(row)
                continue
            contents[name], values[name] = self._value(row, now_s)
        return contents, values

    def _value(self, row: int, now_s: int) -> tuple[Any, Value]:
        """What is sent, and what it means."""
        tables, random = self.bundle.tables, self.random
        match tables.attribute_type[row]:
            case t.BOOL:
                truth = random.random() < 0.5
                return truth, int(truth)
            case t.STRING:
                text = self._word(row)
                return text, text
            case t.SET:
                elements = [self._word(row) for _ in range(random.randint(0, 4))]
                return elements, frozenset(elements)
            case t.DECIMAL:
                number = self._number(row, now_s)
                return self._decimal(number, tables.attribute_scale[row]), number
            case _:
                number = self._number(row, now_s)
                return number, number

    def _word(self, row: int) -> str:
        tables, random = self.bundle.tables, self.random
        first, last = tables.attribute_word[row : row + 2]
        words = [self.bundle.text(tables.word_text[w]) for w in range(first, last)]
        if tables.attribute_flags[row] & t.ENUMERATED:
            return random.choice(words)
        if words and random.random() < 0.7:
            return random.choice(words) + random.choice(["", "", "", "x", "\U0010ffff"])
        return random.choice(STRANGE_WORDS)

    def _number(self, row: int, now_s: int) -> int:
        tables, random = self.bundle.tables, self.random
        low, high = tables.attribute_low[row], tables.attribute_high[row]
        breaks = list(tables.break_value[slice(*tables.attribute_break[row : row + 2])])
        near = [b + d for b in breaks for d in (-1, 0, 1)]
        if tables.attribute_type[row] == t.TIMESTAMP:
            near += [now_s - age + d for age in (60, 3600, 86400, 10**6) for d in (0, 1)]
        near += [low, high, 0, random.randint(max(low, -100), min(high, 20_000))]
        return max(low, min(high, random.choice(near)))

    def _decimal(self, number: int, scale: int) -> Any:
        sign, digits = "-" if number < 0 else "", str(abs(number)).rjust(scale + 1, "0")
        if number % 10**scale == 0 and self.random.random() < 0.5:
            return number // 10**scale
        return sign + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)

    def _invalid(self, row: int) -> Any:
        tables, random = self.bundle.tables, self.random
        kind, high = tables.attribute_type[row], tables.attribute_high[row]
        wrong: dict[int, list[Any]] = {
            t.BOOL: [0, 1, "true"],
            t.INT: [1.5, "1", True, high + 1 if high < t.SAFE - 1 else 1e300],
            t.DECIMAL: [0.5, "1e2", "", True, "0." + "0" * 7],
            t.STRING: [5, True, ["a"]],
            t.SET: ["a", [None], 3],
            t.TIMESTAMP: ["2026", 0.25, False],
        }
        return random.choice([*wrong[kind], *GARBAGE])

    # --- the rest of a request ---

    def _taken(self) -> dict[str, Any]:
        arms = ["none", "gone/one", *self.bundle.arm_rows]
        placement = self.random.choice(["gone", *self.bundle.placement_rows])
        return {"placement": placement, "slot": 0, "arm": self.random.choice(arms)}

    def _state(self, fields: dict[str, Any]) -> dict[str, Any]:
        caps = [
            {"key": key, "window": window_index(fields["now_s"], period), "count": count}
            for key, period, most in zip(*self._caps(), strict=True)
            if (count := self.random.choice([0, most - 1, most]))
        ]
        kept = [self._kept(fields, row) for row in range(self.bundle.rows["placement"])]
        return {
            "caps": caps[:30],
            "kept": [each for each in kept if each][:15],
            "overflow": self.random.random() < 0.1,
        }

    def _caps(self) -> tuple[t.Ints, t.Ints, t.Ints]:
        tables = self.bundle.tables
        return tables.cap_key, tables.cap_period_s, tables.cap_count

    def _kept(self, fields: dict[str, Any], row: int) -> dict[str, Any] | None:
        if self.random.random() < 0.7:
            return None
        tables, random = self.bundle.tables, self.random
        unit = fields["visitor"] if tables.placement_unit[row] == t.VISITOR else ""
        place, salt = self.bundle.placement_name(row), tables.placement_salt[row]
        period = tables.placement_epoch_s[row]
        parts = (
            f"{place}/0",
            self.bundle.text(salt),
            unit or fields.get("customer", ""),
        )
        epoch = (fields["now_s"] + word("epoch", *parts) % period) // period
        return {
            "placement_key": tables.placement_key[row],
            "slot": 0,
            "redraw": random.choice([0, 0, 1, 65535]),
            "epoch": epoch - random.choice([0, 0, 0, 1]),
            "arm_key": random.choice([0, 7, *tables.rung_key]),
            "drawn_by": random.randbytes(16).hex(),
        }


def derived_values(bundle: Bundle, values: dict[str, Value], now_s: int) -> dict[str, Value]:
    """Ages, sums and differences of those values, where they are in range."""
    tables, names = bundle.tables, [bundle.text(x) for x in bundle.tables.attribute_name]
    found: dict[str, Value] = {}
    for row, op in enumerate(tables.attribute_op):
        operands = [x for x in (tables.attribute_left[row], tables.attribute_right[row]) if x >= 0]
        numbers = [values.get(names[x]) for x in operands]
        if op not in (t.AGE, t.SUM, t.DIFFERENCE) or not all(isinstance(n, int) for n in numbers):
            continue
        first, *rest = (n for n in numbers if isinstance(n, int))
        number = {
            t.AGE: now_s - first,
            t.SUM: first + sum(rest),
            t.DIFFERENCE: first - sum(rest),
        }[op]
        if tables.attribute_low[row] <= number <= tables.attribute_high[row]:
            found[names[row]] = number
    return found
