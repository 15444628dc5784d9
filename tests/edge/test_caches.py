"""Through real caching proxies: what may be kept is kept, and nobody gets another's offer."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tests.edge.test_slots import context, offers_of, slots_of
from tests.support import caches, parts
from tests.support.edges import DAY_S, Visitor, World, until, world

HERO = '<body><proffer-slot placement="hero">own</proffer-slot></body>'
EAGER = {
    "etag": '"v1"',
    "last-modified": "Sat, 21 Nov 2026 00:00:00 GMT",
    "cache-control": "public, max-age=600, s-maxage=600",
    "expires": "Fri, 01 Jan 2038 00:00:00 GMT",
    "surrogate-control": "max-age=600",
    "cdn-cache-control": "max-age=600",
    "x-accel-expires": "600",
}
"""What a shop may say that wants its pages kept."""

SHORT = {
    "cache-control": "public, max-age=1, s-maxage=1",
    "x-accel-expires": "1",
    "expires": "Sat, 21 Nov 2026 00:00:00 GMT",
}
"""Half as eager: a second, after which they ask again."""

Front = Callable[[str, Path], AbstractContextManager[str]]


@pytest.fixture(scope="module", params=[caches.nginx, caches.varnish], ids=["nginx", "varnish"])
def front(
    request: pytest.FixtureRequest, shared_world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A caching proxy in front of the edge of all these tests."""
    open_front: Front = request.param
    with open_front(shared_world.url, tmp_path_factory.mktemp("cache")) as url:
        yield url


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """An address of its own for each test: caches do not forget."""
    return f"/{request.node.name}".replace("[", "-").rstrip("]")


@pytest.fixture
def come(w: World, front: str) -> Callable[[], Visitor]:
    """Somebody new comes, through the proxy."""
    return lambda: Visitor(w.clients.enter_context(httpx.Client(base_url=front)))


def page(w: World, path: str, html: str = HERO, life: Mapping[str, str] = EAGER) -> None:
    """A page of the shop; whoever has the cookie `tier=gold` is known to be of gold."""

    def answer(request: Request) -> Response:
        tier = {"customer.tier": request.cookies.get("tier", "none")}
        headers = {**EAGER, **life, "proffer-context": context(**tier)}
        if request.headers.get("if-none-match") == EAGER["etag"]:
            return Response(status_code=304, headers=headers)
        if request.headers["accept-encoding"] == "gzip":
            packed = headers | {"content-encoding": "gzip", "vary": "Accept-Encoding"}
            return HTMLResponse(gzip.compress(html.encode()), headers=packed)
        return HTMLResponse(html, headers=headers)

    w.shop.pages[path] = answer


def cached(answer: httpx.Response) -> bool:
    return answer.headers["x-cache"] in ("HIT", "REVALIDATED", "STALE", "UPDATING")


def decision_of(answer: httpx.Response) -> str:
    return slots_of(answer.text)[0]["data-decision"]


Come = Callable[[], Visitor]

# --- pages with offers --------------------------------------------------------


def test_every_visitor_gets_an_offer_of_its_own(w: World, come: Come, path: str) -> None:
    page(w, path)
    gold, other = come(), come()
    gold.cookies["tier"] = "gold"
    seen: set[str] = set()
    for _ in range(3):
        for visitor, offer in ((gold, "golden"), (other, "ten")):
            answer = visitor.get(path)
            assert (offers_of(answer.text), cached(answer)) == ([offer], False)
            assert answer.headers["cache-control"] == "private, no-store"
            seen.add(decision_of(answer))
    assert len(seen) == 6 and gold.id != other.id


@pytest.mark.parametrize(
    "condition",
    [
        {"if-none-match": EAGER["etag"]},
        {"if-none-match": f"W/{EAGER['etag']}, *"},
        {"if-modified-since": EAGER["last-modified"]},
        {"if-none-match": EAGER["etag"], "cache-control": "max-age=0"},
        {"range": "bytes=0-10"},
        {"range": "bytes=0-10", "if-range": EAGER["etag"]},
    ],
)
def test_no_condition_gets_anything_but_the_visitors_own_page(
    w: World, come: Come, path: str, condition: dict[str, str]
) -> None:
    page(w, path)
    first = come().get(path)
    second = come().get(path, **condition)
    assert second.status_code in (200, 206) and not cached(second)
    if second.status_code == 200:
        assert decision_of(second) != decision_of(first)
    assert {"etag", "last-modified"}.isdisjoint(second.headers)


def test_visitors_who_come_at_once_are_not_answered_as_one(w: World, come: Come, path: str) -> None:
    page(w, path)
    visitors = [come() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda visitor: visitor.get(path), visitors))
    assert len({decision_of(answer) for answer in answers}) == 8
    assert len({visitor.id for visitor in visitors}) == 8


def test_a_page_without_slots_sets_one_visitors_cookies_only(
    w: World, come: Come, path: str
) -> None:
    page(w, path, "<p>no slots</p>")
    visitors = [come() for _ in range(3)]
    for visitor in visitors:
        visitor.get(path)
    assert len({visitor.id for visitor in visitors}) == 3 and all(v.id for v in visitors)


