"""The rows of `ramps`: read and written within whoever's transaction it is.

A ramp's row and the manifest that follows from it are written together, so that neither is
ever without the other.  Where a database was restored and knows less than the channel, the
manifest is right: `ramps.py` looks at both.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, insert, or_, select, update

from control_plane.releasing.guardrails import Guard
from control_plane.releasing.steps import Step
from control_plane.storage.tables_publishing import ramps as table

State = Literal["running", "paused", "finished", "aborted", "rolled-back"]
OPEN: tuple[State, ...] = ("running", "paused")


class Ramp(Struct, frozen=True, kw_only=True):
    """A row of `ramps`; `step` is that of `steps` which is held now, counted from 0."""

    id: str
    channel: str
    bundle: str
    base: str
    steps: tuple[Step, ...]
    step: int
    state: State
    guard: Guard
    started_s: int
    step_since_s: int
    held_s: int
    changed_s: int
    actor: str
    note: str

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def share(self) -> float:
        return self.steps[self.step].share

    @property
    def due_s(self) -> int | None:
        """When the next step begins, or the ramp ends; None while nobody knows."""
        left_s = self.steps[self.step].hold_s - self.held_s
        return self.step_since_s + left_s if self.state == "running" else None


def enter(connection: Connection, tenant: str, ramp: Ramp) -> None:
    connection.execute(insert(table), {"tenant": tenant, **_columns(ramp)})


def save(connection: Connection, tenant: str, ramp: Ramp) -> None:
    ours = table.c.tenant == tenant, table.c.id == ramp.id
    connection.execute(update(table).where(*ours).values(_columns(ramp)))


def find(connection: Connection, tenant: str, channel: str, id: str) -> Ramp | None:
    return _one(connection, tenant, channel, table.c.id == id)


def open_one(connection: Connection, tenant: str, channel: str) -> Ramp | None:
    """The ramp that is running or paused on a channel."""
    return _one(connection, tenant, channel, table.c.state.in_(OPEN))


def newest(
    connection: Connection, tenant: str, channel: str, limit: int, after: tuple[int, str] | None
) -> list[Ramp]:
    """Newest first; `after`: (started_s, id) of the last one before."""
    c, query = table.c, _of(tenant, channel)
    if after is not None:
        started_s, id = after
        query = query.where(or_(c.started_s < started_s, (c.started_s == started_s) & (c.id < id)))
    rows = connection.execute(query.order_by(c.started_s.desc(), c.id.desc()).limit(limit))
    return [_ramp(row) for row in rows]


def end_open(
    connection: Connection, tenant: str, channel: str, state: State, note: str, now_s: int
) -> Ramp | None:
    """End the open ramp of a channel, if there is one; what it was."""
    ramp = open_one(connection, tenant, channel)
    if ramp is not None:
        ended = structs.replace(ramp, state=state, note=note, changed_s=now_s)
        save(connection, tenant, ended)
    return ramp


def _of(tenant: str, channel: str) -> Any:
    columns = [table.c[name] for name in Ramp.__struct_fields__]
    return select(*columns).where(table.c.tenant == tenant, table.c.channel == channel)


def _one(connection: Connection, tenant: str, channel: str, which: Any) -> Ramp | None:
    row = connection.execute(_of(tenant, channel).where(which)).one_or_none()
    return None if row is None else _ramp(row)


def _columns(ramp: Ramp) -> dict[str, Any]:
    return structs.asdict(ramp) | {
        "steps": msgspec.json.encode(ramp.steps).decode(),
        "guard": msgspec.json.encode(ramp.guard).decode(),
    }


def _ramp(row: Any) -> Ramp:
    return Ramp(
        **dict(row._mapping)
        | {
            "steps": msgspec.json.decode(row.steps, type=tuple[Step, ...]),
            "guard": msgspec.json.decode(row.guard, type=Guard),
        }
    )
