"""A small catalog that is in order, and ways to spoil it."""

from __future__ import annotations

from pathlib import Path

from policy_compiler.check import check_catalog
from policy_compiler.diagnostics import Diagnostic, in_order
from policy_compiler.rules import CheckedRules, check_rules
from policy_compiler.source import Source, read_catalog

SHOP = """\
shop:
  tenant: harbor
  title: Harbor Goods
  currency: {code: USD}
  locales: [en-US]
  zone: America/New_York
  economics:
    order_value: cart.total
    order_value_otherwise: 80.00
    margin_percent: 40
  hosts: [cdn.example.com]
"""
ATTRIBUTES = """\
attributes:
  cart.total: {type: decimal, scale: 2, money: true, maximum: 5000}
  cart.discount: {type: decimal, scale: 2, minimum: 0, maximum: 100}
  cart.items: {type: int}
  cart.updated_at: {type: timestamp, source: signed}
  customer.is_new: {type: bool, source: signed}
  customer.segments: {type: set, source: signed}
  customer.tier: {type: string, source: signed, values: [gold, golden, silver]}
  customer.religion: {type: string, source: signed, labels: [protected]}
  customer.birth_month: {type: int, source: signed, purpose: [birthday]}
  geo.country: {type: string, source: edge}
"""
PLACEMENTS = """\
placements:
  hero: {title: Home hero, rank: 1}
"""
OFFER = """\
offers:
  - id: welcome
    title: Ten percent off the first order
    kind: percent
    placements: [hero]
    rungs: [{id: ten, percent: 10, cap: 40.00}]
    eligible: customer.is_new && cart.total >= 50.00
    creatives: {hero: {en-US: {headline: Welcome, href: /welcome}}}
"""
FILES = {
    "shop.yaml": SHOP,
    "attributes.yaml": ATTRIBUTES,
    "placements.yaml": PLACEMENTS,
    "offers.yaml": OFFER,
}


def write_catalog(folder: Path, **files: str | None) -> Path:
    """The sample catalog; `offers="..."` replaces offers.yaml, None leaves it out."""
    folder.mkdir(parents=True, exist_ok=True)
    named = {f"{name}.yaml": text for name, text in files.items()}
    for name, text in {**FILES, **named}.items():
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def with_example(folder: Path, example: str) -> Path:
    """The sample catalog and one more file; its own `shop` takes the place of the sample's."""
    own_shop = any(line.startswith("shop:") for line in example.splitlines())
    return write_catalog(folder, example=example, **({"shop": None} if own_shop else {}))


def offer_with(*fields: str, offer: str = OFFER) -> str:
    """The sample offer with more (or other) fields, each as `name: value`."""
    names = {field.partition(":")[0] for field in fields}
    kept = [line for line in offer.splitlines() if line.split(":")[0].strip() not in names]
    return "\n".join([*kept, *(f"    {field}" for field in fields)]) + "\n"


def diagnose(folder: Path) -> list[Diagnostic]:
    source, rules = read_and_check(folder)
    return in_order([*source.diagnostics, *rules.diagnostics, *check_catalog(source, rules)])


def read_and_check(folder: Path) -> tuple[Source, CheckedRules]:
    source = read_catalog(folder)
    return source, check_rules(source)


def codes(found: list[Diagnostic]) -> list[str]:
    return sorted({each.code for each in found})


def found_in(tmp_path: Path, **files: str | None) -> list[Diagnostic]:
    return diagnose(write_catalog(tmp_path / "catalog", **files))


def told(found: list[Diagnostic]) -> list[tuple[str, str]]:
    return sorted((each.code, each.path) for each in found)


def with_offer(tmp_path: Path, *fields: str) -> list[tuple[str, str]]:
    return told(found_in(tmp_path, offers=offer_with(*fields)))
