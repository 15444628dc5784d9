"""Errors of the edge over HTTP: one shape, and a closed list of types.

Every error is an RFC 9457 problem (`application/problem+json`) with exactly

    type    address of the problem type on this edge, `/_proffer/problems/<name>`
    title   what kind of problem, the same each time
    status  the HTTP status
    detail  what happened, and where, this time
    help    what to do

as those of the control plane, and with its names where they mean the same.  Code raises
`Problem(name, detail)`; `docs/reference/edge-http.md` lists the types, and a test holds
that the two agree.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

PROBLEM_TYPE = b"application/problem+json"
PLACE = "/_proffer/problems/"


class ProblemType(Struct, frozen=True):
    title: str
    status: int
    help: str


PROBLEMS: dict[str, ProblemType] = {
    "malformed-request": ProblemType(
        "The request cannot be read", 400, "Correct what the detail names; nothing was asked."
    ),
    "request-json": ProblemType(
        "The body is no JSON object",
        400,
        "Send one JSON object in UTF-8, well-formed.",
    ),
    "request-field": ProblemType(
        "A field of the request is wrong", 400, "Correct the field that the detail names."
    ),
    "request-size": ProblemType(
        "The request holds too much", 400, "Send less; the detail names the limit."
    ),
    "request-encoding": ProblemType(
        "The request cannot be encoded", 400, "Correct what the detail names."
    ),
    "session": ProblemType(
        "The session token does not count",
        400,
        "Let the shop's server make a new one, or send the request without `session`.",
    ),
    "batch": ProblemType(
        "The body is no batch of events", 400, "Send a JSON array of CloudEvents."
    ),
    "no-event": ProblemType(
        "No event of the batch is good",
        400,
        "Correct the events; as they are they never pass.",
    ),
    "metrics": ProblemType(
        "This is not for everybody",
        403,
        "Send the metrics_token of the edge's secrets as a Bearer token.",
    ),
    "not-found": ProblemType(
        "There is nothing at this address",
        404,
        "Look at docs/reference/edge-http.md for what there is.",
    ),
    "method-not-allowed": ProblemType(
        "This address does not take that method", 405, "The header Allow names those it takes."
    ),
    "request-timeout": ProblemType(
        "The request took too long to come", 408, "Send it again, in one go."
    ),
    "too-large": ProblemType(
        "The request is too large", 413, "Send less at once; the detail names the limit."
    ),
    "wrong-type": ProblemType(
        "The content type is not the right one", 415, "Send the content type that the detail names."
    ),
    "internal": ProblemType(
        "Something of ours broke", 500, "Try again; the edge's log tells what happened."
    ),
    "refused": ProblemType(
        "The control plane does not take these events",
        502,
        "Do not send them again; the edge's log tells why.",
    ),
    "origin-unreachable": ProblemType(
        "The shop cannot be reached", 502, "Try again; the edge's log tells what happened."
    ),
    "unavailable": ProblemType(
        "Nothing can be stored right now",
        503,
        "Keep the events and send them again after Retry-After seconds.",
    ),
    "stopping": ProblemType(
        "This edge is being stopped", 503, "Send the request again; another edge will answer."
    ),
    "origin-timeout": ProblemType(
        "The shop took too long to answer", 504, "Try again; the edge's log tells what happened."
    ),
}


class Problem(Exception):
    """A request that is answered with a problem: what happened, where, what to do."""

    def __init__(
        self, name: str, detail: str, headers: Iterable[tuple[bytes, bytes]] = (), help: str = ""
    ) -> None:
        super().__init__(detail)
        self.name = name
        self.kind = PROBLEMS[name]
        self.detail = detail
        self.headers = list(headers)
        self.help = help or self.kind.help

    @property
    def status(self) -> int:
        return self.kind.status

    def body(self) -> ProblemBody:
        return ProblemBody(
            type=PLACE + self.name,
            title=self.kind.title,
            status=self.kind.status,
            detail=self.detail,
            help=self.help,
        )


class ProblemBody(Struct, frozen=True, kw_only=True):
    """The one shape."""

    type: str
    title: str
    status: int
    detail: str
    help: str
