"""Quillmoor, the demo shop: an ordinary origin server.

It knows nothing of how offers are decided.  What it does for them is this:

    pages     put `<proffer-slot placement="...">` around a default of their own;
              whoever fills the slot, and whether, is not the shop's business
    context   say in one response header what is known of visitor and cart
              (`context.py`); an edge in front takes it off
    checkout  redeem the token of an accepted offer and tell of the order
              (`ordering.py`, `proffer.py`, `outbox.py`)

Without an edge and without a control plane it is still a shop.

Run it: `uvicorn --factory examples.store.shop.app:create_app`.  Settings come
from the environment: `PROFFER_URL` and `PROFFER_KEY` (the control plane and a
key to it), `SHOP_SECRET` (signs the session cookie; when absent, one is made up
and sessions end with the process).
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct, field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from .cart import DELIVERY, FREE_DELIVERY_FROM, MOST_PER_LINE, euros
from .ordering import new_order_id, place_order
from .outbox import Outbox
from .personas import DAY_S, PERSONAS, customer_id
from .products import CATEGORIES, PRODUCTS, Product, range_of
from .proffer import Proffer
from .session import Session
from .visit import TOKEN, Visit, is_token

HERE = Path(__file__).parent
Handler = Callable[[Visit], Awaitable[Response]]


class Settings(Struct, frozen=True):
    """Where Proffer is, and the secret of the session cookie."""

    proffer_url: str = ""
    proffer_key: str = ""
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        url, key = environ.get("PROFFER_URL", ""), environ.get("PROFFER_KEY", "")
        secret = environ.get("SHOP_SECRET", "").encode()
        return cls(url, key, secret) if secret else cls(url, key)


class Shop:
    """The pages.  One method each; all state is in the visitor's cookie."""

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.secret
        self.proffer = Proffer(settings.proffer_url, settings.proffer_key)
        self.outbox = Outbox(self.proffer)
        self._templates = Jinja2Templates(HERE / "templates")
        self._templates.env.globals |= {
            "categories": CATEGORIES,
            "personas": PERSONAS,
            "euros": euros,
            "delivery_fee": DELIVERY,
            "free_delivery_from": FREE_DELIVERY_FROM,
            "most_per_line": MOST_PER_LINE,
        }

    def routes(self) -> list[Route | Mount]:
        return [
            Route("/", self._visit(self.home)),
            Route("/range/{category}", self._visit(self.category)),
            Route("/product/{id}", self._visit(self.product)),
            Route("/cart", self._visit(self.cart)),
            Route("/cart/add", self._visit(self.add), methods=["POST"]),
            Route("/cart/update", self._visit(self.update), methods=["POST"]),
            Route("/checkout", self._visit(self.checkout)),
            Route("/checkout", self._visit(self.order), methods=["POST"]),
            Route("/thanks/{order}", self._visit(self.thanks)),
            Route("/sign-in", self._visit(self.sign_in)),
            Route("/healthz", healthz),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ]

    def _visit(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            visit = Visit(request, self._secret, self._templates)
            try:
                return visit.accept_offer() or await handler(visit)
            except HTTPException as error:
                return self._sorry(visit, error.status_code, error.detail)

        return endpoint

    async def not_found(self, request: Request, error: Exception) -> Response:
        """Addresses that no route knows, and methods that a route does not take."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        visit = Visit(request, self._secret, self._templates)
        return self._sorry(visit, status, "There is no such page.")

    def _sorry(self, visit: Visit, status: int, what: str) -> Response:
        return visit.page("sorry.html", status=status, what=what)

    # --- looking around -----------------------------------------------------

    async def home(self, visit: Visit) -> Response:
        return visit.page("home.html", products=list(PRODUCTS.values()))

    async def category(self, visit: Visit) -> Response:
        category = visit.request.path_params["category"]
        if category not in CATEGORIES:
            raise HTTPException(404, "We do not have that category.")
        return visit.page("range.html", category=category, products=range_of(category))

    async def product(self, visit: Visit) -> Response:
        product = _product(visit.request.path_params["id"])
        others = [x for x in range_of(product.category) if x.id != product.id]
        others += [x for x in PRODUCTS.values() if x.category != product.category]
        return visit.page("product.html", product, others=others[:4])

    async def sign_in(self, visit: Visit) -> Response:
        """Become another kind of visitor; this browser keeps its id, as browsers do."""
        wanted = visit.request.query_params.get("as", "")
        if not wanted:
            return visit.page("sign_in.html")
        if wanted not in PERSONAS:
            raise HTTPException(404, "We do not know that kind of visitor.")
        persona = PERSONAS[wanted]
        visit.session = Session(visit.now_s, persona=wanted, customer=customer_id(persona))
        if not persona.cart:
            return visit.go("/")
        visit.session.cart = dict(persona.cart)
        visit.session.cart_updated_at_s = visit.now_s - persona.cart_days * DAY_S
        return visit.go("/cart")

    # --- the cart -----------------------------------------------------------

    async def cart(self, visit: Visit) -> Response:
        return visit.page("cart.html")

    async def add(self, visit: Visit) -> Response:
        form = await visit.form()
        product, more = _product(form.get("product", "")), _quantity(form.get("quantity", "1"))
        total = min(visit.session.cart.get(product.id, 0) + more, MOST_PER_LINE)
        return self._put(visit, product, total, f"{product.title} is in your basket.")

    async def update(self, visit: Visit) -> Response:
        form = await visit.form()
        product, count = _product(form.get("product", "")), _quantity(form.get("quantity", ""))
        return self._put(visit, product, count, "" if count else f"{product.title} was taken out.")

    def _put(self, visit: Visit, product: Product, count: int, notice: str) -> Response:
        rest = {id: n for id, n in visit.session.cart.items() if id != product.id or count}
        visit.session.cart = rest | ({product.id: count} if count else {})
        visit.session.cart_updated_at_s = visit.now_s
        return visit.go("/cart", notice)

    # --- ordering -----------------------------------------------------------

    async def checkout(self, visit: Visit) -> Response:
        if not visit.cart.lines:
            return visit.go("/cart", "Your basket is empty, so there is nothing to check out.")
        visit.session.order_id = visit.session.order_id or new_order_id()
        return visit.page("checkout.html")

    async def order(self, visit: Visit) -> Response:
        placed = visit.session.placed
        if not visit.cart.lines:  # a second press of the button comes with the first one's cookie
            return visit.go(f"/thanks/{placed.id}" if placed else "/cart")
        token = (await visit.form()).get(TOKEN, "") or visit.session.offer_token
        placed = await place_order(
            visit, self.proffer, self.outbox, token if is_token(token) else ""
        )
        visit.session.placed = placed
        visit.session.cart, visit.session.cart_updated_at_s = {}, 0
        visit.session.offer_token = visit.session.order_id = ""
        visit.session.has_ordered = True
        return visit.go(f"/thanks/{placed.id}")

    async def thanks(self, visit: Visit) -> Response:
        placed = visit.session.placed
        if placed is None or placed.id != visit.request.path_params["order"]:
            raise HTTPException(404, "This order was placed from another browser, or long ago.")
        return visit.page("thanks.html", order=placed)


def _product(id: str) -> Product:
    if id not in PRODUCTS:
        raise HTTPException(404, "We do not sell that, or not any more.")
    return PRODUCTS[id]


def _quantity(text: str) -> int:
    digits = text.isascii() and text.isdigit() and len(text) <= 3
    if not digits or int(text) > MOST_PER_LINE:
        raise HTTPException(400, f"A quantity is a whole number from 0 to {MOST_PER_LINE}.")
    return int(text)


async def healthz(request: Request) -> Response:
    return PlainTextResponse("ok\n")


def create_app(settings: Settings | None = None) -> Starlette:
    """The shop; settings default to the environment, read once, here."""
    shop = Shop(settings or Settings.read(os.environ))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        telling = asyncio.create_task(shop.outbox.run())
        yield
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await shop.outbox.close()
        await shop.proffer.close()

    handlers = {404: shop.not_found, 405: shop.not_found}
    return Starlette(routes=shop.routes(), exception_handlers=handlers, lifespan=lifespan)
