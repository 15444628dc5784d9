"""From the tables of the Complete Journey to requests, one for every basket.

    transactions   lines of a till, grouped by basket, in the order of time
    products       department and label of each product
    campaigns      which households were mailed which campaign
    coupons        which products a campaign's coupons cover
    demographics   what a third of the households told about themselves

`read_feed` is what `proffer decide --batch --data` calls.  Files may be `.csv` or
`.csv.gz`.  A basket is decided at the time of its transaction; its household is the
visitor.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO

from msgspec import Struct, field

from control_plane.batch import BatchRefused, Feed, Fields

CIRCULAR = "Type A"
CENT = Decimal("0.01")
Row = Sequence[str]


def read_feed(folder: Path) -> Feed:
    """Every basket as a request.  Raises `BatchRefused` naming file, line and cause."""
    baskets = read_baskets(folder)
    shop = read_shop(folder)
    return Feed(total=len(baskets), requests=_requests(baskets, shop))


def _requests(baskets: Sequence[Basket], shop: ShopFacts) -> Iterator[Fields]:
    for basket in baskets:
        yield {
            "visitor": basket.household,
            "nonce": basket.id,
            "consent": "full",
            "locale": "en",
            "now_s": basket.time_s,
            "placements": ["receipt"],
            "attributes": shop.household(basket.household) | shop.basket(basket),
        }


# --- tables -------------------------------------------------------------------


class Table:
    """A CSV file of the folder, plain or gzipped, with the columns that are asked for."""

    def __init__(self, folder: Path, name: str) -> None:
        plain, packed = folder / f"{name}.csv", folder / f"{name}.csv.gz"
        self.path = plain if plain.is_file() else packed
        if not self.path.is_file():
            raise BatchRefused(
                f"{folder} holds neither {plain.name} nor {packed.name}.",
                "Name a folder with the tables of docs/guide/grocer.md.",
            )

    def rows(self, *columns: str) -> Iterator[tuple[int, Row]]:
        """(line, values of these columns) of every row."""
        with self._open() as text:
            try:
                lines = csv.reader(text)
                at = self._places(next(lines, []), columns)
                for values in lines:
                    if len(values) <= max(at):
                        raise self.refusal(lines.line_num, f"has {len(values)} values only")
                    yield lines.line_num, [values[i] for i in at]
            except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
                raise BatchRefused(
                    f"{self.path} cannot be read: {error}.", "Get the file once more."
                ) from None

    def refusal(self, line: int, cause: str) -> BatchRefused:
        return BatchRefused(f"{self.path}:{line}: {cause}.", "Correct the line.")

    def _open(self) -> IO[str]:
        if self.path.suffix == ".gz":
            return gzip.open(self.path, "rt", encoding="utf-8", newline="")
        return self.path.open(encoding="utf-8", newline="")

    def _places(self, header: list[str], columns: Sequence[str]) -> list[int]:
        if missing := [column for column in columns if column not in header]:
            raise BatchRefused(
                f"{self.path}:1: the column {missing[0]!r} is missing.",
                f"There are: {', '.join(header) or 'none'}.",
            )
        return [header.index(column) for column in columns]


# --- baskets ------------------------------------------------------------------


class Basket(Struct):
    """One transaction: products with what each cost."""

    id: str
    household: str
    time_s: int
    lines: list[tuple[str, Decimal]] = field(default_factory=list)


def read_baskets(folder: Path) -> list[Basket]:
    """All baskets in the order of time."""
    name = "transactions_sample"
    if not any((folder / f"{name}{end}").is_file() for end in (".csv", ".csv.gz")):
        name = "transactions"
    table, baskets = Table(folder, name), dict[str, Basket]()
    columns = ("household_id", "basket_id", "product_id", "sales_value", "transaction_timestamp")
    for line, (household, id, product, value, time) in table.rows(*columns):
        try:
            if id not in baskets:
                baskets[id] = Basket(id, household, _seconds(time))
            baskets[id].lines.append((_product(product), Decimal(value)))
        except (ValueError, InvalidOperation):
            raise table.refusal(line, f"{value!r} for {time!r} is no sale") from None
    return sorted(baskets.values(), key=lambda basket: (basket.time_s, basket.id))


def _seconds(text: str) -> int:
    """The tills write UTC without saying so."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def _product(text: str) -> str:
    """The id as digits: one of the ids is written 9e+05."""
    return text if text.isdigit() else str(int(Decimal(text)))


