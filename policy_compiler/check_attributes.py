"""Declarations of attributes: each by itself, and their names together."""

from __future__ import annotations

from decimal import Decimal

from .catalog import Attribute, Derived
from .checks_shared import check_zone
from .conversion import step
from .report import MONEY_MAX, Report

NUMBERS = ("int", "decimal", "timestamp")
ENUMERABLE = ("string", "set")


def check_attributes(report: Report) -> None:
    for name, attribute in report.attributes.items():
        path = step("attributes", name)
        _check_numbers(report, path, attribute)
        _check_money(report, path, attribute)
        _check_values(report, path, attribute)
        _check_labels(report, path, attribute)
        if attribute.derived is not None:
            _check_derived(report, path, attribute, attribute.derived)
    _check_collisions(report)


def _check_numbers(report: Report, path: str, attribute: Attribute) -> None:
    if attribute.scale and attribute.type != "decimal":
        report.say("P316", f"{path}.scale", f"`scale` is for decimals, not for {attribute.type}.")
    low, high = attribute.minimum, attribute.maximum
    for name, bound in (("minimum", low), ("maximum", high)):
        if bound is not None:
            _check_bound(report, f"{path}.{name}", attribute, bound)
    if low is not None and high is not None and low > high:
        report.say("P316", f"{path}.minimum", f"The minimum {low} is above the maximum {high}.")


def _check_bound(report: Report, path: str, attribute: Attribute, bound: Decimal) -> None:
    if attribute.type not in NUMBERS:
        report.say("P316", path, f"A {attribute.type} has no minimum or maximum.")
        return
    scaled = bound.scaleb(attribute.scale)
    if scaled != scaled.to_integral_value():
        message = f"{bound} has more than {attribute.scale} fraction digits."
        report.say("P316", path, message, "Shorten it, or raise the `scale`.")
    if abs(scaled) >= 10**15:
        report.say("P305", path, f"{bound} is out of range: 10^15 smallest units or more.")


def _check_money(report: Report, path: str, attribute: Attribute) -> None:
    if not attribute.money:
        return
    if attribute.type != "decimal":
        report.say("P302", f"{path}.type", f"A money attribute cannot be of type {attribute.type}.")
    if attribute.maximum is None and attribute.derived is None:
        report.say("P302", path, "The money attribute has no maximum.")
    report.between(f"{path}.maximum", attribute.maximum, 0, MONEY_MAX)


def _check_values(report: Report, path: str, attribute: Attribute) -> None:
    if attribute.values is None:
        return
    if attribute.type not in ENUMERABLE:
        message = f"`values` are for strings and sets, not for {attribute.type}."
        report.say("P316", f"{path}.values", message)
    if not attribute.values:
        report.say("P316", f"{path}.values", "The enumeration is empty.")
    report.unique(attribute.values, f"{path}.values")


def _check_labels(report: Report, path: str, attribute: Attribute) -> None:
    if {"confidential", "publishable"} <= set(attribute.labels):
        message = "The attribute is both confidential and publishable."
        report.say("P316", f"{path}.labels", message)
    for index, purpose in enumerate(attribute.purpose):
        report.text(f"{path}.purpose[{index}]", purpose)


# --- derived ------------------------------------------------------------------


def _check_derived(report: Report, path: str, attribute: Attribute, made: Derived) -> None:
    path = f"{path}.derived"
    given = [name for name in made.__struct_fields__ if getattr(made, name) is not None]
    if len(given) != 1:
        message = f"Exactly one way to derive is needed, there are {len(given)}."
        report.say("P315", path, message)
        return
    where = f"{path}.{given[0]}"
    if made.age_s is not None:
        _check_age(report, where, attribute, made.age_s)
    elif made.hour is not None or made.weekday is not None:
        _check_clock(report, where, attribute, made.hour or made.weekday or "")
    else:
        _check_pair(report, where, attribute, made.sum or made.difference or ("", ""))


def _check_age(report: Report, path: str, attribute: Attribute, name: str) -> None:
    base = _base(report, path, name)
    if base is not None and base.type != "timestamp":
        report.say("P315", path, f"`{name}` is not a timestamp.")
    _check_whole(report, path, attribute)


def _check_clock(report: Report, path: str, attribute: Attribute, zone: str) -> None:
    check_zone(report, path, zone)
    _check_whole(report, path, attribute)


def _check_whole(report: Report, path: str, attribute: Attribute) -> None:
    if attribute.type != "int":
        report.say("P315", path, f"The result is an int, but the type is {attribute.type}.")


def _check_pair(report: Report, path: str, attribute: Attribute, names: tuple[str, str]) -> None:
    for index, name in enumerate(names):
        base = _base(report, f"{path}[{index}]", name)
        if base is None:
            continue
        if base.type not in ("int", "decimal"):
            report.say("P315", f"{path}[{index}]", f"`{name}` is not a number.")
        elif (base.type, base.scale) != (attribute.type, attribute.scale):
            message = f"`{name}` is {_described(base)}, the result {_described(attribute)}."
            report.say("P315", f"{path}[{index}]", message, "Give all three one type and scale.")


def _base(report: Report, path: str, name: str) -> Attribute | None:
    if not report.known("attributes", name, path):
        return None
    base = report.attributes.get(name)
    if base is not None and base.derived is not None:
        report.say("P315", path, f"`{name}` is itself derived.", "Derive from declared attributes.")
        return None
    return base


def _described(attribute: Attribute) -> str:
    return f"{attribute.type}({attribute.scale})" if attribute.type == "decimal" else attribute.type


# --- names --------------------------------------------------------------------


def _check_collisions(report: Report) -> None:
    """`cart` and `cart.total` cannot both be attributes of one message."""
    names = report.source.named.get("attributes", frozenset())
    for name in sorted(names):
        words = name.split(".")
        for length in range(1, len(words)):
            shorter = ".".join(words[:length])
            if shorter in names:
                path = step("attributes", name)
                report.say("P319", path, f"`{shorter}` is an attribute, so `{name}` cannot be one.")
