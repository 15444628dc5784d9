"""What an isolate keeps between requests, and when it looks for a newer policy.

    fresh      looked less than `refresh_s` ago: decide
    due        decide by what there is; the look hangs on this request, which does not wait
    overdue    nothing looked for four times as long (the isolate slept), or no policy was
               ever looked for: wait for the look, a second at most, then decide

So a page never waits for a policy but after a sleep, a paused offer stays at most that
much longer, and a store that hangs costs a second, once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from edge.app import App
from edge.decision.errors import TrustError
from edge.decision.host import HostError
from edge.isolate.bridge import Exchange
from edge.isolate.home import IsolateHome
from edge.isolate.platform import Platform, WaitUntil
from edge.settings import Settings

OVERDUE = 4
WAIT_S = 1.0
POLL_S = 0.02
LOOK_S = 25.0
"""A look that takes longer was lost with the request it hung on."""

logger = logging.getLogger("edge.isolate")


class Isolate:
    def __init__(self, platform: Platform, settings: Settings, home: IsolateHome) -> None:
        self.app = App(settings, home)
        self._platform = platform
        self._home = home
        self._refresh_s = settings.refresh_s
        self._opened = False
        self._looked_s: float | None = None
        self._looking_until_s = 0.0

    # --- requests -----------------------------------------------------------

    async def fetch(self, request: Any, wait_until: WaitUntil) -> Any:
        """The answer to a request, a JavaScript `Response`."""
        await self._be_current(wait_until)
        exchange = Exchange(self._platform, request)
        wait_until(self._converse(exchange))
        return await exchange.answer

    async def _converse(self, exchange: Exchange) -> None:
        await exchange.run(self.app)
        await self.app.outbox.push()

    # --- the policy ---------------------------------------------------------

    async def _be_current(self, wait_until: WaitUntil) -> None:
        now_s = time.monotonic()
        age_s = None if self._looked_s is None else now_s - self._looked_s
        if age_s is not None and age_s < self._refresh_s:
            return
        overdue = age_s is None or age_s >= OVERDUE * self._refresh_s
        if now_s < self._looking_until_s:
            if overdue:
                await self._wait_for_another()
            return
        self._looking_until_s = now_s + LOOK_S
        look = asyncio.ensure_future(self._look())
        wait_until(look)
        if overdue:
            await asyncio.wait([look], timeout=WAIT_S)

    async def _wait_for_another(self) -> None:
        """Another request looks.  Its promises are its own: this one only looks at the clock."""
        until_s = time.monotonic() + WAIT_S
        while self._looking_until_s and time.monotonic() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)

    async def _look(self) -> None:
        """Never raises."""
        try:
            if self._opened:
                await self.app.policies.refresh()
            else:
                await self.app.policies.open()
                self._opened = True
        except TrustError as error:
            logger.critical("PROFFER_ROOT is no root of this shop: %s", error)
        finally:
            self._looked_s = time.monotonic()
            self._looking_until_s = 0.0

    # --- the queue ----------------------------------------------------------

    async def take_messages(self, batch: Any) -> None:
        """Hand events on to the control plane; what does not get there is tried again."""
        for message in batch.messages:
            try:
                await self._home.hand_on(message.body.encode())
            except HostError as error:
                logger.error("events stay in the queue: %s", error)
                message.retry()
            else:
                message.ack()
