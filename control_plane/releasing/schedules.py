"""Schedules: what shall happen to a channel at a local time, and happens once.

    due -> the same gates and rules as by hand, now -> signed, and marked done with it

Whether a thing was done is written in the transaction that does it.  So it happens once,
however many processes look, and whatever dies in between.

After a downtime what was missed is run late, with a note, as long as its grace time lasts;
then it is *missed*: told, and not done, since a price that comes a day late is a wrong
price.  What is refused at its time has *failed*, and says why.  While nothing can be stored
it is tried again and again, within the grace time.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, and_, insert, or_, select, update

from control_plane.accounts.actor import Actor
from control_plane.audit.log import Entry, append
from control_plane.errors import Refused
from control_plane.issuing import NotOutYet, PublishRefused
from control_plane.publishing import Publisher
from control_plane.releasing.local_time import Occurrence, instant_of, moment_of
from control_plane.releasing.making import make_revision
from control_plane.releasing.promotion import promote
from control_plane.releasing.refusals import NotThere
from control_plane.releasing.switches import Switch
from control_plane.settings import Channel
from control_plane.signing import Also, Signing
from control_plane.storage.failures import StorageUnavailable
from control_plane.storage.tables_publishing import schedules as table
from edge.decision.claims import Digest
from policy_compiler.diagnostics import CatalogRefused
from policy_compiler.keys import SigningError

if TYPE_CHECKING:
    from control_plane.services import Services

log = logging.getLogger(__name__)

CLOCK = "process:schedules"
GRACE_S = 3600
SHOWN_MAX = 1000
LATE_S = 60
"""So much later than planned is worth a note."""

State = Literal["waiting", "done", "failed", "missed", "cancelled"]


class Doing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """What is to be done; each kind names it by `do`."""


class PublishThen(Doing, frozen=True, kw_only=True, tag="publish"):
    """Compile a revision of the catalog, and publish it."""

    revision: Digest


class SwitchThen(Doing, frozen=True, kw_only=True, tag="switch"):
    """Go to a policy that was live on this channel before."""

    bundle: Digest


class PromoteThen(Doing, frozen=True, kw_only=True, tag="promote"):
    """Publish the bytes that were live on another channel."""

    source: Channel
    bundle: Digest


class PauseThen(Doing, frozen=True, kw_only=True, tag="pause"):
    what: Switch


class ResumeThen(Doing, frozen=True, kw_only=True, tag="resume"):
    what: Switch


Action = PublishThen | SwitchThen | PromoteThen | PauseThen | ResumeThen


class Schedule(Struct, frozen=True, kw_only=True):
    """A row of `schedules`."""

    id: str
    channel: str
    action: Action
    local: str
    zone: str
    at_s: int
    grace_s: int
    state: State
    actor: str
    made_s: int
    ran_s: int
    outcome: str


class AlreadyRan(Exception):
    """Somebody else did it; nothing was signed."""


class Schedules:
    """The schedules of one channel.  Methods block; they are for threads."""

    def __init__(self, services: Services, publisher: Publisher) -> None:
        self._services = services
        self._tenant = services.settings.tenant
        self._publisher = publisher
        self._channel = publisher.channel

    # --- looking ------------------------------------------------------------

    def get(self, id: str) -> Schedule:
        """Raises `PublishRefused`."""
        with self._services.database.reading() as connection:
            return self._found(connection, id)

    def soonest(
        self, limit: int, after: tuple[int, str] | None = None, *, since_s: int = 0
    ) -> list[Schedule]:
        """By time; `after`: (at_s, id) of the last one before."""
        c, query = table.c, self._ours().where(table.c.at_s >= since_s)
        if after is not None:
            at_s, id = after
            query = query.where(or_(c.at_s > at_s, and_(c.at_s == at_s, c.id > id)))
        with self._services.database.reading() as connection:
            rows = connection.execute(query.order_by(c.at_s, c.id).limit(limit))
            return [_schedule(row) for row in rows]

    def between(self, from_s: int, until_s: int) -> list[Schedule]:
        """All whose time is in [from_s, until_s), at most `SHOWN_MAX`."""
        query = self._ours().where(table.c.at_s >= from_s, table.c.at_s < until_s)
        with self._services.database.reading() as connection:
            rows = connection.execute(query.order_by(table.c.at_s, table.c.id).limit(SHOWN_MAX))
            return [_schedule(row) for row in rows]

    # --- planning -----------------------------------------------------------

    def add(
        self,
        action: Action,
        local: str,
        zone: str,
        *,
        actor: Actor,
        occurrence: Occurrence | None = None,
        grace_s: int = GRACE_S,
    ) -> Schedule:
        """Plan it.  Raises `PublishRefused` for a time that is over, never comes or comes twice."""
        now_s = self._publisher.signings.now_s()
        at_s = instant_of(local, zone, occurrence)
        if at_s <= now_s:
            raise PublishRefused(f"{local} in {zone} is over", "Choose a time to come.")
        self._check(action)
        schedule = Schedule(
            id=secrets.token_hex(8),
            channel=self._channel,
            action=action,
            local=moment_of(local).isoformat(),
            zone=zone,
            at_s=at_s,
            grace_s=grace_s,
            state="waiting",
            actor=actor.id,
            made_s=now_s,
            ran_s=0,
            outcome="",
        )

        def job(connection: Connection) -> Schedule:
            connection.execute(insert(table), {"tenant": self._tenant, **_columns(schedule)})
            append(connection, self._entry("schedule.add", None, schedule, actor.id, now_s))
            return schedule

        return self._services.writer.run(job)

    def cancel(self, id: str, *, actor: Actor) -> Schedule:
        """Raises `PublishRefused` for one that is not waiting."""
        now_s = self._publisher.signings.now_s()

        def job(connection: Connection) -> Schedule:
            before = self._found(connection, id)
            if before.state != "waiting":
                raise PublishRefused(
                    f"schedule {id} is {before.state}", "Only what waits can be cancelled."
                )
            after = structs.replace(before, state="cancelled", outcome=f"by {actor.id}")
            return self._settle(connection, before, after, actor.id, now_s)

        return self._services.writer.run(job)

    def _check(self, action: Action) -> None:
        """What can be known beforehand: that there is such a revision, bundle or channel."""
        match action:
            case PublishThen(revision=revision):
                made = make_revision(self._services.database, self._tenant, revision)
                findings = self._publisher.gatehouse.findings(made.compiled.data, made.origin)
                if wrong := [f.what for f in findings if f.gate != "approval"]:
                    raise PublishRefused("; ".join(wrong), "Correct the catalog first.")
            case SwitchThen(bundle=bundle) if not _was_live(self._publisher, bundle):
                raise PublishRefused(
                    f"bundle {bundle[:64]!r} was never published here", "Choose one of the history."
                )
            case PromoteThen(source=source, bundle=bundle):
                if not _was_live(self._source(source), bundle):
                    raise PublishRefused(
                        f"bundle {bundle[:64]!r} was never live on {source}", "Publish it there."
                    )
            case PauseThen(what=what) | ResumeThen(what=what) if what == Switch():
                raise PublishRefused("nothing is named", "Name what to pause or to resume.")

    def _source(self, name: str) -> Publisher:
        if name not in self._services.channels:
            raise NotThere("unknown-channel", f"there is no channel {name[:64]!r}")
        return self._services.channels[name]

    # --- doing --------------------------------------------------------------

    def is_due(self) -> bool:
        return bool(self._due())

    def run_due(self) -> list[Schedule]:
        """Do everything whose time has come, in its order; what became of it."""
        return [self._run(schedule) for schedule in self._due()]

    def _due(self) -> list[Schedule]:
        now_s = self._publisher.signings.now_s()
        query = self._ours().where(table.c.state == "waiting", table.c.at_s <= now_s)
        with self._services.database.reading() as connection:
            rows = connection.execute(query.order_by(table.c.at_s, table.c.id))
            return [_schedule(row) for row in rows]

    def _run(self, schedule: Schedule) -> Schedule:
        late_s = self._publisher.signings.now_s() - schedule.at_s
        if late_s > schedule.grace_s:
            return self._end(schedule, "missed", f"{late_s} s after its time; not done")
        outcome = f"{late_s} s after its time" if late_s > LATE_S else ""
        try:
            self._do(schedule, self._marking(schedule, outcome))
        except NotOutYet:
            pass  # committed, and marked; it goes out by itself
        except StorageUnavailable as error:
            log.warning("schedule %s waits for the storage: %s", schedule.id, error)
        except AlreadyRan:
            pass
        except (PublishRefused, CatalogRefused, Refused, SigningError) as error:
            return self._end(schedule, "failed", str(error))
        return self.get(schedule.id)

    def _do(self, schedule: Schedule, also: Also) -> Signing:
        publisher, note = self._publisher, f"schedule {schedule.id} of {schedule.actor}"
        match schedule.action:
            case PublishThen(revision=revision):
                weights = self._services.catalog.weights()
                made = make_revision(self._services.database, self._tenant, revision, weights)
                data, origin = made.compiled.data, made.origin
                return publisher.publish(data, actor=CLOCK, note=note, origin=origin, also=also)
            case SwitchThen(bundle=bundle):
                return publisher.roll_back(bundle, actor=CLOCK, also=also)
            case PromoteThen(source=source, bundle=bundle):
                return promote(
                    self._source(source), publisher, bundle, actor=CLOCK, note=note, also=also
                )
            case PauseThen(what=what):
                return publisher.switch_off(what, actor=CLOCK, also=also)
            case ResumeThen(what=what):
                return publisher.switch_on(what, actor=CLOCK, also=also)

    def _marking(self, schedule: Schedule, outcome: str) -> Also:
        def also(connection: Connection, signing: Signing) -> None:
            told = f"sequence {signing.sequence}" + (f", {outcome}" if outcome else "")
            done = structs.replace(schedule, state="done", ran_s=signing.issued_s, outcome=told)
            self._settle(connection, schedule, done, CLOCK, signing.issued_s)

        return also

    def _end(self, schedule: Schedule, state: State, outcome: str) -> Schedule:
        now_s = self._publisher.signings.now_s()
        ended = structs.replace(schedule, state=state, ran_s=now_s, outcome=outcome)
        log.error("schedule %s is %s: %s", schedule.id, state, outcome)
        try:
            return self._services.writer.run(
                lambda connection: self._settle(connection, schedule, ended, CLOCK, now_s)
            )
        except AlreadyRan:
            return self.get(schedule.id)

    def _settle(
        self, connection: Connection, before: Schedule, after: Schedule, actor: str, now_s: int
    ) -> Schedule:
        """Write what became of it, once; raises `AlreadyRan` if it does not wait any more."""
        ours = table.c.tenant == self._tenant, table.c.id == before.id, table.c.state == "waiting"
        done = connection.execute(update(table).where(*ours).values(_columns(after)))
        if done.rowcount != 1:
            raise AlreadyRan
        action = f"schedule.{after.state}"
        append(connection, self._entry(action, before, after, actor, now_s))
        return after

    # --- rows ---------------------------------------------------------------

    def _ours(self) -> Any:
        columns = [table.c[name] for name in Schedule.__struct_fields__]
        return select(*columns).where(
            table.c.tenant == self._tenant, table.c.channel == self._channel
        )

    def _found(self, connection: Connection, id: str) -> Schedule:
        row = connection.execute(self._ours().where(table.c.id == id)).one_or_none()
        if row is None:
            told = f"there is no schedule {id[:40]!r} on {self._channel}"
            raise NotThere("unknown-schedule", told)
        return _schedule(row)

    def _entry(
        self, action: str, before: Schedule | None, after: Schedule, actor: str, now_s: int
    ) -> Entry:
        return Entry(
            tenant=self._tenant,
            actor=actor,
            action=action,
            subject=f"schedule/{after.id}",
            before=before,
            after=after,
            note=after.outcome,
            at_s=now_s,
        )


def _was_live(publisher: Publisher, bundle: str) -> bool:
    return any(signing.bundle == bundle for signing in publisher.history())


def _columns(schedule: Schedule) -> dict[str, Any]:
    action = msgspec.json.encode(schedule.action).decode()
    return structs.asdict(schedule) | {"action": action}


def _schedule(row: Any) -> Schedule:
    action = msgspec.json.decode(row.action, type=Action)
    return Schedule(**dict(row._mapping) | {"action": action})
