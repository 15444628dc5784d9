"""Numbers that count up by themselves have 64 bits on PostgreSQL, too; SQLite's always had.

What is put into quarantine again takes a number each time there, so 31 bits can run out.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("quarantine", "weights")


def upgrade() -> None:
    _retype(sa.BigInteger(), "AS bigint")


def downgrade() -> None:
    _retype(sa.Integer(), "AS integer")


def _retype(kind: sa.types.TypeEngine[int], sequence: str) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in TABLES:
        op.alter_column(table, "id", type_=kind)
        op.execute(f"ALTER SEQUENCE {table}_id_seq {sequence}")
