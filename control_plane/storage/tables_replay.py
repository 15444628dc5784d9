"""Replays of recorded decisions under drafts: asked for, under way, done."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, Table

from control_plane.storage.columns import integer_column, key_column, tenant_column, text_column
from control_plane.storage.tables import METADATA

replays = Table(
    "replays",
    METADATA,
    tenant_column(),
    key_column("id"),
    text_column("bundle"),
    text_column("content"),
    Column("since_s", BigInteger),
    Column("until_s", BigInteger),
    text_column("by_attribute"),
    Column("unattested", Boolean, nullable=False),
    text_column("actor"),
    integer_column("asked_s"),
    text_column("state"),
    text_column("holder"),
    integer_column("beat_s"),
    integer_column("ended_s"),
    integer_column("records"),
    integer_column("done"),
    text_column("problem"),
    Column("report", LargeBinary, nullable=False),
    Index("replays_by_time", "tenant", "asked_s", "id"),
)
"""`state`: running, done, failed, cancelled, interrupted.  Whoever runs one is its `holder` and
shows every few seconds that it lives (`beat_s`); a running replay without a sign of life was
interrupted.  `records` is how many there are to go through, `done` how many were.  `content`
is the SHA-256 that was asked for, of a revision's content or of a bundle; `bundle` what it
compiled to.  `report`: JSON of `replay_report.ReplayReport`, once done.
"""
