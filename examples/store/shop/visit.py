"""One request of one browser: its session, its cart, and the page that answers it.

`Visit` takes the cookie apart at the start and puts it together again at the end,
so that the handlers in `app.py` say only what a page is about.
"""

from __future__ import annotations

import time
from urllib.parse import parse_qsl, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from .cart import Cart, cart_of
from .context import HEADER, LOCALE, Attributes, Context, attributes_of, header_value
from .products import Product
from .session import COOKIE, COOKIE_AGE_S, MOST_TOKEN_CHARS, Session, seal, unseal

TOKEN = "proffer_token"
VISITOR = "proffer-visitor"
SOURCES = {"direct", "search", "social", "email", "affiliate"}
MOST_FORM_BYTES = 16_384


class Visit:
    """The request, who is behind it, and the time it came in (Unix seconds)."""

    def __init__(self, request: Request, secret: bytes, templates: Jinja2Templates) -> None:
        self.request = request
        self.now_s = int(time.time())
        self._secret = secret
        self._templates = templates
        self.session = unseal(request.cookies.get(COOKIE, ""), secret) or self._first_session()
        phone = "Mobi" in request.headers.get("user-agent", "")
        self.session.device = "phone" if phone else "desktop"

    @property
    def cart(self) -> Cart:
        return cart_of(self.session.cart, self.session.cart_updated_at_s)

    @property
    def visitor(self) -> str:
        """The pseudonymous id that the edge gave this browser; empty without an edge."""
        return self.request.headers.get(VISITOR, "")

    def attributes(self, product: Product | None = None) -> Attributes:
        return attributes_of(self.session, self.cart, product, self.now_s)

    async def form(self) -> dict[str, str]:
        """The fields of a posted form; 413 for one that no page of ours can send."""
        body = await self.request.body()
        if len(body) > MOST_FORM_BYTES:
            raise HTTPException(413, "This form is larger than any of ours.")
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))

    # --- answers ------------------------------------------------------------

    def page(
        self,
        template: str,
        product: Product | None = None,
        status: int = 200,
        **values: object,
    ) -> Response:
        """A page, with the context header for the edge and the session for next time."""
        self.session.pages += 1
        values |= {"visit": self, "session": self.session, "cart": self.cart, "product": product}
        values["notice"], self.session.notice = self.session.notice, ""
        response = self._templates.TemplateResponse(self.request, template, values, status)
        context = Context(self.attributes(product), self.session.customer, LOCALE)
        response.headers[HEADER] = header_value(context)
        return self._keep(response)

    def go(self, path: str, notice: str = "") -> Response:
        """On to another page of the shop, which shows the notice."""
        self.session.notice = notice or self.session.notice
        return self._keep(RedirectResponse(path, status_code=303))

    def accept_offer(self) -> Response | None:
        """Keep the token of an offer link and go on to the same page without it.

        The address bar is no place for a token: it would be shared and bookmarked.
        """
        query = parse_qsl(self.request.url.query, keep_blank_values=True)
        tokens = [value for name, value in query if name == TOKEN]
        if not tokens or self.request.method != "GET":
            return None
        rest = urlencode([(name, value) for name, value in query if name != TOKEN])
        # One slash only: "//host" would lead away from the shop.
        path = "/" + self.request.url.path.lstrip("/\\") + ("?" + rest if rest else "")
        if not is_token(tokens[-1]):
            return self.go(path, "This offer link is not complete. Please follow it again.")
        self.session.offer_token = tokens[-1]
        return self.go(path, "Your offer is saved. It is applied when you order.")

    # --- inside -------------------------------------------------------------

    def _first_session(self) -> Session:
        source = self.request.query_params.get("utm_medium", "direct")
        return Session(self.now_s, source=source if source in SOURCES else "direct")

    def _keep(self, response: Response) -> Response:
        response.headers["Cache-Control"] = "private, no-store"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.set_cookie(
            COOKIE,
            seal(self.session, self._secret),
            max_age=COOKIE_AGE_S,
            httponly=True,
            samesite="lax",
            secure=self.request.url.scheme == "https",
        )
        return response


def is_token(text: str) -> bool:
    """Whether this can be a token at all: compact, of the characters that tokens have."""
    allowed = text.isascii() and all(c.isalnum() or c in "-_.~" for c in text)
    return allowed and 0 < len(text) <= MOST_TOKEN_CHARS
