"""What each role may do.  A user has a set of roles and may do what any of them may.

No combination defeats four eyes: that an approver is not the author is a constraint of
the table of approvals on *who* it is, and no role, admin included, is excepted from it.
"""

from __future__ import annotations

from collections.abc import Iterable

from control_plane.accounts.actor import PERMISSIONS, ROLES, Permission, Role

PERMISSIONS_OF: dict[Role, frozenset[Permission]] = {
    "viewer": frozenset({"read"}),
    "editor": frozenset({"read", "edit"}),
    "approver": frozenset({"read", "approve"}),
    "publisher": frozenset({"read", "publish", "kill"}),
    "admin": frozenset(PERMISSIONS),
}


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    return frozenset[Permission]().union(*(PERMISSIONS_OF[role] for role in roles))


def in_order(roles: Iterable[str]) -> tuple[Role, ...]:
    """Without doubles, least first."""
    found = set(roles)
    return tuple(role for role in ROLES if role in found)


def permissions_in_order(permissions: Iterable[str]) -> tuple[Permission, ...]:
    found = set(permissions)
    return tuple(each for each in PERMISSIONS if each in found)
