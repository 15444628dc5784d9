"""Whoever acts: a person, a program with a key, a process of ours, or the open console.

Everything that changes something is done by an `Actor`, is allowed by one of its
permissions, and is written to the audit log under its id.
"""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import Struct

Role = Literal["viewer", "editor", "approver", "publisher", "admin"]
Permission = Literal[
    "read", "edit", "approve", "publish", "kill", "redeem", "collect", "audit", "keys", "accounts",
    "subjects",
]  # fmt: skip

ROLES: tuple[Role, ...] = get_args(Role)
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)


class Actor(Struct, frozen=True, kw_only=True):
    """`id` is "user:<id>", "key:<id>", "process:<name>" or "local"; `name` is for people.

    `owner` is the id of whoever made a key: so that four eyes are those of two persons, and
    nobody approves with one what they wrote with another.
    """

    id: str
    name: str
    permissions: frozenset[Permission]
    owner: str = ""

    @property
    def person(self) -> str:
        """Who answers for what it does: a key's owner, else itself."""
        return self.owner or self.id

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions


LOCAL = Actor(id="local", name="local", permissions=frozenset(PERMISSIONS))
"""Everyone, where `Settings.open_console` says that there is no login."""


def process(name: str) -> Actor:
    """A part of Proffer that acts by itself: "process:learning", "process:start"."""
    return Actor(id=f"process:{name}", name=name, permissions=frozenset(PERMISSIONS))
