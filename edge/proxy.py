"""The page proxy: the shop's own server behind the edge, its slots filled on the way.

Whatever is no page goes through as it is.  A page is HTML that the edge can read (no
content encoding, an encoding that ASCII is part of), sent while there is a policy to
decide by and consent to decide at all.  A page's answer is `private, no-store` and
loses validators and length, since each visitor gets another; all else goes through
with every byte and header that the origin sent, but its Proffer-*.  HTML that goes
through only because of who asks, or how, says so to caches (`Vary`).

To the origin go the client's own headers without hop-by-hop ones and without anything
named Proffer-*, which only the edge may say; with X-Forwarded-*, and with the visitor's
id in Proffer-Visitor.  Requests for pages ask for plain, whole, unconditional answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from msgspec import Struct

from edge.asgi import (
    NO_STORE,
    PIPE,
    Answer,
    Headers,
    Request,
    Send,
    problem_answer,
    respond,
    set_cookies,
    start,
    too_large,
)
from edge.deciding import Desk, no_decision
from edge.decision.trust import Trusted
from edge.home import (
    Home,
    OriginFailed,
    OriginRequest,
    OriginResponse,
    OriginTimeout,
    Unaskable,
)
from edge.metering import SILENT, Meter
from edge.pages import Rewriter
from edge.problems import Problem
from edge.rendering import script_element
from edge.settings import Settings
from edge.slots import PageSlots
from edge.visiting import Guest, arrive, begin_visit, settle_consent
from edge.vouching import ContextError, read_context

CONTEXT, VISITOR, SLOTS = b"proffer-context", b"proffer-visitor", b"proffer-slots"
NO_SLOTS = "none"
"""With this as its Proffer-Slots, a page of the origin is no page of ours: caches may keep it."""
HOP_BY_HOP = {
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
    b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect",
}  # fmt: skip
FORWARDED = {b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"}
ASKED_WHOLE = {b"if-none-match", b"if-modified-since", b"if-range", b"range"}
NOT_WITH_COOKIES = {b"expires", b"surrogate-control", b"edge-control", b"x-accel-expires"}
NOT_OF_FILLED = NOT_WITH_COOKIES | {
    b"etag", b"last-modified", b"content-length", b"accept-ranges",
    b"content-md5", b"digest", b"repr-digest", b"content-digest", b"age",
}  # fmt: skip
ASKED_BY = ("accept", "cookie")
"""What decides whether a page is filled: caches must not give one for the other."""
WITHOUT_BODY = {204, 205, 304}
ASCII_BASED = ("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-", "latin1", "windows-125")

SORRY = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<p>{detail}</p></html>
"""

logger = logging.getLogger("edge.proxy")


class PageProxy:
    def __init__(self, settings: Settings, home: Home, desk: Desk, meter: Meter = SILENT) -> None:
        self._meter = meter
        self._settings = settings
        self._home = home
        self._desk = desk

    async def serve(self, request: Request, send: Send, policy: Trusted | None) -> None:
        """Answer from the origin.

        Raises `Problem` 400, and `OriginFailed` when it breaks off in the middle.
        """
        guest = arrive(request, self._settings, self._home)
        try:
            response = await self._home.ask_origin(self._origin_request(request, guest, policy))
        except Unaskable as error:
            raise Problem("malformed-request", f"It cannot be passed on: {error}.") from None
        except OriginFailed as error:
            await respond(send, _sorry(request, error), request.method != "HEAD")
            return
        try:
            serving = self._pass_on(request, send, policy, guest, response)
            await _unless_gone(request, serving)
        finally:
            await response.close()

    async def _pass_on(
        self,
        request: Request,
        send: Send,
        policy: Trusted | None,
        guest: Guest,
        response: OriginResponse,
    ) -> None:
        headers = end_to_end(response.headers)
        context, declared = _take(headers, CONTEXT), _take(headers, SLOTS)
        plan = _Plan()
        if declared != NO_SLOTS and policy is not None and is_html(headers):
            if is_page(response.status, headers):
                plan = self._plan(policy, guest, headers, context)
            plan.varies = self._home.now_s() < policy.manifest.expires_s
        if is_html(headers):
            self._meter.page("filled" if plan.rewriter else "untouched")
        await start(send, response.status, plan.applied_to(headers))
        if plan.rewriter is None and request.can_pipe:
            await send({"type": PIPE, "native": response.native})
            return
        chunks = response.chunks()
        await _send_body(send, _rewritten(chunks, plan.rewriter) if plan.rewriter else chunks)

    def _plan(self, policy: Trusted, guest: Guest, headers: Headers, context: str) -> _Plan:
        """What becomes of a page."""
        try:
            shop = read_context(context)
        except ContextError as error:
            logger.warning("a page keeps its defaults: %s", error)
            return _Plan()
        visit = begin_visit(
            guest, self._settings, self._home, [shop.consent], shop.customer, shop.locale
        )
        if no_decision(policy, visit):
            return _Plan(visit.cookies if visit.consent == "none" else ())
        script = script_element(header_of(headers, b"content-security-policy"))
        slots = PageSlots(self._desk, policy, visit, shop.attributes, script)
        return _Plan(visit.cookies, Rewriter(slots))

    def _origin_request(
        self, request: Request, guest: Guest, policy: Trusted | None
    ) -> OriginRequest:
        limit_bytes = self._settings.request_limit_bytes
        headers = [(k, v) for k, v in end_to_end(request.headers) if not is_ours(k)]
        if policy is not None and b"text/html" in header_of(headers, b"accept").encode():
            whole = ASKED_WHOLE if request.method in ("GET", "HEAD") else set[bytes]()
            headers = [(k, v) for k, v in headers if k not in {b"accept-encoding", *whole}]
            headers.append((b"accept-encoding", b"identity"))
        headers = forwarded(request, headers)
        consent = settle_consent([guest.consent], self._settings.default_consent)
        if consent == "full" and (policy is not None or not guest.is_new):
            headers.append((VISITOR, guest.visitor.encode()))
        return OriginRequest(request.method, request.target, headers, _body(request, limit_bytes))


