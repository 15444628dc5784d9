"""Offers: what they refer to, their rungs, windows and creatives."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import structs

from .catalog import CostTable, Creative, Offer, Rung, Window
from .check_placements import check_cuts
from .checks_shared import check_subtotal, check_zone
from .constants import described
from .conversion import step
from .links import refusal
from .report import MONEY_MAX, SECONDS_MAX, Report

RUNGS_MAX = 31
CAPS_MAX = 8
PRIORITY_MAX = 1_000_000
SCORE_MAX = 1 << 24
"""Score units; DESIGN section 7.5."""
COUNTRY = "geo.country"

NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "percent": (("percent",),),
    "fixed": (("amount",),),
    "bundle": (("saves",),),
    "gift": (("unit_cost",),),
    "shipping": (("cost_table", "amount"),),
    "points": (("points_per_unit", "points"), ("point_value",)),
    "financing": (("fee_percent",), ("months",)),
}
"""Kind -> groups of fields; a rung has exactly one field of each group."""
ALLOWS: dict[str, tuple[str, ...]] = {
    "percent": ("cap",),
    "points": ("breakage_percent",),
    "financing": ("risk_percent",),
}
KIND_FIELDS = sorted(
    {field for groups in NEEDS.values() for group in groups for field in group}
    | {field for fields in ALLOWS.values() for field in fields}
)
_DEFAULTS = {field.name: field.default for field in structs.fields(Rung)}


def check_offers(report: Report) -> None:
    seen: dict[str, int] = {}
    for index, id in report.source.offer_ids.items():
        first = seen.setdefault(id, index)
        if first != index:
            report.say("P314", f"offers[{index}].id", f"`{id}` is the id of offers[{first}], too.")
    for index, offer in report.parts.offers.items():
        path = f"offers[{index}]"
        report.forwards(f"{path}.title", offer.title)
        _check_references(report, path, offer)
        _check_numbers(report, path, offer)
        _check_window(report, f"{path}.window", offer.window)
        _check_rungs(report, path, offer)
        _check_disclosure(report, path, offer)
        _check_creatives(report, path, offer)


def _check_references(report: Report, path: str, offer: Offer) -> None:
    if not offer.placements:
        report.say("P305", f"{path}.placements", "The offer has no placement.", "Name one or more.")
    report.unique(offer.placements, f"{path}.placements")
    for index, name in enumerate(offer.placements):
        report.known("placements", name, f"{path}.placements[{index}]")
    if offer.group is not None:
        report.known("groups", offer.group, f"{path}.group")
    if offer.budget is not None:
        report.known("budgets", offer.budget, f"{path}.budget")
    if offer.scope is not None:
        check_subtotal(report, f"{path}.scope", offer.scope)
    for index, name in enumerate(offer.redemption.recheck):
        where = f"{path}.redemption.recheck[{index}]"
        if name not in report.rules.derived:
            report.known("attributes", name, where)


def _check_numbers(report: Report, path: str, offer: Offer) -> None:
    report.between(f"{path}.priority", offer.priority, -PRIORITY_MAX, PRIORITY_MAX)
    report.between(f"{path}.expires_after_s", offer.expires_after_s, 0, SECONDS_MAX, above=True)
    report.between(f"{path}.max_policy_age_s", offer.max_policy_age_s, 0, SECONDS_MAX, above=True)
    report.text(f"{path}.purpose", offer.purpose)
    guards, where = offer.guardrails, f"{path}.guardrails"
    report.money(f"{where}.ceiling", guards.ceiling)
    report.between(f"{where}.ceiling_percent", guards.ceiling_percent, 0, 100)
    report.between(f"{where}.margin_floor", guards.margin_floor, -MONEY_MAX, MONEY_MAX)
    report.micros(f"{where}.margin_floor", guards.margin_floor)
    report.between(f"{where}.margin_floor_percent", guards.margin_floor_percent, 0, 100)
    _check_caps(report, path, offer)


def _check_caps(report: Report, path: str, offer: Offer) -> None:
    if len(offer.caps) > CAPS_MAX:
        report.say("P313", f"{path}.caps", f"{len(offer.caps)} caps; at most {CAPS_MAX}.")
    for index, cap in enumerate(offer.caps):
        where = f"{path}.caps[{index}]"
        report.between(f"{where}.count", cap.count, 1, 255)
        report.between(f"{where}.period_s", cap.period_s, 0, SECONDS_MAX)
        if cap.placement is not None and cap.placement not in offer.placements:
            message = f"The offer is not offered at `{cap.placement}`."
            report.say("P301", f"{where}.placement", message)
    redemption, where = offer.redemption, f"{path}.redemption"
    report.between(f"{where}.per_customer", redemption.per_customer, 1, 10**9)
    report.between(f"{where}.total", redemption.total, 1, 10**12)
    report.between(f"{where}.period_s", redemption.period_s, 0, SECONDS_MAX)


# --- window -------------------------------------------------------------------


def _check_window(report: Report, path: str, window: Window) -> None:
    if window.zone is not None:
        check_zone(report, f"{path}.zone", window.zone)
    start = local_time(report, f"{path}.start", window.start)
    until = local_time(report, f"{path}.until", window.until)
    if start and until and start >= until:
        report.say("P311", f"{path}.until", "The window ends before it begins.")
    report.unique(map(str, window.weekdays), f"{path}.weekdays")
    for index, day in enumerate(window.weekdays):
        report.between(f"{path}.weekdays[{index}]", day, 1, 7)
    for index, (low, high) in enumerate(window.hours):
        if not 0 <= low < high <= 24:
            message = f"{low} to {high} is no part of a day."
            help = "Write hours from 0 to 24, the earlier one first; split a night in two."
            report.say("P311", f"{path}.hours[{index}]", message, help)


def local_time(report: Report, path: str, text: str | None) -> datetime | None:
    """A local time such as 2026-11-27 or 2026-11-27T08:00, without a zone of its own."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        report.say("P311", path, f"{text!r:.40} is no local time.")
        return None
    if moment.tzinfo is not None:
        help = "Leave the offset out; the window's `zone` says which clock is meant."
        report.say("P311", path, f"{text!r:.40} has a zone of its own.", help)
        return None
    if not 1970 <= moment.year < 9999 or moment.second or moment.microsecond:
        report.say("P311", path, f"{text!r:.40} is no full minute between 1970 and 9998.")
        return None
    return moment


