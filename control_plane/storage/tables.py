"""The tables.  Money is in integer micros, time in Unix seconds, digests in hexadecimal.

Units are written with their kind in front, `v:` for visitors and `c:` for customers,
so that a customer never matches a visitor of the same name.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

METADATA = MetaData()


def _tenant() -> Column[str]:
    return Column("tenant", Text, primary_key=True)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _integer(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _number() -> Column[int]:
    """A number that counts up by itself; SQLite does that for INTEGER alone."""
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


# --- publishing ---------------------------------------------------------------

signings = Table(
    "signings",
    METADATA,
    _tenant(),
    Column("channel", Text, primary_key=True),
    Column("projection", Text, primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    _integer("issued_s"),
    _integer("expires_s"),
    _text("reason"),
    _text("actor"),
    _text("note"),
    _text("bundle"),
    _text("release"),
    _integer("size_bytes"),
    Column("payload", LargeBinary, nullable=False),
    Column("signed", LargeBinary, nullable=False),
    _text("digest"),
)
"""Every manifest ever signed: the history of publishes, with the exact bytes.

`reason` is publish, learn, resign, roll-back, pause or unpause; `payload` the JSON
that was signed, `signed` the file, `digest` its SHA-256.
"""

weights = Table(
    "weights",
    METADATA,
    _number(),
    _text("tenant"),
    _integer("learned_s"),
    Column("allocations", LargeBinary, nullable=False),
    _text("note"),
)
"""What learning found, newest last: JSON, placement -> `policy_compiler.weigh.Allocation`."""

# --- collecting ---------------------------------------------------------------

events = Table(
    "events",
    METADATA,
    _tenant(),
    Column("trust", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    _text("type"),
    _integer("received_s"),
    sqlite_with_rowid=False,
)
"""Every event that counted, by name: the same name counts once per trust class.

`trust` (`admission.Trust`) is part of the name, so that nobody can use up a name of
somebody who is believed more: what a page sends stays among the pages'.
"""

records = Table(
    "records",
    METADATA,
    _tenant(),
    Column("digest", Text, primary_key=True),
    Column("attested", Boolean, nullable=False),
    _text("bundle"),
    _text("manifest"),
    _integer("received_s"),
    Column("record", LargeBinary, nullable=False),
)
"""Decision records as they came, by their SHA-256: what replay reads."""

decisions = Table(
    "decisions",
    METADATA,
    _tenant(),
    Column("id", Text, primary_key=True),
    _text("record"),
    Column("attested", Boolean, nullable=False),
    _integer("time_s"),
    _text("placement"),
    _integer("slot"),
    _text("unit"),
    _text("holdout_unit"),
    _text("global_unit"),
    _text("segment"),
    _integer("flags"),
    _integer("epoch"),
    _integer("redraw"),
    _text("shown_arm"),
    _integer("shown_tickets"),
    _integer("shown_draw"),
    _integer("shown_reason"),
    _text("ghost_arm"),
    _integer("ghost_tickets"),
    _integer("ghost_draw"),
    _integer("ghost_reason"),
    _text("drawn_by"),
    Column("listed", LargeBinary, nullable=False),
    _text("bundle"),
    _text("manifest"),
    Index("decisions_by_placement", "tenant", "placement", "time_s"),
    Index("decisions_by_time", "tenant", "time_s"),
)
"""One row per slot of a record.  `unit` is what the choice was keyed on, `holdout_unit`
and `global_unit` what the placement's and the global holdout were; empty where no
identity was known.  Arms by name.  `drawn_by`: the decision that drew a kept arm.
`listed`: MessagePack of [[arm, tickets], ...], the arms that could be shown.
"""

touches = Table(
    "touches",
    METADATA,
    _tenant(),
    Column("decision", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    _integer("time_s"),
    _text("track"),
    _integer("count"),
    Index("touches_by_time", "tenant", "kind", "time_s"),
    sqlite_with_rowid=False,
)
"""What became of a decision: `kind` exposure or click, when first, how often."""

orders = Table(
    "orders",
    METADATA,
    _tenant(),
    Column("order_id", Text, primary_key=True),
    _text("visitor"),
    _text("customer"),
    _integer("revenue_micros"),
    _integer("margin_micros"),
    _integer("discount_micros"),
    _text("currency"),
    _integer("time_s"),
    _text("decisions"),
    Index("orders_by_time", "tenant", "time_s"),
)
"""Orders as the shop's server tells them.  `margin_micros` is before discounts."""

order_units = Table(
    "order_units",
    METADATA,
    _tenant(),
    Column("unit", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    _integer("time_s"),
    sqlite_with_rowid=False,
)
"""An order under each unit that placed it."""

quarantine = Table(
    "quarantine",
    METADATA,
    _number(),
    _text("tenant"),
    _text("digest"),
    _text("reason"),
    _text("detail"),
    _integer("received_s"),
    Column("event", LargeBinary, nullable=False),
    _text("trust"),
    Index("quarantine_by_content", "tenant", "trust", "digest", unique=True),
)
"""Events that did not count, as they came, and why; the same bytes are kept once."""

quarantine_dropped = Table(
    "quarantine_dropped",
    METADATA,
    _tenant(),
    Column("trust", Text, primary_key=True),
    _integer("count"),
    sqlite_with_rowid=False,
)
"""How many events left quarantine because it was full, ever."""

# --- redemption ---------------------------------------------------------------

redemptions = Table(
    "redemptions",
    METADATA,
    Column("reservation", Text, primary_key=True),
    _text("tenant"),
    _text("token"),
    _text("order_id"),
    _text("subject"),
    _text("offer"),
    _text("rung"),
    _text("placement"),
    _text("bundle"),
    _text("currency"),
    _integer("minor_digits"),
    _integer("discount_micros"),
    _integer("cost_micros"),
    _text("caps"),
    _text("state"),
    _integer("reserved_s"),
    _integer("expires_s"),
    _integer("changed_s"),
    Index(
        "redemptions_once",
        "tenant",
        "token",
        unique=True,
        sqlite_where=text("state != 'released'"),
        postgresql_where=text("state != 'released'"),
    ),
    Index("redemptions_by_order", "tenant", "order_id"),
    Index("redemptions_by_state", "state", "expires_s"),
)
"""A token's way: reserved, then committed or released; committed ones may be reversed.
`caps`: JSON array of the cap keys that it counts under.
"""

redemption_counts = Table(
    "redemption_counts",
    METADATA,
    _tenant(),
    Column("cap", Text, primary_key=True),
    _integer("count"),
    sqlite_with_rowid=False,
)
"""How often each cap is used: reserved and committed redemptions."""


# --- work beside the server ---------------------------------------------------

leases = Table(
    "leases",
    METADATA,
    _tenant(),
    Column("name", Text, primary_key=True),
    _text("holder"),
    _integer("until_s"),
    sqlite_with_rowid=False,
)
"""Work that one process at a time does: who has it, and until when."""
