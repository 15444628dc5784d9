"""The tables.  Money is in integer micros, time in Unix seconds, digests in hexadecimal.

Units are written with their kind in front, `v:` for visitors and `c:` for customers,
so that a customer never matches a visitor of the same name.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
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

METADATA = MetaData()


# --- publishing ---------------------------------------------------------------

signings = Table(
    "signings",
    METADATA,
    tenant_column(),
    key_column("channel"),
    key_column("projection"),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    integer_column("issued_s"),
    integer_column("expires_s"),
    text_column("reason"),
    text_column("actor"),
    text_column("note"),
    text_column("bundle"),
    text_column("release"),
    integer_column("size_bytes"),
    Column("payload", LargeBinary, nullable=False),
    Column("signed", LargeBinary, nullable=False),
    text_column("digest"),
)
"""Every manifest ever signed: the history of publishes, with the exact bytes.

`reason` is publish, learn, resign, roll-back, pause or unpause; `payload` the JSON
that was signed, `signed` the file, `digest` its SHA-256.
"""

weights = Table(
    "weights",
    METADATA,
    number_column(),
    text_column("tenant"),
    integer_column("learned_s"),
    Column("allocations", LargeBinary, nullable=False),
    text_column("note"),
)
"""What learning found, newest last: JSON, placement -> `policy_compiler.weigh.Allocation`."""

# --- collecting ---------------------------------------------------------------

events = Table(
    "events",
    METADATA,
    tenant_column(),
    key_column("trust"),
    key_column("source"),
    key_column("id"),
    text_column("type"),
    integer_column("received_s"),
    sqlite_with_rowid=False,
)
"""Every event that counted, by name: the same name counts once per trust class.

`trust` (`admission.Trust`) is part of the name, so that nobody can use up a name of
somebody who is believed more: what a page sends stays among the pages'.
"""

records = Table(
    "records",
    METADATA,
    tenant_column(),
    key_column("digest"),
    Column("attested", Boolean, nullable=False),
    text_column("bundle"),
    text_column("manifest"),
    integer_column("received_s"),
    Column("record", LargeBinary, nullable=False),
)
"""Decision records as they came, by their SHA-256: what replay reads."""

decisions = Table(
    "decisions",
    METADATA,
    tenant_column(),
    key_column("id"),
    text_column("record"),
    Column("attested", Boolean, nullable=False),
    integer_column("time_s"),
    text_column("placement"),
    integer_column("slot"),
    text_column("unit"),
    text_column("holdout_unit"),
    text_column("global_unit"),
    text_column("segment"),
    integer_column("flags"),
    integer_column("epoch"),
    integer_column("redraw"),
    text_column("shown_arm"),
    integer_column("shown_tickets"),
    integer_column("shown_draw"),
    integer_column("shown_reason"),
    text_column("ghost_arm"),
    integer_column("ghost_tickets"),
    integer_column("ghost_draw"),
    integer_column("ghost_reason"),
    text_column("drawn_by"),
    Column("listed", LargeBinary, nullable=False),
    text_column("bundle"),
    text_column("manifest"),
    Index("decisions_by_placement", "tenant", "placement", "time_s"),
    Index("decisions_by_time", "tenant", "time_s"),
    Index("decisions_by_unit", "tenant", "unit", "time_s"),
)
"""One row per slot of a record.  `unit` is what the choice was keyed on, `holdout_unit`
and `global_unit` what the placement's and the global holdout were; empty where no
identity was known.  Arms by name.  `drawn_by`: the decision that drew a kept arm.
`listed`: MessagePack of [[arm, tickets], ...], the arms that could be shown.
"""

touches = Table(
    "touches",
    METADATA,
    tenant_column(),
    key_column("decision"),
    key_column("kind"),
    integer_column("time_s"),
    text_column("track"),
    integer_column("count"),
    Column("bot", Boolean, nullable=False),
    Index("touches_by_time", "tenant", "kind", "time_s"),
    sqlite_with_rowid=False,
)
"""What became of a decision: `kind` exposure or click, when first, how often.

`bot`: only robots told of it, by their User-Agent; such a touch counts for nothing.
"""

orders = Table(
    "orders",
    METADATA,
    tenant_column(),
    key_column("order_id"),
    text_column("visitor"),
    text_column("customer"),
    integer_column("revenue_micros"),
    integer_column("margin_micros"),
    integer_column("discount_micros"),
    text_column("currency"),
    integer_column("time_s"),
    text_column("decisions"),
    Index("orders_by_time", "tenant", "time_s"),
)
"""Orders as the shop's server tells them.  `margin_micros` is before discounts."""

order_units = Table(
    "order_units",
    METADATA,
    tenant_column(),
    key_column("unit"),
    key_column("order_id"),
    integer_column("time_s"),
    sqlite_with_rowid=False,
)
"""An order under each unit that placed it."""

returns = Table(
    "returns",
    METADATA,
    tenant_column(),
    key_column("return_id"),
    text_column("order_id"),
    integer_column("refund_micros"),
    integer_column("margin_micros"),
    text_column("currency"),
    integer_column("time_s"),
    text_column("reason"),
    Index("returns_by_order", "tenant", "order_id"),
    Index("returns_by_time", "tenant", "time_s"),
)
"""Later corrections of orders.  `margin_micros` is what the order's profit loses; below zero
it is a repayment.
"""

quarantine = Table(
    "quarantine",
    METADATA,
    number_column(),
    text_column("tenant"),
    text_column("digest"),
    text_column("reason"),
    text_column("detail"),
    integer_column("received_s"),
    Column("event", LargeBinary, nullable=False),
    text_column("trust"),
    text_column("format"),
    Column("bot", Boolean, nullable=False),
    Index("quarantine_by_content", "tenant", "trust", "digest", unique=True),
)
"""Events that did not count, as they came, and why; the same bytes are kept once.

`format` (`ingest/typed.py`) says how to read them; `bot` what their sender's User-Agent said.
"""

quarantine_dropped = Table(
    "quarantine_dropped",
    METADATA,
    tenant_column(),
    key_column("trust"),
    integer_column("count"),
    sqlite_with_rowid=False,
)
"""How many events left quarantine because it was full, ever."""

# --- redemption ---------------------------------------------------------------

redemptions = Table(
    "redemptions",
    METADATA,
    key_column("reservation"),
    text_column("tenant"),
    text_column("token"),
    text_column("order_id"),
    text_column("subject"),
    text_column("offer"),
    text_column("rung"),
    text_column("placement"),
    text_column("bundle"),
    text_column("currency"),
    integer_column("minor_digits"),
    integer_column("discount_micros"),
    integer_column("cost_micros"),
    text_column("caps"),
    text_column("state"),
    integer_column("reserved_s"),
    integer_column("expires_s"),
    integer_column("changed_s"),
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
    tenant_column(),
    key_column("cap"),
    integer_column("count"),
    sqlite_with_rowid=False,
)
"""How often each cap is used: reserved and committed redemptions."""


# --- work beside the server ---------------------------------------------------

leases = Table(
    "leases",
    METADATA,
    tenant_column(),
    key_column("name"),
    text_column("holder"),
    integer_column("until_s"),
    sqlite_with_rowid=False,
)
"""Work that one process at a time does: who has it, and until when."""
