"""The tables of drafts and reviews.

Files and revisions are named by their SHA-256 and never change; drafts point at revisions,
and `draft_steps` tells how each came where it is.  Persons are those of
`drafting.people`: a user, whichever key they use.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    Table,
    text,
)

from control_plane.storage.columns import (
    integer_column,
    key_column,
    number_column,
    tenant_column,
    text_column,
)
from control_plane.storage.tables import METADATA

# --- drafting -----------------------------------------------------------------

catalog_files = Table(
    "catalog_files",
    METADATA,
    tenant_column(),
    key_column("digest"),
    Column("content", LargeBinary, nullable=False),
)
"""The bytes of every file that any revision holds, once, by their SHA-256."""

catalog_revisions = Table(
    "catalog_revisions",
    METADATA,
    number_column(),
    text_column("tenant"),
    text_column("content_hash"),
    text_column("parent"),
    text_column("author"),
    integer_column("created_s"),
    text_column("message"),
    integer_column("size_bytes"),
    Column("files", LargeBinary, nullable=False),
    Index("catalog_revisions_by_hash", "tenant", "content_hash", unique=True),
)
"""Contents of the catalog, by `content.content_hash_of`.  Who made it first, when and from
what (`parent`, "" for an import); `files`: JSON of `content.FileEntry`."""

drafts = Table(
    "drafts",
    METADATA,
    tenant_column(),
    key_column("id"),
    text_column("name"),
    text_column("state"),
    text_column("base"),
    text_column("head"),
    integer_column("version"),
    text_column("created_by"),
    integer_column("created_s"),
    text_column("updated_by"),
    integer_column("updated_s"),
    CheckConstraint("state IN ('open', 'discarded')", name="drafts_state"),
    Index("drafts_by_age", "tenant", "created_s", "id"),
)
"""Working copies: `head` is the revision as it is now, `base` the one that it departs from."""

draft_steps = Table(
    "draft_steps",
    METADATA,
    number_column(),
    text_column("tenant"),
    text_column("draft"),
    integer_column("version"),
    text_column("kind"),
    text_column("content_hash"),
    text_column("parent"),
    text_column("base"),
    text_column("actor"),
    text_column("person"),
    integer_column("at_s"),
    text_column("message"),
    Column("paths", LargeBinary, nullable=False),
    Index("draft_steps_by_version", "tenant", "draft", "version", unique=True),
    Index("draft_steps_by_content", "tenant", "content_hash"),
)
"""The history of every draft: what each step made (`content_hash`) from what (`parent`), and
who.  `paths`: JSON, the files that it changed."""

catalog_checks = Table(
    "catalog_checks",
    METADATA,
    tenant_column(),
    key_column("content_hash"),
    key_column("maker"),
    Column("found", LargeBinary, nullable=False),
)
"""What the compiler said about a revision: JSON of `validating.Check`.  `maker` names the
compiler, so that another version looks again."""

# --- reviewing ----------------------------------------------------------------

reviews = Table(
    "reviews",
    METADATA,
    tenant_column(),
    key_column("id"),
    integer_column("number"),
    text_column("draft"),
    text_column("content_hash"),
    text_column("against"),
    text_column("state"),
    integer_column("needed"),
    text_column("asked_by"),
    text_column("asked_person"),
    integer_column("asked_s"),
    text_column("note"),
    text_column("closed_by"),
    integer_column("closed_s"),
    CheckConstraint(
        "state IN ('open', 'rejected', 'withdrawn', 'superseded')", name="reviews_state"
    ),
    CheckConstraint("needed >= 1", name="reviews_needed"),
    Index("reviews_by_number", "tenant", "number", unique=True),
    Index("reviews_by_content", "tenant", "content_hash"),
    Index("reviews_by_draft", "tenant", "draft", "number"),
    Index(
        "reviews_open_once",
        "tenant",
        "draft",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
)
"""Questions: may this content go live?  Numbered from 1 in each shop.  `against` is what was
live then; a draft has at most one open review."""

review_comments = Table(
    "review_comments",
    METADATA,
    number_column(),
    text_column("tenant"),
    text_column("review"),
    text_column("actor"),
    integer_column("at_s"),
    text_column("about"),
    text_column("text"),
    Index("review_comments_by_review", "tenant", "review", "id"),
)
"""What people said.  `about`: a subject of the difference such as `offer welcome`, or ""."""

review_verdicts = Table(
    "review_verdicts",
    METADATA,
    number_column(),
    text_column("tenant"),
    text_column("review"),
    text_column("content_hash"),
    text_column("against"),
    text_column("verdict"),
    text_column("actor"),
    text_column("person"),
    text_column("authors"),
    integer_column("at_s"),
    text_column("comment"),
    CheckConstraint(
        "verdict IN ('approve', 'reject', 'request-changes')", name="review_verdicts_verdict"
    ),
    # Four eyes.  `replace` and `||` mean the same in SQLite and in PostgreSQL.
    CheckConstraint(
        "verdict <> 'approve' OR replace(authors, '|' || person || '|', '') = authors",
        name="review_verdicts_four_eyes",
    ),
    CheckConstraint("authors LIKE '|%|'", name="review_verdicts_authors"),
    CheckConstraint(
        "person <> '' AND person NOT LIKE '%|%' AND person NOT LIKE 'process:%'",
        name="review_verdicts_person",
    ),
    Index("review_verdicts_by_content", "tenant", "content_hash", "id"),
    Index("review_verdicts_by_review", "tenant", "review", "id"),
)
"""What reviewers decided about one content; the newest of each person counts.  `authors`: all
who had a hand in that content, as `|user:a|user:b|`; whoever is among them cannot approve."""
