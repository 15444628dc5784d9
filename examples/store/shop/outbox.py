"""Orders on their way to Proffer: told at least once.

An order is told at the checkout; where that fails it waits here and is told again, with
growing pauses, until it is taken.  Its id names it, so telling it twice counts once.  When
the shop ends, it tries once more.

A demo keeps what waits in memory.  A real shop puts the order into a table in the same
transaction as the order itself and tells it from there: then a crash loses none either.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from .proffer import Order, Proffer

RETRY_FIRST_S, RETRY_MOST_S = 0.5, 30.0
WAITING_MOST = 10_000
log = logging.getLogger("shop.outbox")


class Outbox:
    """`run` it as a task; `tell` is what the checkout calls."""

    def __init__(self, proffer: Proffer) -> None:
        self._proffer = proffer
        self._waiting: deque[Order] = deque()
        self._something = asyncio.Event()

    async def tell(self, order: Order) -> None:
        """Tell of the order now, or as soon as somebody listens.  Never fails."""
        if await self._proffer.report(order):
            return
        if not self._proffer.is_set:
            return
        if len(self._waiting) >= WAITING_MOST:
            log.error("order %s is not told: the outbox is full", self._waiting.popleft().order_id)
        self._waiting.append(order)
        self._something.set()

    async def run(self) -> None:
        """Tell what waits, oldest first, for ever."""
        pause_s = RETRY_FIRST_S
        while True:
            await self._something.wait()
            await asyncio.sleep(pause_s)
            pause_s = RETRY_FIRST_S if await self._tell_all() else min(2 * pause_s, RETRY_MOST_S)

    async def close(self) -> None:
        """Try once more what waits, and say what stays untold."""
        await self._tell_all()
        for order in self._waiting:
            log.error("order %s was never told", order.order_id)

    async def _tell_all(self) -> bool:
        while self._waiting:
            if not await self._proffer.report(self._waiting[0]):
                return False
            self._waiting.popleft()
        self._something.clear()
        return True
