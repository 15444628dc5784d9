"""Accounts, drafts, reviews, ramps, schedules, replays, idempotent calls and the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.Column("expires_s", sa.BigInteger(), nullable=True),
        sa.Column("used_s", sa.BigInteger(), nullable=True),
        sa.Column("revoked_s", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_table(
        "audit",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_s", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "number"),
    )
    op.create_index("audit_by_action", "audit", ["tenant", "action", "number"], unique=False)
    op.create_index("audit_by_actor", "audit", ["tenant", "actor", "number"], unique=False)
    op.create_index("audit_by_subject", "audit", ["tenant", "subject", "number"], unique=False)
    op.create_index("audit_by_time", "audit", ["tenant", "at_s"], unique=False)
    op.create_table(
        "broken_promises",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "token"),
    )
    op.create_index(
        "broken_promises_by_time", "broken_promises", ["tenant", "time_s"], unique=False
    )
    op.create_table(
        "candidates",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("made_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "bundle", "content_hash"),
    )
    op.create_index("candidates_by_age", "candidates", ["tenant", "made_s"], unique=False)
    op.create_table(
        "catalog_checks",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("maker", sa.Text(), nullable=False),
        sa.Column("found", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "content_hash", "maker"),
    )
    op.create_table(
        "catalog_files",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "digest"),
    )
    op.create_table(
        "catalog_revisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "catalog_revisions_by_hash", "catalog_revisions", ["tenant", "content_hash"], unique=True
    )
    op.create_table(
        "draft_steps",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("draft", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("at_s", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("paths", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "draft_steps_by_content", "draft_steps", ["tenant", "content_hash"], unique=False
    )
    op.create_index(
        "draft_steps_by_version", "draft_steps", ["tenant", "draft", "version"], unique=True
    )
    op.create_table(
        "drafts",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column("updated_s", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('open', 'discarded')", name="drafts_state"),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("drafts_by_age", "drafts", ["tenant", "created_s", "id"], unique=False)
    op.create_table(
        "edge_runs",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("edge", sa.Text(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("first_s", sa.BigInteger(), nullable=False),
        sa.Column("last_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "edge", "manifest"),
    )
    op.create_index("edge_runs_by_time", "edge_runs", ["tenant", "last_s"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("expires_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "actor", "key"),
    )
    op.create_index("idempotency_by_expiry", "idempotency", ["expires_s"], unique=False)
    op.create_table(
        "login_failures",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("until_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "bucket"),
    )
    op.create_table(
        "ramps",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("guard", sa.Text(), nullable=False),
        sa.Column("started_s", sa.BigInteger(), nullable=False),
        sa.Column("step_since_s", sa.BigInteger(), nullable=False),
        sa.Column("held_s", sa.BigInteger(), nullable=False),
        sa.Column("changed_s", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("ramps_by_age", "ramps", ["tenant", "channel", "started_s"], unique=False)
    op.create_index(
        "ramps_one_open",
        "ramps",
        ["tenant", "channel"],
        unique=True,
        sqlite_where=sa.text("state IN ('running', 'paused')"),
        postgresql_where=sa.text("state IN ('running', 'paused')"),
    )
    op.create_table(
        "replays",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("since_s", sa.BigInteger(), nullable=True),
        sa.Column("until_s", sa.BigInteger(), nullable=True),
        sa.Column("by_attribute", sa.Text(), nullable=False),
        sa.Column("unattested", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("asked_s", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("beat_s", sa.BigInteger(), nullable=False),
        sa.Column("ended_s", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("replays_by_time", "replays", ["tenant", "asked_s", "id"], unique=False)
    op.create_table(
        "review_comments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("review", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at_s", sa.BigInteger(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "review_comments_by_review", "review_comments", ["tenant", "review", "id"], unique=False
    )
    op.create_table(
        "review_verdicts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("review", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("against", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("authors", sa.Text(), nullable=False),
        sa.Column("at_s", sa.BigInteger(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.CheckConstraint("authors LIKE '|%|'", name="review_verdicts_authors"),
        sa.CheckConstraint(
            "person <> '' AND person NOT LIKE '%|%' AND person NOT LIKE 'process:%'",
            name="review_verdicts_person",
        ),
        sa.CheckConstraint(
            "verdict <> 'approve' OR replace(authors, '|' || person || '|', '') = authors",
            name="review_verdicts_four_eyes",
        ),
        sa.CheckConstraint(
            "verdict IN ('approve', 'reject', 'request-changes')", name="review_verdicts_verdict"
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "review_verdicts_by_content",
        "review_verdicts",
        ["tenant", "content_hash", "id"],
        unique=False,
    )
    op.create_index(
        "review_verdicts_by_review", "review_verdicts", ["tenant", "review", "id"], unique=False
    )
    op.create_table(
        "reviews",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("draft", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("against", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("needed", sa.BigInteger(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_person", sa.Text(), nullable=False),
        sa.Column("asked_s", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.Column("closed_s", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('open', 'rejected', 'withdrawn', 'superseded')", name="reviews_state"
        ),
        sa.CheckConstraint("needed >= 1", name="reviews_needed"),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("reviews_by_content", "reviews", ["tenant", "content_hash"], unique=False)
    op.create_index("reviews_by_draft", "reviews", ["tenant", "draft", "number"], unique=False)
    op.create_index("reviews_by_number", "reviews", ["tenant", "number"], unique=True)
    op.create_index(
        "reviews_open_once",
        "reviews",
        ["tenant", "draft"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "schedules",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("local", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("at_s", sa.BigInteger(), nullable=False),
        sa.Column("grace_s", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("made_s", sa.BigInteger(), nullable=False),
        sa.Column("ran_s", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index(
        "schedules_by_channel", "schedules", ["tenant", "channel", "at_s"], unique=False
    )
    op.create_index("schedules_by_time", "schedules", ["tenant", "state", "at_s"], unique=False)
    op.create_table(
        "setup_links",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.Column("expires_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "token_hash"),
    )
    op.create_table(
        "users",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("users_by_login", "users", ["tenant", "login"], unique=True)
    op.create_table(
        "sessions",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("opened_s", sa.BigInteger(), nullable=False),
        sa.Column("seen_s", sa.BigInteger(), nullable=False),
        sa.Column("ends_s", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "user"],
            ["users.tenant", "users.id"],
        ),
        sa.PrimaryKeyConstraint("tenant", "token_hash"),
    )
    op.create_index("sessions_by_id", "sessions", ["tenant", "id"], unique=True)
    op.create_index("sessions_by_user", "sessions", ["tenant", "user"], unique=False)


def downgrade() -> None:

    op.drop_index("sessions_by_user", table_name="sessions")
    op.drop_index("sessions_by_id", table_name="sessions")
    op.drop_table("sessions")
    op.drop_index("users_by_login", table_name="users")
    op.drop_table("users")
    op.drop_table("setup_links")
    op.drop_index("schedules_by_time", table_name="schedules")
    op.drop_index("schedules_by_channel", table_name="schedules")
    op.drop_table("schedules")
    op.drop_index(
        "reviews_open_once",
        table_name="reviews",
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.drop_index("reviews_by_number", table_name="reviews")
    op.drop_index("reviews_by_draft", table_name="reviews")
    op.drop_index("reviews_by_content", table_name="reviews")
    op.drop_table("reviews")
    op.drop_index("review_verdicts_by_review", table_name="review_verdicts")
    op.drop_index("review_verdicts_by_content", table_name="review_verdicts")
    op.drop_table("review_verdicts")
    op.drop_index("review_comments_by_review", table_name="review_comments")
    op.drop_table("review_comments")
    op.drop_index("replays_by_time", table_name="replays")
    op.drop_table("replays")
    op.drop_index(
        "ramps_one_open",
        table_name="ramps",
        sqlite_where=sa.text("state IN ('running', 'paused')"),
        postgresql_where=sa.text("state IN ('running', 'paused')"),
    )
    op.drop_index("ramps_by_age", table_name="ramps")
    op.drop_table("ramps")
    op.drop_table("login_failures")
    op.drop_index("idempotency_by_expiry", table_name="idempotency")
    op.drop_table("idempotency")
    op.drop_index("edge_runs_by_time", table_name="edge_runs")
    op.drop_table("edge_runs")
    op.drop_index("drafts_by_age", table_name="drafts")
    op.drop_table("drafts")
    op.drop_index("draft_steps_by_version", table_name="draft_steps")
    op.drop_index("draft_steps_by_content", table_name="draft_steps")
    op.drop_table("draft_steps")
    op.drop_index("catalog_revisions_by_hash", table_name="catalog_revisions")
    op.drop_table("catalog_revisions")
    op.drop_table("catalog_files")
    op.drop_table("catalog_checks")
    op.drop_index("candidates_by_age", table_name="candidates")
    op.drop_table("candidates")
    op.drop_index("broken_promises_by_time", table_name="broken_promises")
    op.drop_table("broken_promises")
    op.drop_index("audit_by_time", table_name="audit")
    op.drop_index("audit_by_subject", table_name="audit")
    op.drop_index("audit_by_actor", table_name="audit")
    op.drop_index("audit_by_action", table_name="audit")
    op.drop_table("audit")
    op.drop_table("api_keys")
