"""A visit through the demo shop's pages: the realistic way, and the slower one.

    sign in as a kind of visitor -> home page, its slot filled -> exposure, maybe the
    offer's link -> with the true probability: product, cart, checkout, order

Everything goes through the edge as a browser's requests do.  The shop itself redeems the
token and reports the order, so order values are those of its products, not the truth's.
"""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlsplit

from control_plane.outcomes import NONE
from control_plane.simulation.browser import Browser, VisitFailed
from control_plane.simulation.people import Person
from control_plane.simulation.visits import BrowserFor, Slot, Visited

THANKS = "/thanks/"


class ShopVisits:
    """Visits of one run; call it with a person."""

    def __init__(self, browser_for: BrowserFor, placement: str) -> None:
        self._browser_for = browser_for
        self._placement = placement

    async def __call__(self, person: Person) -> Visited:
        """Raises `VisitFailed`."""
        browser = self._browser_for(person)
        if person.kind.persona != "new":
            await browser.get(f"/sign-in?as={person.kind.persona}")
        home = await self._look(browser, "/")
        slot = home.slots.get(self._placement) or Slot(placement=self._placement)
        clicked = person.clicks(slot.arm)
        if slot.decision and clicked:
            await browser.tell([slot.seen("click")])
            await browser.get(home.links.get(self._placement, "/"))
        ordered = person.buys(slot.arm)
        if ordered:
            await self._order(browser, person, home)
        redeemed = ordered and clicked and slot.token is not None
        return slot.visited(person, clicked=clicked, ordered=ordered, redeemed=redeemed)

    async def _look(self, browser: Browser, path: str) -> Page:
        """Open a page; the page's script tells what was seen of it."""
        page = read_page((await browser.get(path)).text)
        seen = [slot.seen("exposure") for slot in page.slots.values() if slot.decision]
        if seen:
            await browser.tell(seen)
        return page

    async def _order(self, browser: Browser, person: Person, home: Page) -> None:
        if not home.products:
            raise VisitFailed("the home page links to no product; is this the demo shop?")
        path = home.products[int(person.browsing * len(home.products)) % len(home.products)]
        await browser.get(path)
        await browser.submit("/cart/add", {"product": path.rpartition("/")[2], "quantity": "1"})
        await self._look(browser, "/cart")
        await self._look(browser, "/checkout")
        placed = await browser.submit("/checkout", {})
        if not urlsplit(placed.headers.get("location", "")).path.startswith(THANKS):
            raise VisitFailed("the shop did not take the order")


class Page:
    """What a visitor finds on a page: slots and the offers' links by placement, products."""

    def __init__(self) -> None:
        self.slots: dict[str, Slot] = {}
        self.links: dict[str, str] = {}
        self.products: list[str] = []


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._placement = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "proffer-slot":
            self._open_slot(found)
        elif self._placement and "data-offer" in found:
            self._fill_slot(found)
        elif tag == "a":
            self._link(found.get("href", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "proffer-slot":
            self._placement = ""

    def _open_slot(self, found: dict[str, str]) -> None:
        self._placement = found.get("placement", "")
        self.page.slots[self._placement] = Slot(
            placement=self._placement,
            slot=int(found.get("data-slot") or 0),
            decision=found.get("data-decision", ""),
            track=found.get("data-track") or "shown",
            receipt=found.get("data-receipt", ""),
            reason=found.get("data-reason", ""),
        )

    def _fill_slot(self, found: dict[str, str]) -> None:
        slot = self.page.slots[self._placement]
        slot.offer, slot.rung = found["data-offer"], found.get("data-rung", "")
        slot.token = found.get("data-token") or None

    def _link(self, address: str) -> None:
        if self._placement and self.page.slots[self._placement].arm != NONE:
            self.page.links.setdefault(self._placement, address)
        elif address.startswith("/product/") and address not in self.page.products:
            self.page.products.append(address)


def read_page(html: str) -> Page:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.page
