"""Truth files, the people made from them, and what a simulation says of itself."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from decimal import Decimal
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from control_plane.outcomes import NONE
from control_plane.simulating import Options, Simulation, SimulationFailed
from control_plane.simulation.browser import Browser, ShopServer, VisitFailed, open_client
from control_plane.simulation.people import Person, person
from control_plane.simulation.screen import picture
from control_plane.simulation.shopping import read_page
from control_plane.simulation.tally import Summary, Tally
from control_plane.simulation.visits import Slot, Visited, sign_session
from control_plane.simulation.worth import arms_for, true_profits
from control_plane.truth import (
    OrderTruth,
    Truth,
    TruthError,
    VisitorType,
    parse_truth,
    read_truth,
)
from edge.deciding import Decided
from edge.decision.bundle import Bundle
from edge.decision.request_json import encode_fields
from edge.rendering import fill_slot
from edge.vouching import read_session
from policy_compiler.compiling import compile_catalog
from tests.support.parts import ROOT

TRUTHS = ROOT / "examples" / "store" / "truth"
HELPFUL, NULL = (read_truth(TRUTHS / f"{name}.yaml").truth for name in ("helpful", "null"))
NOW_S = int(time.time())

SMALL = """
title: Small
seed: 7
placement: home_hero
order: {median: 50, spread: 0.4, margin_percent: 40}
types:
  - {name: a, share: 3, buys: 0.2, uplift: {x/y: 3}}
  - {name: b, share: 1, buys: 0.1}
