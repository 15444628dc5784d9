"""A person's rights, in the order in which things happen.

Whoever writes to a shop may have what is stored about them, have it corrected, or have it
erased.  The shop knows them by visitor and customer ids (`subjects.py`).

    export     database (`finding.py`) -> spill, event log (`waiting.py`) -> one document
    correct    an order (`correcting.py`) -> its days of the tables for analysis
    erase      1. the subject's names are forgotten: late events are dropped from now on
                  (`forgotten.py`), so nothing that follows can be overtaken
               2. the spill is carried into the event log, and the log rewritten without them
               3. one transaction: rows deleted or renamed (`erasing.py`), the audit entry,
                  and that 4 and 5 are still to be done
               4. the database is rewritten, so that its free pages hold nothing (`cleaning.py`)
               5. the days that changed are written anew in the tables for analysis

When `erase` returns with nothing in `left`, no file of ours holds the subject's ids any more.
If it fails before 3, nothing was changed but that late events are dropped: do it again.  After 3
the server finishes 4 and 5 by itself (`keeping.py`), whatever dies in between; the next
erasure does, too.

The audit log never forgets, so it names nobody: ids are keyed hashes there, which `erase`
answers with, for the shop's own file.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from control_plane.analysis.compaction import compact
from control_plane.analysis.layout import TABLES, TablesError
from control_plane.audit.log import Entry, append
from control_plane.eventlog.erasing import rewrite
from control_plane.eventlog.leasing import Turn
from control_plane.eventlog.objects import ObjectLog
from control_plane.rights.cleaning import clean
from control_plane.rights.correcting import Corrected, Correction, correct
from control_plane.rights.erasing import Erasing, day_of, days_of
from control_plane.rights.exporting import BundleOf, Export, export_of
from control_plane.rights.finding import Found, find, find_redeemed_anew, linked
from control_plane.rights.forgotten import LATE_S, REDEEMED_S, Forgotten, Secrets
from control_plane.rights.mentions import Mentions
from control_plane.rights.subjects import Subject, audited, checked
from control_plane.rights.waiting import is_used, mentioned
from control_plane.settings import Settings
from control_plane.storage.database import Database
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.tables_rights import erasures
from control_plane.storage.writer import Writer

CLEANING, DONE = "cleaning", "done"
e = erasures.c


class Erased(Struct, frozen=True, kw_only=True):
    """What an erasure did.

    `rows`: how many rows of each table were deleted or renamed; `logged`: events that went from
    the log; `audited`: the subject's ids as the audit log names them; `left`: what is still to
    be done, and by whom.
    """

    erasure: str
    erased_s: int
    rows: dict[str, int]
    logged: int
    days: list[str]
    audited: list[str]
    left: list[str]


class Rights:
    """Methods block: they are for threads.

    `log` opens the event log, and closes it if that is ours to do.  `tables` are further
    folders with tables for analysis, beside the server's own.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        writer: Writer,
        bundle_of: BundleOf,
        edge_secrets: Secrets,
        log: Callable[[], AbstractContextManager[ObjectLog]],
        tables: Sequence[Path] = (),
        now_s: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._settings = settings
        self._tenant = settings.tenant
        self._database = database
        self._writer = writer
        self._bundle_of = bundle_of
        self._secrets = edge_secrets
        self._log = log
        self._tables = tables
        self._now_s = now_s
        self._forgotten = Forgotten(self._tenant, edge_secrets, now_s)

    # --- export -------------------------------------------------------------

    def export(self, actor: str, subject: Subject) -> Export:
        """Raises `Refused`, `StorageUnavailable` or `ObjectError`."""
        checked(subject)
        with self._database.reading() as connection:
            found = find(connection, self._tenant, subject)
        spilled: list[bytes] = []
        logged: list[bytes] = []
        if is_used(self._settings):
            spilled, logged = mentioned(self._settings, _mentions(subject, found))
        also, now_s = linked(found, subject), self._now_s()
        export = export_of(
            self._tenant, subject, also, found, spilled, logged, self._bundle_of, now_s
        )
        self._writer.run(lambda c: self._note(c, actor, "subject.export", subject, found.counts))
        return export

    # --- correct ------------------------------------------------------------

    def correct(self, actor: str, asked: Correction) -> Corrected:
        """Raises `Refused` or `StorageUnavailable`."""

        def job(connection: Connection) -> Corrected:
            done = correct(connection, self._tenant, asked)
            if done.changed:
                (name,) = audited(self._secrets()[0], self._tenant, [f"o:{asked.order_id}"])
                append(
                    connection,
                    Entry(
                        tenant=self._tenant,
                        actor=actor,
                        action="subject.correct",
                        subject=f"order/{name}",
                        after={"changed": done.changed},
                        at_s=self._now_s(),
                    ),
                )
            return done

        done = self._writer.run(job)
        if not done.changed:
            return done
        day = day_of(done.order.time_s)
        return msgspec.structs.replace(done, left=self._rewrite_tables([day]))

    # --- erase --------------------------------------------------------------

    def erase(self, actor: str, subject: Subject) -> Erased:
        """Raises `Refused`, `StorageUnavailable` or `ObjectError`."""
        checked(subject)
        self._writer.run(lambda c: self._forgotten.note(c, subject.units))
        with self._database.reading() as connection:
            found = find(connection, self._tenant, subject)
        logged = self._erase_from_log(subject, found)
        erased_s, id = self._now_s(), secrets.token_hex(8)
        days = self._writer.run(lambda c: self._erase(c, actor, subject, found, id))
        return Erased(
            erasure=id,
            erased_s=erased_s,
            rows=found.counts,
            logged=logged,
            days=days,
            audited=self._names(subject),
            left=self.finish(),
        )

    def _erase_from_log(self, subject: Subject, found: Found) -> int:
        """Again as long as events of the log name others of the subject's."""
        if not is_used(self._settings):
            return 0
        mentions, erased, known = _mentions(subject, found), 0, -1
        with self._log() as log:
            while mentions.known > known:
                known = mentions.known
                turn = Turn(self._tenant, self._writer)
                erased += rewrite(log, turn, lambda raw: not mentions(raw))
        return erased

    def _erase(
        self, connection: Connection, actor: str, subject: Subject, found: Found, id: str
    ) -> list[str]:
        find_redeemed_anew(connection, self._tenant, subject, found)
        erasing = Erasing.of(self._tenant, subject, found)
        now_s, days = self._now_s(), days_of(found)
        erasing.apply(connection, found)
        late = [f"d:{name}" for name in erasing.decisions]
        late += [f"o:{name}" for name in erasing.orders]
        self._forgotten.note(connection, late, LATE_S)
        spent = [f"t:{row['token']}" for row in found.redemptions]
        self._forgotten.note(connection, spent, REDEEMED_S)
        self._forgotten.prune(connection)
        row = {"tenant": self._tenant, "id": id, "erased_s": now_s, "state": CLEANING}
        connection.execute(insert(erasures), row | {"days": msgspec.json.encode(days).decode()})
        self._note(connection, actor, "subject.erase", subject, found.counts | {"erasure": id})
        return days

    # --- what follows -------------------------------------------------------

    def finish(self, min_age_s: int = 0) -> list[str]:
        """Do what erasures have left to be done; what still is, in words.

        `min_age_s`: leave alone those that somebody is at just now.
        """
        before_s = self._now_s() - min_age_s
        with self._database.reading() as connection:
            rows = connection.execute(
                select(e.id, e.days).where(
                    e.tenant == self._tenant, e.state == CLEANING, e.erased_s <= before_s
                )
            ).all()
        if not rows:
            return []
        left: list[str] = []
        try:
            told = clean(self._database)
        except StorageUnavailable as error:
            told, left = [], [f"{error}; the server tries again by itself"]
        days = {day for row in rows for day in msgspec.json.decode(row.days, type=list[str])}
        left += self._rewrite_tables(sorted(days))
        if not left:
            ids = [row.id for row in rows]
            done = update(erasures).where(e.tenant == self._tenant, e.id.in_(ids))
            self._writer.run(lambda c: c.execute(done.values(state=DONE)).close())
        return left + told

    def prune(self) -> int:
        """Forget the hashes of names for which nothing can be late any more; how many."""
        return self._writer.run(self._forgotten.prune)

    def _rewrite_tables(self, days: Sequence[str]) -> list[str]:
        wanted = [date.fromisoformat(day) for day in days]
        left: list[str] = []
        for folder in (self._settings.analysis, *self._tables):
            if not wanted or not (folder / TABLES).exists():
                continue
            try:
                compact(self._database, folder, self._tenant, wanted, bundle_of=self._bundle_of)
            except TablesError as error:
                left.append(f"{error} {error.help}")
            except (StorageUnavailable, OSError) as error:
                left.append(f"the tables in {folder} were not rewritten: {error}")
        return left

    # --- the audit log ------------------------------------------------------

    def _note(
        self, connection: Connection, actor: str, action: str, subject: Subject, after: object
    ) -> None:
        names = self._names(subject)
        entry = Entry(
            tenant=self._tenant,
            actor=actor,
            action=action,
            subject=f"subject/{names[0]}",
            after={"subjects": names, "found": after},
            at_s=self._now_s(),
        )
        append(connection, entry)

    def _names(self, subject: Subject) -> list[str]:
        return audited(self._secrets()[0], self._tenant, subject.units)


def _mentions(subject: Subject, found: Found) -> Mentions:
    return Mentions(subject, found.order_ids, found.decision_ids)
