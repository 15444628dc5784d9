"""The console: one page that needs no script, and buttons that only it can press."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from control_plane.console import charts
from control_plane.console.texts import money, span
from control_plane.measurement.profit import Incremental
from control_plane.outcomes import Group
from control_plane.settings import Settings
from tests.control_plane.conftest import Running, running
from tests.control_plane.shop import CATALOG, order_event, send, write_catalog

pytestmark = pytest.mark.anyio
NOW_S = int(time.time())
ORIGIN = {"Origin": "http://127.0.0.1:8700"}


class Console:
    """A browser at the console."""

    def __init__(self, plane: Running) -> None:
        self.plane = plane

    async def page(self) -> str:
        answer = await self.plane.client.get("/console")
        assert answer.status_code == 200
        return answer.text

    async def token(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', await self.page())
        assert found
        return found[1]

    async def press(self, button: str, **fields: str) -> httpx.Response:
        data = {"csrf": await self.token()} | fields
        return await self.plane.client.post(f"/console/{button}", data=data, headers=ORIGIN)

    def sequence(self) -> int:
        return self.plane.edge.live.sequence


@pytest.fixture
def console(plane: Running) -> Console:
    return Console(plane)


async def tell_a_day(plane: Running, visitors: int = 40) -> None:
    """Visitors who came, saw, and sometimes clicked and bought."""
    events: list[Any] = []
    for number in range(visitors):
        decided = plane.edge.decide(f"u{number}", NOW_S - 60)
        events.append(plane.edge.decision_event(decided))
        events.append(plane.edge.shown_event(decided.slots[0], NOW_S - 59))
        if number % 4 == 0:
            events.append(plane.edge.shown_event(decided.slots[0], NOW_S - 50, "click"))
        if number % 5 == 0:
            events.append(order_event(f"o{number}", f"u{number}", NOW_S - 30))
    answer = await send(plane.client, events, plane.shop_key)
    assert answer.json()["quarantined"] == 0


# --- looking ------------------------------------------------------------------


async def test_an_empty_console_is_a_whole_page(console: Console):
    html = await console.page()
    assert "Tiny Shop" in html
    assert "Nothing was seen here yet" in html
    assert "known from 5 orders on each side" in html


async def test_the_console_shows_what_was_collected(console: Console):
    await tell_a_day(console.plane)
    html = text_of(await console.page())
    assert re.search(r"Orders 8 ", html)
    assert re.search(r"Revenue €480\.00 ", html)
    assert re.search(r"Clicks \d+ [\d.]+% of exposures", html)
    assert "Ten percent off · p10" in html


async def test_the_weights_of_the_live_policy_stand_beside_their_arms(console: Console):
    html = text_of(await console.page())
    assert re.search(r"Ten percent off · p10 0 – [\d – %]*60 %", html)


async def test_what_is_quarantined_is_shown_and_can_be_tried_again(console: Console):
    await send(console.plane.client, [7])
    assert "1 unreadable" in await console.page()
    answer = await console.press("replay")
    assert answer.headers["location"] == "/console?done=replay"


async def test_names_from_a_catalog_are_text_and_never_markup(tmp_path: Path):
    evil = CATALOG.replace("title: Tiny Shop", "title: '<script>alert(1)</script>'")
    catalog = write_catalog(tmp_path / "catalog", evil)
    settings = Settings(data=tmp_path, tenant="tinyshop", catalog=catalog, open_console=True)
    async with running(settings) as plane:
        html = await Console(plane).page()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


async def test_nothing_inline_is_needed_or_allowed(console: Console):
    await tell_a_day(console.plane)
    answer = await console.plane.client.get("/console")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<[^>]+ (?:style|on\w+)=", answer.text)
    assert not re.search(r"<style|<script(?![^>]* src=)", answer.text)
    assert answer.headers["cache-control"] == "no-store"


async def test_the_files_of_the_page_are_there(console: Console):
    for path in re.findall(r'(?:src|href)="(/console/static/[^"]+)"', await console.page()):
        assert (await console.plane.client.get(path)).status_code == 200


async def test_the_live_part_is_the_page_without_its_frame(console: Console):
    answer = await console.plane.client.get("/console/live")
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert "Live policy" in answer.text


async def test_the_root_leads_to_the_console(console: Console):
    assert (await console.plane.client.get("/")).headers["location"] == "/console"


# --- buttons ------------------------------------------------------------------


async def test_publishing_compiles_the_folder_and_comes_back_to_the_page(
    console: Console, settings: Settings
):
    assert settings.catalog is not None
    write_catalog(settings.catalog, CATALOG.replace("Tiny Shop", "Tinier Shop"))
    answer = await console.press("publish")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console?done=publish")
    assert console.sequence() == 2
    page = await console.plane.client.get("/console?done=publish")
    assert "Published." in page.text
    assert "Tinier Shop" in page.text


async def test_a_refused_catalog_shows_every_finding_and_changes_nothing(
    console: Console, settings: Settings
):
    assert settings.catalog is not None
    write_catalog(settings.catalog, CATALOG.replace('!("rugs" in', '!("rug" in'))
    answer = await console.press("publish")
    assert answer.status_code == 422
    assert "Nothing was changed" in answer.text
    assert "catalog.yaml:" in answer.text
    assert "rug" in answer.text
    assert console.sequence() == 1


async def test_rolling_back_makes_an_earlier_bundle_live(console: Console, settings: Settings):
    first = console.plane.edge.live.bundle
    assert settings.catalog is not None
    write_catalog(settings.catalog, CATALOG.replace("Tiny Shop", "Tinier Shop"))
    await console.press("publish")
    answer = await console.press("roll-back", bundle=first)
    assert answer.status_code == 303
    assert (console.plane.edge.live.bundle, console.sequence()) == (first, 3)
    assert "somebody rolled back" in await console.page()


async def test_an_offer_is_paused_and_resumed(console: Console):
    await console.press("pause", offer="ten-off")
    assert console.plane.edge.live.manifest.paused.offers == ("ten-off",)
    assert "Paused: Ten percent off" in await console.page()
    await console.press("resume", offer="ten-off")
    assert console.plane.edge.live.manifest.paused.offers == ()


@pytest.mark.parametrize(
    ("button", "fields"),
    [("roll-back", {"bundle": "0" * 64}), ("pause", {"offer": "nothing"}), ("resume", {})],
)
async def test_a_button_that_cannot_work_says_why(
    console: Console, button: str, fields: dict[str, str]
):
    answer = await console.press(button, **fields)
    assert answer.status_code == 422
    assert 'class="notice refused"' in answer.text
    assert console.sequence() == 1


# --- who may press ------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}],
    ids=["no origin", "another page", "a sandbox"],
)
async def test_another_page_cannot_press_a_button(console: Console, headers: dict[str, str]):
    data = {"csrf": await console.token()}
    answer = await console.plane.client.post("/console/publish", data=data, headers=headers)
    assert answer.status_code == 403
    assert console.sequence() == 1


@pytest.mark.parametrize("token", [None, "", "guessed"])
async def test_a_form_without_the_cookies_token_does_nothing(console: Console, token: str | None):
    await console.page()
    data = {"other": "x"} if token is None else {"csrf": token}
    answer = await console.plane.client.post("/console/publish", data=data, headers=ORIGIN)
    assert answer.status_code == 403
    assert console.sequence() == 1


async def test_a_token_without_its_cookie_does_nothing(console: Console):
    data = {"csrf": await console.token()}
    console.plane.client.cookies.clear()
    answer = await console.plane.client.post("/console/publish", data=data, headers=ORIGIN)
    assert answer.status_code == 403


async def test_the_cookie_stays_with_the_console(console: Console):
    answer = await console.plane.client.get("/console")
    cookie = answer.headers["set-cookie"]
    for attribute in ("HttpOnly", "SameSite=strict", "Path=/console"):
        assert attribute in cookie


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8700", "127.0.0.1.evil.example"])
async def test_a_foreign_name_that_points_here_gets_nothing(console: Console, host: str):
    for path in ("/console", "/console/live"):
        answer = await console.plane.client.get(path, headers={"Host": host})
        assert answer.status_code == 403
        assert "PROFFER_CONSOLE_HOSTS" in answer.json()["help"]


@pytest.mark.parametrize("host", ["localhost:8700", "[::1]:8700", "127.0.0.1"])
async def test_this_machines_own_names_are_answered(console: Console, host: str):
    answer = await console.plane.client.get("/console", headers={"Host": host})
    assert answer.status_code == 200


# --- its parts ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3725, "1 h 2 min"), (86400, "1 d"), (-5, "0 s")],
)
def test_spans_are_told_in_their_two_largest_parts(seconds: int, text: str):
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("value", "options", "text"),
    [
        (1234.5, {}, "€1,234.50"),
        (-3, {"signed": True}, "−€3.00"),
        (3, {"signed": True}, "+€3.00"),
        (0, {"signed": True}, "€0.00"),
        (12345.67, {"short": True}, "€12,346"),
    ],
)
def test_money_is_written_as_in_a_shop(value: float, options: dict[str, bool], text: str):
    assert money(value, "EUR", **options) == text


def test_a_stack_fills_each_bar_to_the_top():
    series = {"none": [1, 0], "a/b": [3, 0]}
    drawn = charts.stack(series, charts.colours_of(["a/b"]), {}, width=100, height=40)
    assert [(b.x, b.y, b.height, b.colour) for b in drawn.blocks] == [
        (0.0, 30.0, 10.0, 0),
        (0.0, 0.0, 30.0, 1),
    ]


def test_an_interval_lies_on_the_right_side_of_zero():
    def found(low: float, high: float) -> Incremental:
        middle = (low + high) / 2
        return Incremental(treated=Group(), holdout=Group(), per_unit=middle, low=low, high=high)

    gain, loss = charts.whisker(found(1, 3), 5), charts.whisker(found(-3, -1), 5)
    assert gain is not None
    assert loss is not None
    assert gain.verdict == "gain" and gain.zero < gain.low < gain.point < gain.high
    assert loss.verdict == "loss" and loss.low < loss.point < loss.high < loss.zero
    assert charts.verdict_of(found(-1, 1)) == "unclear"


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag == "title"

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag == "title"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.extend(data.split())


def text_of(html: str) -> str:
    """What a reader sees, blanks as one."""
    parser = _Text()
    parser.feed(html)
    return " ".join(parser.parts)
