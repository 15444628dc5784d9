"""The tables of drafts and reviews.

Files and revisions are named by their SHA-256 and never change; drafts point at revisions,
and `draft_steps` tells how each came where it is.  Persons are those of
`drafting.people`: a user, whichever key they use.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)

from control_plane.storage.tables import METADATA


def _tenant() -> Column[str]:
    return Column("tenant", Text, primary_key=True)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _integer(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _number() -> Column[int]:
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


# --- drafting -----------------------------------------------------------------

catalog_files = Table(
    "catalog_files",
    METADATA,
    _tenant(),
    Column("digest", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""The bytes of every file that any revision holds, once, by their SHA-256."""

catalog_revisions = Table(
    "catalog_revisions",
    METADATA,
    _number(),
    _text("tenant"),
    _text("content_hash"),
    _text("parent"),
    _text("author"),
    _integer("created_s"),
    _text("message"),
    _integer("size_bytes"),
    Column("files", LargeBinary, nullable=False),
    Index("catalog_revisions_by_hash", "tenant", "content_hash", unique=True),
)
"""Contents of the catalog, by `content.content_hash_of`.  Who made it first, when and from
what (`parent`, "" for an import); `files`: JSON of `content.FileEntry`."""

drafts = Table(
    "drafts",
    METADATA,
    _tenant(),
    Column("id", Text, primary_key=True),
    _text("name"),
    _text("state"),
    _text("base"),
    _text("head"),
    _integer("version"),
    _text("created_by"),
    _integer("created_s"),
    _text("updated_by"),
    _integer("updated_s"),
    CheckConstraint("state IN ('open', 'discarded')", name="drafts_state"),
    Index("drafts_by_age", "tenant", "created_s", "id"),
)
"""Working copies: `head` is the revision as it is now, `base` the one that it departs from."""

draft_steps = Table(
    "draft_steps",
    METADATA,
    _number(),
    _text("tenant"),
    _text("draft"),
    _integer("version"),
    _text("kind"),
    _text("content_hash"),
    _text("parent"),
    _text("base"),
    _text("actor"),
    _text("person"),
    _integer("at_s"),
    _text("message"),
    Column("paths", LargeBinary, nullable=False),
    Index("draft_steps_by_version", "tenant", "draft", "version", unique=True),
    Index("draft_steps_by_content", "tenant", "content_hash"),
)
"""The history of every draft: what each step made (`content_hash`) from what (`parent`), and
who.  `paths`: JSON, the files that it changed."""

catalog_checks = Table(
    "catalog_checks",
    METADATA,
    _tenant(),
    Column("content_hash", Text, primary_key=True),
    Column("maker", Text, primary_key=True),
    Column("found", LargeBinary, nullable=False),
)
"""What the compiler said about a revision: JSON of `validating.Check`.  `maker` names the
compiler, so that another version looks again."""

# --- reviewing ----------------------------------------------------------------

reviews = Table(
    "reviews",
    METADATA,
    _tenant(),
    Column("id", Text, primary_key=True),
    _integer("number"),
    _text("draft"),
    _text("content_hash"),
    _text("against"),
    _text("state"),
    _integer("needed"),
    _text("asked_by"),
    _text("asked_person"),
    _integer("asked_s"),
    _text("note"),
    _text("closed_by"),
    _integer("closed_s"),
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
    _number(),
    _text("tenant"),
    _text("review"),
    _text("actor"),
    _integer("at_s"),
    _text("about"),
    _text("text"),
    Index("review_comments_by_review", "tenant", "review", "id"),
)
"""What people said.  `about`: a subject of the difference such as `offer welcome`, or ""."""

review_verdicts = Table(
    "review_verdicts",
    METADATA,
    _number(),
    _text("tenant"),
    _text("review"),
    _text("content_hash"),
    _text("against"),
    _text("verdict"),
    _text("actor"),
    _text("person"),
    _text("authors"),
    _integer("at_s"),
    _text("comment"),
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