# --- rungs --------------------------------------------------------------------


def _check_rungs(report: Report, path: str, offer: Offer) -> None:
    if not 1 <= len(offer.rungs) <= RUNGS_MAX:
        message = f"{len(offer.rungs)} rungs; an offer has 1 to {RUNGS_MAX}."
        report.say("P313", f"{path}.rungs", message)
    seen: set[str] = set()
    for index, rung in enumerate(offer.rungs):
        where = f"{path}.rungs[{index}]"
        if rung.id in seen:
            report.say("P314", f"{where}.id", f"`{rung.id}` is the id of an earlier rung.")
        seen.add(rung.id)
        _check_kind(report, where, offer.kind, rung)
        _check_amounts(report, where, rung)
        if rung.cost_table is not None:
            _check_cost_table(report, f"{where}.cost_table", rung.cost_table)


def _check_kind(report: Report, path: str, kind: str, rung: Rung) -> None:
    given = {name for name in KIND_FIELDS if getattr(rung, name) != _DEFAULTS[name]}
    for group in NEEDS[kind]:
        if len(given & set(group)) != 1:
            wanted = " or ".join(f"`{name}`" for name in group)
            only = ", not both" if given >= set(group) and len(group) > 1 else ""
            report.say("P304", path, f"A {kind} rung needs {wanted}{only}.")
    allowed = {name for group in NEEDS[kind] for name in group} | set(ALLOWS.get(kind, ()))
    for name in sorted(given - allowed):
        report.say("P304", f"{path}.{name}", f"A {kind} rung has no `{name}`.")


