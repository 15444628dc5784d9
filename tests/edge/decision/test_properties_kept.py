"""A kept choice survives any edit of the catalog while its arm is a candidate."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from edge.decision import beacon
from edge.decision.beacon import FRESH, Row, unpack_verdict
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.hashing import key_of
from policy_compiler.catalog import Catalog, Choice, Group, Offer, Placement, Rung
from policy_compiler.emit import emit
from policy_compiler.plan import Tiers, plan_of
from tests.support.policies import random_catalog
from tests.support.requests import RequestMaker
from tests.support.situations import verdict

SEEDS = st.integers(0, 10**9)


@cache
def lasting(seed: int) -> Catalog:
    """A catalog whose placements explore, whatever it loses."""
    catalog = random_catalog(Random(seed), 8)
    changed = {
        name: structs.replace(each, choice=structs.replace(each.choice, unit="visitor"))
        for name, each in catalog.placements.items()
    }
    return structs.replace(catalog, placements={n: _exploring(p) for n, p in changed.items()})


def _exploring(placement: Placement) -> Placement:
    choice = structs.replace(
        placement.choice, policy="epsilon", epsilon=Decimal(1), explore_loss=Decimal(10**6)
    )
    holdout = structs.replace(placement.holdout, share=Decimal(0))
    return structs.replace(placement, choice=choice, holdout=holdout, slots=3)


def edited(catalog: Catalog, random: Random) -> Catalog:
    """Edits that leave every arm of placement `p` a candidate there, but nothing else alone."""
    offers = [_edited_offer(offer, random) for offer in catalog.offers]
    for name in random.sample(["a-new", "m-new", "z-new"], random.randint(0, 3)):
        rung = Rung(id="new", amount=Decimal(1), expected_profit=Decimal(random.randint(-9, 9)))
        offers.append(
            Offer(
                id=name, title="", kind="fixed", placements=["q"], rungs=[rung],
                priority=random.randint(-9, 9),
            )
        )  # fmt: skip
    random.shuffle(offers)
    placements = {
        name: _edited_placement(each, random) for name, each in catalog.placements.items()
    }
    models = {} if random.random() < 0.3 else catalog.models
    if not models:
        placements = {n: structs.replace(p, model=None) for n, p in placements.items()}
    return structs.replace(
        catalog, offers=offers, placements=placements | {"a-first": Placement(title="", rank=0)},
        models=models, groups=catalog.groups | {"a": Group()},
    )  # fmt: skip


def _edited_offer(offer: Offer, random: Random) -> Offer:
    rungs = [
        structs.replace(rung, expected_profit=Decimal(random.randint(-9, 9)))
        for rung in offer.rungs
    ]
    random.shuffle(rungs)
    return structs.replace(
        offer, title="edited", priority=random.randint(0, 9), rungs=rungs, expires_after_s=60
    )


def _edited_placement(placement: Placement, random: Random) -> Placement:
    choice = placement.choice
    changed = Choice(
        policy=random.choice(("greedy", "epsilon", "inverse_gap", "allocation")),
        salt=choice.salt, unit=choice.unit, epoch_s=choice.epoch_s,
        epsilon=Decimal(random.randint(0, 9)) / 10, gamma=Decimal(random.randint(0, 500)) / 100,
    )  # fmt: skip
    return structs.replace(placement, choice=changed, rank=random.randint(0, 99), title="edited")


def bundle_from(catalog: Catalog) -> Bundle:
    return open_bundle(emit(plan_of(catalog, {}, {o.id: Tiers(None) for o in catalog.offers})))


@cache
def before_edits(number: int) -> Bundle:
    return bundle_from(lasting(number))


@settings(max_examples=60)
@given(st.integers(0, 11), SEEDS)
def test_a_kept_choice_survives_any_edit_while_its_arm_is_a_candidate(
    number: int, seed: int
) -> None:
    catalog = lasting(number)
    before, after = before_edits(number), bundle_from(edited(catalog, Random(seed)))
    maker = RequestMaker(before, seed)
    manifest = maker.manifest(
        all_paused=False, paused_offers=(), paused_rungs=(), paused_placements=(),
        issued_s=maker.now_s - 1000, expires_s=maker.now_s + 1000,
    )  # fmt: skip
    fields = maker.request(
        consent="full", placements=["p"], taken=[], state={}, now_s=maker.now_s
    ).fields
    first = unpack_verdict(verdict(before, manifest, fields))
    kept = [_kept(before, row) for row in first if row.ghost.draw == FRESH]
    again = unpack_verdict(verdict(after, manifest, fields | {"state": {"kept": kept}}))
    for row, then in zip(first, again, strict=True):
        assert after.arm_name(then.ghost.arm) == before.arm_name(row.ghost.arm)
        if row.ghost.draw == FRESH:
            assert then.ghost.draw == beacon.KEPT
            assert then.drawn_by == bytes([row.slot + 1] * 16)


def _kept(bundle: Bundle, row: Row) -> dict[str, Any]:
    """The state's entry for this draw, by the names of things."""
    name = bundle.arm_name(row.ghost.arm)
    return {
        "placement_key": key_of(f"placement/{bundle.placement_name(row.placement)}"),
        "slot": row.slot, "redraw": row.redraw, "epoch": row.epoch,
        "arm_key": 0 if name == "none" else key_of(f"arm/{name}"),
        "drawn_by": f"{row.slot + 1:02x}" * 16,
    }  # fmt: skip
