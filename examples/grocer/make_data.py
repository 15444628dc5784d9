"""Makes the stand-in: small tables of the same shape as the grocer's year.

    python -m examples.grocer.make_data FOLDER

Everything in it is made up but the campaigns' types and dates.  The same seed gives
the same tables: chance comes from `random()` alone, the one method of Python's
generator whose results are promised to stay.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TypeVar

from msgspec import Struct

SEED = 2017
HOUSEHOLDS = 90
PRODUCTS = 240
BASKETS = 1500
FIRST_DAY, DAYS = date(2017, 1, 1), 365
Choice = TypeVar("Choice")
Cells = Sequence[object]

CAMPAIGNS = """
1 B 2017-03-03 2017-04-09   2 B 2017-03-08 2017-04-09   3 C 2017-03-13 2017-05-08
4 B 2017-03-29 2017-04-30   5 B 2017-04-03 2017-05-07   6 C 2017-04-19 2017-05-21
7 B 2017-04-24 2017-05-28   8 A 2017-05-08 2017-06-25   9 B 2017-05-31 2017-07-02
10 B 2017-06-28 2017-07-30  11 B 2017-07-12 2017-08-27  12 B 2017-07-12 2017-08-13
13 A 2017-08-08 2017-09-24  14 C 2017-09-04 2017-11-08  15 C 2017-09-20 2018-02-28
16 B 2017-10-04 2017-11-05  17 B 2017-10-18 2017-11-19  18 A 2017-10-30 2017-12-24
19 B 2017-11-15 2017-12-17  20 C 2017-11-27 2018-02-05  21 B 2017-12-06 2018-01-07
22 B 2017-12-06 2018-01-07  23 B 2017-12-28 2018-02-04  24 C 2016-11-14 2017-01-16
25 B 2016-12-06 2017-02-05  26 B 2016-12-28 2017-02-19  27 A 2017-02-08 2017-03-26
"""
MAILED = {"A": 0.45, "B": 0.16, "C": 0.12}
"""Share of households that a campaign is mailed to; the real ones are smaller for B and C."""
COVERS = {"A": 70, "B": 16, "C": 12}
COUPONS = {"A": 20, "B": 4, "C": 3}
USES = {"A": 0.16, "B": 0.07, "C": 0.06}

# department, share of lines, typical price, a product type
DEPARTMENTS = (
    ("GROCERY", 0.62, 1.90, "SOUP"),
    ("DRUG GM", 0.11, 3.60, "SHAMPOO"),
    ("PRODUCE", 0.10, 2.10, "APPLES"),
    ("MEAT-PCKGD", 0.05, 3.40, "BACON"),
    ("MEAT", 0.04, 5.90, "BEEF"),
    ("DELI", 0.03, 4.10, "SALADS"),
    ("PASTRY", 0.02, 3.00, "BREAD"),
    ("NUTRITION", 0.015, 3.10, "BARS"),
    ("COSMETICS", 0.01, 4.80, "MAKEUP"),
    ("FUEL", 0.005, 24.00, "GASOLINE"),
)
AGES = ("19-24", "25-34", "35-44", "45-54", "55-64", "65+")
INCOMES = ("Under 15K", "15-24K", "25-34K", "35-49K", "50-74K", "75-99K", "100-124K", "125-149K")


class Product(Struct, frozen=True):
    id: int
    department: str
    private: bool
    price: float
    kind: str


class Campaign(Struct, frozen=True):
    id: int
    type: str
    start: date
    end: date
    households: list[int]
    products: list[Product]


class Maker:
    """Makes all tables, in one order, from one source of chance."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random
        self.households = list(range(1, HOUSEHOLDS + 1))
        self.products = [self._product(1000 + 7 * n) for n in range(PRODUCTS)]
        self.campaigns = [self._campaign(*line) for line in _campaign_lines()]

    def tables(self) -> dict[str, str]:
        """Name -> CSV text."""
        return {
            "campaign_descriptions": _csv(
                ("campaign_id", "campaign_type", "start_date", "end_date"),
                ((c.id, f"Type {c.type}", c.start, c.end) for c in self.campaigns),
            ),
            "campaigns": _csv(
                ("campaign_id", "household_id"),
                ((c.id, household) for c in self.campaigns for household in c.households),
            ),
            "products": self._products_table(),
            "coupons": _csv(("coupon_upc", "product_id", "campaign_id"), self._coupons()),
            "demographics": self._demographics_table(),
            "coupon_redemptions": self._redemptions_table(),
            "transactions_sample": self._transactions_table(),
        }

    # --- chance -------------------------------------------------------------

    def _one_of(self, options: Sequence[Choice]) -> Choice:
        return options[int(self._random() * len(options))]

    def _some(self, options: Sequence[Choice], share: float) -> list[Choice]:
        return [each for each in options if self._random() < share]

    def _between(self, low: float, high: float) -> float:
        return low + self._random() * (high - low)

    def _count(self, most: int, again: float) -> int:
        """1, and one more with probability `again`, and so on."""
        count = 1
        while count < most and self._random() < again:
            count += 1
        return count

    # --- things -------------------------------------------------------------

    def _product(self, id: int) -> Product:
        department, _, price, kind = self._department()
        return Product(
            id=id,
            department=department,
            private=department == "FUEL" or self._random() < 0.2,
            price=price * self._between(0.4, 1.8),
            kind=kind,
        )

    def _department(self) -> tuple[str, float, float, str]:
        """Products are spread more evenly over departments than what is bought."""
        point = self._random()
        for each in DEPARTMENTS:
            point -= 0.5 * each[1] + 0.5 / len(DEPARTMENTS)
            if point < 0:
                return each
        return DEPARTMENTS[0]

    def _campaign(self, id: int, type: str, start: date, end: date) -> Campaign:
        pool = [p for p in self.products if p.department != "FUEL"]
        if type != "A":
            wanted = {"GROCERY", self._one_of(("DRUG GM", "GROCERY", "MEAT-PCKGD", "COSMETICS"))}
            pool = [p for p in pool if p.department in wanted]
        return Campaign(
            id=id,
            type=type,
            start=start,
            end=end,
            households=self._some(self.households, MAILED[type]),
            products=self._some(pool, COVERS[type] / len(pool)),
        )

    def _coupons(self) -> Iterable[Cells]:
        for campaign in self.campaigns:
            for product in campaign.products:
                number = int(self._random() * COUPONS[campaign.type])
                yield 10_000_000 + 100 * campaign.id + number, product.id, campaign.id

    # --- tables -------------------------------------------------------------

    def _products_table(self) -> str:
        heads = (
            "product_id", "manufacturer_id", "department", "brand", "product_category",
            "product_type", "package_size",
        )  # fmt: skip
        rows = (
            (p.id, 69 if p.private else 2, p.department, "Private" if p.private else "National",
             p.kind, p.kind, "")
            for p in self.products
        )  # fmt: skip
        return _csv(heads, rows)

    def _demographics_table(self) -> str:
        heads = (
            "household_id", "age", "income", "home_ownership", "marital_status",
            "household_size", "household_comp", "kids_count",
        )  # fmt: skip
        return _csv(heads, (self._told(h) for h in self._some(self.households, 0.4)))

    def _told(self, household: int) -> Cells:
        adults, kids = self._one_of((1, 2)), max(0, self._count(4, 0.45) - 1)
        size = adults + kids
        comp = f"{adults} Adult{'s' * (adults > 1)} {'Kids' if kids else 'No Kids'}"
        return (
            household, self._one_of(AGES), self._one_of(INCOMES), "", "",
            "5+" if size > 4 else size, comp, "3+" if kids > 2 else kids,
        )  # fmt: skip

    def _redemptions_table(self) -> str:
        rows = []
        for c in self.campaigns:
            for household in self._some(c.households, USES[c.type]):
                day = c.start + timedelta(days=int(self._random() * ((c.end - c.start).days + 1)))
                number = int(self._random() * COUPONS[c.type])
                if FIRST_DAY <= day < FIRST_DAY + timedelta(days=DAYS):
                    rows.append((household, 10_000_000 + 100 * c.id + number, c.id, day))
        heads = ("household_id", "coupon_upc", "campaign_id", "redemption_date")
        return _csv(heads, sorted(rows, key=lambda row: (row[3], row[0], row[1])))

    def _transactions_table(self) -> str:
        heads = (
            "household_id", "store_id", "basket_id", "product_id", "quantity", "sales_value",
            "retail_disc", "coupon_disc", "coupon_match_disc", "week", "transaction_timestamp",
        )  # fmt: skip
        shelves = {name: [p for p in self.products if p.department == name] for name, *_ in
                   DEPARTMENTS}  # fmt: skip
        seconds = sorted(int(self._random() * DAYS * 86400) for _ in range(BASKETS))
        rows: list[Cells] = []
        for number, second in enumerate(seconds):
            rows += self._basket(31_000_000_000 + 97 * number, second, shelves)
        return _csv(heads, rows)

    def _basket(self, id: int, second: int, shelves: dict[str, list[Product]]) -> Iterable[Cells]:
        moment = datetime(2017, 1, 1) + timedelta(seconds=second)  # noqa: DTZ001 -- as tills write
        household = self._one_of(self.households)
        store = 300 + household % 12
        week = (moment.date() - FIRST_DAY).days // 7 + 1
        for _ in range(self._count(9, 0.6)):
            product = self._one_of(shelves[self._shelf()] or self.products)
            quantity = self._count(3, 0.2)
            price = max(0.1, round(product.price * quantity, 2))
            off = round(price * 0.2, 2) if self._random() < 0.3 else 0.0
            yield (household, store, id, product.id, float(quantity), round(price - off, 2), off,
                   0.0, 0.0, week, moment)  # fmt: skip

    def _shelf(self) -> str:
        point = self._random()
        for name, share, *_ in DEPARTMENTS:
            point -= share
            if point < 0:
                return name
        return DEPARTMENTS[0][0]


def _campaign_lines() -> Iterable[tuple[int, str, date, date]]:
    words = CAMPAIGNS.split()
    for id, type, start, end in zip(*[iter(words)] * 4, strict=True):
        yield int(id), type, date.fromisoformat(start), date.fromisoformat(end)


def _csv(heads: Sequence[str], rows: Iterable[Cells]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)
    return text.getvalue()


def make_tables(seed: int = SEED) -> dict[str, str]:
    return Maker(seed).tables()


def write_tables(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in make_tables().items():
        packed = gzip.compress(text.encode(), mtime=0)
        (folder / f"{name}.csv.gz").write_bytes(packed)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m examples.grocer.make_data FOLDER")
    write_tables(Path(sys.argv[1]))
