"""The table of the audit log; `control_plane/audit/chain.py` has its rules."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table

from control_plane.storage.columns import integer_column, tenant_column, text_column
from control_plane.storage.tables import METADATA

audit = Table(
    "audit",
    METADATA,
    tenant_column(),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    integer_column("at_s"),
    text_column("actor"),
    text_column("action"),
    text_column("subject"),
    text_column("before"),
    text_column("after"),
    text_column("note"),
    text_column("previous"),
    text_column("hash"),
    Index("audit_by_subject", "tenant", "subject", "number"),
    Index("audit_by_actor", "tenant", "actor", "number"),
    Index("audit_by_action", "tenant", "action", "number"),
    Index("audit_by_time", "tenant", "at_s"),
)
"""One row per change, numbered from 1 without gaps within its tenant; never written again.

`before` and `after` are JSON; `previous` is the `hash` of the row before it.
"""