"""


@pytest.fixture(scope="module")
def store() -> Bundle:
    return compile_catalog(ROOT / "examples" / "store" / "catalog").bundle


# --- truth files --------------------------------------------------------------


@pytest.mark.parametrize("name", ["helpful", "null"])
def test_the_examples_are_named_by_the_hash_of_their_bytes(name: str):
    path = TRUTHS / f"{name}.yaml"
    assert read_truth(path).digest == sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("truth", [HELPFUL, NULL], ids=["helpful", "null"])
def test_the_store_knows_all_that_the_examples_say(truth: Truth, store: Bundle):
    for kind in truth.types:
        asked: dict[str, Any] = {
            "visitor": "v",
            "nonce": "n",
            "consent": "full",
            "now_s": NOW_S,
            "placements": [truth.placement],
            "attributes": kind.vouched(NOW_S),
        }
        encoded = encode_fields(store, asked)
        assert encoded.unknown_attributes == ()
        assert set(kind.uplift) <= set(arms_for(store, truth, kind, NOW_S))


def test_in_the_helpful_shop_each_segment_has_a_best_arm_of_its_own(store: Bundle):
    best: dict[object, set[str]] = {}
    for kind in HELPFUL.types:
        profits = true_profits(store, HELPFUL, kind, NOW_S)
        first, second = sorted(profits, key=profits.__getitem__, reverse=True)[:2]
        assert profits[first] > 1.25 * profits[second]
        best.setdefault(kind.attributes["visit.kind"], set()).add(first)
    assert best == {
        "new": {"welcome-first-order/p10"},
        "returning": {"free-delivery/standard"},
        "member": {"double-points/x2"},
    }


def test_in_the_null_shop_nothing_beats_none(store: Bundle):
    for kind in NULL.types:
        assert kind.uplift == {}
        profits = true_profits(store, NULL, kind, NOW_S)
        assert max(profits, key=profits.__getitem__) == NONE


def test_an_arm_costs_what_redemption_would_charge(store: Bundle):
    """Ten percent of an order, out of a margin of 44 percent, from whoever buys."""
    (newcomer,) = (kind for kind in NULL.types if kind.name == "newcomer")
    profits = true_profits(store, NULL, newcomer, NOW_S)
    assert profits["welcome-first-order/p10"] == pytest.approx(profits[NONE] * 34 / 44, rel=1e-3)


@pytest.mark.parametrize(
    ("wrong", "where", "what"),
    [
        (("buys: 0.2", "buys: 1.2"), "7:31 (types[0].buys)", "between 0 and 1"),
        (("share: 3", "share: 0"), "7:22 (types[0].share)", "more than 0"),
        (("x/y: 3", "x/y: -3"), '7:50 (types[0].uplift["x/y"])', "more than 0"),
        (("x/y: 3", "xy: 3"), "7:49 (types[0].uplift.xy)", "offer/rung"),
        (("name: b", "name: a"), "8:12 (types[1].name)", "An earlier type has this name"),
        (("seed: 7", "seed: seven"), "3:7 (seed)", "Expected a whole number"),
        (("spread: 0.4", "spraed: 0.4"), "5:21 (order.spraed)", "Unknown key"),
        (("median: 50", "median: 0"), "5:17 (order.median)", "more than nothing"),
        (("margin_percent: 40", "margin_percent: 400"), "5:50", "from -100 to 100"),
        (("title: Small", "title: [Small"), "3:", "YAML"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_place(wrong: tuple[str, str], where: str, what: str):
    with pytest.raises(TruthError) as refused:
        parse_truth(SMALL.replace(*wrong), "truth.yaml")
    assert f"truth.yaml:{where}" in str(refused.value)
    assert what in str(refused.value)


def test_all_that_is_wrong_is_told_at_once():
    text = SMALL.replace("buys: 0.2", "buys: 2").replace("share: 1", "share: -1")
    with pytest.raises(TruthError, match="2 errors"):
        parse_truth(text, "truth.yaml")


def test_the_guide_shows_a_truth_and_names_every_key():
    guide = (ROOT / "docs" / "guide" / "simulate.md").read_text()
    example = guide.partition("```yaml\n")[2].partition("```")[0]
    assert parse_truth(example, "simulate.md").types[0].uplift
    for struct in (Truth, OrderTruth, VisitorType):
        for key in struct.__struct_fields__:
            assert f"`{key}`" in guide or f"`types[].{key}`" in guide, key
    for field in Summary.__struct_fields__:
        assert f"`{field}`" in guide, field


@given(st.text(max_size=200))
def test_any_other_text_is_refused_with_a_place(text: str):
    refused = ""
    try:
        parse_truth(text, "t.yaml")
    except TruthError as error:
        refused = str(error)
    assert "t.yaml:" in refused


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path):
    with pytest.raises(TruthError, match=r"absent\.yaml"):
        read_truth(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes("title: Größe".encode("latin-1"))
    with pytest.raises(TruthError, match="UTF-8"):
        read_truth(tmp_path / "latin.yaml")


# --- people -------------------------------------------------------------------


@given(st.floats(0.001, 0.999), st.floats(0.01, 100))
def test_uplift_multiplies_the_odds(buys: float, factor: float):
    kind = VisitorType(
        name="k", share=Decimal(1), buys=Decimal(str(buys)), uplift={"x/y": Decimal(str(factor))}
    )
    odds = kind.probability("x/y") / (1 - kind.probability("x/y"))
    assert odds == pytest.approx(factor * buys / (1 - buys), rel=1e-6)
    assert kind.probability("other/arm") == kind.probability(NONE) == pytest.approx(buys)


def test_the_same_person_comes_again_with_the_same_seed():
    truth = parse_truth(SMALL, "t.yaml")
    assert [person(truth, 7, n) for n in range(50)] == [person(truth, 7, n) for n in range(50)]
    assert [person(truth, 7, n) for n in range(50)] != [person(truth, 8, n) for n in range(50)]


def test_people_are_as_the_truth_says():
    truth = parse_truth(SMALL, "t.yaml")
    people = [person(truth, 1, n) for n in range(8000)]
    kinds = Counter(each.kind.name for each in people)
    assert kinds["a"] == pytest.approx(6000, abs=160)
    a = [each for each in people if each.kind.name == "a"]
    assert sum(x.buys(NONE) for x in a) / len(a) == pytest.approx(0.2, abs=0.02)
    assert sum(x.buys("x/y") for x in a) / len(a) == pytest.approx(3 / 7, abs=0.025)
    values = sorted(each.value for each in people)
    assert float(values[4000]) == pytest.approx(50, rel=0.03)
    assert all(x.margin == (x.value * 40 / 100).quantize(Decimal("0.01")) for x in people)


def test_who_buys_without_an_offer_buys_with_a_better_one_too():
    truth = parse_truth(SMALL, "t.yaml")
    people = [person(truth, 3, n) for n in range(2000)]
    assert all(each.buys("x/y") for each in people if each.buys(NONE))


def test_nobody_follows_or_redeems_what_is_not_shown():
    truth = parse_truth(SMALL, "t.yaml")
    people = [person(truth, 3, n) for n in range(500)]
    assert not any(each.clicks(NONE) or each.redeems(NONE) for each in people)
    assert all(each.clicks("x/y") for each in people if each.buys("x/y"))


# --- talking HTTP -------------------------------------------------------------


def test_the_shops_session_is_one_that_the_edge_believes():
    said = {"attributes": {"visit.kind": "new"}, "customer": "c-1", "expires_s": NOW_S + 60}
    vouched = read_session("shop_key", sign_session("shop_key", said), "", NOW_S)
    assert (vouched.customer, dict(vouched.attributes)) == ("c-1", {"visit.kind": "new"})


def test_a_filled_slot_is_read_as_the_edge_writes_it():
    offer = Decided(
        placement="home_hero",
        slot=0,
        decision="ab" * 16,
        reason="BEST",
        offer="welcome",
        rung="p10",
        creative={"headline": "<Hi>", "cta": "Take & go", "href": "/range/garden?x=1"},
        token="t.k",
        receipt="r.c",
    )
    default = Decided(placement="cart", decision="cd" * 16, reason="HOLDOUT", track="ghost")
    page = read_page(
        '<a href="/product/lamp">Lamp</a><a href="/product/lamp">again</a>'
        + html_of(offer, "a default")
        + html_of(default, '<a href="/default">of the shop</a>')
        + "<proffer-slot placement='far'>untouched</proffer-slot>"
    )
    assert page.products == ["/product/lamp"]
    hero, cart, far = (page.slots[name] for name in ("home_hero", "cart", "far"))
    assert (hero.arm, hero.token, hero.receipt, hero.held_out) == (
        "welcome/p10",
        "t.k",
        "r.c",
        False,
    )
    assert page.links == {"home_hero": "/range/garden?x=1&proffer_token=t.k"}
    assert (cart.arm, cart.held_out, cart.decision) == (NONE, True, "cd" * 16)
    assert far.decision == ""


def html_of(decided: Decided, default: str) -> str:
    """A slot as `edge/pages.py` puts it together."""
    filling = fill_slot(decided, "en")
    attributes = "".join(f' {name}="{value}"' for name, value in filling.attributes.items())
    content = default if filling.content is None else filling.content
    return f'<proffer-slot{attributes} placement="{decided.placement}">{content}</proffer-slot>'


async def answer_with_cookies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers every request with the cookies that it brought, and with two of its own."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    sent = next((x for x in request.split("\r\n") if x.lower().startswith("cookie:")), "cookie: ")
    body = sent.partition(": ")[2].encode()
    writer.write(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: __Host-pv=abc.mac; Path=/; Secure; HttpOnly\r\n"
        b"Set-Cookie: shop=1; Path=/\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    await writer.drain()
    writer.close()


@pytest.mark.anyio
async def test_each_visitor_keeps_its_own_cookies_and_the_client_none():
    server = await asyncio.start_server(answer_with_cookies, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, open_client() as client:
        one, two = (Browser(client, url, "phone", "DE") for _ in range(2))
        assert one.visitor == ""
        assert (await one.get("/")).text == ""
        assert one.visitor == "abc"
        assert (await one.get("/")).text == "__Host-pv=abc.mac; shop=1"
        assert (await two.get("/")).text == ""


@pytest.mark.anyio
async def test_nobody_there_is_a_failed_visit_that_says_where():
    async with open_client() as client:
        with pytest.raises(VisitFailed, match=r"127\.0\.0\.1:1/"):
            await Browser(client, "http://127.0.0.1:1", "desktop", "").get("/")
        shop = ShopServer(client, "http://127.0.0.1:1", "key", "EUR")
        with pytest.raises(VisitFailed, match="redemptions/reserve"):
            await shop.redeem("t", "o", "s", {})


# --- runs ---------------------------------------------------------------------


def options(**changes: object) -> Options:
    nowhere = "http://127.0.0.1:1"
    return Options(edge_url=nowhere, control_url=nowhere, shop_key="k", **changes)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_a_run_that_finds_no_edge_says_what_to_do():
    simulation = Simulation(options(), read_truth(TRUTHS / "null.yaml"))
    with pytest.raises(SimulationFailed) as failed:
        await simulation.run()
    assert "127.0.0.1:1" in failed.value.problem and "--edge" in failed.value.help


class Counting:
    """Stands where visits over HTTP stand, to look at who comes, and when."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.times: list[float] = []

    async def __call__(self, who: Person) -> Visited:
        self.times.append(time.monotonic())
        await asyncio.sleep(self.seconds)
        return Visited(number=who.number, kind=who.kind.name, drawn=True)


