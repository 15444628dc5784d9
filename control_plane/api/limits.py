"""How often one caller may call: a token bucket each, in the memory of a process.

A bucket holds `BURST_S` seconds' worth of calls and fills again at the rate; a call takes
one out, and an empty bucket answers 429 with the seconds until there is one again.  Known
callers have a bucket by who they are, others by address; so one key that runs wild slows
down nobody else.  What is wrong with its credentials takes from its address's bucket.

The table of buckets is bounded, since addresses cost their senders nothing: the bucket that
was not used for longest goes first, which gives at most one burst back.  Several processes
count for themselves.  Rate 0 is no limit.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from msgspec import Struct
from starlette.requests import Request

from control_plane.errors import Refused

BURST_S = 10
BUCKETS_MAX = 10_000


class Bucket(Struct):
    """`level` calls were left at `at_s`."""

    level: float
    at_s: float


class Buckets:
    """For one event loop.  `rate` is in calls per second; `now_s` a clock that never goes back."""

    def __init__(self, rate: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._now_s = now_s
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, who: str) -> None:
        """One call of somebody.  Raises `Refused` rate-limited."""
        if not self._rate:
            return
        bucket = self._filled(who)
        if bucket.level < 1:
            raise self._refusal(bucket)
        bucket.level -= 1

    def _filled(self, who: str) -> Bucket:
        now_s, most = self._now_s(), float(self._rate * BURST_S)
        bucket = self._buckets.setdefault(who, Bucket(most, now_s))
        self._buckets.move_to_end(who)
        bucket.level = min(most, bucket.level + (now_s - bucket.at_s) * self._rate)
        bucket.at_s = now_s
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return bucket

    def _refusal(self, bucket: Bucket) -> Refused:
        wait_s = max(1, math.ceil((1 - bucket.level) / self._rate))
        return Refused(
            "rate-limited",
            f"more than {self._rate} calls a second came from one caller",
            headers={"Retry-After": str(wait_s)},
        )


class Limits:
    """Calls per second: of each known caller, and of each address that nobody is known at."""

    def __init__(self, known_per_s: int, address_per_s: int) -> None:
        self.known = Buckets(known_per_s)
        self.addresses = Buckets(address_per_s)


def address_of(request: Request) -> str:
    """Where a request comes from; of IPv6 the network, since one host has a whole one."""
    return _network_of(request.client.host if request.client else "")


@lru_cache(BUCKETS_MAX)
def _network_of(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    return str(address.ipv4_mapped or f"{int(address) >> 64:x}::/64")
