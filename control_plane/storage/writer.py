"""The one writer of a process: many jobs, one transaction, one sync of the disk.

A job is a function of a connection.  Jobs that wait while a commit runs go together
into the next transaction (group commit), each in a savepoint of its own, so that a
job that raises undoes itself alone.  A job's future gets its result only after the
commit: whoever waits for it may promise durability.

If the database itself fails (full, locked, unwritable), the whole group is undone
and every job in it gets `StorageUnavailable`: nothing was stored, try again.  (Where a
server vanished during the very commit, nobody can know; so jobs bear being repeated.)
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection

from control_plane.storage.database import Database
from control_plane.storage.failures import StorageUnavailable, storage_failure
from control_plane.telemetry.spans import traced

log = logging.getLogger(__name__)

T = TypeVar("T")
Job = Callable[[Connection], T]

GROUP_LIMIT = 64
"""Jobs in one transaction, at most."""
WAITING_LIMIT = 256
"""Jobs that may wait; more are turned away, since memory is not durable."""
RETRY_AFTER_S = 2


class Writer:
    """A thread that owns all writing.  `close` finishes what was accepted."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: queue.Queue[tuple[Job[Any], Future[Any]] | None]
        self._waiting = queue.Queue(WAITING_LIMIT)
        self._door = threading.Lock()
        self._closed = False
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job[T]) -> Future[T]:
        """Hand a job over.  Raises `StorageUnavailable` when too many wait, or after `close`."""
        future: Future[T] = Future()
        job = traced(job)
        with self._door:
            if self._closed:
                raise StorageUnavailable("the server is stopping")
            try:
                self._waiting.put_nowait((job, future))
            except queue.Full:
                raise StorageUnavailable(f"{WAITING_LIMIT} writes are waiting already") from None
        return future

    @property
    def waiting(self) -> int:
        """Jobs that wait for their turn."""
        return self._waiting.qsize()

    def run(self, job: Job[T]) -> T:
        """The job's result, once it is durable.  Blocks: for threads."""
        return self.submit(job).result()

    async def do(self, job: Job[T]) -> T:
        """The job's result, once it is durable.  For coroutines."""
        # The job goes on when the caller is cancelled: it may be committed already.
        return await asyncio.shield(asyncio.wrap_future(self.submit(job)))

    def close(self) -> None:
        with self._door:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)  # the worker never waits for the door
        self._thread.join()

    def _work(self) -> None:
        while not self._ended:
            group = self._next_group()
            if group:
                self._commit(group)

    def _next_group(self) -> list[tuple[Job[Any], Future[Any]]]:
        """Waits for a job, then takes what else is there."""
        group: list[tuple[Job[Any], Future[Any]]] = []
        try:
            next_one = self._waiting.get()
            while next_one is not None:
                if next_one[1].set_running_or_notify_cancel():
                    group.append(next_one)
                if len(group) == GROUP_LIMIT:
                    return group
                next_one = self._waiting.get_nowait()
            self._ended = True
        except queue.Empty:
            pass
        return group

    def _commit(self, group: list[tuple[Job[Any], Future[Any]]]) -> None:
        outcomes: list[tuple[Any, Exception | None]] = []
        try:
            with self._database.writing() as connection:
                outcomes = [self._outcome(connection, job) for job, _ in group]
        except Exception as error:
            reason = storage_failure(error) or str(error)
            log.warning("a transaction of %d jobs failed: %s", len(group), reason)
            outcomes = [(None, StorageUnavailable(reason)) for _ in group]
        for (_, future), (result, error) in zip(group, outcomes, strict=True):
            future.set_result(result) if error is None else future.set_exception(error)

    def _outcome(self, connection: Connection, job: Job[Any]) -> tuple[Any, Exception | None]:
        """The job's result or its own exception; raises when the database itself failed."""
        try:
            with connection.begin_nested():
                return job(connection), None
        except Exception as error:
            # A full disk can end the whole transaction: then no savepoint is left to go back to.
            if storage_failure(error) or not self._database.is_in_transaction(connection):
                raise
            return None, error
