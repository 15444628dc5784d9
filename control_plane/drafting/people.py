"""Who counts as whom: four eyes belong to two persons, not to two names.

A key acts for its owner, so what a key did its owner did.  `local`, everyone at an open
console, is one person: nobody can tell them apart, so none of them can approve what another
one made.  A process is nobody: it may author (an import at start), never approve.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, select

from control_plane.drafting.publications import published
from control_plane.errors import Refused
from control_plane.storage import tables_drafts as t
from control_plane.storage.tables_accounts import api_keys

OWNERS_MAX = 8
"""Keys that made keys that made keys."""


def person_of(connection: Connection, tenant: str, actor: str) -> str:
    """The person behind an `Actor.id`: of a key its owner, and the owner's owner."""
    person = actor
    for _ in range(OWNERS_MAX):
        kind, _, name = person.partition(":")
        if kind != "key":
            return person
        owner = _owner_of(connection, tenant, name)
        if owner is None:
            return person  # the shop's built-in key belongs to nobody
        person = owner
    return person


def _owner_of(connection: Connection, tenant: str, key: str) -> str | None:
    query = select(api_keys.c.owner).where(api_keys.c.tenant == tenant, api_keys.c.id == key)
    return connection.scalar(query)


def joined(persons: set[str]) -> str:
    """As the column `authors` keeps them, for the constraint: `|user:a|user:b|`."""
    assert not any("|" in person for person in persons)
    return "|" + "".join(f"{person}|" for person in sorted(persons))


def authors_of(connection: Connection, tenant: str, draft: str, content_hash: str) -> set[str]:
    """Everyone who had a hand in a draft's content; more rather than fewer.

    Whoever made a step of this draft, ever; and whoever made the content, or an unpublished
    one that it came from, in any draft.  So neither an edit through somebody else's draft
    nor a revision that is restored or imported again hides who wrote it.  Opening a draft
    changes nothing and makes nobody an author.
    """
    steps = t.draft_steps.c
    made = and_(steps.tenant == tenant, steps.kind != "create")
    mine = select(steps.person).where(made, steps.draft == draft)
    persons = set(connection.scalars(mine.distinct()))
    settled = published(connection, tenant)
    seen: set[str] = set()
    waiting = {content_hash}
    while waiting:
        seen |= waiting
        found = connection.execute(
            select(steps.person, steps.parent).where(made, steps.content_hash.in_(waiting))
        ).all()
        persons |= {step.person for step in found}
        waiting = {step.parent for step in found} - seen - settled - {""}
    return persons


def refuse_processes(person: str) -> None:
    """Raises `Refused` own-work for what is nobody."""
    if person.startswith("process:"):
        raise Refused("own-work", f"{person} is a process; a person approves")