def test_decisions_and_flags_are_never_kept(w: World, come: Come) -> None:
    one, two = come(), come()
    assert one.decide("hero")["decisions"][0] != two.decide("hero")["decisions"][0]
    first = one.send("POST", "/ofrep/v1/evaluate/flags", json={})
    headers = {"if-none-match": first.headers["etag"]}
    same = one.send("POST", "/ofrep/v1/evaluate/flags", json={}, headers=headers)
    other = two.send("POST", "/ofrep/v1/evaluate/flags", json={}, headers=headers)
    assert (same.status_code, other.status_code) == (304, 200)
    assert other.headers["etag"] != first.headers["etag"]


# --- pages without ------------------------------------------------------------


def test_who_refused_consent_does_not_take_the_offers_from_others(
    w: World, come: Come, path: str
) -> None:
    page(w, path)
    for _ in range(2):
        refusing = come()
        refusing.cookies["proffer_consent"] = "none"
        answer = refusing.get(path)
        assert (answer.text, answer.headers["etag"]) == (HERO, EAGER["etag"])
        assert offers_of(come().get(path).text) == ["ten"]


def test_who_asks_for_no_page_does_not_take_the_offers_from_others(
    w: World, come: Come, path: str
) -> None:
    """A program takes the page compressed, and then the edge cannot fill it."""
    page(w, path)
    for _ in range(2):
        program = come().get(path, accept="*/*", **{"accept-encoding": "gzip"})
        assert (program.text, program.headers["content-encoding"]) == (HERO, "gzip")
        browser = come().get(path, **{"accept-encoding": "gzip"})
        assert offers_of(browser.text) == ["ten"]


def test_without_a_policy_caches_work_as_the_shop_says_and_keep_no_offer(
    w: World, come: Come, path: str
) -> None:
    page(w, path, life=SHORT)
    w.home.ahead_s = 2 * DAY_S
    assert (come().get(path).text, cached(come().get(path))) == (HERO, True)
    w.home.ahead_s = 0
    until(lambda: not cached(answer := come().get(path)) and offers_of(answer.text) == ["ten"])
    for _ in range(2):
        answer = come().get(path)
        assert offers_of(answer.text) == ["ten"] and not cached(answer)


def test_a_page_that_the_shop_declares_without_slots_is_kept_for_everybody(
    w: World, come: Come, path: str
) -> None:
    page(w, path, life={"proffer-slots": "none"})
    first, second = come(), come()
    assert (first.get(path).text, cached(second.get(path)), second.id) == (HERO, True, "")
    answer = come().get(path)
    assert answer.headers["etag"] == EAGER["etag"]
    assert {"proffer-slots", "vary", "set-cookie"}.isdisjoint(answer.headers)


# --- everything else ----------------------------------------------------------


def test_other_files_are_kept_and_answered_with_304(w: World, come: Come, path: str) -> None:
    w.shop.pages[path] = lambda request: Response(
        b"p { color: red }", media_type="text/css", headers=EAGER
    )
    first = come().get(path, accept="text/css")
    assert cached(come().get(path, accept="text/css"))
    again = come().get(path, accept="text/css", **{"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and len(w.shop.requests) == 1


def test_the_page_script_is_kept(come: Come) -> None:
    first = come().get("/_proffer/page.js")
    second = come().get("/_proffer/page.js")
    assert cached(second) and second.content == first.content
    headers = {"if-none-match": first.headers["etag"]}
    assert come().get("/_proffer/page.js", **headers).status_code == 304


# --- headers of caches ----------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Vercel-CDN-Cache-Control",
        "X-LiteSpeed-Cache-Control", "Surrogate-Control", "Edge-Control", "X-Accel-Expires",
    ],
)  # fmt: skip
def test_no_caches_own_header_stays_on_a_filled_page(w: World, name: str) -> None:
    w.shop.pages["/"] = lambda request: HTMLResponse(HERO, headers={name: "max-age=600"})
    assert name.lower() not in w.visitor().get("/").headers


@pytest.mark.parametrize(
    ("said", "vary"),
    [
        ("", "accept, cookie"),
        ("Accept-Encoding", "Accept-Encoding, accept, cookie"),
        ("COOKIE, Accept", "COOKIE, Accept"),
    ],
)
def test_a_page_that_others_get_filled_says_what_it_depends_on(
    w: World, said: str, vary: str
) -> None:
    w.shop.put("/", HERO, **({"vary": said} if said else {}))
    visitor = w.visitor()
    visitor.cookies["proffer_consent"] = "none"
    assert visitor.get("/").headers.get_list("vary") == [vary]


def test_where_nobody_gets_an_offer_a_page_depends_on_what_the_shop_says(tmp_path: Path) -> None:
    with world(tmp_path, published=False) as w:
        w.shop.put("/", HERO, vary="Accept-Encoding")
        assert w.visitor().get("/").headers["vary"] == "Accept-Encoding"


# --- the proxies themselves -----------------------------------------------------


@pytest.mark.parametrize(("part", "package"), [(parts.nginx, "nginx"), (parts.varnishd, "varnish")])
def test_who_has_no_proxy_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, part: Callable[[], str], package: str
) -> None:
    monkeypatch.setenv(part.__name__.upper(), "no-such-program")
    with pytest.raises(parts.MissingPart, match=f"apt-get install {package}"):
        part()
