"""Writing checkpoints beside the server: hourly, and when it starts and stops.

One process at a time does it (a lease), and what there is to do is seen from what is there:
the newest checkpoint in the store and the newest row.  So it does not matter how many
processes run or which of them died.  `checkpoints.py` says what a checkpoint is.

Before a checkpoint is signed, the rows behind the last one are verified.  What is wrong there
is an alarm in the server's log, and the checkpoint is signed all the same: what is wrong stays
provable by the checkpoints before, and what is right behind it shall be protected, too.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection

from control_plane.audit.checkpoints import (
    Checkpoint,
    Stored,
    name_of,
    newest,
    previous_of,
    sign_checkpoint,
)
from control_plane.audit.reading import Head, head
from control_plane.audit.trusting import Witness, roots_of
from control_plane.audit.verifying import Report, Walk
from control_plane.learning.lease import Lease
from control_plane.services import Services
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.objects import ObjectError
from control_plane.telemetry.pulse import beat
from edge.decision.errors import TrustError
from policy_compiler.keys import SigningError

log = logging.getLogger(__name__)

LEASE = "audit-checkpoint"
LEASE_LIFE_S = 120
LOOK_EVERY_S = 60
STOP_WITHIN_S = 10
TROUBLES = (StorageUnavailable, ObjectError, TrustError, SigningError)


class Keeper:
    """One process's part in it.  Methods block; they are for threads."""

    def __init__(
        self, services: Services, now_s: Callable[[], int] = lambda: int(time.time())
    ) -> None:
        self._services = services
        self._tenant = services.settings.tenant
        self._now_s = now_s
        self._lease = Lease(self._tenant, LEASE, secrets.token_hex(8))
        self._known = 0
        self._one_at_a_time = threading.Lock()

    def keep(self, *, due: bool = False) -> Checkpoint | None:
        """Write a checkpoint if there is anything new and it is time (`due`: it is).

        None if there is nothing to do, or another process does it.  Raises one of `TROUBLES`;
        then none was written.
        """
        with self._one_at_a_time:  # the one at the stop may overtake the hourly one
            if not self._is_wanted(self._last(), due) or not self._services.writer.run(self._take):
                return None
            try:
                stored = self._last()  # another process may have been faster
                return self._write(stored) if self._is_wanted(stored, due) else None
            finally:
                self._services.writer.run(self._lease.release)

    def _take(self, connection: Connection) -> bool:
        return self._lease.take(connection, now_s=self._now_s(), life_s=LEASE_LIFE_S)

    def _last(self) -> Stored | None:
        last = newest(self._services.store, self._known)
        self._known = last.sequence if last else 0
        return last

    def _is_wanted(self, stored: Stored | None, due: bool) -> bool:
        with self._services.database.reading() as connection:
            now = head(connection, self._tenant)
        if now is None or stored is None:
            return now is not None
        said = _said(stored)
        every_s = self._services.settings.audit_checkpoint_every_s
        is_time = due or said is None or self._now_s() >= said.at_s + every_s
        return is_time and (said is None or said.hash != now.hash)

    def _write(self, stored: Stored | None) -> Checkpoint | None:
        services = self._services
        key, roots = services.keys.online, roots_of(services.store)
        if not roots:
            return None  # nothing was ever published: there is no root to believe it under
        if key.kid not in roots[-1].of_role("online"):
            raise SigningError(
                f"The online key {key.kid} is not in root {roots[-1].version}.",
                "Restart with the keys of the newest root.",
            )
        before = self._check(stored)
        with services.database.reading() as connection:
            now = head(connection, self._tenant)
            assert now is not None  # rows never go
            self._look_after(connection, before, now)
        checkpoint = Checkpoint(
            tenant=self._tenant,
            sequence=stored.sequence + 1 if stored else 1,
            number=now.number,
            hash=now.hash,
            count=now.count,
            at_s=self._now_s(),
            previous=previous_of(stored),
        )
        services.store.put(name_of(checkpoint.sequence), sign_checkpoint(key, checkpoint))
        return checkpoint

    def _check(self, stored: Stored | None) -> Checkpoint | None:
        """The last checkpoint, if it can be believed."""
        if stored is None:
            return None
        try:
            return Witness(roots_of(self._services.store), self._tenant).believe(stored)
        except TrustError as error:
            log.critical("ALARM: audit checkpoint %d: %s", stored.sequence, error)
            return None

    def _look_after(self, connection: Connection, before: Checkpoint | None, now: Head) -> None:
        """Alarm where rows were changed since the last checkpoint."""
        report = Report(tenant=self._tenant)
        walk = Walk(report, [before] if before else [])
        if before is not None:
            walk.begin_before(connection, before)
        walk.all(connection, lambda rows: None)
        for flaw in report.flaws:
            log.critical("ALARM: the audit log was tampered with: row %s %s", flaw.row, flaw.what)


def _said(stored: Stored) -> Checkpoint | None:
    try:
        return stored.read()[0]
    except TrustError:
        return None


async def keep_checkpointed(services: Services) -> None:
    """Write checkpoints for ever; the last one when the server stops."""
    keeper, last, due = Keeper(services), "", True
    every_s = min(LOOK_EVERY_S, services.settings.audit_checkpoint_every_s)
    try:
        while True:
            trouble = await asyncio.to_thread(_try, keeper, due)
            if not trouble:
                beat()
            elif trouble != last:
                log.error("no audit checkpoint was written: %s", trouble)
            last, due = trouble, False
            await asyncio.sleep(every_s)
    finally:
        await asyncio.wait_for(asyncio.to_thread(_try, keeper, True), STOP_WITHIN_S)


def _try(keeper: Keeper, due: bool) -> str:
    """Why no checkpoint could be written, or ""."""
    try:
        checkpoint = keeper.keep(due=due)
    except TROUBLES as error:
        return str(error)
    except Exception as error:
        log.exception("writing an audit checkpoint failed")
        return repr(error)
    if checkpoint is not None:
        log.info("audit checkpoint %d over %d rows", checkpoint.sequence, checkpoint.number)
    return ""