class _Plan(Struct):
    """What becomes of a response: cookies to set, and who rewrites it, if anybody does.

    `varies`: another visitor may get another one from the same address.
    """

    cookies: tuple[str, ...] = ()
    rewriter: Rewriter | None = None
    varies: bool = False

    def applied_to(self, headers: Headers) -> Headers:
        if not self.cookies and self.rewriter is None:
            return varying(headers) if self.varies else headers
        dropped = NOT_OF_FILLED if self.rewriter else NOT_WITH_COOKIES
        kept = [(name, value) for name, value in headers if name not in dropped]
        # RFC 9213: to some caches CDN-Cache-Control and its like say more than Cache-Control.
        kept = [(name, value) for name, value in kept if not name.endswith(b"cache-control")]
        return [*kept, NO_STORE, *set_cookies(self.cookies)]


# --- the request --------------------------------------------------------------


def end_to_end(headers: Headers) -> Headers:
    """Headers that are meant for the other end, not for this hop."""
    named = header_of(headers, b"connection").lower().split(",")
    hop = HOP_BY_HOP | {name.strip().encode("latin-1") for name in named}
    lower = [(name.lower(), value) for name, value in headers]
    if any(name == b"transfer-encoding" for name, _ in lower):
        hop.add(b"content-length")  # which it overrides
    return [(name, value) for name, value in lower if name not in hop]


def is_ours(name: bytes) -> bool:
    """Whether only the edge may say this.

    With `_` too: what hands headers on as variables (CGI, WSGI) cannot tell it from `-`.
    """
    return name.replace(b"_", b"-").startswith(b"proffer-")


def forwarded(request: Request, headers: Headers) -> Headers:
    """With who asked, for what host, and how."""
    chain = header_of(headers, b"x-forwarded-for")
    kept = [(k, v) for k, v in headers if k.replace(b"_", b"-") not in FORWARDED]
    chain = f"{chain}, {request.client}" if chain else request.client
    return [
        *kept,
        (b"x-forwarded-for", chain.encode("latin-1")),
        (b"x-forwarded-host", request.header("host").encode("latin-1")),
        (b"x-forwarded-proto", request.scheme.encode("latin-1")),
    ]


def _body(request: Request, limit_bytes: int) -> AsyncIterator[bytes] | None:
    size = request.header("content-length")
    if size.isdecimal() and int(size) > limit_bytes:
        raise too_large(limit_bytes)
    has_body = size not in ("", "0")
    return request.stream(limit_bytes) if has_body or request.header("transfer-encoding") else None


# --- the response -------------------------------------------------------------


def is_html(headers: Headers) -> bool:
    return header_of(headers, b"content-type").lower().partition(";")[0].strip() == "text/html"


def is_page(status: int, headers: Headers) -> bool:
    """Whether this is HTML that we can read and may change."""
    coded = header_of(headers, b"content-encoding").lower() not in ("", "identity")
    if not is_html(headers) or coded or status in WITHOUT_BODY or status == 206:
        return False
    _, named, charset = header_of(headers, b"content-type").lower().partition("charset=")
    return not named or charset.strip(" \"'").startswith(ASCII_BASED)


def varying(headers: Headers) -> Headers:
    """With `ASKED_BY` among what the answer depends on; in one header, as all caches read it."""
    said = [name.strip() for name in header_of(headers, b"vary").split(",") if name.strip()]
    added = [name for name in ASKED_BY if name not in {each.lower() for each in said}]
    kept = [(name, value) for name, value in headers if name != b"vary"]
    return [*kept, (b"vary", ", ".join(said + added).encode("latin-1"))]


def header_of(headers: Headers, name: bytes) -> str:
    return ", ".join(value.decode("latin-1") for key, value in headers if key.lower() == name)


def _take(headers: Headers, name: bytes) -> str:
    """Remove a header and return its value."""
    value = header_of(headers, name)
    headers[:] = [(k, v) for k, v in headers if k != name]
    return value


async def _rewritten(chunks: AsyncIterator[bytes], rewriter: Rewriter) -> AsyncIterator[bytes]:
    """An origin that breaks off takes nothing with it that it had sent."""
    try:
        async for chunk in chunks:
            yield rewriter.feed(chunk)
    except OriginFailed:
        yield rewriter.close()
        raise
    yield rewriter.close()


async def _unless_gone(request: Request, serving: Coroutine[Any, Any, None]) -> None:
    """Stop serving when the client has gone: an endless answer must not outlive it."""
    tasks = [asyncio.create_task(serving), asyncio.create_task(request.gone())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if not tasks[0].cancelled():
        tasks[0].result()


async def _send_body(send: Send, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        if chunk:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _sorry(request: Request, error: OriginFailed) -> Answer:
    """502 or 504: as a page for people, as a problem for programs."""
    late = isinstance(error, OriginTimeout)
    logger.error("the origin failed: %s", error)
    problem = Problem(
        "origin-timeout" if late else "origin-unreachable",
        "The shop took too long to answer." if late else "The shop cannot be reached just now.",
    )
    if "text/html" not in request.header("accept"):
        return problem_answer(problem)
    page = SORRY.format(title=problem.kind.title, detail=f"{problem.detail} Please try again.")
    headers = [(b"content-type", b"text/html; charset=utf-8"), NO_STORE]
    return Answer(problem.status, headers, page.encode())
