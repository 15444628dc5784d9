"""Names of events and places in quarantine per trust class, and quarantine's bound.

What is there moves along.  Orders came with the shop's key, decisions are taken to be the
edge's, everything else the pages'.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events_by_trust",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("received_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "trust", "source", "id"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO events_by_trust SELECT tenant, CASE type"
        " WHEN 'shop.proffer.order' THEN 'shop' WHEN 'shop.proffer.decision' THEN 'edge'"
        " ELSE 'page' END, source, id, type, received_s FROM events"
    )
    op.drop_table("events")
    op.rename_table("events_by_trust", "events")
    op.drop_index("quarantine_by_content", "quarantine")
    op.add_column("quarantine", sa.Column("trust", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE quarantine SET trust = CASE WHEN from_shop THEN 'shop' ELSE 'page' END")
    with op.batch_alter_table("quarantine") as table:
        table.drop_column("from_shop")
        table.alter_column("trust", server_default=None)
    op.create_index(
        "quarantine_by_content", "quarantine", ["tenant", "trust", "digest"], unique=True
    )
    op.create_table(
        "quarantine_dropped",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "trust"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """The names of what strangers told may be lost: one name could be there thrice."""
    op.drop_table("quarantine_dropped")
    op.drop_index("quarantine_by_content", "quarantine")
    op.add_column(
        "quarantine", sa.Column("from_shop", sa.Boolean(), nullable=False, server_default="0")
    )
    op.execute("UPDATE quarantine SET from_shop = trust = 'shop'")
    op.execute(
        "DELETE FROM quarantine WHERE id NOT IN"
        " (SELECT min(id) FROM quarantine GROUP BY tenant, digest)"
    )
    with op.batch_alter_table("quarantine") as table:
        table.drop_column("trust")
        table.alter_column("from_shop", server_default=None)
    op.create_index("quarantine_by_content", "quarantine", ["tenant", "digest"], unique=True)
    op.create_table(
        "events_by_name",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("received_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", "id"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO events_by_name SELECT tenant, source, id, type, received_s FROM events"
        " WHERE true ON CONFLICT DO NOTHING"
    )
    op.drop_table("events")
    op.rename_table("events_by_name", "events")
