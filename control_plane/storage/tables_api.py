"""What the HTTP API keeps: answers that may be asked for again (`api/idempotency.py`)."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Table

from control_plane.storage.columns import integer_column, key_column, tenant_column, text_column
from control_plane.storage.tables import METADATA

idempotency = Table(
    "idempotency",
    METADATA,
    tenant_column(),
    key_column("actor"),
    key_column("key"),
    text_column("digest"),
    Column("answer", LargeBinary, nullable=True),
    integer_column("expires_s"),
    Index("idempotency_by_expiry", "expires_s"),
)
"""A request that came with an Idempotency-Key.  `key` and `digest` are SHA-256, `answer` is
JSON, null while the request runs."""
