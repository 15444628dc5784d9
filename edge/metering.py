"""What the app tells about itself while it works.  A home brings whoever listens.

A CDN worker has no place to be asked for numbers, and no use for a library that keeps
them; it takes `SILENT`.  `local_metrics.py` keeps them for Prometheus.

They say how much a shop sells and to how many, so they are not for everybody who can
ask: with a `metrics_token` for whoever brings it, without one for programs on this
machine that ask directly and not through a proxy.
"""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import Protocol

from edge.asgi import Request
from edge.problems import Problem

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
PROXIED = ("forwarded", "via", "x-forwarded-for", "x-real-ip")


class Meter(Protocol):
    """Must neither wait nor fail."""

    def answered(self, route: str, status: int, spent_s: float) -> None:
        """A request was answered, or broke off; status 0: before its answer began."""
        ...

    def decided(self, reason: str, offer: bool) -> None:
        """A slot: a name of `Reason`, and whether there is an offer."""
        ...

    def page(self, content: str) -> None:
        """HTML of the origin: `filled` if its slots were looked at, else `untouched`."""
        ...

    def text(self) -> bytes:
        """All numbers, for Prometheus; empty if nobody keeps any."""
        ...


class _Silent:
    def answered(self, route: str, status: int, spent_s: float) -> None:
        pass

    def decided(self, reason: str, offer: bool) -> None:
        pass

    def page(self, content: str) -> None:
        pass

    def text(self) -> bytes:
        return b""


SILENT: Meter = _Silent()


def check_reader(request: Request, token: str) -> None:
    """Raises `Problem` 403 for whoever may not see the numbers."""
    if not (_has_token(request, token) if token else _is_here(request)):
        raise Problem("metrics", "The numbers of this edge are not for everybody.")


def _has_token(request: Request, token: str) -> bool:
    scheme, _, sent = request.header("authorization").partition(" ")
    right = hmac.compare_digest(sent.strip().encode("latin-1"), token.encode())
    return scheme.lower() == "bearer" and right


def _is_here(request: Request) -> bool:
    if any(request.header(name) for name in PROXIED):
        return False
    try:
        return ip_address(request.client).is_loopback
    except ValueError:
        return False
