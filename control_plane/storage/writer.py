"""The one writer of a process: many jobs, one transaction, one sync of the disk.

A job is a function of a connection.  Jobs that wait while a commit runs go together
into the next transaction (group commit), each in a savepoint of its own, so that a
job that raises undoes itself alone.  A job's future gets its result only after the
commit: whoever waits for it may promise durability.

Jobs of one kind can go further and be written by one call (`together`): a function of a
connection and of what each of them brings, which does for all what it would do for one
after the other.  If it raises, it is undone, and called again for each one alone, so that
here, too, a bad one undoes itself alone.

If the database itself fails (full, locked, unwritable), the whole group is undone
and every job in it gets `StorageUnavailable`: nothing was stored, try again.  (Where a
server vanished during the very commit, nobody can know; so jobs bear being repeated.)

What waits is in memory, and memory is neither durable nor endless: jobs are turned away
when too many wait, or when what they bring is too much.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import Connection

from control_plane.storage.database import Database
from control_plane.storage.failures import StorageUnavailable, storage_failure
from control_plane.storage.waiting import Outcome, Waiting, settle_all
from control_plane.telemetry.spans import parent_here, spans_below, traced

log = logging.getLogger(__name__)

P = TypeVar("P")
T = TypeVar("T")
Job = Callable[[Connection], T]
Together = Callable[[Connection, Sequence[P]], Sequence[T]]

GROUP_LIMIT = 256
"""Jobs in one transaction, at most."""
ENOUGH = 16
"""So many are worth a transaction even if more are about to come."""
WAITING_LIMIT = 256
"""Jobs that may wait; more are turned away, since memory is not durable."""
WAITING_LIMIT_BYTES = 16 << 20
"""The same of what jobs bring, in the transaction that runs and waiting for the next."""
RETRY_AFTER_S = 2


class Writer:
    """A thread that owns all writing.  `close` finishes what was accepted."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[Waiting] = deque()
        self._held_bytes = 0
        self._door = threading.Condition(threading.Lock())
        self._may_begin = False
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job[T]) -> Future[T]:
        """Hand a job over.  Raises `StorageUnavailable` when too many wait, or after `close`."""
        future: Future[T] = Future()
        self._put(Waiting(traced(job), future))
        return future

    @property
    def waiting(self) -> int:
        """Jobs that wait for their turn."""
        return len(self._waiting)

    def run(self, job: Job[T]) -> T:
        """The job's result, once it is durable.  Blocks: for threads."""
        return self.submit(job).result()

    async def do(self, job: Job[T]) -> T:
        """The job's result, once it is durable.  For coroutines.

        The job goes on when the caller is cancelled: it may be committed already.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._put(Waiting(traced(job), future))
        return await future

    async def together(self, write: Together[P, T], brought: P, size_bytes: int) -> T:
        """What `write` gives for `brought`, once it is durable.  For coroutines.

        Whatever waits with an equal `write` is written by one call of it.  The writer begins when
        enough wait, or when the event loop went round: what arrived together goes together, and
        the loop reads the next ones while these are synced.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put(Waiting(write, future, True, brought, size_bytes, parent_here()), wake=False)
        if not self._may_begin:
            loop.call_soon(self._wake)
        return await future

    def _wake(self) -> None:
        if self._waiting and not self._may_begin:
            with self._door:
                self._may_begin = True
                self._door.notify()

    def _put(self, one: Waiting, *, wake: bool = True) -> None:
        with self._door:
            if self._closed:
                raise StorageUnavailable("the server is stopping")
            if len(self._waiting) >= WAITING_LIMIT:
                raise StorageUnavailable(f"{WAITING_LIMIT} writes are waiting already")
            if self._held_bytes and self._held_bytes + one.size_bytes > WAITING_LIMIT_BYTES:
                raise StorageUnavailable(f"writes of {self._held_bytes} bytes are waiting already")
            self._held_bytes += one.size_bytes
            self._waiting.append(one)
            if not self._may_begin and (wake or len(self._waiting) >= ENOUGH):
                self._may_begin = True
                self._door.notify()

    def close(self) -> None:
        with self._door:
            self._closed = True
            self._door.notify()
        self._thread.join()

    # --- the thread ---------------------------------------------------------

    def _work(self) -> None:
        while group := self._next_group():
            outcomes = self._commit(group)
            with self._door:
                self._held_bytes -= sum(one.size_bytes for one in group)
            settle_all(group, outcomes)

    def _next_group(self) -> list[Waiting]:
        """Waits for a job, then takes what else is there; none: it is over."""
        while True:
            with self._door:
                while not (self._may_begin and self._waiting) and not self._closed:
                    self._door.wait()
                taken = [
                    self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_LIMIT))
                ]
                self._may_begin = bool(self._waiting)
            group = [one for one in taken if one.begin()]
            if group or not taken:
                return group

    def _commit(self, group: list[Waiting]) -> list[Outcome]:
        runs = list(_runs(group))
        try:
            return self._plainly(runs) or self._in_savepoints(runs)
        except Exception as error:
            reason = storage_failure(error) or str(error)
            log.warning("a transaction of %d jobs failed: %s", len(group), reason)
            return [Outcome(error=StorageUnavailable(reason)) for _ in group]

    def _plainly(self, runs: list[list[Waiting]]) -> list[Outcome]:
        """One call needs no savepoint: it is the transaction.  Nothing where that cannot be."""
        if len(runs) > 1:
            return []
        own: Exception | None = None
        try:
            with self._database.writing() as connection:
                try:
                    return [Outcome(result) for result in _call(connection, runs[0])]
                except Exception as error:
                    own = error
                    raise
        except Exception as error:
            if own is None or storage_failure(error):
                raise
        # it was undone; whose fault it is among many, savepoints tell
        return [Outcome(error=own)] if len(runs[0]) == 1 else []

    def _in_savepoints(self, runs: list[list[Waiting]]) -> list[Outcome]:
        with self._database.writing() as connection:
            return [each for run in runs for each in self._outcomes(connection, run)]

    def _outcomes(self, connection: Connection, run: list[Waiting]) -> list[Outcome]:
        """Of jobs that are written by one call, or of one job."""
        outcome = self._outcome(connection, lambda c: _call(c, run))
        if outcome.error is None:
            return [Outcome(result) for result in outcome.result]
        if len(run) == 1:
            return [outcome]
        return [each for one in run for each in self._outcomes(connection, [one])]

    def _outcome(self, connection: Connection, job: Job[Any]) -> Outcome:
        """The job's result or its own exception; raises when the database itself failed."""
        try:
            with connection.begin_nested():
                return Outcome(job(connection))
        except Exception as error:
            # A full disk can end the whole transaction: then no savepoint is left to go back to.
            if storage_failure(error) or not self._database.is_in_transaction(connection):
                raise
            return Outcome(error=error)


def _runs(group: list[Waiting]) -> Iterator[list[Waiting]]:
    """Neighbours that are written by one call; every other job alone."""
    for key, run in groupby(group, lambda one: one.write if one.shares else None):
        if key is None:
            yield from ([one] for one in run)
        else:
            yield list(run)


def _call(connection: Connection, run: list[Waiting]) -> Sequence[Any]:
    first = run[0]
    if not first.shares:
        return [first.write(connection)]
    with spans_below(first.write, [one.parent for one in run]):
        results = first.write(connection, [one.brought for one in run])
    assert len(results) == len(run), "one result for each"
    return results
