"""The chain of the audit log: how a row is hashed, and what it must follow.

Each tenant has one chain.  Its rows are numbered 1, 2, 3 ... without gaps.  Row 1 has 64
zeros as `previous`, every other row the `hash` of the row before it.  So nothing can be
changed, taken out, put in or moved without changing every hash behind it, and the newest
hash stands for all rows: it is what checkpoints sign (`checkpoints.py`).

The hash, in any language: lower-case hexadecimal SHA-256 over these eleven texts

    "proffer-audit-1", tenant, number, at_s, actor, action, subject, before, after, note,
    previous

in this order, each in UTF-8 with its length in bytes before it, in decimal digits, and a
colon: `15:proffer-audit-1`, `4:shop`, `1:7`, ... one after the other with nothing between.
Numbers are written in decimal, without leading zeros.  `before` and `after` are hashed as
the texts that are stored, so nobody needs to write JSON the way we do.  The lengths make it
unambiguous: no two rows have the same bytes.  With a shell, for a row of your own:

    printf '15:proffer-audit-14:shop1:1...' | sha256sum
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from msgspec import Struct, structs

DOMAIN = "proffer-audit-1"
"""Names this encoding; another one gets another name."""

START = "0" * 64
"""The `previous` of a chain's first row."""


class Row(Struct, frozen=True, kw_only=True):
    """A row of the log: its fields stand in the order in which they are hashed.

    `at_s`: when, Unix seconds; `before` and `after`: JSON.
    """

    tenant: str
    number: int
    at_s: int
    actor: str
    action: str
    subject: str
    before: str
    after: str
    note: str
    previous: str
    hash: str = ""


FIELDS = Row.__struct_fields__
TYPES = [str, int, int, *[str] * 8]
"""What the fields are; a file of SQLite could hold anything."""


def hash_of(row: Row) -> str:
    """What its `hash` must be."""
    return hash_values(structs.astuple(row))


def hash_values(values: Sequence[object]) -> str:
    """The same, of the values of `FIELDS` in order."""
    return sha256(encoded(values)).hexdigest()


def encoded(values: Sequence[object]) -> bytes:
    """The bytes that are hashed: all values but `hash`."""
    texts = [DOMAIN, *map(str, values[:-1])]
    return b"".join([b"%d:%b" % (len(part), part) for part in map(str.encode, texts)])
