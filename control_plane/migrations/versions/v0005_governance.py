"""Accounts, drafts, reviews, channels and the audit log."""

from __future__ import annotations

from alembic import op

from control_plane.storage.schema import METADATA

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind())


def downgrade() -> None:
    pass
