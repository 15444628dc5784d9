"""The demo shop alone: a shop first, whatever stands in front of it or behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vouching import read_context
from examples.store.shop.cart import FREE_DELIVERY_FROM, MOST_PER_LINE, cart_of
from examples.store.shop.products import CATEGORIES, PRODUCTS
from examples.store.shop.session import Session, seal, unseal
from tests.support.parts import ROOT
from tests.support.processes import Server, free_port, serving
from tests.support.shop import SHOP, browser_at, put, total


@pytest.fixture(scope="module")
def lonely_shop() -> Iterator[Server]:
    """The shop with a control plane configured that is not there."""
    nobody = f"http://127.0.0.1:{free_port()}"
    with serving(SHOP, path="/healthz", cwd=ROOT, env={"PROFFER_URL": nobody}) as server:
        yield server


@pytest.fixture
def visitor(lonely_shop: Server) -> Iterator[httpx.Client]:
    with browser_at(lonely_shop) as client:
        yield client


def context(page: httpx.Response) -> dict[str, Any]:
    """The attributes of the context header, read by the edge's own reader."""
    return dict(read_context(page.headers["Proffer-Context"]).attributes)


def slots(page: httpx.Response) -> dict[str, str]:
    """Placement -> the default inside its element."""
    element = r'<proffer-slot placement="(\w+)"[^>]*>(.*?)</proffer-slot>'
    return dict(re.findall(element, page.text, re.S))


# --- the cart -------------------------------------------------------------------


@given(st.dictionaries(st.sampled_from(sorted(PRODUCTS)), st.integers(0, MOST_PER_LINE)))
def test_a_cart_adds_up_exactly_whatever_is_in_it(quantities: dict[str, int]) -> None:
    cart = cart_of(quantities, 0)
    cents = sum(int(PRODUCTS[id].price * 100) * count for id, count in quantities.items())
    assert cart.goods == Decimal(cents) / 100
    assert cart.goods == sum((cart.goods_in(each) for each in CATEGORIES), Decimal(0))
    assert cart.items == sum(quantities.values())
    assert cart.total == cart.goods + cart.delivery
    free = cart.goods >= FREE_DELIVERY_FROM and cart.weight_g < 10_000
    assert (cart.delivery == 0) == (free or not cart.lines)
    assert cart.margin < cart.goods or not cart.lines


def test_lines_are_added_changed_and_taken_out(visitor: httpx.Client) -> None:
    put(visitor, "fig-candle", 2)
    assert total(put(visitor, "stoneware-bowls")) == "€82.00"
    page = visitor.post("/cart/update", data={"product": "fig-candle", "quantity": "1"})
    assert total(page) == "€68.40"
    page = visitor.post("/cart/update", data={"product": "fig-candle", "quantity": "0"})
    assert total(page) == "€49.90"
    assert "Fig candle was taken out." in page.text


def test_a_line_stops_at_twenty_pieces(visitor: httpx.Client) -> None:
    put(visitor, "olive-board", 15)
    assert context(put(visitor, "olive-board", 15))["cart.items"] == MOST_PER_LINE


@pytest.mark.parametrize("quantity", ["-1", "1.5", "", "many", "21", "²", "9" * 5000])
def test_an_impossible_quantity_is_refused_and_changes_nothing(
    visitor: httpx.Client, quantity: str
) -> None:
    put(visitor, "olive-board")
    page = visitor.post("/cart/update", data={"product": "olive-board", "quantity": quantity})
    assert page.status_code == 400
    assert "whole number from 0 to 20" in page.text
    assert context(visitor.get("/cart"))["cart.items"] == 1


@pytest.mark.parametrize(
    "path", ["/product/no-such", "/range/boats", "/nowhere", "/thanks/Q1", "/sign-in?as=king"]
)
def test_what_is_not_there_gets_a_page_that_says_so(visitor: httpx.Client, path: str) -> None:
    page = visitor.get(path)
    assert page.status_code == 404
    assert "Back to the shop" in page.text


def test_a_form_larger_than_any_of_ours_is_refused(visitor: httpx.Client) -> None:
    assert put(visitor, "x" * 20_000).status_code == 413


# --- the session ----------------------------------------------------------------


@given(st.text(max_size=200))
def test_only_our_own_cookie_is_believed(cookie: str) -> None:
    assert unseal(cookie, b"secret") is None


def test_a_sealed_session_comes_back_and_a_changed_one_does_not() -> None:
    sealed = seal(Session(1_790_000_000, cart={"fig-candle": 2}), b"secret")
    assert unseal(sealed, b"secret") == Session(1_790_000_000, cart={"fig-candle": 2})
    assert unseal(sealed, b"another") is None
    assert unseal("A" + sealed[1:], b"secret") is None


