"""An operation: one thing that the API does, described as data.

A module with endpoints exports `OPERATIONS: tuple[Operation, ...]`, and `all.py` lists the
modules.  What an operation says of itself is used three times, so that none of them can be
forgotten or differ:

    serving.py   makes a route of it that checks who is calling, permission, rate limit,
                 path, query and body before the handler runs
    openapi.py   describes it in OpenAPI 3.1
    tests        call every operation as every role, and send it what schemathesis makes up

A handler is `async def handler(call: Call) -> Answer`.  It raises `Refused(name, detail)`
with a name that it lists in `problems`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from msgspec import Struct

from control_plane.accounts.actor import Permission
from control_plane.api.call import Answer, Call

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Handler = Callable[[Call], Awaitable[Answer]]

JSON = "application/json"
BODY_LIMIT_BYTES = 64 << 10


class Link(Struct, frozen=True, kw_only=True):
    """What an answer's caller can go on with: an operation, and where its parameters are.

    `parameters` maps the other operation's path or query parameters to a field of the answer
    (`{"draft": "id"}`), or to a parameter of this operation with `path.` before its name
    (`{"draft": "path.draft"}`).  `body` does the same for fields of the other's body.  Links
    below the same path (`/v1/drafts` to `/v1/drafts/{draft}/...`) are found without being told.
    """

    to: str
    parameters: Mapping[str, str] = {}
    body: Mapping[str, str] = {}


class Operation(Struct, frozen=True, kw_only=True):
    method: Method
    path: str
    """Below the server, with parameters in braces: `/v1/drafts/{draft}`."""
    name: str
    """The operationId: unique, snake_case, a verb first."""
    summary: str
    """One sentence for the reference."""
    tag: str
    """The chapter of the reference."""
    permission: Permission | Literal["public", "login"]
    """What its caller must be allowed; `login`: anybody who is known."""
    handler: Handler
    params: type[Struct] | None = None
    """Path parameters, typed; their names are those in `path`."""
    query: type[Struct] | None = None
    """Query parameters, typed; every one has a default or is required."""
    body: Any = None
    """Type of the JSON body, which is decoded and validated."""
    answers: Mapping[int, Any]
    """The statuses of success, with the type of the JSON body of each; None: no body, `bytes`
    or `str`: sent as it is, as `answer_media`."""
    problems: tuple[str, ...] = ()
    """Names in `errors.PROBLEMS` that it may answer with, beside those that any may."""
    takes_if_match: bool = False
    """An edit: it wants `If-Match` (428 without it), and gives it on as `call.if_match`."""
    takes_idempotency_key: bool = False
    """It may be repeated with the same `Idempotency-Key` and the same answer."""
    links: tuple[Link, ...] = ()
    """Where its answer leads to."""
    body_media: str = JSON
    """Another media type than JSON: then `call.body` is the `bytes` that came, and `body` says
    what they hold, for the reference."""
    more_media: tuple[str, ...] = ()
    """Further media types that its senders put on the same body."""
    body_limit_bytes: int = BODY_LIMIT_BYTES
    reads_body_itself: bool = False
    """The handler reads the body from `call.request`, since something comes before that."""
    knows_caller: bool = False
    """For a public operation that trusts some callers more: credentials that come along are
    checked, and wrong ones refused."""
    answer_media: str = JSON
    """The media type of what is sent as it is."""
    caching: str = "no-store"
    """The answer's Cache-Control; problems are never cached."""
    gives_etag: bool = False
    """Its answer has an entity tag, and `If-None-Match` is answered with 304."""

    @property
    def gives_version(self) -> bool:
        """Whether its answer has an entity tag that an edit can send back."""
        return self.gives_etag or self.takes_if_match

    @property
    def changes(self) -> bool:
        return self.method != "GET"
