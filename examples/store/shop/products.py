"""What the shop sells: `products.json`.  Prices are in euros, weights in grams."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec import Struct


class Product(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing in the range; `margin` is what a piece earns at its full price."""

    id: str
    title: str
    category: str
    price: Decimal
    margin: Decimal
    weight_g: int
    line: str
    text: str

    @property
    def image(self) -> str:
        return f"/static/products/{self.id}.svg"


CATEGORIES = {
    "lighting": "Lighting",
    "garden": "Garden",
    "kitchen": "Kitchen",
    "furniture": "Furniture",
    "textiles": "Textiles",
    "rugs": "Rugs",
    "scent": "Scent",
}

_RANGE = msgspec.json.decode(
    Path(__file__).with_name("products.json").read_bytes(), type=list[Product]
)

PRODUCTS = {product.id: product for product in _RANGE}


def range_of(category: str) -> list[Product]:
    """The products of one category, in the shop's order."""
    return [product for product in _RANGE if product.category == category]
