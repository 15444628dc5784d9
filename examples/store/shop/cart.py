"""Cart arithmetic, in exact euros."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from .products import PRODUCTS, Product

MOST_PER_LINE = 20
DELIVERY = Decimal("4.90")
FREE_DELIVERY_FROM = Decimal("75.00")
FREIGHT = ((40_000, Decimal("38.00")), (20_000, Decimal("24.90")), (10_000, Decimal("14.90")))
"""From so many grams on it goes by freight, whatever it is worth: heaviest first."""
NOTHING = Decimal("0.00")


class Line(Struct, frozen=True):
    """So many pieces of one product."""

    product: Product
    quantity: int

    @property
    def price(self) -> Decimal:
        return self.product.price * self.quantity

    @property
    def margin(self) -> Decimal:
        return self.product.margin * self.quantity


class Cart(Struct, frozen=True):
    """The lines of a cart and what they come to.  `updated_at_s` is 0 for an untouched cart."""

    lines: list[Line]
    updated_at_s: int = 0

    @property
    def goods(self) -> Decimal:
        """The goods alone, before delivery and discounts."""
        return sum((line.price for line in self.lines), NOTHING)

    @property
    def margin(self) -> Decimal:
        return sum((line.margin for line in self.lines), NOTHING)

    @property
    def items(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def weight_g(self) -> int:
        return sum(line.product.weight_g * line.quantity for line in self.lines)

    @property
    def categories(self) -> list[str]:
        return sorted({line.product.category for line in self.lines})

    @property
    def delivery(self) -> Decimal:
        for from_g, fee in FREIGHT:
            if self.weight_g >= from_g:
                return fee
        return DELIVERY if self.lines and self.goods < FREE_DELIVERY_FROM else NOTHING

    @property
    def total(self) -> Decimal:
        return self.goods + self.delivery

    def goods_in(self, category: str) -> Decimal:
        """The goods of one category."""
        return sum((x.price for x in self.lines if x.product.category == category), NOTHING)


def cart_of(quantities: dict[str, int], updated_at_s: int) -> Cart:
    """The cart with these quantities; products that left the range are left out."""
    wanted = [(PRODUCTS.get(id), count) for id, count in quantities.items()]
    lines = [Line(product, count) for product, count in wanted if product and count > 0]
    return Cart(lines, updated_at_s)


def euros(amount: Decimal) -> str:
    """The amount as people here write it."""
    return f"€{amount:,.2f}"
