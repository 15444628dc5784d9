"""Replays of recorded decisions under drafts: asked for, under way, done."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, Table, Text

from control_plane.storage.tables import METADATA


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _integer(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


replays = Table(
    "replays",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    _text("bundle"),
    _text("content"),
    Column("since_s", BigInteger),
    Column("until_s", BigInteger),
    _text("by_attribute"),
    Column("unattested", Boolean, nullable=False),
    _text("actor"),
    _integer("asked_s"),
    _text("state"),
    _text("holder"),
    _integer("beat_s"),
    _integer("ended_s"),
    _integer("records"),
    _integer("done"),
    _text("problem"),
    Column("report", LargeBinary, nullable=False),
    Index("replays_by_time", "tenant", "asked_s", "id"),
)
"""`state`: running, done, failed, cancelled, interrupted.  Whoever runs one is its `holder` and
shows every few seconds that it lives (`beat_s`); a running replay without a sign of life was
interrupted.  `records` is how many there are to go through, `done` how many were.  `content`
is the SHA-256 that was asked for, of a revision's content or of a bundle; `bundle` what it
compiled to.  `report`: JSON of `replay_report.ReplayReport`, once done.
"""
