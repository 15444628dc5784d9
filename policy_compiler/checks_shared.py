"""Checks of small objects that appear in several places of a catalog."""

from __future__ import annotations

from .catalog import Holdout
from .report import Report
from .zones import UnknownZone, zone


def check_holdout(report: Report, path: str, holdout: Holdout) -> None:
    report.between(f"{path}.share", holdout.share, 0, 1)
    report.text(f"{path}.salt", holdout.salt)


def check_zone(report: Report, path: str, name: str) -> bool:
    """Whether tzdata has the zone; P317 if not."""
    try:
        zone(name)
    except (UnknownZone, ValueError, OSError):
        report.say("P317", path, f"There is no time zone {name!r:.60}.")
        return False
    return True


def check_money_attribute(report: Report, path: str, name: str) -> None:
    """The attribute exists and is an amount of money."""
    if report.known("attributes", name, path):
        attribute = report.attributes.get(name)
        if attribute is not None and not attribute.money:
            report.say("P303", path, f"`{name}` is not a money attribute.")


def check_subtotal(report: Report, path: str, name: str) -> None:
    """An amount of money that costs are computed from; P325 if it may be below 0."""
    check_money_attribute(report, path, name)
    attribute = report.attributes.get(name)
    if attribute is not None and attribute.money and (attribute.minimum or 0) < 0:
        report.say("P325", path, f"`{name}` may be as low as {attribute.minimum}.")
