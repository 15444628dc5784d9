"""A shop whose events go through the real collector, and its tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from control_plane.analysis import queries
from control_plane.analysis.compaction import Compacted, compact
from control_plane.analysis.layout import Tables
from control_plane.analysis.parquet import rows_in
from control_plane.appraisal import CartFacts
from control_plane.collecting import Collector
from control_plane.facts import Receipt
from control_plane.redemption import Reserve
from control_plane.services import Services
from tests.control_plane.shop import Decided, Edge, order_event

NOW_S = 1_790_000_000
DAY_S = 86400
WINDOW_S = 7 * DAY_S
TENANT = "tinyshop"
S = TypeVar("S", bound=Struct)


class World:
    """`now_s` is the collector's clock."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.services = services
        self.folder = folder
        self.edge = Edge(services)
        self.now_s = NOW_S
        self.orders = 0
        collector: Collector = services.collector
        collector._now_s = lambda: self.now_s

    async def tell(self, *events: Any) -> Receipt:
        body = msgspec.json.encode(list(events))
        receipt = await self.services.collector.accept(body, from_shop=True)
        assert receipt.quarantined == 0
        return receipt

    async def visit(
        self, visitor: str, time_s: int = 0, *, seen: bool = True, **fields: Any
    ) -> Decided:
        at_s = time_s or self.now_s
        self.now_s = max(self.now_s, at_s)
        decided = self.edge.decide(visitor, at_s, **fields)
        await self.tell(self.edge.decision_event(decided))
        if seen:
            await self.tell(self.edge.shown_event(decided.slots[0], at_s + 1))
        return decided

    async def buy(self, visitor: str, time_s: int = 0, **changes: Any) -> str:
        self.orders += 1
        name = f"o{self.orders}"
        await self.tell(order_event(name, visitor, time_s or self.now_s + 60, **changes))
        return name

    async def redeem(self, arm: str, visitor: str, order: str, *, commit: bool = True) -> str:
        desk = self.services.redemptions
        token = self.edge.token(arm, visitor, self.now_s, expires_s=self.now_s + 10**9)
        cart = CartFacts("60.00", "20.00", {"cart.categories": ["lamps"]})
        held = await desk.reserve(Reserve(token, order, cart, visitor=visitor))
        if commit:
            await desk.commit(held.reservation)
        return held.reservation

    def shown(self, arm: str) -> str:
        """A visitor who is shown this arm now."""
        for number in range(3000):
            name = f"u{number}"
            if self.edge.decide(name, self.now_s).slots[0].arm == arm:
                return name
        raise AssertionError("there is no such visitor")

    def compact(self, days: Iterable[date] | None = None, **more: Any) -> Compacted:
        given = {"bundle_of": self.services.policies.get} | more
        return compact(self.services.database, self.folder, TENANT, days, **given)

    def rows(self, result: type[S], attribution_s: int = WINDOW_S) -> list[S]:
        return queries.rows(self.folder, result, attribution_s)


def rows(world: World, name: str) -> list[dict[str, object]]:
    tables = Tables(world.folder)
    manifest = tables.manifest()
    assert manifest is not None
    return rows_in(name, tables.paths(manifest.tables[name]))


def files(world: World) -> set[str]:
    """Below `tables`, but for the lock and the manifest."""
    root = world.folder / "tables"
    return {path.relative_to(root).as_posix() for path in root.rglob("part-*")}


def day(time_s: int) -> date:
    return datetime.fromtimestamp(time_s, UTC).date()
