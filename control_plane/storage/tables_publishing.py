"""The tables of publishing beside `signings`: candidates, ramps, schedules, broken promises."""

from __future__ import annotations

from sqlalchemy import Index, Table, text

from control_plane.storage.columns import integer_column, key_column, tenant_column, text_column
from control_plane.storage.tables import METADATA

candidates = Table(
    "candidates",
    METADATA,
    tenant_column(),
    key_column("bundle"),
    key_column("content_hash"),
    integer_column("size_bytes"),
    text_column("zone"),
    text_column("actor"),
    integer_column("made_s"),
    Index("candidates_by_age", "tenant", "made_s"),
)
"""Bundles that were let through the gates, by the catalog that each was compiled from.

`content_hash` is the catalog revision's, empty where only bytes are known; two catalogs
that differ in comments alone make the same bundle.  `zone` is the shop's.
"""

ramps = Table(
    "ramps",
    METADATA,
    tenant_column(),
    key_column("id"),
    text_column("channel"),
    text_column("bundle"),
    text_column("base"),
    text_column("steps"),
    integer_column("step"),
    text_column("state"),
    text_column("guard"),
    integer_column("started_s"),
    integer_column("step_since_s"),
    integer_column("held_s"),
    integer_column("changed_s"),
    text_column("actor"),
    text_column("note"),
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
    tenant_column(),
    key_column("id"),
    text_column("channel"),
    text_column("action"),
    text_column("local"),
    text_column("zone"),
    integer_column("at_s"),
    integer_column("grace_s"),
    text_column("state"),
    text_column("actor"),
    integer_column("made_s"),
    integer_column("ran_s"),
    text_column("outcome"),
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
    tenant_column(),
    key_column("edge"),
    key_column("manifest"),
    integer_column("first_s"),
    integer_column("last_s"),
    Index("edge_runs_by_time", "tenant", "last_s"),
)
"""When each edge (the source of its events) decided under each manifest: first and last, by
its own clock, from the records that it attested."""

broken_promises = Table(
    "broken_promises",
    METADATA,
    tenant_column(),
    key_column("token"),
    text_column("bundle"),
    text_column("unit"),
    text_column("reason"),
    integer_column("time_s"),
    Index("broken_promises_by_time", "tenant", "time_s"),
)
"""Tokens whose redemption was refused although they were good, once each, and why."""
