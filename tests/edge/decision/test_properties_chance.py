"""What chance makes of many units: as often as logged, whatever came before.

Units are fixed, so nothing here fails by chance: the tests either hold or they do not.
The level is one in a thousand for each.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator
from decimal import Decimal
from math import sqrt
from typing import Any

import duckdb
import pytest
from msgspec import structs

from edge.decision import beacon
from edge.decision.beacon import FRESH, KEPT, Row, Track, unpack_verdict
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.decide import decide
from edge.decision.hashing import T, key_of
from edge.decision.manifest import ManifestBlock, pack_manifest
from edge.decision.request_json import encode_request
from policy_compiler.catalog import Catalog, Holdout, Offer, Placement, Rung
from policy_compiler.emit import emit
from policy_compiler.plan import Tiers, plan_of
from tests.conformance.building import committed
from tests.support.policies import a_catalog
from tests.support.requests import NOW_S

PLAIN = pack_manifest(ManifestBlock(digest=bytes(32), issued_s=NOW_S, expires_s=NOW_S + 10**6))
EXPECTED_LEAST = 5


def rows_of(bundle: Bundle, manifest: bytes = PLAIN, **fields: Any) -> tuple[Row, ...]:
    request = {"nonce": "n", "consent": "full", "now_s": NOW_S, "state": {}} | fields
    data = encode_request(bundle, json.dumps(request).encode()).data
    return unpack_verdict(decide(bundle, manifest, data))


class Frequencies:
    """Counts of fresh draws, by what was known before each and what could be drawn."""

    def __init__(self) -> None:
        self.seen: defaultdict[Hashable, Counter[int]] = defaultdict(Counter)
        self.shares: dict[Hashable, dict[int, int]] = {}

    def add(self, before: Hashable, track: Track) -> None:
        if track.draw == FRESH:
            cell = (before, track.listed)
            self.seen[cell][track.arm] += 1
            self.shares[cell] = dict(track.listed)

    def chi_square(self) -> tuple[float, int]:
        """The statistic over all cells that are full enough, and its degrees of freedom."""
        statistic, freedom = 0.0, 0
        for cell, seen in self.seen.items():
            count, shares = sum(seen.values()), self.shares[cell]
            expected = {arm: count * share / T for arm, share in shares.items() if share}
            assert seen.keys() <= expected.keys(), "an arm without tickets was drawn"
            if min(expected.values()) < EXPECTED_LEAST:
                continue
            statistic += sum((seen[arm] - often) ** 2 / often for arm, often in expected.items())
            freedom += len(expected) - 1
        return statistic, freedom

    def fits(self, cells: int) -> bool:
        """Whether the frequencies are those logged, over at least so many cells."""
        statistic, freedom = self.chi_square()
        assert len(self.seen) >= cells
        assert freedom >= cells
        return statistic < one_in_a_thousand(freedom)


def one_in_a_thousand(freedom: int) -> float:
    """Quantile of the chi-square distribution, up to 2.5 % (Wilson and Hilferty 1931)."""
    part = 2 / (9 * freedom)
    return freedom * (1 - part + 3.0902 * sqrt(part)) ** 3


@pytest.mark.parametrize(("freedom", "table"), [(2, 13.82), (5, 20.52), (10, 29.59), (50, 86.66)])
def test_the_quantile_is_that_of_the_tables(freedom: int, table: float) -> None:
    assert one_in_a_thousand(freedom) == pytest.approx(table, rel=0.025)


@pytest.mark.parametrize("placement", ["steep", "loss", "always", "floored", "allotted"])
def test_fresh_draws_come_as_often_as_logged(placement: str) -> None:
    bundle, often = committed("odds"), Frequencies()
    for unit in range(3000):
        attributes = {"cart.total": (40, 60)[unit % 2], "visit.flag": True}
        (row,) = rows_of(bundle, visitor=f"u{unit}", placements=[placement], attributes=attributes)
        often.add(None, row.shown)
    assert often.fits(cells=1)


def test_draws_are_as_logged_given_what_earlier_placements_took() -> None:
    """Two slots of five arms: each history of the first is a cell of the second."""
    bundle, often = committed("slots"), Frequencies()
    for unit in range(6000):
        first, second = rows_of(bundle, visitor=f"u{unit}", placements=["hourly"])
        often.add("first", first.shown)
        often.add(first.shown.arm, second.shown)
    assert often.fits(cells=6)


def test_draws_are_as_logged_given_earlier_calls_of_the_page() -> None:
    """The same over calls: what the first one showed is `taken` in the second."""
    bundle, often = committed("units"), Frequencies()
    for unit in range(4000):
        (first,) = rows_of(bundle, visitor=f"u{unit}", placements=["coin"])
        arm = bundle.arm_name(first.shown.arm)
        taken = [{"placement": "coin", "slot": 0, "arm": arm}]
        rows = rows_of(bundle, visitor=f"u{unit}", placements=["coins"], taken=taken)
        often.add(first.shown.arm, rows[0].shown)
        often.add((first.shown.arm, rows[0].shown.arm), rows[1].shown)
    assert often.fits(cells=4)


def test_fresh_draws_are_as_logged_over_visits_whose_context_offers_changed() -> None:
    """Who was shown heads or tails buys: the cart of the next visit is another one.

    Tails is only for small carts, so a kept tails ceases to be a candidate and is drawn
    anew.  Given all that was shown before, fresh draws still come as often as logged; kept
    ones are none of these, and show whom chance favoured once.
    """
    bundle, often, kept = committed("caps"), Frequencies(), 0
    for unit in range(2500):
        state: dict[str, Any] = {}
        cart, history = 20, ()
        for visit in range(4):
            (row,) = rows_of(
                bundle, visitor=f"u{unit}", placements=["dice"], state=state,
                now_s=NOW_S + 1500 * visit, attributes={"cart.total": cart},
            )  # fmt: skip
            often.add((history, row.redraw), row.shown)
            kept += row.shown.draw == KEPT
            history = (*history, (row.shown.arm, row.shown.draw))
            cart = 120 if row.shown.arm and visit != 1 else 20
            state = {"kept": [_kept(bundle, row, state)]}
    assert often.fits(cells=20)
    assert kept > 2000


def _kept(bundle: Bundle, row: Row, state: dict[str, Any]) -> dict[str, Any]:
    if row.shown.draw == KEPT:
        return state["kept"][0]
    name = bundle.arm_name(row.shown.arm)
    return {
        "placement_key": key_of("placement/dice"), "slot": 0, "redraw": row.redraw,
        "epoch": row.epoch, "arm_key": 0 if name == "none" else key_of(f"arm/{name}"),
        "drawn_by": "0" * 32,
    }  # fmt: skip


OTHER_WORDS: dict[str, dict[str, Any]] = {
    "another placement and salt": {"placements": ["other-salt"]},
    "the next epoch": {"now_s": NOW_S + 86400},
    "another nonce": {"state": None},
}


def test_placements_epochs_and_nonces_draw_independently() -> None:
    """Pairs of draws of one unit, each by another part of the word: a quarter each."""
    bundle, pairs = committed("units"), Counter[tuple[str, bool, bool]]()
    for unit in range(2000):
        one: dict[str, Any] = {"visitor": f"u{unit}", "placements": ["coin"]}
        heads = bool(rows_of(bundle, **one)[0].shown.arm)
        for kind, changes in OTHER_WORDS.items():
            pairs[kind, heads, bool(rows_of(bundle, **(one | changes))[0].shown.arm)] += 1
    for kind in OTHER_WORDS:
        counts = [pairs[kind, a, b] for a in (False, True) for b in (False, True)]
        assert sum((count - 500) ** 2 / 500 for count in counts) < one_in_a_thousand(3), kind


# --- holdouts, in SQL -----------------------------------------------------------

MEMBERS = """
SELECT unit FROM units
WHERE (('0x' || left(sha256(concat_ws(chr(31), $purpose, $key, $salt, unit)), 8))::bigint >> 12)
      < $share
