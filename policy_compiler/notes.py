"""The notes of a bundle: titles, creatives, rule trees and redemption limits."""

from __future__ import annotations

import sys

import msgspec

from edge.decision.notes import (
    AttributeNote,
    Notes,
    OfferNote,
    PlacementNote,
    SelfTest,
    pack_notes,
)
from policy_compiler import catalog as authoring
from policy_compiler import zones
from policy_compiler.catalog import Attribute, Creative, Offer, Rung
from policy_compiler.plan import Plan, Tiers, segments_of


def notes_of(plan: Plan) -> bytes:
    shop = plan.catalog.shop
    return pack_notes(
        Notes(
            title=shop.title,
            currency=shop.currency.code,
            minor_digits=shop.currency.minor_digits,
            locales=tuple(shop.locales),
            attributes=tuple(map(_attribute, plan.attributes.values())),
            offers=tuple(_offer(offer, plan.tiers[offer.id]) for offer in plan.offers),
            placements=tuple(_placement(plan, name) for name in plan.placements),
            budgets=tuple(sorted(plan.catalog.budgets)),
            tzdata=zones.VERSION,
            tests=tuple(
                _test(name, test, shop.zone) for name, test in sorted(plan.catalog.tests.items())
            ),
        )
    )


def _test(name: str, test: authoring.SelfTest, zone: str) -> SelfTest:
    asked = test.request
    return SelfTest(
        name=name,
        at_s=None if test.at is None else zones.instant_of(test.at, zone),
        visitor=asked.visitor,
        customer=asked.customer or "",
        # interned for the reason that `channel` is, below
        consent=sys.intern(asked.consent),
        locale=asked.locale or "",
        attributes=asked.attributes,
        expect={
            placement: (arms,) if isinstance(arms, str) else tuple(arms)
            for placement, arms in test.expect.items()
        },
    )


def _attribute(attribute: Attribute) -> AttributeNote:
    return AttributeNote(
        describe=attribute.describe,
        labels=tuple(attribute.labels),
        purpose=tuple(attribute.purpose),
    )


def _offer(offer: Offer, tiers: Tiers) -> OfferNote:
    return OfferNote(
        title=offer.title,
        kind=offer.kind,
        eligible=tiers.eligible,
        applicable=tiers.applicable,
        suitable=tiers.suitable,
        daypart=tiers.daypart,
        creatives={
            placement: {locale: _creative(creative) for locale, creative in by_locale.items()}
            for placement, by_locale in offer.creatives.items()
        },
        sizes=tuple(map(size_of, offer.rungs)),
        per_customer=offer.redemption.per_customer,
        per_customer_period_s=offer.redemption.period_s,
        total=offer.redemption.total,
        recheck=tuple(offer.redemption.recheck),
    )


def size_of(rung: Rung) -> dict[str, str]:
    """What creatives may say of a rung, by placeholder."""
    amount = rung.amount if rung.amount is not None else rung.saves
    given = {
        "percent": rung.percent,
        "amount": amount,
        "cap": rung.cap,
        "points": rung.points if rung.points is not None else rung.points_per_unit,
        "months": rung.months,
    }
    return {name: f"{value}" for name, value in given.items() if value is not None}


def _creative(creative: Creative) -> dict[str, str]:
    return {name: text for name, text in msgspec.structs.asdict(creative).items() if text}


def _placement(plan: Plan, name: str) -> PlacementNote:
    placement = plan.placements[name]
    return PlacementNote(
        title=placement.title,
        # msgspec leaves a default out only if it is the same object, not an equal one: without
        # this the bytes would depend on where the catalog's text came from
        channel=sys.intern(placement.channel),
        width=placement.box.width if placement.box else 0,
        height=placement.box.height if placement.box else 0,
        segment=placement.choice.segment or "",
        segments=segments_of(plan, placement) if placement.choice.policy == "allocation" else (),
    )
