"""Placeholders of creatives: each stands for a number that every rung has.

A text may hold `{percent}`, `{amount}`, `{cap}`, `{points}` and `{months}`; the edge puts
the rung's own number there (`edge.decision.creatives`).  Where a rung has no such number the
visitor would read the placeholder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from .catalog import Offer
from .conversion import step
from .diagnostics import did_you_mean
from .notes import size_of
from .report import Report

PLACEHOLDERS = ("percent", "amount", "cap", "points", "months")
MARKED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")


def check_placeholders(report: Report) -> None:
    for index, offer in report.parts.offers.items():
        for path, name in _marks(f"offers[{index}].creatives", offer):
            if name not in PLACEHOLDERS:
                help = did_you_mean(name, PLACEHOLDERS)
                report.say("P324", path, f"There is no placeholder {{{name}}}.", help)
            elif lacking := [rung.id for rung in offer.rungs if name not in size_of(rung)]:
                rungs = ", ".join(f"`{offer.id}/{rung}`" for rung in lacking)
                message = f"{{{name}}} has no value for {rungs}, of kind {offer.kind}."
                report.say("P324", path, message)


def _marks(path: str, offer: Offer) -> Iterator[tuple[str, str]]:
    """Every placeholder once per text, with the path of its text."""
    for placement, by_locale in offer.creatives.items():
        for locale, creative in by_locale.items():
            where = step(step(path, placement), locale)
            for name, text in msgspec.structs.asdict(creative).items():
                for mark in sorted(set(MARKED.findall(text))):
                    yield f"{where}.{name}", mark
