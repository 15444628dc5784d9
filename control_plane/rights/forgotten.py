"""Late events of somebody who was erased: dropped and counted, never kept.

What happened before an erasure may still be on its way: in the queue of a sender that tries
again, in the event log, in a spill.  It must not bring the person back, so for `LATE_S` the
erased names are known here as keyed hashes, and what is about one of them is dropped: facts,
and what would go to quarantine.  The rules:

 1. Whose event it is decides, not when it says that it happened: senders' clocks are no proof.
    So a person who comes back under the same ids is nobody for `LATE_S`.
 2. A decision that is dropped makes its id forgotten, too: what came of it is dropped, and what
    had come before it goes.
 3. The secret is that of the edges, which is not in the database.  While several are believed,
    a name is looked for under each.
 4. To the sender a dropped event looks like a duplicate: nothing is to be sent again, and
    nobody learns who was erased.

A token that was redeemed is known here for longer (`REDEEMED_S`): it must stay spent.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct, structs
from sqlalchemy import Connection, delete, func, select

from control_plane.errors import Refused
from control_plane.facts import Read
from control_plane.ingest.typed import Decided, Fact, Order, Promotion, Return, Touch
from control_plane.quarantine import Quarantined
from control_plane.recording import customer_unit, visitor_unit
from control_plane.rights.mentions import (
    LONG_CHARS,
    ORDER_KEYS,
    PERSON_KEYS,
    RECORD_KEY,
    decision_ids,
    leaves_of,
    read,
    unpacked,
)
from control_plane.rights.subjects import hash_of
from control_plane.storage import tables as t
from control_plane.storage.bulk import pieces
from control_plane.storage.database import insert_into
from control_plane.storage.tables_rights import forgotten, forgotten_dropped
from edge.decision.token import Token

LATE_S = 8 * 86400
"""Events older than seven days do not count, and their names are kept for eight."""
REDEEMED_S = 400 * 86400
"""As long as a browser keeps the cookie that lets an edge issue the same token again."""
TEXT_LIMIT = 256
ANY = "*"
"""The key of texts that stand in something broken."""
QUOTED = re.compile(rb'"([^"\\]{1,256})"')
Secrets = Callable[[], tuple[bytes, ...]]
f = forgotten.c


class Kept(Struct, frozen=True):
    """What is left of a batch, and how many of its events were dropped."""

    read: Read
    dropped: int


class Forgotten:
    """The names that were erased in one tenant."""

    def __init__(
        self, tenant: str, secrets: Secrets, now_s: Callable[[], int] = lambda: int(time.time())
    ) -> None:
        self.tenant = tenant
        self._secrets = secrets
        self._now_s = now_s
        ours = f.tenant == tenant
        sums = (func.count(), func.max(f.erased_s), func.sum(f.until_s))
        self._mark = select(*sums).where(ours)
        self._all = select(f.name).where(ours)
        self._seen: tuple[object, ...] = ()
        self._hashes: frozenset[str] = frozenset()

    # --- noting -------------------------------------------------------------

    def note(self, connection: Connection, names: Iterable[str], life_s: int = LATE_S) -> None:
        """Within a writer's job."""
        now_s, (secret, *_) = self._now_s(), self._secrets()
        rows = [
            {"tenant": self.tenant, "name": hashed, "erased_s": now_s, "until_s": now_s + life_s}
            for hashed in {hash_of(secret, self.tenant, name) for name in names}
        ]
        statement = insert_into(connection, forgotten)
        later = statement.on_conflict_do_update(
            index_elements=["tenant", "name"],
            set_={name: statement.excluded[name] for name in ("erased_s", "until_s")},
            where=f.until_s < statement.excluded.until_s,
        )
        if rows:
            connection.execute(later, rows)

    def prune(self, connection: Connection) -> int:
        """Forget even the hashes, once they are of no use."""
        ended = delete(forgotten).where(f.tenant == self.tenant, f.until_s <= self._now_s())
        return connection.execute(ended).rowcount

    # --- dropping -----------------------------------------------------------

    def sifted(self, connection: Connection, batches: Sequence[Read]) -> list[Kept]:
        """The batches without what is about somebody who was erased; within a writer's job."""
        hashes = self._at_hand(connection)
        if not hashes:
            return [Kept(batch, 0) for batch in batches]
        names = {name for batch in batches for name in _names_of_batch(batch)}
        secrets = self._secrets()
        known = {
            name for name in names if any(hash_of(s, self.tenant, name) in hashes for s in secrets)
        }
        if not known:
            return [Kept(batch, 0) for batch in batches]
        fresh = {id for batch in batches for id in _decisions_of(batch, known)}
        self._forget_decisions(connection, fresh)
        known |= {f"d:{id}" for id in fresh}
        kept = [_without(batch, known) for batch in batches]
        self._count(connection, sum(each.dropped for each in kept))
        return kept

    def _at_hand(self, connection: Connection) -> frozenset[str]:
        """All hashes, in memory as long as they do not change: every batch is held against
        them.  There are few; what they sum up to is asked in the transaction."""
        mark = tuple(connection.execute(self._mark).one())
        if mark != self._seen:
            self._hashes = frozenset(connection.scalars(self._all)) if mark[0] else frozenset()
            self._seen = mark
        return self._hashes

    def known(self, connection: Connection, names: Iterable[str]) -> dict[str, int]:
        """Those of them that were erased, and when."""
        hashes = {hash_of(s, self.tenant, name): name for name in names for s in self._secrets()}
        found: dict[str, int] = {}
        for piece in pieces(list(hashes)):
            query = select(f.name, f.erased_s).where(
                f.tenant == self.tenant, f.name.in_(piece), f.until_s > self._now_s()
            )
            found |= {hashes[row.name]: row.erased_s for row in connection.execute(query)}
        return found

    def _forget_decisions(self, connection: Connection, ids: set[str]) -> None:
        self.note(connection, [f"d:{id}" for id in ids])
        for piece in pieces(list(ids)):
            touches = t.touches.c
            connection.execute(
                delete(t.touches).where(touches.tenant == self.tenant, touches.decision.in_(piece))
            )

    def _count(self, connection: Connection, dropped: int) -> None:
        count = forgotten_dropped.c.count
        more = insert_into(connection, forgotten_dropped).on_conflict_do_update(
            index_elements=["tenant"], set_={"count": count + dropped}
        )
        if dropped:
            connection.execute(more, {"tenant": self.tenant, "count": dropped})

    # --- tokens -------------------------------------------------------------

    def check(self, connection: Connection, token: Token) -> None:
        """Raises `Refused` for a token that was issued before its holder was erased, or that
        was redeemed before: what was promised is not known here any more."""
        kinds = {"visitor": visitor_unit, "customer": customer_unit}
        holder = kinds[token.subject_kind](token.subject) if token.subject_kind in kinds else ""
        names = [f"d:{token.id}", f"t:{token.id}", *([holder] if holder else [])]
        known = self.known(connection, names)
        if f"t:{token.id}" in known:
            raise Refused("token-spent", "the token was used before its holder was erased")
        if any(token.issued_s <= erased_s for erased_s in known.values()):
            raise Refused("token-expired", "the token's holder was erased after it was issued")


