"""Counting visits while they happen, and what a run comes to in the end."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct, field

from control_plane.simulation.visits import Visited

WINDOW = 40
"""Visits per window: the grain at which shares are followed over a run."""

Shares = dict[str, float]
"""Arm -> share of the drawn visits in which it was shown."""


class TypeSummary(Struct, frozen=True, kw_only=True):
    """One type of visitor.  Profits are per visit, in currency units, by the truth.

    `share_first` and `share_last`: in the first and the last quarter of the run.
    """

    visitors: int
    orders: int
    true_best_arm: str
    true_profit: dict[str, float]
    share_first: Shares
    share_last: Shares


class Summary(Struct, frozen=True, kw_only=True):
    """A run.  `incremental` is what the control plane says: profit of offers, with interval.

    `sequence_first` and `sequence_last`: the manifests that the edge ran at start and end.
    """

    title: str
    truth_sha256: str
    seed: int
    through: str
    seconds: float
    visitors: int
    visitors_per_s: float
    exposed: int
    clicks: int
    orders: int
    redeemed: int
    held_out: int
    failures: int
    first_failure: str
    sequence_first: int
    sequence_last: int
    share_first: Shares
    share_last: Shares
    types: dict[str, TypeSummary]
    incremental: Incremental | None


class Incremental(Struct, frozen=True, kw_only=True):
    """Profit per unit and in all, in currency units; `low` and `high` None while unknown."""

    placement: str
    per_unit: float
    low: float | None
    high: float | None
    total: float
    treated_units: int
    holdout_units: int


class Tally(Struct):
    """What was counted so far.  `windows`: (type, arm) -> drawn visits, per `WINDOW` visits."""

    visitors: int = 0
    exposed: int = 0
    clicks: int = 0
    redeemed: int = 0
    held_out: int = 0
    failures: int = 0
    first_failure: str = ""
    orders: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    windows: list[Counter[tuple[str, str]]] = field(default_factory=list)

    def add(self, visited: Visited) -> None:
        if self.visitors % WINDOW == 0:
            self.windows.append(Counter())
        self.visitors += 1
        self.types[visited.kind] += 1
        self.orders[visited.kind] += visited.ordered
        self.exposed += visited.drawn or visited.held_out
        self.clicks += visited.clicked
        self.redeemed += visited.redeemed
        self.held_out += visited.held_out
        if visited.drawn:
            self.windows[-1][visited.kind, visited.arm] += 1

    def fail(self, why: str) -> None:
        self.failures += 1
        self.first_failure = self.first_failure or why

    @property
    def order_count(self) -> int:
        return self.orders.total()

    def first_quarter(self, kind: str | None = None) -> Shares:
        return shares(self.windows[: self._quarter()], kind)

    def last_quarter(self, kind: str | None = None) -> Shares:
        return shares(self.windows[-self._quarter() :], kind)

    def recent(self, kind: str | None = None, windows: int = 5) -> Shares:
        return shares(self.windows[-windows:], kind)

    def course(self, kind: str, arm: str, points: int) -> list[float]:
        """The arm's share among this type's drawn visits, from start to now, in `points` steps."""
        per_point = max(1, -(-len(self.windows) // points))
        chunks = [self.windows[i : i + per_point] for i in range(0, len(self.windows), per_point)]
        return [shares(chunk, kind).get(arm, 0.0) for chunk in chunks]

    def _quarter(self) -> int:
        return max(1, len(self.windows) // 4)


def shares(windows: list[Counter[tuple[str, str]]], kind: str | None = None) -> Shares:
    """Shares of the arms in these windows, for one type or for all, the largest first."""
    counts: Counter[str] = Counter()
    for window in windows:
        for (each, arm), count in window.items():
            if kind is None or each == kind:
                counts[arm] += count
    total = counts.total() or 1
    return {arm: count / total for arm, count in counts.most_common()}
