"""From a signing to the edges that decide under it, measured from their own records.

Every record names the manifest that it was decided under, and every event its edge (its
`source`).  So for a signing and an edge:

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
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, and_, func, select

from control_plane.admission import Trust
from control_plane.signing import Signing
from control_plane.storage import tables as t

WITHIN_S = 60
WINDOW_S = 900
"""Decisions so long after a signing are looked at."""
DECISION = "shop.proffer.decision"


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


def read_runs(connection: Connection, tenant: str, from_s: int, until_s: int) -> list[Run]:
    """Which edge decided under which manifest, and when, in [from_s, until_s)."""
    d, e = t.decisions.c, t.events.c
    told: Any = and_(
        e.tenant == d.tenant,
        e.id == d.id,
        e.trust == Trust.EDGE.value,
        e.type == DECISION,
    )
    query = (
        select(
            e.source.label("edge"),
            d.manifest,
            func.min(d.time_s).label("first_s"),
            func.max(d.time_s).label("last_s"),
        )
        .select_from(t.decisions.join(t.events, told))
        .where(d.tenant == tenant, d.attested, d.time_s >= from_s, d.time_s < until_s)
        .group_by(e.source, d.manifest)
    )
    return [Run(**row._mapping) for row in connection.execute(query)]
