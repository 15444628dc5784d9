"""The watch: does what is due by itself, on every channel, in one process at a time.

    schedules whose time has come -> the open ramp: judged, moved on, or rolled back

It writes nothing while nothing is due.  Two processes that both watch do no harm, since
everything here happens once whoever does it; the lease spares the work.  What fails is told
and tried again at the next look.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from contextlib import suppress

from sqlalchemy import Connection

from control_plane.issuing import PublishRefused
from control_plane.learning.lease import Lease
from control_plane.publishing import Publisher
from control_plane.releasing.ramps import Ramps
from control_plane.releasing.schedules import Schedules
from control_plane.services import Services
from control_plane.storage.writer import StorageUnavailable
from control_plane.telemetry.pulse import beat
from policy_compiler.keys import SigningError

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
REST_TIMES = 10
"""It rests so many times as long as it worked: to compare two policies reads many rows."""
LEASE = "releasing"
LEASE_LIFE_S = 60


class Watch:
    """One process's part.  Methods block; they are for threads."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lease = Lease(services.settings.tenant, LEASE, secrets.token_hex(8))
        self._trouble: dict[str, str] = {}

    def look(self) -> None:
        """Do what is due on every channel.  Trouble with one keeps no other from its turn."""
        for publisher in self._services.channels.values():
            ramps = Ramps(self._services.settings, publisher, self._services.database)
            schedules = Schedules(self._services, publisher)
            self._try(publisher, schedules, ramps)

    def _try(self, publisher: Publisher, schedules: Schedules, ramps: Ramps) -> None:
        trouble = ""
        try:
            if (schedules.is_due() or ramps.open_one() is not None) and self._is_mine():
                schedules.run_due()
                ramps.look()
        except (PublishRefused, StorageUnavailable, SigningError) as error:
            trouble = str(error)
        except Exception as error:
            trouble = repr(error)
            log.exception("%s: what is due was not done", publisher.channel)
        if trouble and trouble != self._trouble.get(publisher.channel):
            log.error("%s: what is due was not done: %s", publisher.channel, trouble)
        self._trouble[publisher.channel] = trouble

    def _is_mine(self) -> bool:
        def job(connection: Connection) -> bool:
            return self._lease.take(connection, now_s=int(time.time()), life_s=LEASE_LIFE_S)

        return self._services.writer.run(job)

    def end(self) -> None:
        """Let another process go on at once.  Raises `StorageUnavailable`."""
        self._services.writer.run(self._lease.release)


async def keep_releasing(services: Services) -> None:
    """Look every few seconds, for ever."""
    watch, took_s = Watch(services), 0.0
    try:
        while True:
            await asyncio.sleep(max(LOOK_EVERY_S, REST_TIMES * took_s))
            began = time.monotonic()
            await asyncio.to_thread(watch.look)
            beat()
            took_s = time.monotonic() - began
    finally:
        with suppress(StorageUnavailable):
            watch.end()