@pytest.mark.anyio
async def test_visitors_come_at_their_rate_until_the_last_one():
    simulation = Simulation(options(visitors=20, rate=100.0), read_truth(TRUTHS / "null.yaml"))
    visits = Counting()
    await simulation.let_in(visits)
    assert simulation.tally.visitors == 20
    assert 0.18 <= visits.times[-1] - visits.times[0] < 1.0


@pytest.mark.anyio
async def test_a_run_ends_with_its_seconds_and_finishes_who_is_there():
    simulation = Simulation(options(seconds=0.3, rate=50.0), read_truth(TRUTHS / "null.yaml"))
    visits = Counting(0.2)
    await simulation.let_in(visits)
    assert 10 <= len(visits.times) <= 16
    assert simulation.tally.visitors == len(visits.times)


@pytest.mark.anyio
async def test_stopping_a_run_lets_nobody_else_in():
    simulation = Simulation(options(rate=200.0), read_truth(TRUTHS / "null.yaml"))
    visits = Counting(0.05)
    asyncio.get_running_loop().call_later(0.2, simulation.stop)
    async with asyncio.timeout(5):
        await simulation.let_in(visits)
    assert simulation.tally.visitors == len(visits.times) > 10


# --- counting -----------------------------------------------------------------


def test_shares_are_told_for_the_first_and_the_last_quarter():
    tally = Tally()
    for number in range(400):
        arm = NONE if number < 200 else "x/y"
        tally.add(Visited(number=number, kind="ab"[number % 2], arm=arm, drawn=number % 5 > 0))
    assert tally.first_quarter() == {NONE: 1.0}
    assert tally.last_quarter("a") == {"x/y": 1.0}
    assert tally.last_quarter("nobody") == {}
    assert tally.exposed == 320


