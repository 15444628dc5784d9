"""Learns again and again, beside the server, and publishes what it learned.

    rows of fresh draws -> weights per placement and segment (`thompson.py`)
    -> catalog compiled with them -> signed and published

Published is only what moved: when no arm's share changed by more than `MOVE_LEAST`, the
live policy stays, and edges need not fetch another one.  What was learned is kept with
the catalog's weights, and its note says with which seed and from which rows it can be
found again.

A lease in the database lets one process learn at a time.  Nothing that fails here ends
the loop: a catalog that does not compile, a full disk, a policy that somebody rolled back
to (then learning waits for the next publish by a person).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress

from msgspec import Struct
from sqlalchemy import Connection

from control_plane.learning.lease import Lease
from control_plane.learning.thompson import DRAWS, SEED, Learned, largest_move, learn
from control_plane.outcomes import learning_rows
from control_plane.publishing import PublishRefused
from control_plane.services import Services
from control_plane.signing import Signing
from control_plane.storage.writer import StorageUnavailable
from control_plane.telemetry.pulse import beat
from policy_compiler.catalog import Catalog
from policy_compiler.diagnostics import CatalogRefused
from policy_compiler.weigh import Allocation, Weights

log = logging.getLogger(__name__)

MOVE_LEAST = 0.01
"""Change of a share, out of 1, that is worth a publish."""
HISTORY_S = 28 * 86400
"""Draws older than this are forgotten: shops and seasons change."""
REST_TIMES = 3
"""The loop rests so many times as long as it worked: it takes a quarter of a core at most."""
LEASE = "learning"
LEASE_LEAST_S = 60


class Found(Struct, frozen=True, kw_only=True):
    """What learning finds in the rows of [since_s, until_s).  Nothing is published by it.

    `weights` are whole: segments with too few orders keep what the catalog says.
    `moved` is the largest change of a share against the weights before.
    """

    since_s: int
    until_s: int
    rows: int
    placements: tuple[Learned, ...]
    weights: Weights
    moved: float

    @property
    def note(self) -> str:
        """For the history: what it takes to find the same again."""
        return (
            f"moved {self.moved:.1%}; seed {SEED}, {DRAWS} draws,"
            f" {self.rows} rows of [{self.since_s}, {self.until_s})"
        )


class Learner:
    """One process's part in learning.  Methods block; they are for threads."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lease = Lease(services.settings.tenant, LEASE, secrets.token_hex(8))

    def find(self, now_s: int) -> Found:
        """Learn from everything that is there.  Raises `CatalogRefused`, `PublishRefused`."""
        services = self._services
        services.desk.catch_up()  # so that it is known of which catalog the live policy is
        catalog = services.catalog.make_live(Weights()).compiled.plan.catalog
        since_s = max(0, now_s - HISTORY_S)
        with services.database.reading() as connection:
            rows = learning_rows(
                connection,
                services.settings.tenant,
                services.settings.attribution_s,
                since_s=since_s,
                until_s=now_s,
            )
        authored = allocations_of(catalog)
        learned = tuple(learn(name, segments, rows) for name, segments in authored.items())
        before = services.catalog.weights()
        weights = Weights(
            allocations={x.placement: authored[x.placement] | x.allocation for x in learned},
            models=before.models,
        )
        return Found(
            since_s=since_s,
            until_s=now_s,
            rows=len(rows),
            placements=learned,
            weights=weights,
            moved=moved(authored | before.allocations, weights.allocations),
        )

    def learn_once(self, now_s: int) -> Signing | None:
        """Learn and publish; None if another process does, or nothing moved.

        Raises `CatalogRefused`, `PublishRefused` or `StorageUnavailable`; then nothing
        was published.
        """
        if not self._is_mine(now_s):
            return None
        found = self.find(now_s)
        if found.moved <= MOVE_LEAST:
            return None
        return self._services.catalog.publish_weights(found.weights, note=found.note)

    def _is_mine(self, now_s: int) -> bool:
        life_s = max(LEASE_LEAST_S, 3 * self._services.settings.learn_every_s)

        def job(connection: Connection) -> bool:
            return self._lease.take(connection, now_s=now_s, life_s=life_s)

        return self._services.writer.run(job)

    def end(self) -> None:
        """Let another process go on at once.  Raises `StorageUnavailable`."""
        self._services.writer.run(self._lease.release)


def allocations_of(catalog: Catalog) -> dict[str, Allocation]:
    """Placement -> segment -> arm -> weight, where the catalog lets learning allocate."""
    return {
        name: placement.choice.allocation
        for name, placement in catalog.placements.items()
        if placement.choice.policy == "allocation" and placement.choice.allocation
    }


def moved(before: Mapping[str, Allocation], after: Mapping[str, Allocation]) -> float:
    """The largest change of any arm's share in any segment."""
    return max(
        (
            largest_move(before.get(placement, {}).get(segment, {}), weights)
            for placement, segments in after.items()
            for segment, weights in segments.items()
        ),
        default=0.0,
    )


async def keep_learning(services: Services) -> None:
    """Learn every `learn_every_s` (more rarely where it takes long), for ever; not if it is 0."""
    every_s = services.settings.learn_every_s
    if not every_s:
        return
    learner, last, took_s = Learner(services), "", 0.0
    try:
        while True:
            await asyncio.sleep(max(every_s, REST_TIMES * took_s))
            began = time.monotonic()
            trouble = await asyncio.to_thread(_try, learner)
            if not trouble:
                beat()
            took_s = time.monotonic() - began
            if trouble and trouble != last:
                log.warning("nothing was learned: %s", trouble)
            last = trouble
    finally:
        with suppress(StorageUnavailable):
            learner.end()


def _try(learner: Learner) -> str:
    """Learn once; why that was not possible, or ""."""
    try:
        signing = learner.learn_once(int(time.time()))
    except (CatalogRefused, PublishRefused, StorageUnavailable) as error:
        return str(error)
    except Exception as error:
        log.exception("learning failed")
        return repr(error)
    if signing is not None:
        log.info("learned and published sequence %d: %s", signing.sequence, signing.note)
    return ""
