"""Rows of `replays`: what was asked for, and how far it is."""

from __future__ import annotations

import time
from typing import Any, Literal

from msgspec import Struct

from control_plane.accounts.actor import Actor
from control_plane.reviewing.replay_report import Window

DEAD_S = 20
"""A running replay without a sign of life for so long was interrupted."""

ReplayState = Literal["running", "done", "failed", "cancelled", "interrupted"]


class Wish(Struct, frozen=True, kw_only=True):
    """What to replay: `draft` is the SHA-256 of a revision's content, or of a bundle."""

    draft: str
    window: Window = Window()
    by: str = ""
    unattested: bool = False


class Replay(Struct, frozen=True, kw_only=True):
    """A row of `replays`, without its report; `bundle` is what the draft compiled to."""

    id: str
    state: ReplayState
    draft: str
    bundle: str
    since_s: int | None
    until_s: int | None
    by: str
    unattested: bool
    asked_by: str
    asked_s: int
    ended_s: int
    records: int
    done: int
    problem: str

    @property
    def wish(self) -> Wish:
        window = Window(since_s=self.since_s, until_s=self.until_s)
        return Wish(draft=self.draft, window=window, by=self.by, unattested=self.unattested)


def row_of(tenant: str, id: str, actor: Actor, wish: Wish, asked_s: int) -> dict[str, Any]:
    return {
        "tenant": tenant, "id": id, "bundle": "", "content": wish.draft,
        "since_s": wish.window.since_s, "until_s": wish.window.until_s, "by_attribute": wish.by,
        "unattested": wish.unattested, "actor": actor.id, "asked_s": asked_s, "state": "running",
        "holder": "", "beat_s": 0, "ended_s": 0, "records": 0, "done": 0, "problem": "",
        "report": b"",
    }  # fmt: skip


def replay_of(row: object) -> Replay:
    columns = row._mapping  # type: ignore[attr-defined]
    dead = columns["state"] == "running" and columns["beat_s"] < int(time.time()) - DEAD_S
    return Replay(
        id=columns["id"],
        state="interrupted" if dead else columns["state"],
        draft=columns["content"],
        bundle=columns["bundle"],
        since_s=columns["since_s"],
        until_s=columns["until_s"],
        by=columns["by_attribute"],
        unattested=columns["unattested"],
        asked_by=columns["actor"],
        asked_s=columns["asked_s"],
        ended_s=columns["ended_s"],
        records=columns["records"],
        done=columns["done"],
        problem=columns["problem"],
    )
