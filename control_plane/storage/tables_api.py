"""What the HTTP API keeps: answers that may be asked for again (`api/idempotency.py`)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

from control_plane.storage.tables import METADATA

idempotency = Table(
    "idempotency",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("actor", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("answer", LargeBinary, nullable=True),
    Column("expires_s", BigInteger, nullable=False),
    Index("idempotency_by_expiry", "expires_s"),
)
"""A request that came with an Idempotency-Key.  `key` and `digest` are SHA-256, `answer` is
JSON, null while the request runs."""
