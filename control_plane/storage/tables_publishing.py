"""The tables of publishing beside `signings`: candidates, ramps, schedules, broken promises."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text, text

from control_plane.storage.tables import METADATA


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _integer(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


candidates = Table(
    "candidates",
    METADATA,
    _key("tenant"),
    _key("bundle"),
    _key("content_hash"),
    _integer("size_bytes"),
    _text("zone"),
    _text("actor"),
    _integer("made_s"),
    Index("candidates_by_age", "tenant", "made_s"),
)
"""Bundles that were let through the gates, by the catalog that each was compiled from.

`content_hash` is the catalog revision's, empty where only bytes are known; two catalogs
that differ in comments alone make the same bundle.  `zone` is the shop's.
"""

ramps = Table(
    "ramps",
    METADATA,
    _key("tenant"),
    _key("id"),
    _text("channel"),
    _text("bundle"),
    _text("base"),
    _text("steps"),
    _integer("step"),
    _text("state"),
    _text("guard"),
    _integer("started_s"),
    _integer("step_since_s"),
    _integer("held_s"),
    _integer("changed_s"),
    _text("actor"),
    _text("note"),
    Index(
        "ramps_one_open",
        "tenant",
        "channel",
        unique=True,
        sqlite_where=text("state IN ('running', 'paused')"),
        postgresql_where=text("state IN ('running', 'paused')"),
    ),
    Index("ramps_by_age", "tenant", "channel", "started_s"),
)
"""A canary that grows step by step; at most one is open per channel.

`bundle` goes out to more and more units, `base` to the others.  `steps`: JSON of
`releasing.ramps.Step`; `step` counts from 0.  `state` is running, paused, finished, aborted
or rolled-back; `note` says why.  `held_s`: how long the step had been held at a pause.
`guard`: JSON of `releasing.guardrails.Guard`.
"""

schedules = Table(
    "schedules",
    METADATA,
    _key("tenant"),
    _key("id"),
    _text("channel"),
    _text("action"),
    _text("local"),
    _text("zone"),
    _integer("at_s"),
    _integer("grace_s"),
    _text("state"),
    _text("actor"),
    _integer("made_s"),
    _integer("ran_s"),
    _text("outcome"),
    Index("schedules_by_time", "tenant", "state", "at_s"),
    Index("schedules_by_channel", "tenant", "channel", "at_s"),
)
"""What shall happen to a channel at a time: `local` in `zone`, which is the instant `at_s`.

`action`: JSON of `releasing.schedules.Action`.  `state` is waiting, done, failed, missed or
cancelled; `outcome` says more.  `ran_s` is 0 until then.
"""

edge_runs = Table(
    "edge_runs",
    METADATA,
    _key("tenant"),
    _key("edge"),
    _key("manifest"),
    _integer("first_s"),
    _integer("last_s"),
    Index("edge_runs_by_time", "tenant", "last_s"),
)
"""When each edge (the source of its events) decided under each manifest: first and last, by
its own clock, from the records that it attested."""

broken_promises = Table(
    "broken_promises",
    METADATA,
    _key("tenant"),
    _key("token"),
    _text("bundle"),
    _text("unit"),
    _text("reason"),
    _integer("time_s"),
    Index("broken_promises_by_time", "tenant", "time_s"),
)
"""Tokens whose redemption was refused although they were good, once each, and why."""