# --- what the edge gets ---------------------------------------------------------


def test_a_first_visit_claims_no_cart_and_no_customer(visitor: httpx.Client) -> None:
    known = context(visitor.get("/"))
    assert known["customer.is_new"] is True
    assert known["visit.kind"] == "new"
    assert not [name for name in known if name.startswith(("cart.", "loyalty."))]


def test_the_context_tells_the_cart_in_exact_decimals_and_whole_seconds(
    visitor: httpx.Client,
) -> None:
    known = context(put(visitor, "terracotta-trio", 2))
    assert known["cart.total"] == "77.80"
    assert known["cart.margin"] == "36.40"
    assert known["cart.garden_total"] == "77.80"
    assert known["cart.items"] == 2
    assert known["cart.categories"] == ["garden"]
    assert type(known["cart.updated_at"]) is int


def test_personas_differ_in_what_the_edge_is_told(visitor: httpx.Client) -> None:
    loyal = context(visitor.get("/sign-in?as=loyal"))
    assert loyal["loyalty.next_tier_points"] - loyal["loyalty.points"] == 130
    assert context(visitor.get("/sign-in?as=bargain"))["customer.segments"] == ["bargain"]
    left = context(visitor.get("/sign-in?as=returning"))
    said = read_context(visitor.get("/cart").headers["Proffer-Context"])
    assert said.customer.startswith("returning-") and said.locale == "en"
    assert left["cart.total"] == "63.50"
    assert left["customer.last_order_at"] < left["cart.updated_at"]


@pytest.mark.parametrize(
    ("path", "placement"),
    [("/", "home_hero"), ("/cart", "cart_banner"), ("/checkout", "checkout_upsell")],
)
def test_every_slot_holds_a_default_of_the_shops_own(
    visitor: httpx.Client, path: str, placement: str
) -> None:
    put(visitor, "copper-can")
    (found,) = slots(visitor.get(path)).items()
    assert found[0] == placement
    assert re.search(r"<h2>\w.+</h2>\s*<p>\w.+</p>", found[1])


def test_pages_bring_no_inline_scripts_and_need_no_other_host(visitor: httpx.Client) -> None:
    put(visitor, "fig-candle")
    for path in ("/", "/product/fig-candle", "/range/garden", "/cart", "/checkout", "/sign-in"):
        page = visitor.get(path).text
        assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|style=", page)
        assert not re.search(r"(?:src|href|action)=\"(?!/|#)", page)
        for asset in set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page)):
            assert visitor.get(asset).status_code == 200, asset


# --- offers and orders ----------------------------------------------------------


def test_an_offer_link_is_kept_and_leaves_the_address_bar(visitor: httpx.Client) -> None:
    page = visitor.get("/range/garden?sort=new&proffer_token=eyJ0.abc-_")
    assert str(page.url).endswith("/range/garden?sort=new")
    assert "Your offer is saved" in page.text
    put(visitor, "fig-candle")
    assert 'name="proffer_token" value="eyJ0.abc-_"' in visitor.get("/checkout").text


@pytest.mark.parametrize("token", ["", '"><b>', "x" * 1601, "a b"])
def test_a_broken_offer_link_is_said_to_be_broken(visitor: httpx.Client, token: str) -> None:
    page = visitor.get("/", params={"proffer_token": token, "keep": "1"})
    assert "This offer link is not complete" in page.text
    assert "Your offer is saved" not in page.text


def test_an_offer_link_never_leads_away_from_the_shop(lonely_shop: Server) -> None:
    url = f"{lonely_shop.url}//evil.example/?proffer_token=abc"
    answer = httpx.get(url, follow_redirects=False)
    assert not answer.headers.get("location", "/").startswith("//")


def test_checkout_works_when_the_control_plane_is_unreachable(visitor: httpx.Client) -> None:
    visitor.get("/cart?proffer_token=abc")
    put(visitor, "dune-table-lamp")
    page = visitor.post("/checkout")
    assert page.status_code == 200
    assert "/thanks/Q" in str(page.url)
    assert "Your offer was not applied" in page.text
    assert total(page) == "€64.80"
    assert context(page)["customer.is_new"] is False
    assert "cart.total" not in context(page)


def test_an_empty_basket_cannot_be_ordered(visitor: httpx.Client) -> None:
    assert visitor.get("/checkout").url.path == "/cart"
    assert visitor.post("/checkout").url.path == "/cart"
