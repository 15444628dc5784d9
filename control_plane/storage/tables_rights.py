"""The tables of a person's rights; `control_plane/rights/` has their rules."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, Table

from control_plane.storage.columns import integer_column, key_column, tenant_column, text_column
from control_plane.storage.tables import METADATA

forgotten = Table(
    "forgotten",
    METADATA,
    tenant_column(),
    key_column("name"),
    integer_column("erased_s"),
    integer_column("until_s"),
    Index("forgotten_by_time", "until_s"),
    sqlite_with_rowid=False,
)
"""Names that were erased, as keyed hashes (`rights/forgotten.py`), until nothing that was under
way then can arrive any more."""

forgotten_dropped = Table(
    "forgotten_dropped",
    METADATA,
    tenant_column(),
    integer_column("count"),
    sqlite_with_rowid=False,
)
"""How many events were dropped because they were about somebody who was erased, ever."""

erasures = Table(
    "erasures",
    METADATA,
    tenant_column(),
    key_column("id"),
    integer_column("erased_s"),
    text_column("days"),
    text_column("state"),
    CheckConstraint("state IN ('cleaning', 'done')", name="erasures_state"),
    Index("erasures_by_state", "tenant", "state"),
)
"""Erasures, without whose.  `days`: JSON, the days (UTC) whose rows were changed; `state` is
cleaning until the free pages of the database and the tables for analysis are rewritten, too."""