# --- what the shop knows ------------------------------------------------------


class ShopFacts(Struct, frozen=True, kw_only=True):
    """Facts about products and households that baskets are joined with."""

    departments: dict[str, str]
    private: frozenset[str]
    covered: dict[str, tuple[str, ...]]
    """Product -> circulars whose coupons cover it."""
    mailed: dict[str, tuple[str, ...]]
    """Household -> campaigns."""
    circulars: frozenset[str]
    told: dict[str, Fields]

    def household(self, id: str) -> Fields:
        return {"household.campaigns": list(self.mailed.get(id, ())), **self.told.get(id, {})}

    def basket(self, basket: Basket) -> Fields:
        total = sum((value for _, value in basket.lines), Decimal(0))
        products = {product for product, _ in basket.lines}
        found = {self.departments[p] for p in products if self.departments.get(p)}
        attributes: Fields = {
            "basket.total": _money(total),
            "basket.lines": len(products),
            "basket.departments": [*sorted(found)],
        }
        if total > 0:
            own = sum((value for p, value in basket.lines if p in self.private), Decimal(0))
            attributes["basket.private_share"] = _money(own / total)
        return attributes | self._covered(basket)

    def _covered(self, basket: Basket) -> Fields:
        """Per circular that was mailed to the household, what it covers of the basket."""
        mailed = self.circulars.intersection(self.mailed.get(basket.household, ()))
        sums = dict.fromkeys(sorted(mailed), Decimal(0))
        for product, value in basket.lines:
            for campaign in self.covered.get(product, ()):
                if campaign in sums:
                    sums[campaign] += value
        return {f"covered.c{campaign}": _money(value) for campaign, value in sums.items()}


def _money(value: Decimal) -> str:
    return str(value.quantize(CENT))


def read_shop(folder: Path) -> ShopFacts:
    products = [row for _, row in Table(folder, "products").rows("product_id", *PRODUCT)]
    circulars = frozenset(
        campaign
        for _, (campaign, kind) in Table(folder, "campaign_descriptions").rows(*DESCRIPTION)
        if kind == CIRCULAR
    )
    coupons = Table(folder, "coupons").rows("product_id", "campaign_id")
    mailed = Table(folder, "campaigns").rows("household_id", "campaign_id")
    return ShopFacts(
        departments={_product(id): department for id, department, _ in products},
        private=frozenset(_product(id) for id, _, brand in products if brand == "Private"),
        covered=_grouped((_product(p), c) for _, (p, c) in coupons if c in circulars),
        mailed=_grouped((household, campaign) for _, (household, campaign) in mailed),
        circulars=circulars,
        told=dict(_told(Table(folder, "demographics"))),
    )


PRODUCT = ("department", "brand")
DESCRIPTION = ("campaign_id", "campaign_type")
DEMOGRAPHICS = ("household_id", "age", "income", "household_size", "kids_count")


def _grouped(pairs: Iterator[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found = defaultdict[str, set[str]](set)
    for key, value in pairs:
        found[key].add(value)
    return {key: tuple(sorted(values, key=int)) for key, values in found.items()}


def _told(table: Table) -> Iterator[tuple[str, Fields]]:
    for line, (household, age, income, size, kids) in table.rows(*DEMOGRAPHICS):
        try:
            said: Fields = {
                "household.size": int(size.rstrip("+")),
                "household.kids": int(kids.rstrip("+")),
            }
        except ValueError:
            raise table.refusal(line, f"{size!r} or {kids!r} is no number of people") from None
        words: Fields = {"household.age_band": age, "household.income": income}
        yield household, said | {name: word for name, word in words.items() if word}
