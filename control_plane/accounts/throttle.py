"""Failed logins are slowed down, by where they come from.

Two counts, each over `WINDOW_S` from its first failure:

    address and name   `PAIR_LIMIT` failures
    address            `ADDRESS_LIMIT` failures, whatever the names

Never by the name alone: else anybody could lock anybody out.  An attempt is counted *before*
the password is looked at, and taken back if it was right; so a thousand attempts at once are
a thousand failures, not one.  The counts are rows, so all servers of a shop share them.
IPv6 addresses count by their /64, which is what one customer gets.
"""

from __future__ import annotations

import hmac
import time
from ipaddress import IPv6Address, ip_address

from sqlalchemy import Connection, Row, delete, insert, select, update

from control_plane.accounts.users import login_of
from control_plane.errors import Refused
from control_plane.storage.tables_accounts import login_failures as table

WINDOW_S = 15 * 60
PAIR_LIMIT = 10
ADDRESS_LIMIT = 100


class Throttle:
    """The counts of one shop; `secret` keys the names of its buckets."""

    def __init__(self, tenant: str, secret: bytes) -> None:
        self._tenant = tenant
        self._secret = hmac.digest(secret, b"proffer login throttle", "sha256")

    def count(self, connection: Connection, address: str, name: str) -> None:
        """An attempt begins.  Raises `Refused` too-many-logins, and counts nothing then."""
        now_s = int(time.time())
        buckets = self._buckets(address, name)
        for bucket, limit in buckets:
            row = self._row(connection, bucket, now_s)
            if row is not None and row.failures >= limit:
                raise _too_many(row.until_s - now_s)
        for bucket, _ in buckets:
            self._add(connection, bucket, now_s)

    def forgive(self, connection: Connection, address: str, name: str) -> None:
        """It was right: the pair begins anew; what else the address did stays."""
        (pair, _), (alone, _) = self._buckets(address, name)
        connection.execute(delete(table).where(*self._here(pair)))
        one_less = update(table).where(*self._here(alone), table.c.failures > 0)
        connection.execute(one_less.values(failures=table.c.failures - 1))

    def sweep(self, connection: Connection) -> None:
        old = table.c.until_s <= int(time.time())
        connection.execute(delete(table).where(table.c.tenant == self._tenant, old))

    def _add(self, connection: Connection, bucket: str, now_s: int) -> None:
        if self._row(connection, bucket, now_s) is None:
            connection.execute(delete(table).where(*self._here(bucket)))
            row = {"tenant": self._tenant, "bucket": bucket, "failures": 1}
            connection.execute(insert(table), row | {"until_s": now_s + WINDOW_S})
        else:
            one_more = update(table).where(*self._here(bucket))
            connection.execute(one_more.values(failures=table.c.failures + 1))

    def _row(self, connection: Connection, bucket: str, now_s: int) -> Row | None:
        query = select(table).where(*self._here(bucket), table.c.until_s > now_s)
        return connection.execute(query).one_or_none()

    def _here(self, bucket: str) -> tuple:
        return table.c.tenant == self._tenant, table.c.bucket == bucket

    def _buckets(self, address: str, name: str) -> tuple[tuple[str, int], tuple[str, int]]:
        alone = _network(address)
        pair = f"{alone}\n{login_of(name)}"
        return (self._bucket("pair", pair), PAIR_LIMIT), (
            self._bucket("address", alone),
            ADDRESS_LIMIT,
        )

    def _bucket(self, kind: str, text: str) -> str:
        data = f"{kind}\n{text}".encode(errors="replace")
        return hmac.digest(self._secret, data, "sha256").hex()


def _network(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))


def _too_many(wait_s: int) -> Refused:
    wait = str(max(1, wait_s))
    return Refused(
        "too-many-logins", f"wait {wait} s before the next one", headers={"Retry-After": wait}
    )
