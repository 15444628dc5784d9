"""Who may do what, as a table: docs/reference/permissions.md.

python -m control_plane.accounts.matrix > docs/reference/permissions.md

It is made from the operations themselves (`api/all.py`) and the console's buttons; a test
asks the real server about every cell, so the page cannot say what is not so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from msgspec import Struct

from control_plane.accounts.actor import PERMISSIONS, ROLES, Permission
from control_plane.accounts.roles import PERMISSIONS_OF
from control_plane.api.all import OPERATIONS
from control_plane.api.operation import Operation
from control_plane.console.routes import BUTTONS

PUBLIC, LOGIN = "public", "login"
YES, NO = "yes", "–"

HEAD = """# Who may do what

Generated from the operations (`python -m control_plane.accounts.matrix`); a test asks the real
server about every cell: every role, every API key with a single scope, and nobody.
[Accounts](../guide/accounts.md) says what roles are for.

A user may do what any of their roles may. An API key may do exactly its scopes, which are the
permissions of the first table; pages of the console take a login. `public`: no login needed.
`login`: anybody who is known, keys included. Everything else answers 401 to nobody, and 403 to
whoever lacks the permission.
"""


class Line(Struct, frozen=True):
    """One thing that can be done, and what it takes."""

    method: str
    path: str
    permission: str

    def allows(self, permissions: frozenset[Permission]) -> bool:
        """Whether somebody who is known, with these permissions, may."""
        return self.permission in (PUBLIC, LOGIN) or self.permission in permissions


def lines(operations: Sequence[Operation] = OPERATIONS) -> list[Line]:
    found = [Line(each.method, each.path, each.permission) for each in operations]
    found += [Line("GET", "/console", "read"), Line("GET", "/console/live", "read")]
    found += [Line("POST", f"/console/{name}", each.permission) for name, each in BUTTONS.items()]
    return sorted(found, key=lambda line: (line.path, line.method))


def page() -> str:
    return "\n".join([HEAD, *_roles(), "", *_table(lines()), ""])


def _roles() -> Iterator[str]:
    yield from _head("permission", ROLES)
    for permission in PERMISSIONS:
        marks = [permission in PERMISSIONS_OF[role] for role in ROLES]
        yield _row(f"`{permission}`", *(YES if mark else NO for mark in marks))


def _table(found: Sequence[Line]) -> Iterator[str]:
    yield from _head("what", ("takes", *ROLES))
    for line in found:
        marks = [line.allows(PERMISSIONS_OF[role]) for role in ROLES]
        what = f"`{line.method} {line.path}`"
        yield _row(what, line.permission, *(YES if mark else NO for mark in marks))


def _head(first: str, names: Sequence[str]) -> Iterator[str]:
    yield _row(first, *names)
    yield _row("---", *("---" for _ in names))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
