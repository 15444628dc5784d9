"""Promises that were not kept: a good token, and a checkout that refused it.

A policy may promise what carts cannot keep, and only the checkout sees that.  Each token
counts once, with the unit it was issued to, for whoever compares two policies.
"""

from __future__ import annotations

from sqlalchemy import Connection

from control_plane.recording import customer_unit, visitor_unit
from control_plane.storage.database import insert_into
from control_plane.storage.tables_publishing import broken_promises
from edge.decision.token import Token

BROKEN = frozenset({"not-redeemable", "cap-reached"})
"""Problems that are the policy's doing, not the buyer's or a kill switch's."""


def note_broken(connection: Connection, tenant: str, token: Token, reason: str, now_s: int) -> None:
    """Within a writer's job; a token that was refused before stays as it was."""
    row = {
        "tenant": tenant,
        "token": token.id,
        "bundle": token.bundle,
        "unit": _unit_of(token),
        "reason": reason,
        "time_s": now_s,
    }
    connection.execute(insert_into(connection, broken_promises).on_conflict_do_nothing(), row)


def _unit_of(token: Token) -> str:
    kinds = {"visitor": visitor_unit, "customer": customer_unit}
    return kinds[token.subject_kind](token.subject) if token.subject_kind in kinds else ""
