"""A shop of a truth file without HTTP: people come, arms are drawn, learning looks.

People, truth, candidates and costs are those of a simulation over HTTP; drawn by chance of
a seed, so a run is the same each time and takes about a second.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property

import numpy as np

from control_plane.appraisal import CartFacts, appraise
from control_plane.errors import Refused
from control_plane.learning.thompson import Learned, learn
from control_plane.outcomes import NONE, LearningRow
from control_plane.simulation.people import Person, person
from control_plane.simulation.worth import arms_for
from control_plane.truth import Truth, VisitorType
from edge.decision.bundle import Bundle
from edge.decision.token import Token
from policy_compiler.weigh import Allocation

T = 1 << 20
NOW_S = 1_795_000_000


class Synthetic:
    """One shop; `run` opens it."""

    def __init__(self, bundle: Bundle, truth: Truth, authored: Allocation, seed: int) -> None:
        self.bundle = bundle
        self.truth = truth
        self.authored = authored
        self.seed = seed
        self.chance = np.random.default_rng(seed)
        self.rows: list[LearningRow] = []
        self.learned: list[Learned] = []
        self._costs: dict[tuple[str, str, Decimal], int] = {}

    def run(self, looks: int, visitors: int) -> None:
        """Learn after each so many visitors, and draw for the next ones with what was learned."""
        allocation = self.authored
        for _ in range(looks):
            for _ in range(visitors):
                self.rows.append(
                    self._visit(person(self.truth, self.seed, len(self.rows)), allocation)
                )
            self.learned.append(learn(self.truth.placement, self.authored, self.rows))
            allocation = self.authored | self.learned[-1].allocation

    def share(self, segment: str, arm: str, look: int = -1) -> float:
        """An arm's share in a segment after a look; the catalog's before anything is learned."""
        weights = (self.authored | self.learned[look].allocation)[segment]
        return weights.get(arm, 0) / sum(weights.values())

    def proofs(self) -> set[tuple[str, str]]:
        """(segment, arm) of all that was ever proven."""
        return {
            (segment.segment, arm.arm)
            for learned in self.learned
            for segment in learned.segments
            for arm in segment.arms
            if arm.proven
        }

    @cached_property
    def _arms(self) -> dict[str, list[str]]:
        kinds = self.truth.types
        return {kind.name: arms_for(self.bundle, self.truth, kind, NOW_S) for kind in kinds}

    def _visit(self, who: Person, allocation: Allocation) -> LearningRow:
        segment = str(who.kind.attributes["visit.kind"])
        weights = allocation[segment]
        arms = [arm for arm in self._arms[who.kind.name] if weights.get(arm)]
        total = sum(weights[arm] for arm in arms)
        shares = [T * weights[arm] // total for arm in arms]
        shares[-1] += T - sum(shares)
        number = int(self.chance.choice(len(arms), p=np.array(shares) / T))
        ordered = who.buys(arms[number])
        return LearningRow(
            decision=f"{who.number:032x}",
            bundle="",
            placement=self.truth.placement,
            slot=0,
            segment=segment,
            unit=f"v:{who.number}",
            time_s=NOW_S + who.number,
            arm=arms[number],
            tickets=shares[number],
            listed=tuple(zip(arms, shares, strict=True)),
            profit_micros=self._profit(who, arms[number]) if ordered else 0,
            orders=int(ordered),
        )

    def _profit(self, who: Person, arm: str) -> int:
        cost = self._cost(who.kind, arm, who) if who.redeems(arm) else 0
        return int(who.margin * 1_000_000) - cost

    def _cost(self, kind: VisitorType, arm: str, who: Person) -> int:
        """What redemption charges, in micros; nothing where it refuses."""
        key = (kind.name, arm, who.value)
        if key not in self._costs:
            self._costs[key] = self._appraise(kind, arm, who) if arm != NONE else 0
        return self._costs[key]

    def _appraise(self, kind: VisitorType, arm: str, who: Person) -> int:
        offer, rung = arm.split("/")
        token = Token(
            tenant=self.bundle.tenant,
            id="0" * 32,
            offer=offer,
            rung=rung,
            placement=self.truth.placement,
            subject="v",
            issued_s=NOW_S,
            expires_s=NOW_S + 60,
            bundle=self.bundle.digest.hex(),
        )
        cart = CartFacts(str(who.value), str(who.margin), dict(kind.vouched(NOW_S)))
        try:
            return appraise(self.bundle, token, cart, [], NOW_S).cost_micros
        except Refused:
            return 0
