"""Ramps: a new policy for more and more of the visitors, and back at once where it does harm.

    start    gates -> a manifest with two releases, the canary for the first step's share
    look     guardrails (`guardrails.py`) -> harm: the old policy for everybody
             the step's time is up         -> the next step's share
             the last step's time is up    -> the canary is the live policy

A visitor's ticket for a ramp never changes, and shares only grow; so whoever has the canary
keeps it.  Every step is a signing, and its row in `ramps` commits with it: two processes
that look at the same moment take one step, since the second finds the row changed and undoes
itself.  A lease spares the second the work.

People pause a ramp (the share stays, time stands still, guardrails go on watching), resume,
finish or abort it.  Whatever ended it, the canary leaves the manifest with it.  A ramp that
was aborted or rolled back makes learning wait for the next publish by a person, since the
catalog on hand is the one that did harm.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from msgspec import Struct, structs
from sqlalchemy import Connection

from control_plane.accounts.actor import Actor
from control_plane.audit.log import Entry, append
from control_plane.issuing import PublishRefused
from control_plane.publishing import Publisher, RampIsOpen, keeping
from control_plane.releasing import ramp_book as book
from control_plane.releasing.canaries import ENDS, canary_of, with_share
from control_plane.releasing.candidates import UNKNOWN, Origin
from control_plane.releasing.guardrails import (
    Guard,
    Metric,
    breached,
    compare,
    held_without_harm,
    read_strata,
)
from control_plane.releasing.ramp_book import Ramp, State
from control_plane.releasing.refusals import NotThere
from control_plane.releasing.steps import STEPS, Step, check_steps, percent
from control_plane.settings import Settings
from control_plane.signing import Content, Reason, Signing
from control_plane.storage.database import Database

WATCH = "process:ramps"
CLOCKS_S = 600
"""How far behind an edge's clock may be; which manifest it ran is what counts."""
TRIES = 10


class RampMoved(Exception):
    """Somebody else has just moved it; nothing was signed."""


class Seen(Struct, frozen=True, kw_only=True):
    """A ramp and how its canary does."""

    ramp: Ramp
    metrics: list[Metric]


