"""What must hold between the objects of a catalog, once each is well-formed.

    check_attributes   declarations that make sense alone and together
    check_placements   places, choices, models
    check_offers       offers, rungs, windows, creatives
    check_placeholders numbers that creatives speak of
    check_use          who may use which attribute: protected, purpose, re-checks
    check_tests        self-tests that could be asked
    check_limits       sizes

Every check looks at all that could be read and reports all it finds; none
stops another.  References to objects that are there but broken are no errors:
the broken object has its own diagnostic.

Not here: that rules can ever be true, guardrails can ever be met and integers
stay in bounds, which is proved on the lowered policy (`proving.py`).
"""

from __future__ import annotations

import re

from .catalog import Currency, Shop
from .check_attributes import check_attributes
from .check_limits import check_limits
from .check_offers import check_offers
from .check_placeholders import check_placeholders
from .check_placements import check_placements
from .check_tests import check_tests
from .check_use import check_use
from .checks_shared import check_holdout, check_money_attribute, check_subtotal, check_zone
from .conversion import step
from .diagnostics import Diagnostic, in_order
from .names import is_name
from .report import SECONDS_MAX, Report
from .rules import CheckedRules
from .source import Source

HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?")
LOCALE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
CURRENCY = re.compile(r"[A-Z]{3}")


def check_catalog(source: Source, rules: CheckedRules) -> list[Diagnostic]:
    """Everything wrong with the catalog as a whole, in order of place."""
    report = Report(source, rules)
    if source.unreadable:
        return []
    if source.parts.shop is not None:
        _check_shop(report, source.parts.shop)
    _check_budgets(report)
    check_attributes(report)
    check_placements(report)
    check_offers(report)
    check_placeholders(report)
    check_use(report)
    check_tests(report)
    check_limits(report)
    return in_order(report.found)


def _check_shop(report: Report, shop: Shop) -> None:
    if not is_name(shop.tenant):
        report.say("P113", "shop.tenant", f"`{shop.tenant[:80]}` cannot be a tenant's name.")
    _check_currency(report, shop.currency)
    _check_locales(report, shop.locales)
    check_zone(report, "shop.zone", shop.zone)
    _check_economics(report, shop)
    check_holdout(report, "shop.global_holdout", shop.global_holdout)
    report.between("shop.score_unit", shop.score_unit, 0, 1000, above=True)
    report.micros("shop.score_unit", shop.score_unit)
    report.between("shop.horizon_years", shop.horizon_years, 1, 10)
    for index, host in enumerate(shop.hosts):
        if not HOST.fullmatch(host):
            help = "Write the bare host in lower case, such as cdn.example.com."
            report.say("P310", f"shop.hosts[{index}]", f"{host!r:.80} is not a host.", help)


def _check_currency(report: Report, currency: Currency) -> None:
    if not CURRENCY.fullmatch(currency.code):
        report.say("P318", "shop.currency.code", f"{currency.code!r:.40} is no currency code.")
    report.between("shop.currency.minor_digits", currency.minor_digits, 0, 6)


def _check_locales(report: Report, locales: list[str]) -> None:
    if not locales:
        report.say("P318", "shop.locales", "The shop has no locale.", "Write [en-US], say.")
    report.unique(locales, "shop.locales")
    for index, locale in enumerate(locales):
        if not LOCALE.fullmatch(locale):
            report.say("P318", f"shop.locales[{index}]", f"{locale!r:.40} is no language tag.")


def _check_economics(report: Report, shop: Shop) -> None:
    economics = shop.economics
    check_subtotal(report, "shop.economics.order_value", economics.order_value)
    if economics.margin is not None:
        check_money_attribute(report, "shop.economics.margin", economics.margin)
    path = "shop.economics.order_value_otherwise"
    report.money(path, economics.order_value_otherwise)
    report.between("shop.economics.margin_percent", economics.margin_percent, 0, 100)


def _check_budgets(report: Report) -> None:
    for name, budget in report.parts.budgets.items():
        path = step("budgets", name)
        report.money(f"{path}.amount", budget.amount, above=True)
        report.between(f"{path}.period_s", budget.period_s, 0, SECONDS_MAX, above=True)
