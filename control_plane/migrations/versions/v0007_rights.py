"""Who was erased, as keyed hashes, and what of an erasure is still to be done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "forgotten",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("erased_s", sa.BigInteger(), nullable=False),
        sa.Column("until_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name"),
        sqlite_with_rowid=False,
    )
    op.create_index("forgotten_by_time", "forgotten", ["until_s"], unique=False)
    op.create_table(
        "forgotten_dropped",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "erasures",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("erased_s", sa.BigInteger(), nullable=False),
        sa.Column("days", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('cleaning', 'done')", name="erasures_state"),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("erasures_by_state", "erasures", ["tenant", "state"], unique=False)


def downgrade() -> None:
    """Late events of somebody who was erased count again."""
    op.drop_table("erasures")
    op.drop_table("forgotten_dropped")
    op.drop_table("forgotten")
