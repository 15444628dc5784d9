"""Many requests in one isolate: none waits for another, and those that leave harm nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from starlette.responses import StreamingResponse

from tests.support.edges import a_shown, until
from tests.support.workers import Fleet

SLOT = '<proffer-slot placement="hero">own</proffer-slot>'
PAGE = f"<html><body>{SLOT}</body></html>"
PLAIN = {"accept-encoding": "identity"}
FOREIGN = "different request"
"""What workerd says of a stream or promise that is used by another request."""


def visit(f: Fleet, member: str) -> str:
    """A page, a decision and a beacon of one visitor; what went wrong, if anything."""
    visitor = f.visitor(member)
    page = visitor.get("/slow", **PLAIN)
    (decided,) = visitor.decide("hero")["decisions"]
    told = visitor.beacon(a_shown(decided))
    good = 'class="proffer-offer"' in page.text and page.text.endswith("</html>")
    return "" if good and told.status_code == 200 else f"{page.text}\n{told.text}"


def slowly(f: Fleet) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for at in range(0, len(PAGE), 20):
            yield PAGE[at : at + 20].encode()
            await asyncio.sleep(0.02)

    f.shop.pages["/slow"] = lambda request: StreamingResponse(parts(), media_type="text/html")


def test_visitors_at_the_same_time_do_not_disturb_each_other(current: Fleet) -> None:
    slowly(current)
    with ThreadPoolExecutor(12) as pool:
        members = ["address", "bucket"] * 18
        wrong = [said for said in pool.map(lambda m: visit(current, m), members) if said]
    assert wrong == []
    assert FOREIGN not in current.workers.output()


def test_visitors_who_leave_in_the_middle_harm_nobody(current: Fleet) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"<p>" + b"x" * 5000 + SLOT.encode()
            await asyncio.sleep(0.005)

    current.shop.pages["/endless"] = lambda r: StreamingResponse(endless(), media_type="text/html")
    slowly(current)
    for _ in range(8):
        client = current.visitor("address").client
        with client.stream("GET", "/endless", headers=PLAIN | {"accept": "text/html"}) as answer:
            assert next(answer.iter_raw())
    assert visit(current, "address") == ""
    until(lambda: current.health("address")["queued"] == 0)
    assert FOREIGN not in current.workers.output()
