"""Sizes beyond which no target is promised to decide in time (DESIGN, section 5)."""

from __future__ import annotations

from collections.abc import Iterator

from .catalog import Attribute
from .conversion import step
from .derive import bases_of
from .report import Report
from .scorecards import mention_bins
from .source import OFFERS_MAX, RULE_FIELDS
from .vocabulary import Vocabulary

PLACEMENTS_MAX = 500
ATTRIBUTES_MAX = 64
CELLS_MAX = 1024
ELEMENTS_MAX = 64
__all__ = ["OFFERS_MAX", "PLACEMENTS_MAX", "check_limits"]
COMPARABLE = ("int", "decimal", "timestamp", "string", "bool")


def check_limits(report: Report) -> None:
    placements = sorted(report.source.named.get("placements", frozenset()))
    if len(placements) > PLACEMENTS_MAX:
        message = f"{len(placements)} placements; at most {PLACEMENTS_MAX}."
        report.say("P313", "placements", message)
    _check_attributes(report)


def _check_attributes(report: Report) -> None:
    """Only what the policy reads counts: an attribute that nothing reads is not in it."""
    known = {**report.attributes, **report.rules.derived}
    vocabulary = _mentioned(report, known)
    used = {base for name in vocabulary.mentions for base in (name, *bases_of(name, known))}
    if len(used) > ATTRIBUTES_MAX:
        message = f"The policy reads {len(used)} attributes (derived ones included)"
        report.say("P313", "attributes", f"{message}; at most {ATTRIBUTES_MAX}.")
    for name in sorted(vocabulary.mentions):
        _check_cells(report, vocabulary, name, known[name])


def _check_cells(report: Report, vocabulary: Vocabulary, name: str, attribute: Attribute) -> None:
    count = vocabulary.cells_of(name).count
    most = ELEMENTS_MAX if attribute.type == "set" else CELLS_MAX
    if count > most:
        what = "elements" if attribute.type == "set" else "cells"
        message = f"The policy tells {count} {what} of `{name}` apart; at most {most}."
        help = "Compare it with fewer different constants."
        report.say("P313", step("attributes", name), message, help)


def _mentioned(report: Report, known: dict[str, Attribute]) -> Vocabulary:
    vocabulary = Vocabulary(known)
    for tiers in report.rules.offers.values():
        for field in RULE_FIELDS:
            if (node := getattr(tiers, field)) is not None:
                vocabulary.mention_rule(node)
    for name, bins in _tables(report):
        if name in known and known[name].type in COMPARABLE:
            _mention(vocabulary, name, bins)
    return vocabulary


def _mention(vocabulary: Vocabulary, name: str, bins: list) -> None:
    """Bins of the attribute's own kind; others have had their diagnostic."""
    if vocabulary.attributes[name].type == "bool":
        bins = []
    cuts = [each for each in bins if not isinstance(each, str)]
    mention_bins(vocabulary, name, cuts, [each for each in bins if isinstance(each, str)])


def _tables(report: Report) -> Iterator[tuple[str, list]]:
    """Attributes that are read without a rule, with the constants that cut them."""
    shop = report.parts.shop
    if shop is not None:
        yield shop.economics.order_value, []
        if shop.economics.margin is not None:
            yield shop.economics.margin, []
    for model in report.parts.models.values():
        for term in model.terms:
            yield term.attribute, [*term.cuts, *term.values]
            if term.cross is not None:
                yield term.cross, [*term.cross_cuts, *term.cross_values]
    for placement in report.parts.placements.values():
        if placement.choice.segment is not None:
            yield placement.choice.segment, [*(placement.choice.allocation or {})]
    for offer in report.parts.offers.values():
        if offer.scope is not None:
            yield offer.scope, []
        for rung in offer.rungs:
            if (table := rung.cost_table) is not None:
                yield table.attribute, [*table.cuts, *table.values]