"""
UNITS = [*(f"u{i}" for i in range(1500)), *(f"zoë-{i}" for i in range(300)), "佐藤", "😀", " a b "]


def members(purpose: str, key: str, salt: str, share: int) -> set[str]:
    """A warehouse's answer: DESIGN 7.1 as a query."""
    with duckdb.connect() as database:
        database.execute("CREATE TABLE units AS SELECT unnest($units) AS unit", {"units": UNITS})
        found = database.execute(
            MEMBERS, {"purpose": purpose, "key": key, "salt": salt, "share": share}
        )
        return {unit for (unit,) in found.fetchall()}


def held_out(bundle: Bundle, placement: str, flag: int) -> set[str]:
    return {
        unit
        for unit in UNITS
        for row in rows_of(bundle, visitor=unit, placements=[placement])[:1]
        if row.flags & flag
    }


def test_holdouts_are_what_a_warehouse_computes() -> None:
    bundle = committed("page")
    own = members("holdout", "zenith", "zenith", T // 2)
    everywhere = members("global", "conformance", "everyone", T // 4)
    assert held_out(bundle, "zenith", beacon.HOLDOUT) == own
    assert held_out(bundle, "zenith", beacon.GLOBAL_HOLDOUT) == everywhere
    assert held_out(bundle, "alpha", beacon.GLOBAL_HOLDOUT) == everywhere
    assert 0 < len(own & everywhere) < len(own)


def a_shop(**changes: Any) -> Catalog:
    """One placement of which three tenths are held out, and an offer."""
    rung = Rung(id="one", amount=Decimal(1), expected_profit=Decimal(1))
    offer = Offer(id="o", title="", kind="fixed", placements=["list"], rungs=[rung])
    held = Holdout(share=Decimal("0.3"), salt="keep")
    catalog = a_catalog(
        offers=[offer], placements={"list": Placement(title="List", rank=1, holdout=held)}
    )
    return structs.replace(catalog, **changes)


def edits() -> Iterator[Catalog]:
    """What an author may do to a catalog without naming the holdout."""
    shop, (offer,) = a_shop(), a_shop().offers
    placement = shop.placements["list"]
    more = [structs.replace(offer, id=name, priority=n) for n, name in enumerate(("a", "z"))]
    yield structs.replace(shop, offers=[*more, offer])
    yield structs.replace(shop, offers=[structs.replace(offer, title="Better", token=False)])
    yield structs.replace(shop, offers=[])
    others = {"aa": Placement(title="", rank=0), "zz": Placement(title="", rank=9)}
    yield structs.replace(shop, placements=others | shop.placements)
    choice = structs.replace(placement.choice, policy="epsilon", salt="another", epoch_s=60)
    changed = structs.replace(placement, title="Renamed", slots=3, rank=7, choice=choice)
    yield structs.replace(shop, placements={"list": changed})
    shop_held = structs.replace(shop.shop, global_holdout=Holdout(share=Decimal("0.1"), salt="g"))
    yield structs.replace(shop, shop=shop_held)


def compiled(catalog: Catalog) -> Bundle:
    return open_bundle(emit(plan_of(catalog, {}, {o.id: Tiers(None) for o in catalog.offers})))


def test_no_edit_of_the_catalog_moves_a_holdout() -> None:
    expected = members("holdout", "list", "keep", 314573)
    assert held_out(compiled(a_shop()), "list", beacon.HOLDOUT) == expected
    for catalog in edits():
        assert held_out(compiled(catalog), "list", beacon.HOLDOUT) == expected
    salted = structs.replace(
        a_shop().placements["list"], holdout=Holdout(share=Decimal("0.3"), salt="new")
    )
    other = compiled(a_shop(placements={"list": salted}))
    assert held_out(other, "list", beacon.HOLDOUT) == members("holdout", "list", "new", 314573)


def test_a_larger_share_only_adds_units() -> None:
    small, large = (
        compiled(
            a_shop(
                placements={
                    "list": Placement(
                        title="", rank=1, holdout=Holdout(share=Decimal(share), salt="keep")
                    )
                }
            )
        )
        for share in ("0.2", "0.4")
    )
    few, many = (held_out(bundle, "list", beacon.HOLDOUT) for bundle in (small, large))
    assert few < many
