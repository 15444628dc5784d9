"""A subject: one person, by the ids that a shop knows them under.

A visitor id is a browser's, a customer id an account's.  A person may have several of each,
and a browser may be several persons', so nothing is guessed: what the caller names counts, and
an export tells which other ids were met together with these (`Linked`).

Names are ids with their kind in front, for all that is compared or hashed:

    v:<visitor>  c:<customer>  d:<decision>  o:<order>  t:<token that was redeemed>
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from control_plane.errors import Refused
from control_plane.recording import customer_unit, visitor_unit
from edge.decision.hashing import is_part

IDS_LIMIT = 100
ID_LIMIT_BYTES = 256
LABEL = b"proffer-forgotten."
LABEL_OF_AUDIT = b"proffer-audited-subject."
HASH_CHARACTERS = 32

Id = Annotated[str, Meta(min_length=1, max_length=ID_LIMIT_BYTES, pattern=r"\A[^\x00-\x1f]*\Z")]
Ids = Annotated[list[Id], Meta(max_length=IDS_LIMIT)]


class Subject(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose data: at least one id."""

    visitors: Ids = []
    customers: Ids = []

    @property
    def ids(self) -> frozenset[str]:
        return frozenset((*self.visitors, *self.customers))

    @property
    def units(self) -> list[str]:
        """As tables name them."""
        found = [*map(visitor_unit, self.visitors), *map(customer_unit, self.customers)]
        return list(dict.fromkeys(found))

    def is_of(self, visitor: str, customer: str) -> bool:
        """Whether what names these two is (also) about this person."""
        return visitor in self.visitors or customer in self.customers


class Linked(Struct, frozen=True, kw_only=True):
    """Ids that were met together with the subject's own: perhaps the same person."""

    visitors: list[str]
    customers: list[str]


def checked(subject: Subject) -> Subject:
    """Raises `Refused` malformed-request."""
    if not subject.ids:
        raise Refused("malformed-request", "visitors and customers: at least one id must be told")
    for each in subject.ids:
        if not is_part(each) or len(each.encode()) > ID_LIMIT_BYTES:
            what = f"1 to {ID_LIMIT_BYTES} bytes of text without control characters"
            raise Refused("malformed-request", f"an id must be {what}")
    return subject


def hash_of(secret: bytes, tenant: str, name: str, label: bytes = LABEL) -> str:
    """What stands for a name where the name itself must not."""
    what = label + tenant.encode() + b"\0" + name.encode()
    return hmac.digest(secret, what, "sha256").hex()[:HASH_CHARACTERS]


def audited(secret: bytes, tenant: str, names: Iterable[str]) -> list[str]:
    """How the audit log, which never forgets, names them."""
    return sorted(hash_of(secret, tenant, name, LABEL_OF_AUDIT) for name in names)