def test_held_out_visits_are_counted_and_have_no_share():
    tally = Tally()
    tally.add(Visited(number=0, kind="a", arm=NONE, held_out=True, ordered=True))
    assert (tally.held_out, tally.exposed, tally.order_count) == (1, 1, 1)
    assert tally.first_quarter() == {}


def test_a_slot_without_an_offer_is_none():
    assert Slot(placement="h").arm == NONE
    assert Slot(placement="h", offer="o", rung="r").arm == "o/r"


def test_the_client_of_a_run_remembers_no_cookie():
    client = open_client()
    response = httpx.Response(200, headers={"Set-Cookie": "a=b; Path=/"})
    response.request = httpx.Request("GET", "http://127.0.0.1/")
    client.cookies.extract_cookies(response)
    assert not list(client.cookies.jar)


def test_the_picture_of_a_run_fits_into_a_terminal():
    tally = Tally()
    for number in range(4000):
        best = number > 2000 or number % 4 == 0
        arm = "welcome-first-order/p10" if best else NONE
        tally.add(Visited(number=number, kind="bargain-hunter", arm=arm, drawn=True, ordered=best))
    tally.fail("nobody there")
    out = StringIO()
    profits = {"bargain-hunter": {NONE: 1.0, "welcome-first-order/p10": 2.5}}
    Console(width=80, file=out).print(picture(tally, profits, seconds=100.0))
    head, _, row = out.getvalue().splitlines()
    assert head.strip() == "4,000 visitors, 2,500 orders, 0 held out, 1 failed, 40.0 per second"
    assert "welcome-first-order/p10" in row and "25%" in row and "100%" in row
    assert row.strip().endswith("█") and "▃" in row
