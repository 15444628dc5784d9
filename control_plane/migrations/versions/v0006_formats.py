"""Returns, the format of what is in quarantine, robots' touches, and decisions by unit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "returns",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("return_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("refund_micros", sa.BigInteger(), nullable=False),
        sa.Column("margin_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "return_id"),
    )
    op.create_index("returns_by_order", "returns", ["tenant", "order_id"], unique=False)
    op.create_index("returns_by_time", "returns", ["tenant", "time_s"], unique=False)
    op.create_index("decisions_by_unit", "decisions", ["tenant", "unit", "time_s"], unique=False)
    _add("touches", sa.Column("bot", sa.Boolean(), nullable=False, server_default=sa.false()))
    _add("quarantine", sa.Column("bot", sa.Boolean(), nullable=False, server_default=sa.false()))
    _add("quarantine", sa.Column("format", sa.Text(), nullable=False, server_default="cloudevents"))


def _add(table: str, column: sa.Column) -> None:
    """With a value for the rows that are there, and no default for those to come."""
    op.add_column(table, column)
    with op.batch_alter_table(table) as changed:
        changed.alter_column(column.name, server_default=None)


def downgrade() -> None:
    """Returns are lost, and touches of robots count."""
    with op.batch_alter_table("quarantine") as table:
        table.drop_column("format")
        table.drop_column("bot")
    with op.batch_alter_table("touches") as table:
        table.drop_column("bot")
    op.drop_index("decisions_by_unit", "decisions")
    op.drop_table("returns")