def _check_amounts(report: Report, path: str, rung: Rung) -> None:
    report.between(f"{path}.depth", rung.depth, 0, 1000)
    report.between(f"{path}.percent", rung.percent, 0, 100, above=True)
    for name in ("cap", "saves", "point_value"):
        report.money(f"{path}.{name}", getattr(rung, name), above=True)
    for name in ("amount", "unit_cost", "fixed_cost", "expected_cost"):
        report.money(f"{path}.{name}", getattr(rung, name))
    limit = SCORE_MAX * (report.parts.shop.score_unit if report.parts.shop else Decimal("0.001"))
    report.between(f"{path}.expected_profit", rung.expected_profit, -limit, limit)
    report.between(f"{path}.points_per_unit", rung.points_per_unit, 0, 1_000_000, above=True)
    report.between(f"{path}.points", rung.points, 1, 10**9)
    for name in ("breakage_percent", "fee_percent", "risk_percent"):
        report.between(f"{path}.{name}", getattr(rung, name), 0, 100)
    report.between(f"{path}.months", rung.months, 1, 120)


def _check_cost_table(report: Report, path: str, table: CostTable) -> None:
    for index, cost in enumerate(table.costs):
        report.money(f"{path}.costs[{index}]", cost)
    for value, cost in table.values.items():
        report.money(step(f"{path}.values", value), cost)
    report.money(f"{path}.otherwise", table.otherwise)
    if not report.known("attributes", table.attribute, f"{path}.attribute"):
        return
    attribute = report.attributes.get(table.attribute)
    if attribute is None:
        return
    if attribute.type in ("int", "decimal"):
        if table.values or table.otherwise is not None or len(table.costs) != len(table.cuts) + 1:
            message = f"{len(table.cuts)} cuts need {len(table.cuts) + 1} costs, and nothing else."
            report.say("P321", path, message)
        check_cuts(report, f"{path}.cuts", attribute, table.cuts, "P321")
    elif attribute.type == "string":
        if table.cuts or table.costs or not table.values or table.otherwise is None:
            report.say("P321", path, "A table over text has `values` and `otherwise`.")
        for value in table.values:
            report.listed(step(f"{path}.values", value), attribute, table.attribute, value)
    else:
        message = f"`{table.attribute}` is {described(attribute)}: no table goes by that."
        report.say("P321", f"{path}.attribute", message, "Use a number or a string.")


# --- creatives ----------------------------------------------------------------


def _check_disclosure(report: Report, path: str, offer: Offer) -> None:
    if not offer.price_disclosure:
        return
    where = f"{path}.price_disclosure"
    if report.known("attributes", COUNTRY, where):
        attribute = report.attributes.get(COUNTRY)
        for index, country in enumerate(offer.price_disclosure):
            if attribute is not None:
                report.listed(f"{where}[{index}]", attribute, COUNTRY, country)


def _check_creatives(report: Report, path: str, offer: Offer) -> None:
    locales = report.parts.shop.locales if report.parts.shop else []
    for placement, texts in offer.creatives.items():
        where = step(f"{path}.creatives", placement)
        if placement not in offer.placements:
            message = f"The offer is not offered at `{placement}`."
            report.say("P301", where, message, "Name it in `placements`, or remove the creative.")
        for locale, creative in texts.items():
            if locales and locale not in locales:
                report.say("P318", step(where, locale), f"`{locale}` is not in `shop.locales`.")
            _check_creative(report, step(where, locale), creative)
    for placement in sorted(report.source.named["placements"].intersection(offer.placements)):
        there = offer.creatives.get(placement, {})
        if missing := [locale for locale in locales if locale not in there]:
            message = f"`{offer.id}` has no creative for {placement} in {', '.join(missing)}."
            report.say("P306", path, message)


def _check_creative(report: Report, path: str, creative: Creative) -> None:
    hosts = report.parts.shop.hosts if report.parts.shop else []
    report.text(f"{path}.headline", creative.headline)
    for name in ("headline", "body", "cta", "image_alt"):
        report.forwards(f"{path}.{name}", getattr(creative, name))
    for name in ("href", "image"):
        link = getattr(creative, name)
        if link and (why := refusal(link, hosts)):
            report.say("P310", f"{path}.{name}", f"{link!r:.80} cannot be used. {why}")
