"""The table of the audit log; `control_plane/audit/chain.py` has its rules."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from control_plane.storage.tables import METADATA

audit = Table(
    "audit",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at_s", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("audit_by_subject", "tenant", "subject", "number"),
    Index("audit_by_actor", "tenant", "actor", "number"),
    Index("audit_by_action", "tenant", "action", "number"),
    Index("audit_by_time", "tenant", "at_s"),
)
"""One row per change, numbered from 1 without gaps within its tenant; never written again.

`before` and `after` are JSON; `previous` is the `hash` of the row before it.
"""
