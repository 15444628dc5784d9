"""Replays that the control plane runs in the background, one at a time per process.

A replay is a row (`storage/tables_replay.py`) and, while it runs, a thread in one process,
its *holder*.  The rules:

 1. Asking inserts the row as `running`, in the same transaction as its entry in the audit
    log, and starts the thread.  A process that runs one already refuses.
 2. It goes through the records that had been received when it was asked for; so asked again
    it finds the same.
 3. The holder shows that it lives (`BEAT_S`) and how far it is.  Every sign is an update of
    the row *if it is still running and still its own*: so whoever cancels it, in whatever
    process, stops it within seconds.
 4. A running row without a sign of life for `DEAD_S` is told as `interrupted`: its process
    ended without a word.  A process that ends well says so itself.
 5. What was interrupted, cancelled or failed can be started again, from the beginning.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from control_plane.accounts.actor import Actor
from control_plane.audit.log import Entry, append
from control_plane.drafting.revisions import find
from control_plane.errors import Refused
from control_plane.reviewing.regrouping import CannotRegroup, Regrouping
from control_plane.reviewing.replay_report import ReplayReport
from control_plane.reviewing.replay_rows import Replay, ReplayState, Wish, replay_of, row_of
from control_plane.reviewing.replay_run import PAGE, Cancelled, Page
from control_plane.reviewing.replay_worker import Draft, Running
from control_plane.reviewing.replaying import Decider, Recorded, in_python
from control_plane.storage import tables as t
from control_plane.storage.database import Database
from control_plane.storage.objects import ObjectStore, Tampered
from control_plane.storage.tables_replay import replays
from control_plane.storage.writer import Writer
from edge.decision.bundle import Bundle, open_bundle
from edge.decision.errors import BundleError
from policy_compiler.compiling import Compiled


class Replays:
    """The replays of one shop.  Methods block; they raise `Refused` or `StorageUnavailable`."""

    def __init__(
        self,
        tenant: str,
        database: Database,
        writer: Writer,
        store: ObjectStore,
        compile: Callable[[str], Compiled],
    ) -> None:
        """`compile`: a revision's content hash -> what publishing it now would compile to."""
        self._tenant = tenant
        self._database, self._writer, self._store = database, writer, store
        self._compile = compile
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._door = threading.Lock()
        self._running: Running | None = None
        self.decider: Decider = in_python
        """What replays decide by; a home that has the kernel puts it here."""
        self.processes = os.cpu_count() or 1

    # --- reading ----------------------------------------------------------------

    def get(self, id: str) -> Replay:
        with self._database.reading() as connection:
            return self._get(connection, id)

    def _get(self, connection: Connection, id: str) -> Replay:
        row = connection.execute(self._rows().where(replays.c.id == id)).one_or_none()
        if row is None:
            raise Refused("unknown-replay", f"there is no replay {id[:64]!a}")
        return replay_of(row)

    def report(self, id: str) -> ReplayReport | None:
        """The result, None unless the replay is done."""
        query = select(replays.c.report).where(replays.c.tenant == self._tenant, replays.c.id == id)
        with self._database.reading() as connection:
            data = connection.scalar(query)
        return msgspec.json.decode(data, type=ReplayReport) if data else None

    def newest(
        self, limit: int, before: tuple[int, str] | None = None, draft: str = ""
    ) -> list[Replay]:
        """Newest first; `before`: those after this (asked_s, id)."""
        query = self._rows().order_by(replays.c.asked_s.desc(), replays.c.id.desc()).limit(limit)
        if draft:
            query = query.where((replays.c.content == draft) | (replays.c.bundle == draft))
        if before is not None:
            asked_s, id = before
            query = query.where(
                (replays.c.asked_s < asked_s)
                | ((replays.c.asked_s == asked_s) & (replays.c.id < id))
            )
        with self._database.reading() as connection:
            return [replay_of(row) for row in connection.execute(query)]

    def _rows(self):  # noqa: ANN202 - a Select of many columns
        columns = [column for column in replays.c if column.name != "report"]
        return select(*columns).where(replays.c.tenant == self._tenant)

    # --- asking -----------------------------------------------------------------

    def ask(self, actor: Actor, wish: Wish) -> Replay:
        """Starts it.  Raises `Refused` unknown-policy, replay-refused, replay-busy, and
        `CatalogRefused` for a draft that does not compile."""
        draft = self._draft(wish)
        now_s = int(time.time())
        row = row_of(self._tenant, secrets.token_hex(8), actor, wish, now_s)
        return self._start(
            actor, row["id"], draft, wish, now_s, lambda c: c.execute(insert(replays), row)
        )

    def restart(self, actor: Actor, id: str) -> Replay:
        """Starts one again that did not get to its end.  Raises as `ask`, and replay-closed."""
        found = self.get(id)
        draft = self._draft(found.wish)

        def reopen(connection: Connection) -> None:
            if self._get(connection, id).state in ("running", "done"):
                raise Refused("replay-closed", f"replay {id} is {self._get(connection, id).state}")

        return self._start(actor, id, draft, found.wish, found.asked_s, reopen)

    def _start(
        self, actor: Actor, id: str, draft: Draft, wish: Wish, asked_s: int,
        prepare: Callable[[Connection], object],
    ) -> Replay:  # fmt: skip
        with self._door:
            if self._running is not None and self._running.is_alive:
                raise Refused("replay-busy", f"replay {self._running.id} is running here")
            total = self._count(asked_s)

            def job(connection: Connection) -> Replay:
                prepare(connection)
                connection.execute(
                    update(replays)
                    .where(replays.c.tenant == self._tenant, replays.c.id == id)
                    .values(
                        state="running", holder=self._name, beat_s=int(time.time()), done=0,
                        ended_s=0, records=total, problem="", bundle=draft.digest, report=b"",
                    )
                )  # fmt: skip
                append(connection, self._entry(actor, "replay.start", id, wish))
                return self._get(connection, id)

            started = self._writer.run(job)
            self._running = Running(self, id, draft, wish, asked_s, total)
            return started

    def cancel(self, actor: Actor, id: str) -> Replay:
        """Stops it, wherever it runs.  Raises `Refused` replay-closed unless it does."""

        def job(connection: Connection) -> Replay:
            found = self._get(connection, id)
            if found.state != "running":
                raise Refused("replay-closed", f"replay {id} is {found.state}")
            connection.execute(self._ended(id, "cancelled", ""))
            append(connection, self._entry(actor, "replay.cancel", id, None))
            return self._get(connection, id)

        return self._writer.run(job)

    def _entry(self, actor: Actor, action: str, id: str, after: object) -> Entry:
        return Entry(
            tenant=self._tenant, actor=actor.id, action=action, subject=f"replay/{id}", after=after
        )

    def _ended(self, id: str, state: ReplayState, problem: str):  # noqa: ANN202 - an Update
        row = (replays.c.tenant == self._tenant) & (replays.c.id == id)
        values = {"state": state, "problem": problem, "ended_s": int(time.time())}
        return update(replays).where(row, replays.c.state == "running").values(values)

    # --- the draft --------------------------------------------------------------

    def _draft(self, wish: Wish) -> Draft:
        data = self._compiled(wish.draft)
        if data is None:
            data = self._store.get(f"bundles/{wish.draft}")
        if data is None:
            raise Refused("unknown-policy", f"{wish.draft[:64]} is no revision and no bundle here")
        try:
            bundle = open_bundle(data)
            Regrouping(bundle, wish.by)
        except (BundleError, CannotRegroup) as error:
            raise Refused("replay-refused", str(error)) from None
        self._check_tenant(bundle)
        return Draft(data, bundle.digest.hex())

    def _compiled(self, content_hash: str) -> bytes | None:
        """None if there is no such revision.  Raises `CatalogRefused`."""
        with self._database.reading() as connection:
            if find(connection, self._tenant, content_hash) is None:
                return None
        return self._compile(content_hash).data

    def _check_tenant(self, bundle: Bundle) -> None:
        if bundle.tenant != self._tenant:
            raise Refused("replay-refused", f"the draft is for {bundle.tenant!r}")

    # --- running ----------------------------------------------------------------

    def _count(self, asked_s: int) -> int:
        query = select(func.count()).select_from(t.records)
        with self._database.reading() as connection:
            return connection.scalar(query.where(*self._received(asked_s))) or 0

    def _received(self, asked_s: int):  # noqa: ANN202 - conditions
        return t.records.c.tenant == self._tenant, t.records.c.received_s <= asked_s

    def pages(self, asked_s: int) -> Iterator[Page]:
        """By key, each page a read of its own, so that no transaction stays open for long."""
        rows, after = t.records, ""
        while True:
            query = (
                select(rows.c.digest, rows.c.attested, rows.c.record)
                .where(*self._received(asked_s), rows.c.digest > after)
                .order_by(rows.c.digest)
                .limit(PAGE)
            )
            with self._database.reading() as connection:
                found = connection.execute(query).all()
            if not found:
                return
            after = found[-1].digest
            yield [Recorded(row.digest, bytes(row.record), row.attested) for row in found]

    def bundle(self, digest: str) -> bytes | None:
        """Published bytes; what is damaged counts as gone, and the store has raised the alarm."""
        try:
            return self._store.get(f"bundles/{digest}")
        except Tampered:
            return None

    def beat(self, id: str, done: int) -> None:
        """A sign of life.  Raises `Cancelled` where the replay is no longer ours."""
        row = (replays.c.tenant == self._tenant) & (replays.c.id == id)
        ours = (replays.c.state == "running") & (replays.c.holder == self._name)
        change = update(replays).where(row, ours).values(beat_s=int(time.time()), done=done)
        if not self._writer.run(lambda connection: connection.execute(change).rowcount):
            raise Cancelled

    def end(self, id: str, state: ReplayState, problem: str = "", report: bytes = b"") -> None:
        """Once, by its holder; a replay that was cancelled stays so."""
        change = self._ended(id, state, problem).where(replays.c.holder == self._name)
        if report:
            change = change.values(report=report, done=replays.c.records)
        self._writer.run(lambda connection: connection.execute(change).rowcount)

    def close(self) -> None:
        """Ends what runs here; it is told as interrupted.  Before the writer is closed."""
        with self._door:
            if self._running is not None:
                self._running.stop()