def dropped_ever(connection: Connection, tenant: str) -> int:
    """How many events were dropped so far."""
    d = forgotten_dropped.c
    return connection.scalar(select(d.count).where(d.tenant == tenant)) or 0


# --- what events name ---------------------------------------------------------


def _names_of_batch(batch: Read) -> Iterator[str]:
    for fact in batch.facts:
        yield from _names_of(fact)
    for each in batch.quarantined:
        yield from _names_in(each)


def _names_of(fact: Fact) -> Sequence[str]:
    match fact.body:
        case Decided() as body:
            units = _units_of_record(body.record.record)
            return [*units, *(f"d:{each.id}" for each in body.decisions)]
        case Touch() as body:
            return [f"d:{body.decision}"]
        case Promotion() as body:
            return body.units
        case Order() as body:
            return [*body.units, f"o:{body.order_id}"]
        case Return() as body:
            return [f"o:{body.order_id}"]


def _units_of_record(data: bytes) -> list[str]:
    found = read(data)
    if found is None:
        return []
    _, request = found
    units = (visitor_unit(request.visitor), customer_unit(request.customer))
    return [unit for unit in units if unit]


def _names_in(each: Quarantined) -> Iterator[str]:
    """What a bad event seems to name, by the rules of `mentions.py`."""
    leaves = leaves_of(each.raw)
    if leaves is None:
        leaves = [(ANY, text.decode(errors="replace")) for text in QUOTED.findall(each.raw)]
    for key, value in leaves:
        if isinstance(value, bool) or value is None:
            continue
        text = str(value)
        if key == RECORD_KEY:
            yield from _names_in_record(text)
        elif len(text) <= TEXT_LIMIT:
            yield from (f"{kind}:{text}" for kind in _kinds_of(key, text))


def _kinds_of(key: str, text: str) -> str:
    kinds = "vc" if key in PERSON_KEYS else "o" if key in ORDER_KEYS else ""
    return "vcdo" if key == ANY or len(text) >= LONG_CHARS else kinds


def _names_in_record(text: str) -> Iterator[str]:
    data = unpacked(text)
    found = read(data)
    if found is not None:
        yield from _units_of_record(data)
        yield from (f"d:{id}" for id in decision_ids(found[0]))


# --- dropping -----------------------------------------------------------------


def _decisions_of(batch: Read, known: set[str]) -> Iterator[str]:
    """Decisions that are dropped because of whose they are."""
    for fact in batch.facts:
        if isinstance(fact.body, Decided) and not known.isdisjoint(_names_of(fact)):
            yield from (each.id for each in fact.body.decisions)


def _without(batch: Read, known: set[str]) -> Kept:
    facts = [fact for fact in batch.facts if known.isdisjoint(_names_of(fact))]
    bad = [each for each in batch.quarantined if known.isdisjoint(_names_in(each))]
    dropped = len(batch.facts) + len(batch.quarantined) - len(facts) - len(bad)
    if not dropped:
        return Kept(batch, 0)
    return Kept(structs.replace(batch, facts=facts, quarantined=bad), dropped)
