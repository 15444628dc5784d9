"""`Idempotency-Key`: a caller that heard no answer asks again, and nothing happens twice.

    claim     a row (actor, key, digest of the request), before the handler runs
    answer    written into the row when the handler succeeded; whoever asks again gets it
    forget    the row goes when the request was refused: nothing was changed, so the same
              key may be used for another try

Another request under a used key is refused (422), and a request whose first copy is still
running is, too (409).  A claim that never got its answer, because the process died in
between, stays taken until it expires: what became of it nobody knows, and a second run is
what the caller wanted to rule out.  The detail says so.

Keys belong to their actor.  Only a digest of the key is kept, and with it the answer: so
operations that answer with a secret take no key.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from hashlib import sha256

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from control_plane.api.call import Answer
from control_plane.errors import Refused
from control_plane.storage.tables_api import idempotency as table
from control_plane.storage.writer import Writer

LIFE_S = 86400
KEY = re.compile(r"[!-~]{1,255}")
RETRY_AFTER_S = 2
REPLAYED = {"Idempotency-Replayed": "true"}


class Request(Struct, frozen=True, kw_only=True):
    """What is asked for, and under which key."""

    actor: str
    key: str
    digest: str


class Kept(Struct, frozen=True, kw_only=True):
    """An answer as it was sent."""

    status: int
    etag: str
    headers: dict[str, str]
    body: msgspec.Raw


def digest_of(*parts: str | bytes) -> str:
    """Of all that makes two requests the same: method, address, If-Match, body."""
    return sha256(msgspec.msgpack.encode(parts)).hexdigest()


def checked_key(key: str) -> str:
    """Raises `Refused` malformed-request for what is no key."""
    if not KEY.fullmatch(key):
        raise Refused(
            "malformed-request",
            "Idempotency-Key: 1 to 255 visible ASCII characters, a UUID for example",
        )
    return sha256(key.encode()).hexdigest()


class Repeats:
    """What was asked under which key, in one tenant's rows."""

    def __init__(
        self, writer: Writer, tenant: str, now_s: Callable[[], int] = lambda: int(time.time())
    ) -> None:
        self._writer = writer
        self._tenant = tenant
        self._now_s = now_s

    async def claim(self, asked: Request) -> Answer | None:
        """None: it is the first time, so go on.  Else what was answered then.

        Raises `Refused` key-reused or key-in-flight.
        """
        now_s = self._now_s()
        return await self._writer.do(lambda c: self._claim(c, asked, now_s))

    def _claim(self, connection: Connection, asked: Request, now_s: int) -> Answer | None:
        connection.execute(delete(table).where(table.c.expires_s <= now_s))
        row = connection.execute(select(table).where(*self._is(asked))).one_or_none()
        if row is None:
            return self._enter(connection, asked, now_s)
        if row.digest != asked.digest:
            raise Refused("key-reused", "Idempotency-Key: it came with another request before")
        if row.answer is None:
            raise Refused(
                "key-in-flight",
                "Idempotency-Key: its first request has no answer yet",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        kept = msgspec.json.decode(row.answer, type=Kept)
        return Answer(kept.body, kept.status, kept.etag, kept.headers | REPLAYED)

    def _enter(self, connection: Connection, asked: Request, now_s: int) -> None:
        values = {
            "tenant": self._tenant,
            "actor": asked.actor,
            "key": asked.key,
            "digest": asked.digest,
            "answer": None,
            "expires_s": now_s + LIFE_S,
        }
        # the writer's transaction is its tenant's only one: nobody claims it meanwhile
        connection.execute(insert(table).values(values))

    async def keep(self, asked: Request, answer: Answer) -> None:
        """The answer, for whoever asks again."""
        kept = Kept(
            status=answer.status,
            etag=answer.etag,
            headers=answer.headers,
            body=msgspec.Raw(msgspec.json.encode(answer.body)),
        )
        query = update(table).where(*self._is(asked)).values(answer=msgspec.json.encode(kept))
        await self._writer.do(lambda c: c.execute(query).close())

    async def forget(self, asked: Request) -> None:
        query = delete(table).where(*self._is(asked), table.c.answer.is_(None))
        await self._writer.do(lambda c: c.execute(query).close())

    def _is(self, asked: Request) -> tuple:
        return (
            table.c.tenant == self._tenant,
            table.c.actor == asked.actor,
            table.c.key == asked.key,
        )
