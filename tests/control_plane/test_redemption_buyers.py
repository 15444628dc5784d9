"""Who may redeem: whom a token is for, who says that they are buying, and what is asked of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from control_plane.settings import Settings
from tests.control_plane.conftest import Running, running
from tests.control_plane.test_redemption import Shop
from tests.support.parts import ROOT

pytestmark = pytest.mark.anyio


@pytest.fixture
async def shop(plane: Running) -> Shop:
    return Shop(plane)


async def test_the_shop_says_who_is_buying_and_need_not_know_whom_the_token_is_for(shop: Shop):
    buying = {"subject": "", "visitor": "ann", "customer": "c-1"}
    await shop.held(shop.token("ten-off/p10"), **buying)
    theirs = {"subject_kind": "customer", "subject": "c-1"}
    await shop.held(shop.token("ten-off/p10", **theirs), order_id="q2", **buying)


async def test_a_customers_token_is_not_for_a_visitor_of_that_name(shop: Shop):
    theirs = shop.token("ten-off/p10", subject_kind="customer", subject="c-1")
    detail = await shop.refused("wrong-subject", theirs, subject="", visitor="c-1")
    assert "another customer" in detail
    strangers = shop.token("ten-off/p10")
    await shop.refused("wrong-subject", strangers, subject="", visitor="bob", customer="c-1")


async def test_a_pages_token_is_for_whoever_the_shop_says_is_buying_and_once(shop: Shop):
    """A visit without consent has no identity; its subject is a nonce that no shop knows."""
    page = {"subject_kind": "page", "subject": "nonce"}
    token = shop.token("once-each/a3", **page)
    await shop.held(token, subject="", visitor="v", customer="c-1")
    await shop.refused("token-spent", token, order_id="q2", subject="", customer="c-2")
    again = {"order_id": "q2", "subject": "", "customer": "c-1"}
    detail = await shop.refused("cap-reached", shop.token("once-each/a3", **page), **again)
    assert "1 for one customer" in detail
    other = {"order_id": "q3", "subject": "", "customer": "c-2"}
    await shop.held(shop.token("once-each/a3", **page), **other)


async def test_somebody_must_be_buying(shop: Shop):
    token = shop.token("ten-off/p10", subject_kind="page")
    assert "one must be told" in await shop.refused("malformed-request", token, subject="")


@pytest.mark.parametrize("field", ["order_id", "subject"])
@pytest.mark.parametrize(
    "name",
    ["", "q\n1", "q\x00", "q" * 257, "é" * 129],
    ids=["none", "line", "nul", "long", "bytes"],
)
async def test_names_that_are_none_are_refused_with_the_field(shop: Shop, field: str, name: str):
    token = shop.token("five-off/a5")
    detail = await shop.refused("malformed-request", token, **{field: name})
    assert field in detail
    assert shop.uses("total/five-off") == 0


WELCOME = {"customer.is_new": True, "customer.segments": []}


@pytest.mark.parametrize(
    ("told", "fits"),
    [
        (WELCOME, True),
        (WELCOME | {"customer.is_new": False}, False),
        (WELCOME | {"customer.segments": ["staff"]}, False),
        ({"customer.segments": []}, False),
        ({"customer.is_new": True}, False),
    ],
    ids=["new", "has ordered before", "staff", "nobody says", "segments not told"],
)
async def test_the_welcome_of_the_demo_shop_is_for_new_customers_at_the_checkout_too(
    tmp_path: Path, told: dict[str, Any], fits: bool
):
    """Whoever gets the token signed out and has ordered before is told apart by the shop."""
    catalog = ROOT / "examples" / "store" / "catalog"
    async with running(Settings(data=tmp_path, tenant="quillmoor", catalog=catalog)) as plane:
        shop = Shop(plane)
        token = shop.token("welcome-first-order/p10", tenant="quillmoor", placement="home_hero")
        changed = {"order_value": "60.00", "margin": "25.00", "attributes": told}
        if fits:
            assert (await shop.held(token, cart=changed))["discount"] == "6.00"
        else:
            detail = await shop.refused("not-redeemable", token, cart=changed)
            assert "conditions do not hold" in detail
