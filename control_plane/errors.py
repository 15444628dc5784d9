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
        "It is not known who is calling",
        401,
        "Send `Authorization: Bearer <key>` with an API key or the shop's key, or log in.",
    ),
    "forbidden": ProblemType(
        "This request did not come from the console",
        403,
        "Open the console at its own address, reload the page, and try again.",
    ),
    "wrong-login": ProblemType(
        "Name and password do not belong together",
        401,
        "Try again; an admin can make a new setup link for whoever forgot the password.",
    ),
    "not-permitted": ProblemType(
        "You are not allowed to do this", 403, "Ask an admin for a role that includes it."
    ),
    "setup-link-spent": ProblemType(
        "The setup link is not valid any more",
        410,
        "Ask for a new one: from an admin, or with `proffer accounts link NAME` on the server.",
    ),
    "name-taken": ProblemType(
        "Somebody has this name already", 409, "Choose another name, or change that account."
    ),
    "account-disabled": ProblemType("The account is disabled", 409, "Enable it first."),
    "last-admin": ProblemType(
        "The last admin has to stay", 409, "Make somebody else an admin first."
    ),
    "not-a-person": ProblemType(
        "This is about a person's own login",
        409,
        "Log in with name and password; API keys and the open console have none.",
    ),
    "weak-password": ProblemType(
        "This password is not taken", 422, "Choose a longer one: a few words will do."
    ),
    "too-many-logins": ProblemType(
        "Too many logins failed", 429, "Wait for Retry-After seconds, then try again."
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
    "unknown-channel": ProblemType(
        "There is no such channel", 404, "GET /v1/channels lists those there are."
    ),
    "unknown-order": ProblemType(
        "There is no such order", 404, "Send the id that the shop told the order under."
    ),
    "unknown-ramp": ProblemType(
        "There is no such ramp", 404, "Look at the ramps of the channel, and name one of them."
    ),
    "unknown-schedule": ProblemType(
        "There is no such schedule",
        404,
        "Look at the schedules of the channel, and name one of them.",
    ),
    "ramp-open": ProblemType(
        "A ramp is open on this channel", 409, "Finish or abort the ramp, then try again."
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
    "key-in-flight": ProblemType(
        "The request with this Idempotency-Key has no answer yet",
        409,
        "Ask again in a moment; if it stays so, look whether it happened, then take a new key.",
    ),
    "token-expired": ProblemType(
        "The offer has expired", 410, "Ask the edge for a new decision, or order without it."
    ),
    "precondition-failed": ProblemType(
        "It was changed meanwhile", 412, "Get it again, with its ETag, and edit that version."
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
    "key-reused": ProblemType(
        "This Idempotency-Key belongs to another request", 422, "Take a new key for a new request."
    ),
    "policy-refused": ProblemType(
        "The policy cannot be published", 422, "Correct what the detail names; nothing was changed."
    ),
    "precondition-required": ProblemType(
        "An edit must say which version it is of", 428, "Send the ETag that you got, as If-Match."
    ),
    "rate-limited": ProblemType(
        "Too many requests came at once", 429, "Wait Retry-After seconds, then send it again."
    ),
    "own-work": ProblemType(
        "Nobody approves their own work",
        403,
        "Ask somebody who had no hand in this content; a key counts as its owner.",
    ),
    "unknown-draft": ProblemType(
        "There is no such draft", 404, "Look at GET /v1/drafts for those that there are."
    ),
    "unknown-replay": ProblemType(
        "There is no such replay", 404, "Look at GET /v1/replays for those that there are."
    ),
    "unknown-policy": ProblemType(
        "There is no such policy",
        404,
        "Send the content hash of a revision, or the digest of a published bundle.",
    ),
    "replay-busy": ProblemType(
        "A replay is running already",
        409,
        "Wait for it, or cancel it; GET /v1/replays tells how far it is.",
    ),
    "replay-closed": ProblemType(
        "The replay is not open to that",
        409,
        "Only a running one can be cancelled, only one that was not finished started again.",
    ),
    "replay-refused": ProblemType(
        "Records cannot be replayed like this", 422, "Correct what the detail names."
    ),
    "unknown-revision": ProblemType(
        "There is no such revision",
        404,
        "Look at GET /v1/catalog/revisions for those that there are.",
    ),
    "unknown-file": ProblemType(
        "There is no such file in the catalog", 404, "Look at the revision's files."
    ),
    "unknown-offer": ProblemType("There is no such offer", 404, "Look at the draft's offers."),
    "unknown-review": ProblemType(
        "There is no such review", 404, "Look at GET /v1/reviews for those that there are."
    ),
    "draft-closed": ProblemType(
        "The draft takes no more edits",
        409,
        "Make a new draft; the revisions of this one are still there.",
    ),
    "merge-conflict": ProblemType(
        "Both sides changed the same lines",
        409,
        "Say in `resolve` whose version of each file to take, or edit the draft first.",
    ),
    "not-reviewable": ProblemType(
        "The draft is not ready for that",
        409,
        "Look at the draft's status, and do what its detail says.",
    ),
    "review-closed": ProblemType("The review is over", 409, "Ask for a new review of the draft."),
    "content-moved": ProblemType(
        "The draft was edited meanwhile",
        409,
        "Look at what it holds now; approvals are for one content alone.",
    ),
    "catalog-refused": ProblemType(
        "This cannot be a catalog's files",
        422,
        "Correct what the detail names; nothing was changed.",
    ),
    "edit-refused": ProblemType(
        "The edit cannot be made", 422, "Correct it, or edit the whole file; nothing was changed."
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
