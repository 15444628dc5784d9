"""Errors over HTTP: one shape, and a closed list of types.

Every error is an RFC 9457 problem (`application/problem+json`) with exactly

    type    address of the problem type below this server, `/problems/<name>`
    title   what kind of problem, the same each time
    status  the HTTP status
    detail  what happened, and where, this time
    help    what to do

Handlers raise `Refused(name, detail)`; `docs/reference/http.md` lists the types, and
a test holds that the two agree.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

PROBLEM_TYPE = "application/problem+json"


class ProblemType(Struct, frozen=True):
    title: str
    status: int
    help: str


PROBLEMS: dict[str, ProblemType] = {
    "malformed-request": ProblemType(
        "The request cannot be read", 400, "Correct what the detail names; nothing was changed."
    ),
    "unauthorized": ProblemType(
        "The shop's key is missing or wrong", 401, "Send `Authorization: Bearer <shop key>`."
    ),
    "forbidden": ProblemType(
        "This request did not come from the console",
        403,
        "Open the console at its own address, reload the page, and try again.",
    ),
    "wrong-subject": ProblemType(
        "The offer belongs to someone else",
        403,
        "Send the visitor or customer id that the offer was issued to.",
    ),
    "not-found": ProblemType(
        "There is nothing at this address", 404, "Look at docs/reference/http.md for what there is."
    ),
    "unknown-reservation": ProblemType(
        "There is no such reservation", 404, "Send the `reservation` that reserve answered with."
    ),
    "method-not-allowed": ProblemType(
        "This address does not take that method", 405, "The header Allow names those it takes."
    ),
    "too-slow": ProblemType(
        "The request took too long to arrive", 408, "Send it again, at once; nothing was stored."
    ),
    "token-spent": ProblemType(
        "The offer was used before", 409, "A token is good for one order; ask for a new decision."
    ),
    "cap-reached": ProblemType(
        "The offer is used up", 409, "Place the order without it; its limit is reached."
    ),
    "offer-paused": ProblemType(
        "The offer is paused", 409, "Try again after it was resumed, or order without it."
    ),
    "reservation-closed": ProblemType(
        "The reservation is not open to that", 409, "Reserve again with the token, then commit."
    ),
    "token-expired": ProblemType(
        "The offer has expired", 410, "Ask the edge for a new decision, or order without it."
    ),
    "too-large": ProblemType(
        "The request is too large", 413, "Send less at once; the detail names the limit."
    ),
    "wrong-type": ProblemType(
        "The content type is not the right one", 415, "Send the content type that the detail names."
    ),
    "token-invalid": ProblemType(
        "This is no token of ours", 422, "Send the token unchanged, as the edge handed it out."
    ),
    "not-redeemable": ProblemType(
        "The offer does not fit this cart",
        422,
        "Place the order without it, or change the cart as the detail says.",
    ),
    "policy-refused": ProblemType(
        "The policy cannot be published", 422, "Correct what the detail names; nothing was changed."
    ),
    "damaged": ProblemType(
        "A published file is damaged",
        500,
        "Publish the catalog again, which writes the file anew; the log has the alarm.",
    ),
    "internal": ProblemType(
        "Something of ours broke", 500, "Try again; the server's log tells what happened."
    ),
    "busy": ProblemType(
        "Too much is being sent at once",
        503,
        "Keep the batch and send it again after Retry-After seconds; nothing was stored.",
    ),
    "not-out-yet": ProblemType(
        "It is signed, but edges do not get it yet",
        503,
        "Wait: it goes out by itself when the store answers again.  Repeating it is harmless.",
    ),
    "storage-unavailable": ProblemType(
        "Nothing can be stored right now",
        503,
        "Keep the request and send it again after Retry-After seconds; nothing was stored.",
    ),
}


class Refused(Exception):
    """A request that is answered with a problem: what happened, where, what to do."""

    def __init__(
        self, name: str, detail: str, *, help: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail
        self.help = help or PROBLEMS[name].help
        self.headers = dict(headers or {})


class Problem(Struct, frozen=True):
    """The one shape."""

    type: str
    title: str
    status: int
    detail: str
    help: str


def problem_response(refused: Refused) -> Response:
    kind = PROBLEMS[refused.name]
    problem = Problem(
        f"/problems/{refused.name}", kind.title, kind.status, refused.detail, refused.help
    )
    headers = {"Cache-Control": "no-store"} | refused.headers
    return Response(msgspec.json.encode(problem), kind.status, headers, PROBLEM_TYPE)


async def answer_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return problem_response(error)


async def answer_http(request: Request, error: Exception) -> Response:
    """Starlette's own errors in the same shape."""
    assert isinstance(error, HTTPException)
    name = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "malformed-request")
    where = f"{request.method} {request.url.path}"
    return problem_response(Refused(name, f"{where}: {error.detail}", headers=error.headers))


async def answer_crash(request: Request, error: Exception) -> Response:
    where = f"{request.method} {request.url.path}"
    return problem_response(Refused("internal", f"{where} was not answered"))
