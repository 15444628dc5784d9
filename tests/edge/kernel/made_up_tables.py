"""Policies drawn as tables, without a catalog: whatever the format allows, not the compiler.

    tables = made_up_tables(Random(seed))

Every kind of attribute, constraint, model, allocation and choice policy occurs, also in
ways that no compiler writes: several constraints on one attribute in a clause, derived
attributes that read one another, arms without a model's row, negative costs.  Most of what
comes out is well-formed; what is not, `open_bundle` and the kernel must refuse alike.
"""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

from edge.decision import tables as t
from edge.decision.notes import AttributeNote, Notes, OfferNote, PlacementNote, pack_notes
from edge.decision.tables import COLUMNS, Tables, cell_count

NOW_S = 1_772_625_600
WORDS = ("", "AT", "DE", "FR", "a", "ab", "b", "red", "é", "😀", "zz")
CENT = 10_000
Columns = dict[str, Any]


def made_up_tables(random: Random) -> Tables:
    draft = Draft(random)
    draft.texts()
    draft.attributes()
    draft.rules()
    draft.offers()
    draft.costs()
    draft.placements()
    draft.models()
    draft.allocations()
    draft.head()
    return draft.tables()


class Draft:
    """Columns under construction.  List columns begin with their 0."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.columns: Columns = {
            name: [0] if kind.name == "start" else [] for name, kind in COLUMNS.items()
        }
        pick = random.choice
        self.attribute_count = random.randint(0, 12)
        self.offer_count = pick((0, 1, 3, 8, 8, 20, 50))
        self.rung_counts = [pick((1, 1, 2, 4)) for _ in range(self.offer_count)]
        self.placement_count = random.randint(1, 5)
        self.cap_count = random.randint(0, 5)
        self.model_count = random.randint(0, 3)
        self.allocation_count = random.randint(0, 2)
        self.budget_count = random.randint(0, 2)
        self.cost_count = random.randint(0, 2) if self.attribute_count else 0
        self.minor = pick((1, CENT, CENT, 1000, 1_000_000))

    def row(self, table: str, **values: Any) -> None:
        for name, value in values.items():
            self.columns[f"{table}_{name}"].append(value)

    def close(self, column: str, values: str) -> None:
        """Ends the list of a row."""
        self.columns[column].append(len(self.columns[values]))

    def some(self, count: int, most: int = 4) -> list[int]:
        """A few different rows, ascending."""
        return sorted(self.random.sample(range(count), min(count, self.random.randint(0, most))))

    def maybe(self, count: int, share: float = 0.5) -> int:
        return self.random.randrange(count) if count and self.random.random() < share else -1

    def cells(self, attribute: int) -> int:
        view: Any = SimpleNamespace(**self.columns)
        return cell_count(view, attribute)

    @property
    def rungs(self) -> int:
        return sum(self.rung_counts)

    def keys(self, count: int) -> list[int]:
        """Different ones; 0 is the key of none, and yet may be one."""
        random = self.random
        near = random.randrange(1, 1 << 32)
        return random.sample([0, *range(1, 60), *(near ^ i for i in range(900))], count)

    # --- what is named -----------------------------------------------------------

    def texts(self) -> None:
        heap = bytearray()
        for text in (*WORDS, *(f"name-{i}" for i in range(6))):
            heap += text.encode()
            self.columns["text_start"].append(len(heap))
        self.columns["heap"] = bytes(heap)

    def word(self) -> int:
        return self.random.randrange(len(WORDS))

    def part(self) -> int:
        """A text that may be part of a word of chance."""
        return self.random.randrange(1, len(WORDS) + 6)

    def attributes(self) -> None:
        random = self.random
        for row in range(self.attribute_count):
            kind, op = random.randrange(6), random.choice((0, 0, 0, 1, 2, 3, 4, 5))
            left = right = -1
            if op:
                kind = random.choice((t.INT, t.DECIMAL))
                left, right = self.operands(op, row)
            if op in (t.AGE, t.SUM, t.DIFFERENCE) and left < 0:
                op = t.NO_OP
            low, high = self.range_of(kind)
            self.row(
                "attribute", name=self.word(), type=kind, scale=random.randint(0, 6),
                source=random.randrange(4), flags=random.randrange(32), low=low, high=high,
                op=op, left=left, right=right, zone=0 if op > t.DIFFERENCE else -1,
            )  # fmt: skip
            self.values(kind, low, high)
        for _ in range(2):
            instants = sorted(random.sample(range(NOW_S - 10**7, NOW_S + 10**7), 3))
            self.columns["shift_instant"] += instants
            self.columns["shift_offset_s"] += [random.randint(-50400, 50400) for _ in instants]
            self.close("zone_shift", "shift_instant")

    def operands(self, op: int, row: int) -> tuple[int, int]:
        wanted = (t.TIMESTAMP,) if op == t.AGE else (t.INT, t.DECIMAL)
        fit = [
            i
            for i in range(row)
            if self.columns["attribute_type"][i] in wanted and not self.columns["attribute_op"][i]
        ]
        left = self.random.choice(fit) if fit else -1
        if op in (t.SUM, t.DIFFERENCE):
            return left, self.random.choice(fit) if fit else -1
        stray = self.maybe(self.attribute_count, 0.1)
        return (stray, -1) if op in (t.HOUR, t.WEEKDAY) else (left, stray)

    def range_of(self, kind: int) -> tuple[int, int]:
        random = self.random
        if kind == t.BOOL:
            return random.choice(((0, 1), (0, 1), (1, 1)))
        if kind == t.TIMESTAMP:
            return 0, 1 << 40
        return random.choice(((-20, 20), (0, 100), (-1000, 1000), (0, 9000), (5, -5)))

    def values(self, kind: int, low: int, high: int) -> None:
        random = self.random
        near = range(low - 2, high + 3) if high - low < 10**5 else range(NOW_S - 99, NOW_S + 99)
        if kind != t.BOOL and len(near):
            breaks = random.sample(near, min(len(near), random.randint(0, 6)))
            self.columns["break_value"] += sorted(breaks)
        if kind in (t.STRING, t.SET) or random.random() < 0.1:
            self.columns["word_text"] += sorted(
                self.some(len(WORDS), 8), key=lambda i: WORDS[i].encode()
            )
        self.close("attribute_break", "break_value")
        self.close("attribute_word", "word_text")

    # --- rules ------------------------------------------------------------------

    def rules(self) -> None:
        for _ in range(self.random.randint(1, 25) if self.attribute_count else 0):
            self.constraint(self.random.randrange(self.attribute_count))
        constraints = len(self.columns["constraint_kind"])
        for _ in range(self.offer_count):
            for _ in range(self.random.choice((0, 1, 1, 1, 2, 3))):
                self.clause(constraints)
            self.columns["offer_clause"].append(len(self.columns["clause_literal"]) - 1)

    def clause(self, constraints: int) -> None:
        most = self.random.choice((0, 0, 1, 1, 2, 2, 3, 12))
        for _ in range(self.random.randint(0, most) if constraints else 0):
            self.row("literal", constraint=self.random.randrange(constraints))
        self.close("clause_literal", "literal_constraint")

    def constraint(self, attribute: int) -> None:
        random = self.random
        is_set = self.columns["attribute_type"][attribute] == t.SET
        kinds = (t.ANY_OF, t.ANY_OF, t.NONE_OF) if is_set else (t.CELLS,)
        kind = random.choice((*kinds * 4, t.PRESENT, t.ABSENT))
        words = self.columns["attribute_word"]
        count = words[attribute + 1] - words[attribute] if is_set else self.cells(attribute)
        self.row("constraint", attribute=attribute, kind=kind)
        for _ in range(random.randint(0, 3) if count else 0):
            low = random.randrange(count)
            high = random.choice((low, count - 1))
            self.row("range", low=low, high=high)
        if kind == t.CELLS and random.random() < 0.5:
            self.row("range", low=0, high=count - 1)
        self.close("constraint_range", "range_low")

    # --- offers -----------------------------------------------------------------

    def offers(self) -> None:
        random = self.random
        plain = random.random() < 0.5
        keys = self.keys(self.offer_count)
        for offer in range(self.offer_count):
            odd = not plain and random.random() < 0.3
            self.row(
                "offer", name=self.word(), key=keys[offer],
                from_s=NOW_S - 10**8 if not odd else NOW_S + random.randint(-99, 99),
                until_s=NOW_S + 10**8 if not odd else NOW_S + random.randint(-99, 99),
                max_age_s=random.choice((10**9, 10**9, 10**9, 4000)), expires_s=60,
                group=random.choice((0, 0, 0, 1, 2)),
                flags=random.choice((1, 1, 3, 3, 7, 5, 0)) if not plain else 3,
                scope=self.money(0.3), budget=self.maybe(self.budget_count),
            )  # fmt: skip
            self.offer_lists()
        keys = self.keys(self.rungs)
        for offer, count in enumerate(self.rung_counts):
            for _ in range(count):
                self.rung(offer, keys.pop())
            self.close("offer_rung", "rung_key")
        for key in self.keys(self.cap_count):
            self.row(
                "cap", key=key, period_s=random.choice((0, 3600, 1)), count=random.randint(0, 3),
                placement=self.maybe(self.placement_count, 0.4), strict=random.random() < 0.2,
            )  # fmt: skip
        for key in self.keys(self.budget_count):
            self.row("budget", key=key)

    def offer_lists(self) -> None:
        random = self.random
        places = [p for p in range(self.placement_count) if random.random() < 0.8]
        self.columns["place_placement"] += places
        self.close("offer_place", "place_placement")
        capped = random.random() < 0.3
        self.columns["limit_cap"] += self.some(self.cap_count, 2) if capped else []
        self.close("offer_limit", "limit_cap")
        self.columns["disclosure_text"] += self.some(len(WORDS), 3)
        self.close("offer_disclosure", "disclosure_text")

    def rung(self, offer: int, key: int) -> None:
        random = self.random
        ppm = (0, 50_000, 333_333, 1_000_000, 1 << 20)
        amounts = (0, CENT, 123_456, 5_000_000, 50_000_000)
        self.row(
            "rung", name=self.word(), key=key, offer=offer,
            depth=random.choice((0, 256, -300, 512, 65536)),
            limits=random.choice((0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 63, random.randrange(64))),
            fixed=random.choice((*amounts, -5_000_000)), rate_ppm=random.choice(ppm),
            most=random.choice((*amounts, -1)), cost=self.maybe(self.cost_count, 0.2),
            ceiling=random.choice(amounts) * 2, ceiling_ppm=random.choice(ppm),
            floor=random.choice((*amounts, -5_000_000)), floor_ppm=random.choice(ppm),
            handling=random.choice((*amounts, -1)),
            expected_cost=random.choice((0, 5, 1 << 24)),
        )  # fmt: skip

    def money(self, share: float = 0.8) -> int:
        fit = [i for i, kind in enumerate(self.columns["attribute_type"]) if kind == t.DECIMAL]
        return self.random.choice(fit) if fit and self.random.random() < share else -1

    def scalar(self, share: float = 1.0) -> int:
        fit = [i for i, kind in enumerate(self.columns["attribute_type"]) if kind != t.SET]
        return self.random.choice(fit) if fit and self.random.random() < share else -1

    def costs(self) -> None:
        for _ in range(self.cost_count):
            attribute = self.scalar()
            if attribute < 0:
                self.cost_count = 0
                self.columns["rung_cost"] = [-1] * self.rungs
                return
            self.row("cost", attribute=attribute)
            for _ in range(self.cells(attribute) + 1):
                self.row("amount", micros=self.random.choice((-1, 0, CENT, 4_500_000)))
            self.close("cost_amount", "amount_micros")

    # --- placements, models, allocations ------------------------------------------

    def placements(self) -> None:
        random = self.random
        share = (0, 0, 1 << 18, 1 << 19, 1 << 20)
        for key in self.keys(self.placement_count):
            policy = random.randrange(4)
            allocation = self.maybe(self.allocation_count, 1)
            self.row(
                "placement", name=self.part(), key=key, slots=random.choice((1, 1, 2, 3, 16)),
                rank=random.randint(0, 2),
                policy=0 if policy == t.ALLOCATION and allocation < 0 else policy,
                param=random.choice((0, 256, 5120, 1 << 18, 1 << 20)),
                floor=random.choice((0, 1000, 1 << 15, 1 << 20)),
                loss=random.choice((0, 100, 1 << 24)),
                share=random.choice(share), share_unit=random.random() < 0.2,
                share_salt=self.part(), unit=random.random() < 0.2, salt=self.part(),
                epoch_s=random.choice((1, 2, 3600, 86400, (1 << 32) - 1)),
                model=self.maybe(self.model_count, 0.8), allocation=allocation,
            )  # fmt: skip

    def arms(self, low: int, share: float) -> list[int]:
        return [arm for arm in range(low, self.rungs + 1) if self.random.random() < share]

    def weight(self) -> int:
        random = self.random
        return random.choice((random.randint(-300, 300), random.randint(-300, 300), 0, 1 << 24))

    def models(self) -> None:
        random = self.random
        for _ in range(self.model_count):
            self.row("model", link=random.randrange(2), constant=random.randint(-200, 200))
            for arm in self.arms(1, 0.7):
                self.row("bias", arm=arm, weight=self.weight())
            self.close("model_bias", "bias_arm")
            for _ in range(random.randint(0, 4) if self.scalar() >= 0 else 0):
                self.term()
            self.close("model_term", "term_role")
        if t.LOGISTIC in self.columns["model_link"]:
            self.columns["response"] = sorted(random.randrange(65536) for _ in range(1024))

    def term(self) -> None:
        random = self.random
        left, right, role = self.scalar(), self.scalar(0.3), random.randrange(3)
        width = random.randint(1, 3) if right >= 0 else 1
        left_bins = [random.randrange(3) for _ in range(self.cells(left) + 1)]
        rights = self.cells(right) + 1 if right >= 0 else 0
        self.row("term", role=role, left=left, right=right, width=width)
        self.columns["leftbin_bin"] += left_bins
        self.columns["rightbin_bin"] += [random.randrange(width) for _ in range(rights)]
        self.close("term_left_bin", "leftbin_bin")
        self.close("term_right_bin", "rightbin_bin")
        for arm in self.arms(0, random.choice((0, 0.3, 0.9, 1))) if role == t.ARM else [0]:
            for _ in range((max(left_bins) + 1) * width):
                self.row("weight", value=self.weight())
            self.row("row", arm=arm)
            self.close("row_weight", "weight_value")
        self.close("term_row", "row_arm")

    def allocations(self) -> None:
        random = self.random
        for _ in range(self.allocation_count):
            attribute = self.scalar(0.7)
            rows = [0]
            if attribute >= 0:
                rows = [random.randrange(4) for _ in range(self.cells(attribute) + 1)]
            arms = self.arms(0, random.choice((0.2, 0.9)))
            self.row("allocation", attribute=attribute)
            self.columns["allocbin_row"] += rows
            self.columns["allocarm_arm"] += arms
            for _ in range((max(rows) + 1) * len(arms)):
                self.row("share", weight=random.choice((0, 1, 7, random.randrange(1 << 20))))
            self.close("allocation_bin", "allocbin_row")
            self.close("allocation_arm", "allocarm_arm")
            self.close("allocation_share", "share_weight")

    # --- the whole ---------------------------------------------------------------

    def head(self) -> None:
        random = self.random
        near = (NOW_S - 10**7, NOW_S + 10**7)
        self.columns["head"] = [
            random.randrange(2), self.part(), random.choice((1, 1000, CENT, 10**9)), self.minor,
            random.randrange(3), random.choice((0, 0, 1 << 18)), random.random() < 0.2,
            self.part(), self.money(), random.choice((0, 50_000_000)), self.money(0.6),
            random.choice((0, 400_000, 1 << 20)), near[0], random.choice((near[1], NOW_S)),
            self.maybe(self.attribute_count),
        ]  # fmt: skip

    def tables(self) -> Tables:
        columns = {name: value for name, value in self.columns.items() if name in COLUMNS}
        return Tables(**(columns | {"notes": self.notes()}))

    def notes(self) -> bytes:
        offers = tuple(OfferNote(title="", kind="") for _ in range(self.offer_count))
        placements = tuple(PlacementNote(title="") for _ in range(self.placement_count))
        attributes = tuple(AttributeNote() for _ in range(self.attribute_count))
        return pack_notes(
            Notes(
                title="", currency="", minor_digits=2, locales=(), attributes=attributes,
                offers=offers, placements=placements, budgets=("",) * self.budget_count,
            )
        )  # fmt: skip
