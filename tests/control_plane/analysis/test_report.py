"""What the report says, and how it looks."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date

import msgspec
import pytest

from control_plane.analysis.chart import svg
from control_plane.analysis.page import html
from control_plane.analysis.queries import DecisionProfit, OrderWorth
from control_plane.analysis.report import Day, Report, read_report, totals
from tests.control_plane.analysis.world import DAY_S, NOW_S, WINDOW_S, World
from tests.control_plane.shop import event

pytestmark = pytest.mark.anyio
FIRST, SECOND, THIRD = "2026-09-21", "2026-09-22", "2026-09-23"


def returned(order: str, time_s: int, name: str, margin: str) -> dict[str, object]:
    data = {
        "return_id": name,
        "order_id": order,
        "refund": "60.00",
        "margin": margin,
        "currency": "EUR",
        "time_s": time_s,
        "reason": "too small",
    }
    return event("shop.proffer.return", name, data, source="/shop")


def report(world: World, **span: date) -> Report:
    world.compact()
    return read_report(world.folder, WINDOW_S, **span)


async def test_an_order_counts_on_its_day_and_a_return_on_its_own(world: World) -> None:
    visitor = world.shown("ten-off/p10")
    await world.visit(visitor)
    world.now_s += DAY_S
    order = await world.buy(visitor, margin="20.00", discount="6.00")
    world.now_s += DAY_S
    await world.tell(returned(order, world.now_s, "back", "15.00"))
    await world.tell(returned(order, world.now_s, "paid again", "-2.50"))
    found = report(world)
    by_day = {
        row.day: (row.exposures, row.orders, row.returns, row.profit_micros) for row in found.days
    }
    assert by_day == {
        FIRST: (1, 0, 0, 0),
        SECOND: (0, 1, 0, 14_000_000),
        THIRD: (0, 0, 2, -12_500_000),
    }
    (total,) = found.versions
    assert (total.profit_micros, total.orders, total.title) == (1_500_000, 1, "Ten percent off")
    (worth,) = world.rows(OrderWorth)
    (decision,) = world.rows(DecisionProfit)
    assert worth.profit_micros == decision.profit_micros == total.profit_micros


async def test_an_order_counts_once_for_a_version_that_was_seen_often(world: World) -> None:
    visitor = world.shown("ten-off/p10")
    for minutes in range(3):
        await world.visit(visitor, NOW_S + 60 * minutes)
    await world.buy(visitor, margin="20.00")
    (row,) = report(world).days
    assert (row.exposures, row.orders, row.profit_micros) == (3, 1, 20_000_000)
    assert [each.profit_micros for each in world.rows(DecisionProfit)] == [20_000_000] * 3


async def test_a_redemption_that_was_reversed_never_counts(world: World) -> None:
    visitor = world.shown("a-mug/one")
    await world.visit(visitor)
    order = await world.buy(visitor, margin="20.00")
    held = await world.redeem("a-mug/one", visitor, order)
    redeemed = report(world)
    assert sum(row.redemptions for row in redeemed.days) == 1
    assert sum(row.cost_micros for row in redeemed.days) == 4_000_000
    assert sum(row.profit_micros for row in redeemed.days) == 16_000_000
    await world.services.redemptions.reverse(held)
    after = report(world)
    assert sum(row.redemptions for row in after.days) == 0
    assert sum(row.profit_micros for row in after.days) == 20_000_000


async def test_a_changed_offer_is_a_version_of_its_own(world: World) -> None:
    visitor = world.shown("ten-off/p10")
    await world.visit(visitor)
    folder = world.services.settings.catalog
    assert folder is not None
    text = (folder / "catalog.yaml").read_text()
    for old, new in (('salt: "g"', 'salt: "gg"'), ("percent: 10,", "percent: 12,")):
        text = text.replace(old, new)
        (folder / "catalog.yaml").write_text(text)
        world.services.catalog.publish(actor="test")
        world.now_s += DAY_S
        await world.visit(world.shown("ten-off/p10"))
    found = [(row.first_day, row.last_day, row.exposures) for row in report(world).versions]
    assert found == [(FIRST, SECOND, 2), (THIRD, THIRD, 1)]


async def test_what_robots_saw_and_what_nobody_attested_does_not_count(world: World) -> None:
    decided = world.edge.decide(world.shown("ten-off/p10"), NOW_S)
    await world.tell(
        world.edge.decision_event(decided, mac=""),
        world.edge.shown_event(decided.slots[0], NOW_S),
    )
    assert report(world).days == []


async def test_days_outside_stay_out_but_their_exposures_are_known(world: World) -> None:
    visitor = world.shown("ten-off/p10")
    await world.visit(visitor)
    world.now_s += DAY_S
    await world.buy(visitor, margin="20.00")
    span = {"since": date.fromisoformat(SECOND), "until": date.fromisoformat(SECOND)}
    (row,) = report(world, **span).days
    assert (row.day, row.exposures, row.orders) == (SECOND, 0, 1)


# --- pictures -----------------------------------------------------------------


def made(versions: int = 2, days: int = 5) -> Report:
    rows = [
        Day(
            placement="hero",
            offer=f"<b>&{number}",
            version=f"{number:012x}",
            day=f"2026-09-{day:02d}",
            exposures=100 * number + day,
            profit_micros=(day - 3) * 1_000_000 * (number + 1),
        )
        for number in range(versions)
        for day in range(1, days + 1)
    ]
    return Report(
        tenant="shop & co",
        as_of_s=NOW_S,
        attribution_s=WINDOW_S,
        currencies=["EUR"],
        versions=totals(rows),
        days=rows,
    )


def test_the_picture_has_a_panel_per_measure_and_a_line_per_version() -> None:
    drawn = ET.fromstring(svg(made()))
    names = {"s": "http://www.w3.org/2000/svg"}
    assert len(drawn.findall("s:polyline", names)) == 3 * 2
    assert len(drawn.findall("s:circle", names)) == 3 * 2 * 5
    told = [title.text or "" for title in drawn.findall("s:circle/s:title", names)]
    assert "2026-09-05: 4.00, <b>&1 000000000001 in hero" in told


@pytest.mark.parametrize(("versions", "days"), [(0, 0), (1, 1), (7, 2), (12, 40)])
def test_every_report_can_be_drawn(versions: int, days: int) -> None:
    given = made(versions, min(days, 30))
    drawn = ET.fromstring(svg(given))
    height = float(drawn.attrib["height"])
    for circle in drawn.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 < float(circle.attrib["cx"]) < 960
        assert 0 < float(circle.attrib["cy"]) < height
    assert ("others together" in svg(given)) == (versions > 7)


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    page = html(made())
    assert "<script" not in page and "src=" not in page and "href=" not in page
    assert "@import" not in page and "url(" not in page
    assert "&lt;b&gt;&amp;1" in page and "<b>&1" not in page
    assert "shop &amp; co" in page


def test_a_report_goes_through_json_unchanged() -> None:
    given = made()
    assert msgspec.json.decode(msgspec.json.encode(given), type=Report) == given
