"""What a handler gets, and what it gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from starlette.requests import Request

from control_plane.accounts.actor import Actor
from control_plane.errors import Refused

if TYPE_CHECKING:  # services know nothing of the API
    from control_plane.services import Services


class Call(Struct, frozen=True, kw_only=True):
    """One call of an operation, when everything that can be checked before it has been.

    `params`, `query` and `body` are of the types that the operation names, None where it
    names none.  `if_match` is the header as it was sent, quotes included.
    """

    services: Services
    actor: Actor
    request: Request
    params: Any = None
    query: Any = None
    body: Any = None
    if_match: str | None = None

    def check_match(self, etag: str) -> None:
        """Raises `Refused` precondition-failed unless the caller edits the version of this tag."""
        if self.if_match is not None:
            check_match(self.if_match, etag)


class Answer(Struct, frozen=True):
    """What to send: `body` of the type that the operation promises for `status`.

    `etag` is an entity tag, quotes included (`quoted` makes one of a version).
    """

    body: object = None
    status: int = 200
    etag: str = ""
    headers: dict[str, str] = {}


def quoted(version: object) -> str:
    """The entity tag of a version: its text in quotes."""
    return f'"{version}"'


def check_match(sent: str, etag: str) -> None:
    """`If-Match`, compared strongly: a weak tag names no version.  Raises `Refused`."""
    tags = [tag.strip() for tag in sent.split(",")]
    if etag not in tags and tags != ["*"]:
        raise Refused("precondition-failed", f"If-Match is {sent[:80]!a}, the version is {etag}")


def is_known(sent: str, etag: str) -> bool:
    """Whether `If-None-Match` names this tag, compared weakly."""
    tags = [tag.strip().removeprefix("W/") for tag in sent.split(",")]
    return etag in tags or "*" in tags
