"""What learning and measurement found, as JSON for programs.  Whoever may read may see it.

    GET /v1/learning             per placement, segment and arm: rows, means, effects, shares
    GET /v1/profit/{placement}   incremental profit of a placement's offers, with interval

Both are computed from what is stored at the moment of asking; nothing is changed.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from msgspec import Meta, Struct

from control_plane.api.call import Answer, Call
from control_plane.api.operation import Operation
from control_plane.errors import Refused
from control_plane.learning.loop import Found, Learner
from control_plane.measurement.profit import METHOD, Incremental, incremental
from control_plane.outcomes import sides
from control_plane.services import Services


class ProfitAnswer(Struct, frozen=True, kw_only=True):
    """Treated against held out, in currency units; `low` and `high` null while unknown."""

    placement: str
    currency: str
    per_unit: float
    low: float | None
    high: float | None
    total: float
    treated_units: int
    treated_orders: int
    holdout_units: int
    holdout_orders: int
    method: str = METHOD


class OfPlacement(Struct, frozen=True):
    placement: Annotated[str, Meta(min_length=1, max_length=256)]


async def learning(call: Call) -> Answer:
    """`loop.Found`: what would be published now."""
    return Answer(await asyncio.to_thread(Learner(call.services).find, int(time.time())))


async def profit(call: Call) -> Answer:
    return Answer(await asyncio.to_thread(_profit, call.services, call.params.placement))


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/learning",
        name="get_learning",
        summary="What learning would publish now, with its evidence.",
        tag="learning",
        permission="read",
        handler=learning,
        answers={200: Found},
        problems=("policy-refused",),
    ),
    Operation(
        method="GET",
        path="/v1/profit/{placement}",
        name="get_profit",
        summary="Incremental profit of a placement's offers, with its interval.",
        tag="learning",
        permission="read",
        handler=profit,
        params=OfPlacement,
        answers={200: ProfitAnswer},
    ),
)


def _profit(services: Services, placement: str) -> ProfitAnswer:
    bundle, settings = services.publisher.live_bundle(), services.settings
    if bundle is None or placement not in bundle.placement_rows:
        raise Refused("not-found", f"the live policy has no placement {placement[:80]!a}")
    with services.database.reading() as connection:
        found = sides(connection, settings.tenant, settings.attribution_s, placement)
    return _answer(placement, bundle.notes.currency, incremental(found))


def _answer(placement: str, currency: str, found: Incremental) -> ProfitAnswer:
    return ProfitAnswer(
        placement=placement,
        currency=currency,
        per_unit=found.per_unit,
        low=found.low,
        high=found.high,
        total=found.total,
        treated_units=found.treated.units,
        treated_orders=found.treated.orders,
        holdout_units=found.holdout.units,
        holdout_orders=found.holdout.orders,
    )