class Ramps:
    """The ramps of one channel.  Methods block; they are for threads.

    They raise `PublishRefused` or `StorageUnavailable`, and change nothing then.
    """

    def __init__(self, settings: Settings, publisher: Publisher, database: Database) -> None:
        self._tenant = settings.tenant
        self._attribution_s = settings.attribution_s
        self._publisher = publisher
        self._database = database
        self._channel = publisher.channel

    @property
    def _now_s(self) -> int:
        return self._publisher.signings.now_s()

    # --- looking ------------------------------------------------------------

    def get(self, id: str) -> Ramp:
        with self._database.reading() as connection:
            ramp = book.find(connection, self._tenant, self._channel, id)
        if ramp is None:
            raise NotThere("unknown-ramp", f"there is no ramp {id[:40]!r} on {self._channel}")
        return ramp

    def open_one(self) -> Ramp | None:
        with self._database.reading() as connection:
            return book.open_one(connection, self._tenant, self._channel)

    def newest(self, limit: int, after: tuple[int, str] | None = None) -> list[Ramp]:
        with self._database.reading() as connection:
            return book.newest(connection, self._tenant, self._channel, limit, after)

    def metrics(self, ramp: Ramp) -> list[Metric]:
        """How the canary does against the live policy, by everything that is known now."""
        shares = {
            signing.digest: signing.content.canary.share
            for signing in self._publisher.signings.since(ramp.started_s)
            if signing.content.canary is not None and signing.content.canary.ramp == ramp.id
        }
        with self._database.reading() as connection:
            strata = read_strata(
                connection,
                self._tenant,
                self._attribution_s,
                canary=ramp.bundle,
                shares=shares,
                since_s=ramp.started_s - CLOCKS_S,
            )
        return compare(strata, ramp.guard)

    # --- what people do -----------------------------------------------------

    def start(
        self,
        data: bytes,
        *,
        actor: Actor,
        origin: Origin = UNKNOWN,
        steps: tuple[Step, ...] = STEPS,
        guard: Guard = Guard(),  # noqa: B008  frozen
        note: str = "",
    ) -> Ramp:
        """Try these bytes on the first step's share.  Raises `GatesClosed` and `RampIsOpen`."""
        check_steps(steps)
        new = self._publisher.gatehouse.admit(data, actor=actor.id, origin=origin)
        id, made = secrets.token_hex(8), list[Ramp]()

        def change(live: Signing | None) -> Content:
            base = _base(live)
            if base.canary is not None:
                raise RampIsOpen
            if base.bundle == new.bundle:
                raise PublishRefused("this policy is live already", "Nothing is to be done.")
            return structs.replace(base, canary=canary_of(new, id, steps[0]))

        def also(connection: Connection, signing: Signing) -> None:
            book.end_open(
                connection, self._tenant, self._channel, "aborted",
                "the channel moved on without it", signing.issued_s,
            )  # fmt: skip
            made.append(
                Ramp(
                    id=id,
                    channel=self._channel,
                    bundle=new.bundle,
                    base=signing.bundle,
                    steps=steps,
                    step=0,
                    state="running",
                    guard=guard,
                    started_s=signing.issued_s,
                    step_since_s=signing.issued_s,
                    held_s=0,
                    changed_s=signing.issued_s,
                    actor=actor.id,
                    note=note,
                )
            )
            book.enter(connection, self._tenant, made[0])

        told = f"ramp {id}: {percent(steps[0])} of units; {note}".rstrip("; ")
        self._publisher.sign(change, "ramp", actor.id, told, also)
        return made[0]

    def pause(self, id: str, *, actor: Actor) -> Ramp:
        """Hold the share as it is; guardrails go on watching.  Does no signing."""

        def paused(ramp: Ramp, now_s: int) -> Ramp:
            if ramp.state != "running":
                raise _not("running", ramp)
            held_s = ramp.held_s + max(0, now_s - ramp.step_since_s)
            return structs.replace(ramp, state="paused", held_s=held_s)

        return self._note(id, paused, actor.id, "ramp.pause")

    def resume(self, id: str, *, actor: Actor) -> Ramp:
        """Let time go on where it stood."""

        def resumed(ramp: Ramp, now_s: int) -> Ramp:
            if ramp.state != "paused":
                raise _not("paused", ramp)
            return structs.replace(ramp, state="running", step_since_s=now_s)

        return self._note(id, resumed, actor.id, "ramp.resume")

    def finish(self, id: str, *, actor: Actor) -> Ramp:
        """The canary becomes the live policy now.  Asks the gates again: it is a publish."""
        ramp = self._open(id)
        self._check_again(ramp, actor.id)
        return self._end(ramp, "finished", actor.id, f"{actor.id} finished it")

    def abort(self, id: str, *, actor: Actor) -> Ramp:
        """The old policy for everybody.  Asks no gate."""
        return self._end(self._open(id), "aborted", actor.id, f"{actor.id} aborted it")

    # --- what time does -----------------------------------------------------

    def look(self) -> Seen | None:
        """Judge the open ramp, and move it if that is due; None where there is none.

        Raises `GatesClosed` where the last step is over and the policy may not go out now.
        """
        ramp = self.open_one()
        if ramp is None:
            return None
        if not self._is_out(ramp):
            return Seen(ramp=self._forget(ramp), metrics=[])
        metrics = self.metrics(ramp)
        if harm := breached(metrics):
            told = "; ".join(metric.told for metric in harm)
            return Seen(ramp=self._end(ramp, "rolled-back", WATCH, told), metrics=metrics)
        due_s = ramp.due_s
        if due_s is not None and self._now_s >= due_s:
            ramp = self._advance(ramp, metrics)
        return Seen(ramp=ramp, metrics=metrics)

    def _advance(self, ramp: Ramp, metrics: list[Metric]) -> Ramp:
        if ramp.step + 1 == len(ramp.steps):
            self._check_again(ramp, WATCH)
            return self._end(ramp, "finished", WATCH, held_without_harm(metrics))
        now_s = self._now_s
        grown = structs.replace(
            ramp, step=ramp.step + 1, step_since_s=now_s, held_s=0, changed_s=now_s
        )
        step = grown.steps[grown.step]

        def change(content: Content) -> Content:
            return with_share(content, step)

        told = f"ramp {ramp.id}: {percent(step)} of units"
        return self._move(ramp, grown, change, "ramp", WATCH, told)

    def _end(self, ramp: Ramp, state: State, actor: str, why: str) -> Ramp:
        """Whatever step it has come to meanwhile."""
        for _ in range(TRIES):
            if not self._is_out(ramp):
                return self._forget(ramp)
            ended = structs.replace(ramp, state=state, note=why, changed_s=self._now_s)
            reason: Reason = "publish" if state == "finished" else "roll-back"
            told = f"ramp {ramp.id} {state}: {why}"
            ramp = self._move(ramp, ended, ENDS[state], reason, actor, told)
            if not ramp.is_open:
                break
        return ramp

    def _forget(self, ramp: Ramp) -> Ramp:
        """The row of a ramp whose canary is in no manifest any more, as after a restore."""

        def gone(ramp: Ramp, now_s: int) -> Ramp:
            if not ramp.is_open:
                return ramp
            return structs.replace(ramp, state="aborted", note="the channel moved on without it")

        return self._note(ramp.id, gone, WATCH, "ramp.abort")

    def _move(
        self,
        before: Ramp,
        after: Ramp,
        change: Callable[[Content], Content],
        reason: Reason,
        actor: str,
        note: str,
    ) -> Ramp:
        """Sign, and write the row; whoever comes second raises `RampMoved` and changes nothing."""

        def signed(live: Signing | None) -> Content:
            content = _base(live)
            if content.canary is None or content.canary.ramp != before.id:
                raise RampMoved
            return keeping(live, change(content))

        def also(connection: Connection, signing: Signing) -> None:
            if book.find(connection, self._tenant, self._channel, before.id) != before:
                raise RampMoved
            book.save(connection, self._tenant, after)

        try:
            self._publisher.sign(signed, reason, actor, note, also)
        except RampMoved:
            return self.get(before.id)
        return after

    # --- inside -------------------------------------------------------------

    def _open(self, id: str) -> Ramp:
        ramp = self.get(id)
        if not ramp.is_open:
            raise _not("open", ramp)
        return ramp

    def _is_out(self, ramp: Ramp) -> bool:
        live = self._publisher.live()
        canary = live.content.canary if live else None
        return canary is not None and canary.ramp == ramp.id

    def _check_again(self, ramp: Ramp, actor: str) -> None:
        """The gates as they are now: an approval may have been taken back meanwhile."""
        data = self._publisher.stored(ramp.bundle)
        self._publisher.gatehouse.admit(data, actor=actor)

    def _note(self, id: str, change: Callable[[Ramp, int], Ramp], actor: str, action: str) -> Ramp:
        """Change the row alone, with its entry in the audit log."""
        self.get(id)
        now_s = self._now_s

        def job(connection: Connection) -> Ramp:
            before = book.find(connection, self._tenant, self._channel, id)
            assert before is not None  # rows of ramps are never deleted
            after = structs.replace(change(before, now_s), changed_s=now_s)
            book.save(connection, self._tenant, after)
            append(connection, self._entry(before, after, actor, action))
            return after

        return self._publisher.signings.writer.run(job)

    def _entry(self, before: Ramp, after: Ramp, actor: str, action: str) -> Entry:
        return Entry(
            tenant=self._tenant,
            actor=actor,
            action=action,
            subject=f"channel/{self._channel}",
            before={"ramp": before.id, "state": before.state, "step": before.step},
            after={"ramp": after.id, "state": after.state, "step": after.step},
            at_s=after.changed_s,
        )


def _base(live: Signing | None) -> Content:
    if live is None:
        raise PublishRefused(
            "nothing was published yet, so there is nothing to compare with",
            "Publish a catalog first.",
        )
    return live.content


def _not(wanted: str, ramp: Ramp) -> PublishRefused:
    return PublishRefused(
        f"ramp {ramp.id} is not {wanted}: it is {ramp.state}", "Look at the ramps of the channel."
    )
