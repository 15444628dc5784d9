"""From a signing to the edges that decide under it, measured from their own records.

Every record names the manifest that it was decided under, and every event its edge (its
`source`).  As records come in it is kept when each edge first and last decided under each
manifest (`edge_runs`).  So for a signing and an edge:

    reached_s   the first decision under this signing or a newer one, seconds after it
    behind_s    the last decision under an older one, seconds after it

An edge is *late* if it decided under an older one after `WITHIN_S`, else *in time*: one that
had nothing to decide for a while may have reached it long before that shows.  An edge that
decided nothing since, or only early and under the old one, is not counted.  Times are whole
seconds by the edge's own clock, so a clock that is wrong shows as an edge that is early or
late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct, structs
from sqlalchemy import Connection, case, or_, select

from control_plane.signing import Signing
from control_plane.storage.database import insert_into
from control_plane.storage.tables_publishing import edge_runs

c = edge_runs.c

WITHIN_S = 60


class Run(Struct, frozen=True, kw_only=True):
    """When an edge decided under a manifest: first and last, Unix seconds."""

    edge: str
    manifest: str
    first_s: int
    last_s: int


class EdgeLatency(Struct, frozen=True, kw_only=True):
    """An edge and a signing; null where it decided nothing of the kind."""

    edge: str
    reached_s: int | None
    behind_s: int | None

    @property
    def is_late(self) -> bool:
        return self.behind_s is not None and self.behind_s > WITHIN_S


class Latency(Struct, frozen=True, kw_only=True):
    """How a signing got around.  `share` of the `edges` that decided anything since was in
    time; null while none did.  `slowest_s`: when the last of them had it, as far as known."""

    epoch: int
    sequence: int
    reason: str
    issued_s: int
    digest: str
    edges: int
    in_time: int
    share: float | None
    slowest_s: int | None
    late: list[EdgeLatency]


def latency_of(signing: Signing, signings: Iterable[Signing], runs: Iterable[Run]) -> Latency:
    """`signings`: those of the channel around it, which tell older manifests from newer ones."""
    numbers = {each.digest: each.number for each in signings}
    edges = [
        found
        for edge, own in _by_edge(runs).items()
        if (found := _edge(edge, own, signing, numbers)) is not None
    ]
    late = [edge for edge in edges if edge.is_late]
    in_time = len(edges) - len(late)
    reached = [edge.reached_s for edge in edges if edge.reached_s is not None]
    return Latency(
        epoch=signing.epoch,
        sequence=signing.sequence,
        reason=signing.reason,
        issued_s=signing.issued_s,
        digest=signing.digest,
        edges=len(edges),
        in_time=in_time,
        share=in_time / len(edges) if edges else None,
        slowest_s=max(reached, default=None),
        late=sorted(late, key=lambda edge: edge.edge),
    )


def _by_edge(runs: Iterable[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.edge, []).append(run)
    return found


def _edge(
    edge: str, runs: list[Run], signing: Signing, numbers: Mapping[str, tuple[int, int]]
) -> EdgeLatency | None:
    """None for an edge of which nobody can tell."""
    known = [run for run in runs if run.manifest in numbers]
    new = [run.first_s for run in known if numbers[run.manifest] >= signing.number]
    old = [
        run.last_s
        for run in known
        if numbers[run.manifest] < signing.number and run.last_s > signing.issued_s
    ]
    found = EdgeLatency(
        edge=edge,
        reached_s=max(0, min(new) - signing.issued_s) if new else None,
        behind_s=max(old) - signing.issued_s if old else None,
    )
    return found if new or found.is_late else None


# --- rows ---------------------------------------------------------------------


def note_runs(connection: Connection, tenant: str, runs: Iterable[Run]) -> None:
    """Widen what is known by these; within the job that stores their records."""
    widest: dict[tuple[str, str], Run] = {}
    for run in runs:
        before = widest.get((run.edge, run.manifest), run)
        widest[run.edge, run.manifest] = Run(
            edge=run.edge,
            manifest=run.manifest,
            first_s=min(run.first_s, before.first_s),
            last_s=max(run.last_s, before.last_s),
        )
    rows = [{"tenant": tenant, **structs.asdict(run)} for run in widest.values()]
    if not rows:
        return
    statement = insert_into(connection, edge_runs)
    first, last = statement.excluded.first_s, statement.excluded.last_s
    statement = statement.on_conflict_do_update(
        index_elements=["tenant", "edge", "manifest"],
        set_={
            "first_s": case((first < c.first_s, first), else_=c.first_s),
            "last_s": case((last > c.last_s, last), else_=c.last_s),
        },
        where=or_(first < c.first_s, last > c.last_s),
    )
    connection.execute(statement, rows)


def read_runs(connection: Connection, tenant: str, from_s: int) -> list[Run]:
    """Which edge decided under which manifest, of all that decided at `from_s` or later."""
    query = select(c.edge, c.manifest, c.first_s, c.last_s).where(
        c.tenant == tenant, c.last_s >= from_s
    )
    return [Run(**row._mapping) for row in connection.execute(query)]
